//! What the parts of one load that are read side by side must not decide differently: the type that a new field takes
//! from its first value, and the name that a new key gets.
//!
//! The first part to ask decides for all. Asked only when a field is new, never for each value.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::names::Names;
use crate::rescue::Path;
use elt_base::schema::ColumnType;

#[derive(Debug, Default)]
pub struct Agreed(Mutex<Decided>);

#[derive(Debug, Default)]
struct Decided {
    /// By path, with `[]` for an element of an array.
    types: HashMap<String, ColumnType>,
    /// By the object's path.
    names: HashMap<String, Level>,
}

#[derive(Debug)]
struct Level {
    names: Names,
    by_key: HashMap<Box<str>, String>,
}

impl Agreed {
    /// The type of the field at `path`: `own`, unless another part decided before.
    pub fn column_type(&self, path: &Path<'_>, own: ColumnType) -> ColumnType {
        let mut decided = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        decided.types.entry(path.of_field()).or_insert(own).clone()
    }

    /// The name of `key` in the object at `path`, whose names so far are `names`.
    pub fn name(&self, path: &Path<'_>, key: &str, names: &Names) -> String {
        let mut decided = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // All parts begin with the same columns, and every later one comes through here.
        let level = decided
            .names
            .entry(path.of_field())
            .or_insert_with(|| Level { names: names.clone(), by_key: HashMap::new() });
        if let Some(name) = level.by_key.get(key) {
            return name.clone();
        }
        let name = level.names.take_for(key);
        level.by_key.insert(key.into(), name.clone());
        name
    }
}
