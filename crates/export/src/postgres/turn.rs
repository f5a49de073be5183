//! A step of a publication's transaction that changes the rows of one table.
//!
//! A value. Knows no statement.

use crate::publication::Coverage;
use crate::target::StagedRows;

/// A table's rows are deleted or written.
pub struct Turn {
    pub index: usize,
    pub kind: TurnKind,
    pub coverage: Coverage,
    pub staged: StagedRows,
    /// Nothing but its account decides its steps.
    pub is_plain: bool,
    /// Its result, if it was taken with an earlier turn.
    pub result: Option<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnKind {
    Delete,
    Write,
}

impl Turn {
    /// How many rows it changes at most.
    pub fn rows(&self) -> u64 {
        match self.kind {
            TurnKind::Delete if self.coverage.is_marked() => self.staged.gone,
            _ => self.staged.rows,
        }
    }
}
