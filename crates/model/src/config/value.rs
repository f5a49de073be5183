//! Reads single configuration values, refuses wrong ones, and merges layers of configuration.
//!
//! Knows the shapes of values, but not the meaning of a key.

use std::time::Duration;

use serde_json::{Map, Value};

use elt_base::error::nearest;
use elt_project::MAP_KEYS;

/// A wrong configuration value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadConfig {
    pub key: String,
    /// The text after the key in the message: ``"`materialized` " + complaint``.
    pub complaint: String,
    pub hint: Option<String>,
}

/// A key that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadKey {
    pub key: String,
    /// The key that was probably meant, or a sentence about the nodes that have the key.
    pub hint: Option<String>,
    /// Whether a typing error separates it from a known key.
    pub is_misspelt: bool,
}

/// The maps with a fixed set of keys, and these keys. `contract`: dbt's
/// <https://docs.getdbt.com/reference/resource-configs/contract>; `docs`: <https://docs.getdbt.com/reference/resource-configs/docs>.
const KEYS_WITHIN: [(&str, &[&str]); 4] = [
    ("contract", &["enforced", "alias_types", "checksum"]),
    ("persist_docs", &["relation", "columns"]),
    ("docs", &["show", "node_color"]),
    ("quoting", &["database", "schema", "identifier", "column"]),
];

/// Keys that other parts of the program read, and keys of dbt that have no effect here.
const READ_ELSEWHERE: [&str; 30] = [
    "access",
    "batch_size",
    "begin",
    "dbt_valid_to_current",
    "description",
    "external_location",
    "formatter",
    "loader",
    "lookback",
    "packages",
    "plugin",
    "quote",
    "static_analysis",
    "target_database",
    "target_schema",
    "concurrent_batches",
    "database",
    "docs",
    "format",
    "freshness",
    "group",
    "loaded_at_field",
    "loaded_at_query",
    "location",
    "materialized",
    "partition_by",
    "persist_docs",
    "quoting",
    "sql_header",
    "store_failures_as",
];

/// Reads values from a map and records the wrong ones.
pub(crate) struct ConfigReader<'a> {
    map: &'a Map<String, Value>,
    bad: Vec<BadConfig>,
    /// All keys that were read.
    known: Vec<&'static str>,
}

impl<'a> ConfigReader<'a> {
    pub fn new(map: &'a Map<String, Value>) -> Self {
        Self { map, bad: Vec::new(), known: Vec::new() }
    }

    /// Returns the wrong values, and the keys that were not read. Some of these may be the analyst's own, as in dbt.
    pub fn finish(mut self) -> (Vec<BadConfig>, Vec<UnreadKey>) {
        for (key, known) in KEYS_WITHIN {
            let Some(Value::Object(map)) = self.map.get(key) else { continue };
            for inner in map.keys().filter(|inner| !known.contains(&inner.trim_start_matches('+'))) {
                let hint = accepted(inner, known);
                let complaint = format!("is not a key of `{key}`");
                self.bad.push(BadConfig { key: inner.clone(), complaint, hint: Some(hint) });
            }
        }
        let is_own = |key: &&String| !self.known.contains(&key.as_str()) && !READ_ELSEWHERE.contains(&key.as_str());
        let unread = self.map.keys().filter(is_own).map(|key| {
            let near = misspelling_of(key, &self.known);
            let nearest = near.or_else(|| {
                nearest(key, self.known.iter().copied())
                    .and_then(|near| Some(*self.known.iter().find(|known| **known == near)?))
            });
            let hint = nearest.map(|near| format!("did you mean `{near}`?"));
            UnreadKey { key: key.clone(), hint, is_misspelt: near.is_some() }
        });
        let unread = unread.collect();
        (self.bad, unread)
    }

    /// As above, for a map with a fixed set of keys: every other key is refused. `of` names the map: "`export`".
    pub fn finish_closed(self, of: &str) -> Vec<BadConfig> {
        let known = self.known.clone();
        let unread = self.map.keys().filter(|key| !known.contains(&key.as_str()));
        let refused: Vec<BadConfig> = unread
            .map(|key| BadConfig {
                key: key.clone(),
                complaint: format!("is not a key of {of}"),
                hint: Some(accepted(key, &known)),
            })
            .collect();
        refused.into_iter().chain(self.bad).collect()
    }

    pub fn refuse(&mut self, key: &str, complaint: String) {
        self.bad.push(BadConfig { key: key.into(), complaint, hint: None });
    }

