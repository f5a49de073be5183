//! The reconciliation of a load: compares the source's counts at the start and the end with the rows of the raw table.
//!
//! Decides whether the numbers agree. Pure.

use serde_json::{Value, json};

use crate::messages;
use elt_base::error::Error;
use elt_base::numbers::counted;
use elt_base::numbers::thousands;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// The source's count at the start and the end of the load; None if the source does not know it.
    pub counts: (Option<u64>, Option<u64>),
    /// The documents that were read into segments, including the ranges of an earlier run.
    pub landed: u64,
    pub rescued: u64,
    pub quarantined: u64,
    /// The rows of the raw table after the load, without those marked as deleted.
    pub rows: u64,
    /// Whether rows of deleted documents stay in the raw table, so that it can have more rows than the source has
    /// documents.
    pub keeps_deleted: bool,
}

impl Reconciliation {
    /// The smallest and the largest count, because documents can be inserted and deleted during a load.
    fn bounds(&self) -> Option<(u64, u64)> {
        match self.counts {
            (Some(one), Some(other)) => Some((one.min(other), one.max(other))),
            (one, other) => one.or(other).map(|count| (count, count)),
        }
    }

    /// Whether the numbers agree; None if the source does not know its count.
    pub fn holds(&self) -> Option<bool> {
        let (least, most) = self.bounds()?;
        let here = self.rows + self.quarantined;
        Some(here >= least && (here <= most || self.keeps_deleted))
    }

    /// The error about a difference; None if there is none.
    pub fn difference(&self, name: &str) -> Option<Error> {
        if self.holds() != Some(false) {
            return None;
        }
        let (least, most) = self.bounds()?;
        Some(messages::proof(name, (least, most), self.rows, self.quarantined))
    }

    /// The part of a load's line about the source: `source 200`; None if the source does not know its count.
    pub fn note(&self) -> Option<String> {
        let (start, end) = match self.counts {
            (None, None) => return None,
            (start, end) => (start.or(end)?, end.or(start)?),
        };
        let counted =
            if start == end { thousands(start) } else { format!("{} to {}", thousands(start), thousands(end)) };
        let equal = start == end && start == self.rows;
        Some(if equal {
            format!("source {counted}")
        } else {
            format!("source {counted}, table {}", thousands(self.rows))
        })
    }

    pub fn quarantine_note(&self) -> Option<String> {
        (self.quarantined > 0).then(|| format!("{} quarantined", counted(self.quarantined, "documents")))
    }

    pub fn artifact(&self) -> Value {
        json!({
            "source_count_start": self.counts.0,
            "source_count_end": self.counts.1,
            "landed": self.landed,
            "rescued_values": self.rescued,
            "quarantined": self.quarantined,
            "table_rows": self.rows,
            "holds": self.holds(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Reconciliation;

    #[track_caller]
    fn check(counts: (Option<u64>, Option<u64>), rows: u64, keeps_deleted: bool, holds: Option<bool>, note: &str) {
        let reconciliation = Reconciliation { counts, rows, keeps_deleted, ..Reconciliation::default() };
        assert_eq!((reconciliation.holds(), reconciliation.note().as_deref().unwrap_or_default()), (holds, note));
        assert_eq!(reconciliation.difference("loans.customers").is_some(), holds == Some(false));
    }

    #[test]
    fn documents_may_come_and_go_meanwhile() {
        check((None, None), 7, false, None, "");
        check((Some(7), Some(7)), 7, false, Some(true), "source 7");
        check((Some(7), Some(9)), 8, false, Some(true), "source 7 to 9, table 8");
        check((Some(9), Some(7)), 8, false, Some(true), "source 9 to 7, table 8");
        check((Some(7), Some(7)), 6, false, Some(false), "source 7, table 6");
        check((Some(7), Some(7)), 8, false, Some(false), "source 7, table 8");
        check((Some(7), Some(7)), 8, true, Some(true), "source 7, table 8");
        check((None, Some(1_000)), 1_000, false, Some(true), "source 1,000");
    }
}
