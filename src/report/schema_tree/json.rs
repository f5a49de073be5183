//! Trees for programs: one object per path, or one object per collection.

use serde_json::{Value, json};

use super::drift::Share;
use super::{Change, Place, Tree};

/// The content of a line of the short form.
pub fn summary_json(tree: &Tree) -> Value {
    json!({
        "collection": tree.name,
        "loads": tree.loads,
        "documents": tree.documents,
        "columns": tree.columns,
        "rescued": tree.rescued,
        "changes": tree.changes(),
    })
}

/// One object per path, including paths that are gone since the load before.
pub fn fields_json(tree: &Tree) -> Vec<Value> {
    let mut objects = Vec::new();
    tree.walk(&mut |field, _| {
        if !field.stands() && field.changes.is_empty() {
            return;
        }
        let (column, column_type) = match &field.place {
            Place::Column { name, column_type } => (Some(name), Some(column_type.sql())),
            Place::Element(column_type) => (None, Some(column_type.sql())),
            Place::InJson | Place::Rescued => (None, None),
        };
        let kinds = field.kinds.iter().map(|kind| {
            json!({
                "type": kind.name,
                "values": kind.values,
                "share": share(Share { values: kind.values, of: field.of }),
                "rescued": kind.rescued,
                "example_id": kind.example,
            })
        });
        let mut object = json!({
            "collection": tree.name,
            "path": field.path,
            "column": column,
            "type": column_type,
            "of": field.of,
            "kinds": kinds.collect::<Vec<_>>(),
            "drift": field.changes.iter().map(change).collect::<Vec<_>>(),
        });
        if let Some(reaches) = tree.reaches.get(&field.path) {
            object["reaches"] = json!(reaches);
        }
        objects.push(object);
    });
    objects
}

/// Rounded to six places.
fn share(Share { values, of }: Share) -> Value {
    if of == 0 { Value::Null } else { json!((values as f64 / of as f64 * 1e6).round() / 1e6) }
}

fn change(change: &Change) -> Value {
    match change {
        Change::NewPath(now) => json!({ "change": "new_path", "share": share(*now) }),
        Change::GonePath(before) => json!({ "change": "gone_path", "share_before": share(*before) }),
        Change::NewType { kind, values, rescued, example } => {
            json!({ "change": "new_type", "type": kind, "values": values, "rescued": rescued, "example_id": example })
        }
        Change::GoneType { kind, before } => {
            json!({ "change": "gone_type", "type": kind, "share_before": share(*before) })
        }
        Change::Presence { before, now } => {
            json!({ "change": "presence", "share": share(*now), "share_before": share(*before) })
        }
    }
}
