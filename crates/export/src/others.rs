//! The rows of others in one table, as a publication finds them.
//!
//! A value and its texts. Knows no target.

use crate::difference::shown_keys;
use elt_base::numbers::{counted, thousands};
use elt_project::OnConflict;

/// The rows that elt did not publish, in a table in which they are not the model's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// As the target names it: `analytics.customers`.
    pub table: String,
    /// All rows of the table; counted if it is compared in full.
    pub there: u64,
    /// Rows of others with a key that the model yields.
    pub conflicts: u64,
    /// Rows of others that nothing is published to; counted if the table is compared in full.
    pub left: u64,
    /// The keys of some conflicts, at most `KEYS_SHOWN`: `17`, or `(17, a)`.
    pub keys: Vec<String>,
    /// The key's columns.
    pub key: Vec<String>,
    /// The numbers of the fresh rows in conflict (see `FRESH`), if these rows are not published.
    pub numbers: Vec<i64>,
}

impl Others {
    /// `` `analytics.customers`: 2 rows (`id` 17, 45) ``
    pub fn conflict_line(&self) -> String {
        let left = match self.left {
            0 => String::new(),
            left => format!("; {} of others would stay", counted(left, "more rows")),
        };
        format!("`{}`: {}{}{left}", self.table, counted(self.conflicts, "rows"), self.shown())
    }

    /// What the publication does with these rows, for people; None if there are none.
    pub fn note(&self, on_conflict: OnConflict) -> Option<String> {
        let mut parts = Vec::new();
        let is_one = self.conflicts == 1;
        if self.conflicts > 0 {
            let rows = format!(
                "{} {} in the model",
                counted(self.conflicts, "rows"),
                if is_one { "of others has a key that is also" } else { "of others have keys that are also" }
            );
            let stays = if is_one { "stays as it is" } else { "stay as they are" };
            parts.push(match on_conflict {
                OnConflict::Keep => format!("{rows}, and {stays}{}", self.shown()),
                _ => format!("{rows}, and become{} the model's{}", if is_one { "s" } else { "" }, self.shown()),
            });
        }
        if self.left > 0 {
            let stay = if self.left == 1 { "stays as it is" } else { "stay as they are" };
            let rows = match (self.conflicts > 0, self.left) {
                (true, 1) => "more row",
                (true, _) => "more rows",
                (false, 1) => "row of others",
                (false, _) => "rows of others",
            };
            parts.push(format!("{} {rows} {stay}", thousands(self.left)));
        }
        (!parts.is_empty()).then(|| format!("`{}`: {}", self.table, parts.join("; ")))
    }

    fn shown(&self) -> String {
        shown_keys(&self.key, &self.keys, self.conflicts)
    }
}
