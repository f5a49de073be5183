//! The steps that a target supplies, in their order: staging tables, and applying them in one transaction.
//!
//! Documents what each step promises; `open_publication` runs them. Knows no target and no SQL.

use std::collections::BTreeSet;

use super::record::PublicationRecord;
use crate::capabilities::Capabilities;
use crate::changes::Changes;
use crate::difference::Difference;
use crate::others::Others;
use crate::publication::{Counts, Coverage};
use elt_base::error::{Error, Result};

/// The result of staging one table.
pub trait Staged: Send {
    fn coverage(&self) -> Coverage;

    /// The replaced or quarantined values, one line each.
    fn notes(&self) -> &[String] {
        &[]
    }
}

/// The state of a target after it was opened.
#[derive(Debug, Default)]
pub struct Opened {
    /// The id of the last publication there.
    pub last: Option<String>,
    /// The tables, by label, that can only be published in full.
    pub in_full: BTreeSet<String>,
    /// The tables, by label, that others changed, or may have.
    pub touched: BTreeSet<String>,
    /// The tables, by label, in which only rows that elt published may be updated and deleted.
    pub keeping: BTreeSet<String>,
    pub notes: Vec<String>,
    /// There is something to alter even if no row changed.
    pub has_alterations: bool,
}

/// A target that tables are staged to and compared with.
pub trait Staging: Send + Sync {
    type Staged: Staged;

    fn capabilities(&self) -> &'static Capabilities;

    /// Where it is, for messages: `host:port/database`.
    fn place(&self) -> String;

    /// Stages the publication's table at `index`. Several threads may stage different tables at once.
    fn stage(&self, index: usize, coverage: Coverage, changes: &mut dyn Changes) -> Result<Self::Staged>;

    /// The difference between the table at `index` and its rows, which are staged in full.
    fn difference(&self, index: usize, staged: &mut Self::Staged) -> Result<Difference>;

    /// The differences of several tables, in their order.
    fn differences(&self, staged: &mut [(usize, &mut Self::Staged)]) -> Result<Vec<Difference>> {
        staged.iter_mut().map(|(index, staged)| self.difference(*index, staged)).collect()
    }

    /// The rows of others in several tables, in their order.
    fn all_others(&self, staged: &mut [(usize, &mut Self::Staged)]) -> Result<Vec<Others>> {
        staged.iter_mut().map(|(index, staged)| self.others(*index, staged)).collect()
    }

    /// The rows of others in the table at `index`, which is staged. Asked for only for tables that keep them. What the
    /// numbers and the keys are needed for, the target knows by the table's `on_conflict`.
    fn others(&self, _index: usize, _staged: &mut Self::Staged) -> Result<Others> {
        Ok(Others::default())
    }
}

/// The steps of a publication's one transaction, in their order. Where a target has no transaction, `commit` is the
/// step after which the publication counts.
pub trait Applying: Staging {
    /// Begins, and does the work before the rows: creates and alters tables.
    fn begin(&mut self, work: &mut [Work<Self::Staged>]) -> Result<()>;

    /// Deletes the removed rows of one table; returns their number. Children come before parents.
    fn delete(&mut self, work: &mut Work<Self::Staged>) -> Result<u64>;

    /// Inserts and updates rows of one table; returns the counts of both. Parents come before children.
    fn write(&mut self, work: &mut Work<Self::Staged>) -> Result<(u64, u64)>;

    /// Does the work after the rows: adds constraints, and checks all tables. May add to the counts.
    fn finish(&mut self, work: &mut [Work<Self::Staged>]) -> Result<()>;

    /// Records the publication.
    fn record(&mut self, record: &PublicationRecord<'_>) -> Result<()>;

    fn commit(&mut self) -> Result<Answer>;

    /// What became of rows while they were applied, one line each.
    fn applied_notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Undoes all steps, after an error before `commit`; may add to the error.
    fn roll_back(&mut self, error: Error) -> Error;

    /// Whether the target's record has the publication `id`; asks again after a commit without an answer.
    fn is_recorded(&mut self, id: &str) -> Result<bool>;

    /// The target's error; `during` names the step.
    fn failed(&self, during: &str, cause: &str) -> Error;
}

/// The result of a commit.
pub enum Answer {
    Committed,
    /// The connection was lost, and why.
    Lost(String),
}

/// One table of a publication while it is applied.
pub struct Work<S> {
    /// The table's position in the publication.
    pub index: usize,
    /// None: it did not change.
    pub staged: Option<S>,
    pub counts: Counts,
}
