//! `freshness:` of a source's table: the allowed age of its data.
//!
//! Reads values (<https://docs.getdbt.com/reference/resource-properties/freshness>). Queries no database.

use serde_json::{Map, Value};

use crate::graph::Node;
use elt_base::error::Result;

/// The allowed age of a table's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    pub warn_after: Option<Age>,
    pub error_after: Option<Age>,
    /// A condition on the rows that are considered.
    pub filter: Option<String>,
}

/// A length of time as it is written: `{count: 12, period: hour}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    pub count: u64,
    /// `minute`, `hour` or `day`.
    pub period: String,
}

impl Age {
    pub fn seconds(&self) -> u64 {
        let unit = match self.period.as_str() {
            "minute" => 60,
            "hour" => 3_600,
            _ => 86_400,
        };
        self.count.saturating_mul(unit)
    }
}

impl Freshness {
    /// Reads a configuration. Returns None if it is absent or `null`, or has no threshold.
    ///
    /// # Errors
    /// The text after "`freshness` of …" in the message.
    pub(crate) fn read(config: &Map<String, Value>) -> Result<Option<Self>, String> {
        let map = match config.get("freshness") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(map)) => map,
            Some(_) => return Err("must be a map with `warn_after`, `error_after` and `filter`".into()),
        };
        if let Some(key) = map.keys().find(|key| !["warn_after", "error_after", "filter"].contains(&key.as_str())) {
            return Err(format!("does not accept `{key}`; it accepts `warn_after`, `error_after` and `filter`"));
        }
        let filter = match map.get("filter") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err("must set `filter` to SQL text".into()),
        };
        let (warn_after, error_after) = (age(map, "warn_after")?, age(map, "error_after")?);
        let is_set = warn_after.is_some() || error_after.is_some();
        Ok(is_set.then_some(Self { warn_after, error_after, filter }))
    }
}

fn age(map: &Map<String, Value>, key: &str) -> Result<Option<Age>, String> {
    let complaint = || format!("needs `{key}` as `{{count: 12, period: hour}}`; a period is `minute`, `hour` or `day`");
    let age = match map.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(age)) => age,
        Some(_) => return Err(complaint()),
    };
    if age.is_empty() {
        return Ok(None);
    }
    if let Some(other) = age.keys().find(|key| !["count", "period"].contains(&key.as_str())) {
        return Err(format!("does not accept `{other}` in `{key}`; it accepts `count` and `period`"));
    }
    let count = age.get("count").and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()));
    let period = age.get("period").and_then(Value::as_str).filter(|period| ["minute", "hour", "day"].contains(period));
    match (count, period) {
        (Some(count), Some(period)) => Ok(Some(Age { count, period: period.to_owned() })),
        _ => Err(complaint()),
    }
}

impl Node {
    /// The allowed age of its data; None if it is not configured.
    pub fn freshness(&self) -> Option<Freshness> {
        Freshness::read(&self.raw_config).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Freshness;

    /// The ages, in seconds, that cause a warning and an error.
    type Ages = (Option<u64>, Option<u64>);

    #[test]
    fn thresholds() {
        #[track_caller]
        fn check(freshness: Value, expected: Result<Option<Ages>, &str>) {
            let config = json!({ "freshness": freshness });
            let found = Freshness::read(config.as_object().expect("a map"));
            let seconds = |age: Option<super::Age>| age.map(|age| age.seconds());
            let found = found.map(|found| found.map(|found| (seconds(found.warn_after), seconds(found.error_after))));
            assert_eq!(found.as_ref().map_err(String::as_str), expected.as_ref().map_err(|text| *text));
        }
        check(json!(null), Ok(None));
        check(json!({}), Ok(None));
        check(json!({"warn_after": {"count": 2, "period": "hour"}}), Ok(Some((Some(7_200), None))));
        check(
            json!({"error_after": {"count": 1, "period": "day"}, "warn_after": null}),
            Ok(Some((None, Some(86_400)))),
        );
        check(json!({"after": 1}), Err("does not accept `after`; it accepts `warn_after`, `error_after` and `filter`"));
        check(
            json!({"warn_after": {"count": 2, "period": "hour", "periode": "day"}}),
            Err("does not accept `periode` in `warn_after`; it accepts `count` and `period`"),
        );
        check(
            json!({"warn_after": {"count": 2, "period": "week"}}),
            Err("needs `warn_after` as `{count: 12, period: hour}`; a period is `minute`, `hour` or `day`"),
        );
    }
}