    /// Adds a wrong value of a map within this one.
    pub fn refuse_as(&mut self, bad: BadConfig) {
        self.bad.push(bad);
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub fn refuse_with(&mut self, key: &str, complaint: String, hint: &str) {
        self.bad.push(BadConfig { key: key.into(), complaint, hint: Some(hint.into()) });
    }

    /// A value, unchanged.
    pub fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.get(key)
    }

    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.get(key)?;
        let written = match value {
            Value::String(text) => text.as_str(),
            _ => "",
        };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)) {
            return Some(*choice);
        }
        let names = choices.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let near = nearest(written, choices.iter().map(|(name, _)| *name)).filter(|_| !written.is_empty());
        self.bad.push(BadConfig {
            key: key.into(),
            complaint: format!("cannot be `{}`", short(value)),
            hint: Some(match near {
                Some(near) => format!("did you mean `{near}`? it accepts {names}"),
                None => format!("it accepts {names}"),
            }),
        });
        None
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        match self.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            other => {
                self.refuse(key, format!("must be text, not {}", shape(other)));
                None
            }
        }
    }

    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            other => {
                self.refuse(key, format!("must be true or false, not {}", shape(other)));
                None
            }
        }
    }

    pub fn count(&mut self, key: &'static str) -> Option<u64> {
        let value = self.get(key)?;
        let count = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        if count.is_none() {
            self.refuse(key, "must be a whole number, 0 or more".into());
        }
        count
    }

    /// A text or a list of texts.
    pub fn names(&mut self, key: &'static str) -> Vec<String> {
        match self.get(key) {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(other) => {
                self.refuse(key, format!("must be text or a list of texts, not {}", shape(other)));
                Vec::new()
            }
        }
    }

    /// A hook: a statement, `{sql: statement}`, or a list of them.
    pub fn statements(&mut self, key: &'static str) -> Vec<String> {
        let items = match self.get(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items.clone(),
            Some(other) => vec![other.clone()],
        };
        let mut statements = Vec::new();
        for item in items {
            let strange = item.as_object().into_iter().flat_map(Map::keys);
            for other in strange.filter(|other| !["sql", "transaction"].contains(&other.as_str())) {
                self.refuse_with(
                    key,
                    format!("has the unknown key `{other}`"),
                    "a hook accepts `sql` and `transaction`",
                );
            }
            match item.get("sql").and_then(Value::as_str).or_else(|| item.as_str()) {
                Some(sql) if sql.trim().is_empty() => {}
                Some(sql) => statements.push(sql.to_owned()),
                None => self.refuse(key, format!("must be SQL statements, not {}", shape(&item))),
            }
        }
        statements
    }

    pub fn map(&mut self, key: &'static str) -> Map<String, Value> {
        match self.get(key) {
            None => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(other) => {
                self.refuse(key, format!("must be a map, not {}", shape(other)));
                Map::new()
            }
        }
    }

    pub fn pairs(&mut self, key: &'static str) -> Vec<(String, String)> {
        let map = self.map(key);
        let mut pairs = Vec::new();
        for (name, value) in map {
            match value {
                Value::String(text) => pairs.push((name.trim_start_matches('+').to_owned(), text)),
                other => self.refuse(key, format!("must set `{name}` to text, not {}", shape(&other))),
            }
        }
        pairs
    }

    pub fn character(&mut self, key: &'static str) -> Option<char> {
        let text = self.text(key)?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(one), None) => Some(one),
            _ if text == "\\t" || text == "tab" => Some('\t'),
            _ => {
                self.refuse(key, "must be one character".into());
                None
            }
        }
    }

    /// `50`, `50%`, `0.5 %`: from 0 to 100.
    pub fn percent(&mut self, key: &'static str) -> Option<f64> {
        let text = self.text(key)?;
        let number = text.trim().trim_end_matches('%').trim_end().parse::<f64>().ok();
        let percent = number.filter(|percent| (0.0..=100.0).contains(percent));
        if percent.is_none() {
            self.refuse(key, format!("cannot be `{text}`: it is a share from `0%` to `100%`"));
        }
        percent
    }

    /// `90` (seconds), `15m`, `2 hours`, `3 days`.
    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        let text = self.text(key)?;
        let duration = parse_duration(&text);
        if duration.is_none() {
            self.bad.push(BadConfig {
                key: key.into(),
                complaint: format!("cannot be `{text}`"),
                hint: Some(
                    "write a number and a unit, such as `90 seconds`, `15 minutes`, `2 hours` or `3 days`".into(),
                ),
            });
        }
        duration
    }
}

/// A hint with the nearest key and all keys that a map accepts.
fn accepted(key: &str, known: &[&str]) -> String {
    let names = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let near = nearest(key, known.iter().copied()).map(|near| format!("did you mean `{near}`? "));
    format!("{}it accepts {names}", near.unwrap_or_default())
}

/// The known key that was probably meant: at most one typing error away, or two for a long key.
fn misspelling_of(key: &str, known: &[&'static str]) -> Option<&'static str> {
    const LONG: usize = 8;
    let near = nearest(key, known.iter().copied())?;
    let near = *known.iter().find(|name| **name == near)?;
    let slips = if key.chars().count() < LONG { 1 } else { 2 };
    (strsim::damerau_levenshtein(&key.to_lowercase(), near) <= slips).then_some(near)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let unit = match text.get(digits..)?.trim().to_lowercase().as_str() {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_secs)
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().take(60).collect(),
        other => shape(other).to_owned(),
    }
}

/// Merges one layer of configuration over another: `tags`, `meta` and hooks are added, other keys are replaced.
pub(crate) fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        let key = canonical(&key);
        match key.as_str() {
            "tags" | "pre_hook" | "post_hook" => {
                let mut all = list(under.remove(&key));
                for item in list(Some(value)) {
                    if key != "tags" || !all.contains(&item) {
                        all.push(item);
                    }
                }
                under.insert(key, Value::Array(all));
            }
            "meta" => match (under.get_mut(&key), value) {
                (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
                (_, value) => {
                    under.insert(key, value);
                }
            },
            _ => {
                under.insert(key, value);
            }
        }
    }
}

