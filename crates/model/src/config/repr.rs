//! Values in Python's notation, because dbt builds names and checksums from such texts. Pure.

use serde_json::{Map, Value};

/// A value in the notation of Python's `str`.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null => "None".into(),
        other => other.to_string(),
    }
}

/// A text in the notation of Python's `repr`: in single quotes, or in double quotes if it contains only single quotes.
pub(crate) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// `repr` of a tree. Its leaves are first converted to text, and its keys are sorted.
pub(crate) fn tree(value: &Value) -> String {
    match value {
        Value::Object(map) => object(map),
        Value::Array(items) => format!("[{}]", items.iter().map(tree).collect::<Vec<_>>().join(", ")),
        leaf => quoted(&text(leaf)),
    }
}

fn object(map: &Map<String, Value>) -> String {
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort();
    let entries: Vec<String> = keys
        .into_iter()
        .map(|key| format!("{}: {}", quoted(key), map.get(key).map(tree).unwrap_or_default()))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn reprs() {
        #[track_caller]
        fn check(value: serde_json::Value, expected: &str) {
            assert_eq!(super::tree(&value), expected);
        }
        check(json!({"b": [1, true, null], "a": "x"}), "{'a': 'x', 'b': ['1', 'True', 'None']}");
        check(json!(["it's", "a\"b'c", "a\\b\n"]), r#"["it's", 'a"b\'c', 'a\\b\n']"#);
    }
}
