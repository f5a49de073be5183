//! The origin of a source's table: a load, a table that exists in the warehouse, or files that are read instead.
//!
//! Locations in dbt-duckdb's notation (<https://github.com/duckdb/dbt-duckdb>, "Reading from external files"). Returns
//! SQL text. Opens no file.

use serde_json::{Map, Value};

use super::parser::ProjectParser;
use crate::config::key_in_yaml;
use crate::graph::{Origin, Relation};
use crate::messages;
use elt_base::error::Place;

impl ProjectParser<'_> {
    /// The origin of a source's table with the configuration `raw`. Reports errors in the configuration.
    pub(crate) fn origin(
        &mut self,
        source: &str,
        table: &str,
        relation: &Relation,
        raw: &Map<String, Value>,
        (place, of_source): (&Place, &Place),
    ) -> Origin {
        let shown = format!("{source}.{table}");
        let profiles = &self.project.profiles;
        let own = &profiles.target.database;
        // The key of the table itself, or of the source for all of its tables.
        let at = |key: &str| {
            let found = [place, of_source]
                .into_iter()
                .find_map(|entry| key_in_yaml(entry, key).filter(|found| found.span.start != entry.span.start));
            found.unwrap_or_else(|| place.clone())
        };
        let given = |key: &str| raw.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let values = values(table, relation, raw, given("database").unwrap_or(own));
        if values.contains_key("plugin") {
            self.errors.push(messages::source_plugin(&shown, at("plugin")));
            return Origin::Standing;
        }
        if let Some(location) = values.get("external_location").and_then(Value::as_str) {
            let formatter = values.get("formatter").and_then(Value::as_str).unwrap_or("newstyle");
            return match filled(location, formatter, &values) {
                Ok(text) if text.contains('(') || text.starts_with('\'') => Origin::External(text),
                Ok(text) => Origin::External(format!("'{text}'")),
                Err(reason) => {
                    self.errors.push(messages::bad_location(&shown, &reason, at("external_location")));
                    Origin::Standing
                }
            };
        }
        if let Some(other) = given("database").filter(|other| !other.eq_ignore_ascii_case(own)) {
            self.errors.push(messages::other_database(&format!("source table `{shown}`"), other, own, at("database")));
        }
        if profiles.is_dbt && !profiles.target.sources.contains_key(source) { Origin::Standing } else { Origin::Loaded }
    }
}

/// The names that a location can contain: the table's names, and keys of `meta` and of the configuration, which take
/// precedence.
fn values(table: &str, relation: &Relation, raw: &Map<String, Value>, database: &str) -> Map<String, Value> {
    let mut values = Map::new();
    values.insert("name".into(), table.into());
    values.insert("identifier".into(), relation.identifier.clone().into());
    values.insert("schema".into(), relation.schema.clone().into());
    values.insert("database".into(), database.into());
    if let Some(Value::Object(meta)) = raw.get("meta") {
        values.extend(meta.clone());
    }
    // The other configuration is dbt's own, and cannot be part of a location.
    let known = ["database", "enabled", "freshness", "loaded_at_field", "loaded_at_query", "loader", "meta", "quoting"];
    let more = raw.iter().filter(|(key, _)| !known.contains(&key.as_str()));
    values.extend(more.map(|(key, value)| (key.clone(), value.clone())));
    values
}

/// A location with its names replaced, in one of Python's notations: `{name}`, `%(name)s` or `$name`.
fn filled(location: &str, formatter: &str, values: &Map<String, Value>) -> Result<String, String> {
    let pattern = match formatter {
        "newstyle" => r"\{\{|\}\}|\{([^{}]*)\}|[{}]",
        "oldstyle" => r"%%|%\(([^)]*)\)s|%",
        "template" => r"\$\$|\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)|\$",
        other => return Err(format!("has the unknown formatter `{other}`; use `newstyle`, `oldstyle` or `template`")),
    };
    let Ok(pattern) = regex::Regex::new(pattern) else { return Err("cannot be read".into()) };
    let mut text = String::new();
    let mut at = 0;
    for found in pattern.captures_iter(location) {
        let Some(whole) = found.get(0) else { continue };
        text.push_str(&location[at..whole.start()]);
        at = whole.end();
        match found.get(1).or_else(|| found.get(2)) {
            Some(name) => text.push_str(&value_of(name.as_str(), values)?),
            None if whole.len() == 2 => text.push_str(&whole.as_str()[1..]),
            None => {
                return Err(format!(
                    "has a `{}` that does not belong to a name; double it to write the character itself",
                    whole.as_str()
                ));
            }
        }
    }
    text.push_str(&location[at..]);
    Ok(text)
}

fn value_of(name: &str, values: &Map<String, Value>) -> Result<String, String> {
    match values.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(format!("names `{name}`, which is neither text nor a number")),
        None => Err(format!("names `{name}`, which does not exist")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::filled;

    #[test]
    fn locations() {
        fn check(formatter: &str, location: &str, expected: Result<&str, &str>) {
            let values = json!({"name": "t", "schema": "s", "year": 2024, "list": []});
            let found = filled(location, formatter, values.as_object().unwrap_or(&serde_json::Map::new()));
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{location}");
        }
        check("newstyle", "data/{schema}/{name}_{year}.csv", Ok("data/s/t_2024.csv"));
        check("newstyle", "read_json('x', columns = {{a: 'int'}})", Ok("read_json('x', columns = {a: 'int'})"));
        check("newstyle", "data/{nme}.csv", Err("names `nme`, which does not exist"));
        check("newstyle", "{list}", Err("names `list`, which is neither text nor a number"));
        check(
            "newstyle",
            "a}",
            Err("has a `}` that does not belong to a name; double it to write the character itself"),
        );
        check("oldstyle", "%(name)s%%{x}", Ok("t%{x}"));
        check("template", "$name/${schema}$$", Ok("t/s$"));
        check("old", "x", Err("has the unknown formatter `old`; use `newstyle`, `oldstyle` or `template`"));
    }
}
