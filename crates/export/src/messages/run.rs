//! The messages of a run as a whole: interruption, output, artifacts, and what stops it before its stages speak.

use elt_base::error::Error;
use elt_base::numbers::counted;

/// A relation that cannot be published by its key.
pub(crate) fn unpublishable_keys(table: &str, key: &[String], null_keys: u64, duplicate_keys: u64) -> Error {
    let mut found = Vec::new();
    if null_keys > 0 {
        found.push(format!("{} with a null in it", counted(null_keys, "rows")));
    }
    if duplicate_keys > 0 {
        found.push(format!("{} of a key that another row has", counted(duplicate_keys, "rows")));
    }
    let names: Vec<_> = key.iter().map(|name| format!("`{name}`")).collect();
    Error::failed(format!("`{table}` cannot be published by its key {}", names.join(", ")))
        .because(found.join(", "))
        .hint("`unique` and `not_null` tests on the key stop such rows before they are built")
}