/// A key without its `+`, and dbt's older `pre-hook` as `pre_hook`.
pub(crate) fn canonical(key: &str) -> String {
    match key.trim_start_matches('+') {
        "pre-hook" => "pre_hook".into(),
        "post-hook" => "post_hook".into(),
        key => key.to_owned(),
    }
}

/// A text or a list of texts. Other values are ignored.
pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    list(value.cloned()).iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => vec![other],
    }
}

/// The folder defaults of `profiles.toml` that apply to a file, the deepest folder last. `path` is the project's name,
/// the folders and the file's name.
pub(crate) fn folder_defaults(defaults: &Map<String, Value>, path: &[String]) -> Map<String, Value> {
    let mut merged = Map::new();
    let below = path.get(1..).unwrap_or_default();
    descend(defaults, below, &mut merged);
    if let Some(Value::Object(own)) = path.first().and_then(|project| defaults.get(project)) {
        descend(own, below, &mut merged);
    }
    merged
}

fn descend(level: &Map<String, Value>, below: &[String], merged: &mut Map<String, Value>) {
    let folder = below.first();
    let mut here = Map::new();
    for (key, value) in level {
        let is_setting = key.starts_with('+') || !value.is_object() || MAP_KEYS.contains(&key.as_str());
        if is_setting && !(folder == Some(key) && value.is_object()) {
            here.insert(key.clone(), value.clone());
        }
    }
    merge(merged, here);
    if let Some(Value::Object(next)) = folder.and_then(|folder| level.get(folder)) {
        descend(next, below.get(1..).unwrap_or_default(), merged);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{folder_defaults, merge, misspelling_of, parse_duration};

    fn map(value: Value) -> serde_json::Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn folders() {
        fn check(defaults: Value, path: &[&str], expected: Value) {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            assert_eq!(Value::Object(folder_defaults(&map(defaults), &path)), expected);
        }
        let defaults = json!({
            "+materialized": "view", "+tags": ["all"],
            "marts": {"materialized": "table", "tags": "marts", "deep": {"+schema": "x", "+meta": {"a": 1}}},
            "staging": {"+enabled": false}
        });
        check(defaults.clone(), &["p", "m"], json!({"materialized": "view", "tags": ["all"]}));
        check(defaults.clone(), &["p", "marts", "m"], json!({"materialized": "table", "tags": ["all", "marts"]}));
        check(
            defaults.clone(),
            &["p", "marts", "deep", "m"],
            json!({"materialized": "table", "tags": ["all", "marts"], "schema": "x", "meta": {"a": 1}}),
        );
        check(json!({"p": {"marts": {"+schema": "s"}}}), &["p", "marts", "m"], json!({"schema": "s"}));
        check(json!({"m": {"+schema": "s"}}), &["p", "m"], json!({"schema": "s"}));
    }

    #[test]
    fn layers() {
        fn check(under: Value, over: Value, expected: Value) {
            let mut under = map(under);
            merge(&mut under, map(over));
            assert_eq!(Value::Object(under), expected);
        }
        check(json!({"tags": "a"}), json!({"tags": ["b", "a"]}), json!({"tags": ["a", "b"]}));
        check(json!({"meta": {"a": 1, "b": 1}}), json!({"meta": {"b": 2}}), json!({"meta": {"a": 1, "b": 2}}));
        check(json!({"pre_hook": "a"}), json!({"pre-hook": ["a"]}), json!({"pre_hook": ["a", "a"]}));
        check(json!({"unique_key": ["a"]}), json!({"+unique_key": "b"}), json!({"unique_key": "b"}));
    }

    #[test]
    fn misspellings() {
        #[track_caller]
        fn check(key: &str, expected: Option<&str>) {
            let known = ["materialized", "unique_key", "tags", "meta", "where", "limit"];
            assert_eq!(misspelling_of(key, &known), expected, "{key}");
        }
        check("materialised", Some("materialized"));
        check("unique-key", Some("unique_key"));
        check("uniqeu_keys", Some("unique_key"));
        check("tag", Some("tags"));
        check("Limit", Some("limit"));
        check("theta", None);
        check("owner", None);
        check("when", None);
        check("unique_id", None);
    }

    #[test]
    fn durations() {
        fn check(text: &str, seconds: Option<u64>) {
            assert_eq!(parse_duration(text).map(|duration| duration.as_secs()), seconds, "{text}");
        }
        check("90", Some(90));
        check("15m", Some(900));
        check("2 hours", Some(7200));
        check("3 days", Some(259_200));
        check("soon", None);
        check("3 moons", None);
    }
}
