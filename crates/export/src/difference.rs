//! The difference between one table of a target and the warehouse.
//!
//! A value and its text. Knows no target.

use std::fmt;

/// How many keys of rows that differ are shown.
pub const KEYS_SHOWN: usize = 5;

/// The difference of one table. Rows without a key cannot be matched: a row that differs counts as missing and unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// As the target names it: `analytics.customers`.
    pub table: String,
    /// Rows that are missing in the target.
    pub missing: u64,
    /// Rows with other values in the target.
    pub differing: u64,
    /// Rows in the target that the warehouse does not have. Rows of others that may be there are not counted.
    pub unknown: u64,
    /// Rows of others with a key that the model yields, unless they are kept.
    pub conflicts: u64,
    /// The keys of some of them, at most `KEYS_SHOWN`: `17`, or `(17, a)`.
    pub keys: Vec<String>,
    /// The key's columns.
    pub key: Vec<String>,
}

impl Difference {
    /// Leaves out the rows of others with keys of the model, and their keys, which are the last.
    pub fn drop_conflicts(&mut self) {
        self.conflicts = 0;
        self.keys.truncate((self.missing + self.differing + self.unknown) as usize);
    }

    pub fn is_zero(&self) -> bool {
        self.missing == 0 && self.differing == 0 && self.unknown == 0 && self.conflicts == 0
    }
}

/// `` `analytics.customers`: 3 rows missing in the target, 1 row with other values in the target (`id` 17, 45, …) ``
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = |count: u64| if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
        let mut parts = Vec::new();
        if self.missing > 0 {
            parts.push(format!("{} missing in the target", rows(self.missing)));
        }
        if self.differing > 0 {
            parts.push(format!("{} with other values in the target", rows(self.differing)));
        }
        if self.unknown > 0 {
            parts.push(format!("{} in the target that the warehouse does not have", rows(self.unknown)));
        }
        if self.conflicts > 0 {
            parts.push(format!("{} of others with keys of the model", rows(self.conflicts)));
        }
        let total = self.missing + self.differing + self.unknown + self.conflicts;
        write!(f, "`{}`: {}{}", self.table, parts.join(", "), shown_keys(&self.key, &self.keys, total))
    }
}

/// `` (`id` 17, 45, …)``, of `total` keys; nothing if no key is known.
pub fn shown_keys(key: &[String], keys: &[String], total: u64) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let more = if total > keys.len() as u64 { ", …" } else { "" };
    format!(" (`{}` {}{more})", key.join("`, `"), keys.join(", "))
}

#[cfg(test)]
mod tests {
    use super::Difference;

    #[test]
    fn reads_as_a_line() {
        let difference = Difference {
            table: "analytics.customers".into(),
            missing: 1,
            differing: 3,
            unknown: 0,
            conflicts: 0,
            keys: vec!["17".into(), "45".into()],
            key: vec!["customer_id".into()],
        };
        assert_eq!(
            difference.to_string(),
            "`analytics.customers`: 1 row missing in the target, 3 rows with other values in the target (`customer_id` 17, 45, …)"
        );
    }
}
