//! A unit test's values as SQL of a column's type, and the types that are derived from the values.
//!
//! Pure text over JSON values. Knows DuckDB's type names, but not the column of a value.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::schema_change::SqlType;
use elt_base::error::nearest;
use elt_base::schema::{literal, quote};

/// A value as an expression of `column_type` (DuckDB's text of a type). Objects become STRUCT or MAP, lists become
/// LIST. The text of a nested type may be JSON or DuckDB's own notation. Fields that are missing in an object are NULL.
///
/// # Errors
/// The reason why the value is impossible: the type does not have one of its fields.
pub fn value_sql(value: &Value, column_type: &str) -> Result<String, String> {
    Ok(format!("cast({} as {column_type})", expression(value, &SqlType::parse(column_type))?))
}

fn expression(value: &Value, of: &SqlType) -> Result<String, String> {
    Ok(match (value, of) {
        (Value::Null, _) => "null".into(),
        (Value::String(text), SqlType::Struct(_) | SqlType::List(..) | SqlType::Map(..)) => {
            match serde_json::from_str::<Value>(text) {
                Ok(nested @ (Value::Object(_) | Value::Array(_))) => expression(&nested, of)?,
                _ => literal(text),
            }
        }
        (Value::Object(map), SqlType::Struct(fields)) => {
            let is_known = |key: &&String| fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(key));
            if let Some(key) = map.keys().find(|key| !is_known(key)) {
                let near = nearest(key, fields.iter().map(|(name, _)| name.as_str()));
                let near = near.map_or_else(String::new, |near| format!(", but a field `{near}`"));
                return Err(format!("it has no field `{key}`{near}"));
            }
            let mut parts = Vec::new();
            for (name, field) in fields {
                let value = map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
                let value = expression(value.unwrap_or(&Value::Null), field)?;
                parts.push(format!("{} := cast({value} as {})", quote(name), field.sql()));
            }
            format!("struct_pack({})", parts.join(", "))
        }
        (Value::Object(map), SqlType::Map(key_type, value_type)) => {
            let mut keys = Vec::new();
            let mut values = Vec::new();
            for (key, value) in map {
                keys.push(format!("cast({} as {})", literal(key), key_type.sql()));
                values.push(format!("cast({} as {})", expression(value, value_type)?, value_type.sql()));
            }
            format!("map([{}], [{}])", keys.join(", "), values.join(", "))
        }
        (Value::Array(items), SqlType::List(item_type, _)) => {
            let items: Result<Vec<String>, String> = items.iter().map(|item| expression(item, item_type)).collect();
            format!("[{}]", items?.join(", "))
        }
        (Value::String(text), _) => literal(text),
        (Value::Bool(_) | Value::Number(_), SqlType::Scalar(name)) if !name.eq_ignore_ascii_case("JSON") => {
            value.to_string()
        }
        (other, _) => literal(&other.to_string()),
    })
}

/// The column type that is derived from values, in DuckDB's notation: BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP (WITH
/// TIME ZONE), VARCHAR, JSON, and STRUCT and LIST of those. In CSV every value is text, and numbers are recognised by
/// their form.
pub fn own_types<'a>(values: impl IntoIterator<Item = &'a Value>, is_csv: bool) -> String {
    own_type(values.into_iter().collect(), is_csv)
}

