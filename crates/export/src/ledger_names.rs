//! The names of a ledger's tables in the warehouse: each place that the warehouse publishes to has a ledger of its own.
//!
//! The first place, and so that of a warehouse of an earlier version, has the plain names. Knows no statement.

use elt_base::digest::sha256;
use elt_base::schema::quote;

/// How many hex digits of a place's digest are in the names of its ledger.
const TAG_DIGITS: usize = 12;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerNames {
    /// Empty: the plain names.
    tag: String,
}

impl LedgerNames {
    pub fn of_tag(tag: impl Into<String>) -> Self {
        Self { tag: tag.into() }
    }

    /// Of a place that is not the first.
    pub fn of_place(place: &str) -> Self {
        Self { tag: sha256(place).chars().take(TAG_DIGITS).collect() }
    }

    pub fn tag(&self) -> &str {
        &self.tag
    }

    pub fn state(&self) -> String {
        self.table("publication_state")
    }

    pub fn pending(&self) -> String {
        self.table("publication_pending")
    }

    pub fn tables(&self) -> String {
        self.table("publication_tables")
    }

    /// The schema of the snapshots.
    pub fn snapshots(&self) -> String {
        self.tagged("_elt_published")
    }

    /// The snapshot of the table with this label, in SQL.
    pub fn snapshot(&self, label: &str) -> String {
        format!("{}.{}", self.snapshots(), quote(label))
    }

    /// Drops the snapshot of the table with this label, if there is one.
    pub fn drop_snapshot(&self, label: &str) -> String {
        format!("drop table if exists {}", self.snapshot(label))
    }

    fn table(&self, name: &str) -> String {
        format!("_elt.{}", self.tagged(name))
    }

    fn tagged(&self, name: &str) -> String {
        if self.tag.is_empty() { name.to_owned() } else { format!("{name}_{}", self.tag) }
    }
}
