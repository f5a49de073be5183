//! The name of the column that a key of a document gets.
//!
//! The name is the key itself, if a column can have that name. DuckDB ignores the (ASCII) case of names,
//! and `elt` reserves some names, so:
//! - an empty key gets the name `_empty`;
//! - a top-level key that begins with `_elt_`, in any case, loses its first underscore: `elt_…`;
//! - a name that another key of the same object has already gets the first free suffix of `_2`, `_3` ….
//!
//! The column stores its key beside its name (`schema::Column`), so a name is decided only once. Pure.

use std::collections::HashSet;

/// The beginning of reserved names.
const RESERVED: &str = "_elt_";

/// The used column names of one object.
#[derive(Debug, Clone, Default)]
pub struct FieldNames {
    /// In lowercase.
    taken: HashSet<String>,
    /// Whether the object is the document itself.
    top: bool,
}

impl FieldNames {
    pub fn of_document() -> Self {
        Self { taken: HashSet::new(), top: true }
    }

    /// Reserves the name. False if it is used.
    pub fn take(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_ascii_lowercase())
    }

    /// Reserves a name for a key.
    pub fn take_for(&mut self, key: &str) -> String {
        let plain = plain_name(key, self.top);
        if self.take(plain) {
            return plain.to_owned();
        }
        let mut number = 2_u64;
        loop {
            let name = format!("{plain}_{number}");
            if self.take(&name) {
                return name;
            }
            number += 1;
        }
    }
}

/// The name of a key's column if no other column has that name.
fn plain_name(key: &str, top: bool) -> &str {
    let reserved = top && key.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
    match key {
        "" => "_empty",
        key if reserved => &key[1..],
        key => key,
    }
}

#[cfg(test)]
mod tests {
    use super::FieldNames;

    #[track_caller]
    fn check(mut names: FieldNames, keys: &[&str], expected: &[&str]) {
        let taken: Vec<_> = keys.iter().map(|key| names.take_for(key)).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn every_key_has_a_name_of_its_own() {
        check(FieldNames::default(), &["a", "A", "b.c", "$x", "é"], &["a", "A_2", "b.c", "$x", "é"]);
        check(FieldNames::default(), &["", "_empty", "_elt_x"], &["_empty", "_empty_2", "_elt_x"]);
        check(
            FieldNames::of_document(),
            &["_elt_rescued", "_ELT_x", "elt_rescued"],
            &["elt_rescued", "ELT_x", "elt_rescued_2"],
        );
        check(FieldNames::default(), &["a_2", "a", "A"], &["a_2", "a", "A_3"]);
    }
}
