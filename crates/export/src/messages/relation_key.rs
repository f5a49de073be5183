//! The messages about the keys of relations that are to be published.

use elt_base::error::Error;
use elt_base::numbers::counted;

/// A relation that cannot be published, because its key is not unique or contains NULL.
pub(crate) fn unpublishable_keys(table: &str, key: &[String], null_keys: u64, duplicate_keys: u64) -> Error {
    let mut found = Vec::new();
    if null_keys > 0 {
        found.push(format!("{} with NULL in the key", counted(null_keys, "rows")));
    }
    if duplicate_keys > 0 {
        found.push(format!("{} with the same key as another row", counted(duplicate_keys, "rows")));
    }
    let names: Vec<_> = key.iter().map(|name| format!("`{name}`")).collect();
    Error::failed(format!("`{table}` cannot be published by its key {}", names.join(", ")))
        .because(found.join(", "))
        .hint("add `unique` and `not_null` tests on the key: they fail the build before such rows are published")
}
