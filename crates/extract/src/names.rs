//! What the column of a key is called.
//!
//! A key that can be a column's name is. DuckDB compares names without regard to (ASCII) case, and some are taken, so:
//! - an empty key is called `_empty`;
//! - a document's own key that begins with `_elt_`, in any case, loses its first underscore: `elt_…`;
//! - a name that another key of the same object has already gets `_2`, `_3` … behind it, the first that is free.
//!
//! The column keeps its key beside its name (`schema::Column`), so a name is decided once. Pure.

use std::collections::HashSet;

/// What reserved names begin with.
const RESERVED: &str = "_elt_";

/// The names taken in one object.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// In lowercase.
    taken: HashSet<String>,
    /// Whether this is the document itself.
    top: bool,
}

impl Names {
    pub fn of_document() -> Self {
        Self { taken: HashSet::new(), top: true }
    }

    /// Takes that very name. False if it is taken.
    pub fn take(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_ascii_lowercase())
    }

    /// Takes a name for a key.
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

/// What the key is called where nothing else is called so.
pub fn plain_name(key: &str, top: bool) -> &str {
    let reserved = top && key.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
    match key {
        "" => "_empty",
        key if reserved => &key[1..],
        key => key,
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[track_caller]
    fn check(mut names: Names, keys: &[&str], expected: &[&str]) {
        let taken: Vec<_> = keys.iter().map(|key| names.take_for(key)).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn every_key_has_a_name_of_its_own() {
        check(Names::default(), &["a", "A", "b.c", "$x", "é"], &["a", "A_2", "b.c", "$x", "é"]);
        check(Names::default(), &["", "_empty", "_elt_x"], &["_empty", "_empty_2", "_elt_x"]);
        check(
            Names::of_document(),
            &["_elt_rescued", "_ELT_x", "elt_rescued"],
            &["elt_rescued", "ELT_x", "elt_rescued_2"],
        );
        check(Names::default(), &["a_2", "a", "A"], &["a_2", "a", "A_3"]);
    }
}
