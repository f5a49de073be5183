//! A node's configuration as its files write it: dbt's `unrendered_config`, which is used to compare two states.
//!
//! For each key, the deepest layer that has it wins completely. Values are not added up, and there are no defaults.
//! Pure.

use serde_json::{Map, Value};

use super::value::canonical;

/// Merges folder defaults, the YAML entry and `config()`, in this order. `path` is the project's name, the folders and
/// the file's name.
pub(crate) fn unrendered(
    defaults: &Map<String, Value>,
    path: &[String],
    yaml: Option<&Map<String, Value>>,
    said: &Map<String, Value>,
) -> Map<String, Value> {
    let mut all = Map::new();
    let below = path.get(1..).unwrap_or_default();
    level(defaults, below, &mut all);
    if let Some(Value::Object(own)) = path.first().and_then(|project| defaults.get(project)) {
        level(own, below, &mut all);
    }
    for layer in yaml.into_iter().chain([said]) {
        all.extend(layer.iter().map(|(key, value)| (canonical(key), value.clone())));
    }
    all
}

fn level(here: &Map<String, Value>, below: &[String], all: &mut Map<String, Value>) {
    for (key, value) in here.iter().filter(|(key, value)| key.starts_with('+') || !value.is_object()) {
        all.insert(canonical(key), value.clone());
    }
    if let Some(Value::Object(next)) = below.first().and_then(|folder| here.get(folder)) {
        level(next, &below[1..], all);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::unrendered;

    #[test]
    fn the_deepest_layer_wins() {
        let defaults = json!({"+tags": ["all"], "shop": {"marts": {"+tags": "deep", "core": {"+meta": {"a": 1}}}}});
        let yaml = json!({"tags": ["yaml"]});
        let said = json!({"pre-hook": "x"});
        let path = ["shop", "marts", "core", "m"].map(str::to_owned);
        let map = |value: &serde_json::Value| value.as_object().cloned().unwrap_or_default();
        let found = unrendered(&map(&defaults), &path, Some(&map(&yaml)), &map(&said));
        assert_eq!(json!(found), json!({"tags": ["yaml"], "meta": {"a": 1}, "pre_hook": "x"}));
        let found = unrendered(&map(&defaults), &path[..1], None, &map(&json!({})));
        assert_eq!(json!(found), json!({"tags": ["all"]}));
    }
}
