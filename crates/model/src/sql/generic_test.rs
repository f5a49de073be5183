//! The SQL of dbt's built-in data tests.
//!
//! Pure text over the tested relation.

use serde_json::{Map, Value};

use crate::graph::GenericTest;
use elt_base::schema::{literal, quote};

/// The query whose rows are failures. `model` is the tested relation as SQL.
pub(crate) fn built_in(test: &GenericTest, arguments: &Map<String, Value>, model: &str) -> String {
    let column = test.column.as_deref().map(column_sql).unwrap_or_default();
    let text = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default();
    match test.test.as_str() {
        "unique" => format!(
            "select {column} as unique_field, count(*) as n_records\nfrom {model}\nwhere {column} is not null\n\
             group by {column}\nhaving count(*) > 1"
        ),
        "not_null" => format!("select {column}\nfrom {model}\nwhere {column} is null"),
        "accepted_values" => {
            let is_quoted = arguments.get("quote").and_then(Value::as_bool).unwrap_or(true);
            let values = arguments.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
            let values: Vec<String> = values.iter().map(|value| value_sql(value, is_quoted)).collect();
            format!(
                "with all_values as (\n    select {column} as value_field, count(*) as n_records\n    from {model}\n    \
                 group by {column}\n)\nselect *\nfrom all_values\nwhere value_field not in ({})",
                values.join(", ")
            )
        }
        _ => format!(
            "with child as (\n    select {column} as from_field\n    from {model}\n    where {column} is not null\n),\n\
             parent as (\n    select {} as to_field\n    from {}\n)\nselect from_field\nfrom child\n\
             left join parent on child.from_field = parent.to_field\nwhere parent.to_field is null",
            column_sql(text("field")),
            text("to"),
        ),
    }
}

/// A column's name is quoted. Anything else is an expression and stays unchanged.
fn column_sql(name: &str) -> String {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_name { quote(name) } else { name.to_owned() }
}

fn value_sql(value: &Value, is_quoted: bool) -> String {
    match value {
        Value::Null => "null".into(),
        Value::String(text) if !is_quoted => text.clone(),
        Value::String(text) => literal(text),
        Value::Bool(flag) => flag.to_string(),
        // Numbers stay numbers, because quoted numbers would have the same comparison result.
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::built_in;
    use crate::graph::GenericTest;

    fn test(name: &str, column: &str, arguments: Value) -> GenericTest {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        GenericTest { test: name.into(), column: Some(column.into()), arguments }
    }

    #[test]
    fn sql() {
        #[track_caller]
        fn check(test: &GenericTest, expected: &str) {
            let sql = built_in(test, &test.arguments, "\"main\".\"m\"");
            assert_eq!(sql.split_whitespace().collect::<Vec<_>>().join(" "), expected);
        }
        check(
            &test("unique", "order", json!({})),
            "select \"order\" as unique_field, count(*) as n_records from \"main\".\"m\" where \"order\" is not null \
             group by \"order\" having count(*) > 1",
        );
        check(&test("not_null", "a || b", json!({})), "select a || b from \"main\".\"m\" where a || b is null");
        check(
            &test("accepted_values", "a", json!({"values": ["it's", 1, true]})),
            "with all_values as ( select \"a\" as value_field, count(*) as n_records from \"main\".\"m\" group by \"a\" \
             ) select * from all_values where value_field not in ('it''s', 1, true)",
        );
        check(
            &test("relationships", "a", json!({"to": "\"main\".\"p\"", "field": "b"})),
            "with child as ( select \"a\" as from_field from \"main\".\"m\" where \"a\" is not null ), parent as ( \
             select \"b\" as to_field from \"main\".\"p\" ) select from_field from child left join parent on \
             child.from_field = parent.to_field where parent.to_field is null",
        );
    }
}