fn own_type(mut values: Vec<&Value>, is_csv: bool) -> String {
    values.retain(|value| !value.is_null());
    let all = |is: &dyn Fn(&Value) -> bool| values.iter().all(|value| is(value));
    let looks = |pattern: &Regex| all(&|value| value.as_str().is_some_and(|text| pattern.is_match(text)));
    if values.is_empty() {
        return "VARCHAR".into();
    }
    if all(&Value::is_boolean) {
        return "BOOLEAN".into();
    }
    if all(&|value| value.is_i64()) {
        return "BIGINT".into();
    }
    if all(&Value::is_number) {
        return "DOUBLE".into();
    }
    if all(&Value::is_object) {
        let mut names: Vec<&String> = Vec::new();
        for map in values.iter().filter_map(|value| value.as_object()) {
            for name in map.keys().filter(|name| !name.is_empty()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let fields: Vec<String> = names
            .iter()
            .map(|name| {
                let inner = values.iter().filter_map(|value| value.as_object()?.get(*name)).collect();
                format!("{} {}", quote(name), own_type(inner, is_csv))
            })
            .collect();
        return if fields.is_empty() { "JSON".into() } else { format!("STRUCT({})", fields.join(", ")) };
    }
    if all(&Value::is_array) {
        return format!(
            "{}[]",
            own_type(values.iter().filter_map(|value| value.as_array()).flatten().collect(), is_csv)
        );
    }
    if !all(&Value::is_string) {
        return if values.iter().any(|value| value.is_object() || value.is_array()) { "JSON" } else { "VARCHAR" }
            .into();
    }
    for (name, pattern, in_csv_only) in LOOKS.iter() {
        if (is_csv || !in_csv_only) && looks(pattern) {
            return (*name).into();
        }
    }
    "VARCHAR".into()
}

/// Forms of text: the type, and whether only text in CSV is recognised as this type.
static LOOKS: LazyLock<Vec<(&str, Regex, bool)>> = LazyLock::new(|| {
    let time = r"[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?";
    let all = [
        ("DATE", r"^\d{4}-\d{2}-\d{2}$".to_owned(), false),
        ("TIMESTAMP", format!(r"^\d{{4}}-\d{{2}}-\d{{2}}{time}$"), false),
        ("TIMESTAMP WITH TIME ZONE", format!(r"^\d{{4}}-\d{{2}}-\d{{2}}{time} ?(Z|[+-]\d{{2}}(:?\d{{2}})?)$"), false),
        ("BIGINT", r"^[+-]?\d{1,18}$".to_owned(), true),
        ("DOUBLE", r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$".to_owned(), true),
        ("BOOLEAN", "^(?i:true|false)$".to_owned(), true),
    ];
    all.into_iter().filter_map(|(name, pattern, csv)| Some((name, Regex::new(&pattern).ok()?, csv))).collect()
});

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{own_types, value_sql};

    #[test]
    fn values() {
        #[track_caller]
        fn check(value: Value, of: &str, expected: Result<&str, &str>) {
            let found = value_sql(&value, of);
            assert_eq!(found.as_ref().map(String::as_str).map_err(String::as_str), expected);
        }
        check(json!(null), "DATE", Ok("cast(null as DATE)"));
        check(json!("it's"), "VARCHAR", Ok("cast('it''s' as VARCHAR)"));
        check(json!(10.5), "DECIMAL(18,2)", Ok("cast(10.5 as DECIMAL(18,2))"));
        check(json!({"a": [1]}), "JSON", Ok("cast('{\"a\":[1]}' as JSON)"));
        check(json!(1), "JSON", Ok("cast('1' as JSON)"));
        check(
            json!({"B": "x"}),
            "STRUCT(a BIGINT, b VARCHAR)",
            Ok("cast(struct_pack(\"a\" := cast(null as BIGINT), \"b\" := cast('x' as VARCHAR)) as STRUCT(a BIGINT, b \
                VARCHAR))"),
        );
        check(json!("[1, 2]"), "BIGINT[]", Ok("cast([1, 2] as BIGINT[])"));
        check(
            json!({"k": 1}),
            "MAP(VARCHAR, BIGINT)",
            Ok("cast(map([cast('k' as VARCHAR)], [cast(1 as BIGINT)]) as MAP(VARCHAR, BIGINT))"),
        );
        check(json!({"nmae": 1}), "STRUCT(\"name\" BIGINT)", Err("it has no field `nmae`, but a field `name`"));
    }

    #[test]
    fn types_of_rows() {
        #[track_caller]
        fn check(values: Value, is_csv: bool, expected: &str) {
            assert_eq!(own_types(values.as_array().into_iter().flatten(), is_csv), expected);
        }
        check(json!([null]), false, "VARCHAR");
        check(json!([1, null, 2]), false, "BIGINT");
        check(json!([1, 2.5]), false, "DOUBLE");
        check(json!(["1", "2"]), false, "VARCHAR");
        check(json!(["1", "2"]), true, "BIGINT");
        check(json!(["1.5", "2"]), true, "DOUBLE");
        check(json!(["2024-01-01", null]), false, "DATE");
        check(json!(["2024-01-01 10:00:00"]), false, "TIMESTAMP");
        check(json!(["2024-01-01T10:00:00Z"]), false, "TIMESTAMP WITH TIME ZONE");
        check(json!([{"a": 1}, {"b": ["x"]}]), false, "STRUCT(\"a\" BIGINT, \"b\" VARCHAR[])");
        check(json!([1, "x"]), false, "VARCHAR");
        check(json!([1, {}]), false, "JSON");
    }
}
