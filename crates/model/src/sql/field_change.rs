//! The fields of a relation that are new, removed, or of another type, including nested fields.
//!
//! Pure. Knows columns as names and DuckDB's types.

use super::schema_change::{SqlType, find_field};
use elt_base::path::Step;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldChange {
    New,
    Gone,
    /// The field has another type: the earlier and the present one.
    Retyped(String, String),
}

/// The places that differ. If a whole field is new or removed, its nested fields are not listed.
pub fn field_changes(old: &[(String, String)], new: &[(String, String)]) -> Vec<(Vec<Step>, FieldChange)> {
    let parsed = |columns: &[(String, String)]| {
        SqlType::Struct(columns.iter().map(|(name, sql)| (name.clone(), SqlType::parse(sql))).collect())
    };
    let mut changes = Vec::new();
    compare(&parsed(old), &parsed(new), &mut Vec::new(), &mut changes);
    changes
}

/// The first step of a path that does not exist in a type, with the fields that exist instead. None if all steps exist,
/// or if a type, such as JSON, does not show its fields.
pub fn missing_field(sql: &str, path: &[Step]) -> Option<(usize, Vec<String>)> {
    let mut now = SqlType::parse(sql);
    for (at, step) in path.iter().enumerate() {
        now = match (now, step) {
            (SqlType::Struct(fields), Step::Key(key)) => match find_field(&fields, key) {
                Some(field) => field.clone(),
                None => return Some((at, fields.into_iter().map(|(name, _)| name).collect())),
            },
            (SqlType::List(element, _), Step::Element) => *element,
            (SqlType::List(element, _), Step::Key(_)) if matches!(*element, SqlType::Struct(_)) => {
                return Some((at, vec!["[]".to_owned()]));
            }
            _ => return None,
        };
    }
    None
}

fn compare(old: &SqlType, new: &SqlType, path: &mut Vec<Step>, changes: &mut Vec<(Vec<Step>, FieldChange)>) {
    match (old, new) {
        (SqlType::Struct(old), SqlType::Struct(new)) => {
            for (name, sql) in old {
                path.push(Step::Key(name.clone()));
                match find_field(new, name) {
                    Some(other) => compare(sql, other, path, changes),
                    None => changes.push((path.clone(), FieldChange::Gone)),
                }
                path.pop();
            }
            for (name, _) in new.iter().filter(|(name, _)| find_field(old, name).is_none()) {
                path.push(Step::Key(name.clone()));
                changes.push((path.clone(), FieldChange::New));
                path.pop();
            }
        }
        (SqlType::List(old, _), SqlType::List(new, _)) => {
            path.push(Step::Element);
            compare(old, new, path, changes);
            path.pop();
        }
        (old, new) if old.sql().eq_ignore_ascii_case(&new.sql()) => {}
        (old, new) => changes.push((path.clone(), FieldChange::Retyped(short(old), short(new)))),
    }
}

/// A type as one word. The fields of a STRUCT are omitted, because they are compared separately.
fn short(sql: &SqlType) -> String {
    match sql {
        SqlType::Struct(_) => "STRUCT".into(),
        SqlType::List(element, length) => format!("{}[{length}]", short(element)),
        other => other.sql(),
    }
}

#[cfg(test)]
mod tests {
    use super::{FieldChange, field_changes};
    use crate::describe::lineage::path_text;

    #[track_caller]
    fn check(old: &str, new: &str, expected: &[&str]) {
        let columns = |text: &str| -> Vec<(String, String)> {
            text.split(';').filter_map(|column| column.split_once(' ')).map(|(a, b)| (a.into(), b.into())).collect()
        };
        let found: Vec<String> = field_changes(&columns(old), &columns(new))
            .into_iter()
            .map(|(path, change)| match change {
                FieldChange::New => format!("+{}", path_text(&path)),
                FieldChange::Gone => format!("-{}", path_text(&path)),
                FieldChange::Retyped(from, to) => format!("{} {from} {to}", path_text(&path)),
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn fields_at_any_depth() {
        check("a BIGINT", "A BIGINT", &[]);
        check("a BIGINT;b VARCHAR", "a DOUBLE;c DATE", &["a BIGINT DOUBLE", "-b", "+c"]);
        check(
            "s STRUCT(x BIGINT, y STRUCT(z DATE)[])",
            "s STRUCT(x BIGINT, y STRUCT(w DATE)[])",
            &["-s.y[].z", "+s.y[].w"],
        );
        check("s VARCHAR", "s STRUCT(x BIGINT)", &["s VARCHAR STRUCT"]);
    }
}
