//! Decisions that all parts of one load share: the type that a new field gets from its first value, and the name that a
//! new key gets.
//!
//! Parts are read at the same time, and their columns must fit together: the first part to ask decides for all. A part
//! asks only when a field is new, never for each value. Knows no values.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::column::names::FieldNames;
use crate::column::value_path::ValuePath;
use elt_base::schema::ColumnType;

#[derive(Debug, Default)]
pub struct SharedTypes(Mutex<Decided>);

#[derive(Debug, Default)]
struct Decided {
    /// By path, with `[]` for an element of an array.
    types: HashMap<String, ColumnType>,
    /// By the object's path.
    names: HashMap<String, SharedNames>,
}

#[derive(Debug)]
struct SharedNames {
    names: FieldNames,
    by_key: HashMap<Box<str>, String>,
}

impl SharedTypes {
    /// The type of the field at `path`: `own`, unless another part decided before.
    pub fn column_type(&self, path: &ValuePath<'_>, own: ColumnType) -> ColumnType {
        let mut decided = self.0.lock();
        decided.types.entry(path.of_field()).or_insert(own).clone()
    }

    /// The name of `key` in the object at `path`, whose names so far are `names`.
    pub fn name(&self, path: &ValuePath<'_>, key: &str, names: &FieldNames) -> String {
        let mut decided = self.0.lock();
        // All parts begin with the same columns, and every later column is decided here.
        let level = decided
            .names
            .entry(path.of_field())
            .or_insert_with(|| SharedNames { names: names.clone(), by_key: HashMap::new() });
        if let Some(name) = level.by_key.get(key) {
            return name.clone();
        }
        let name = level.names.take_for(key);
        level.by_key.insert(key.into(), name.clone());
        name
    }
}
