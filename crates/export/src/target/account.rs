//! The staged rows of one table, what is known of them, and the transaction that they are applied in.
//!
//! Values and one trait. Knows no target and no statement.

use super::merge::{Merge, Which};
use crate::changes::TextRows;
use crate::others::Others;
use elt_base::error::Result;
use elt_project::OnConflict;

/// The transaction of a publication.
pub trait SqlTransaction {
    /// Runs a statement; returns how many rows it changed. `during` names the step for messages.
    fn change(&mut self, during: &'static str, sql: &str) -> Result<u64>;

    /// The same; the inner error is a violation of a unique index, after which the transaction goes on without the
    /// statement.
    fn try_change(&mut self, during: &'static str, sql: &str) -> Result<Result<u64>>;

    /// Deletes the rows that meet a condition, and inserts them again with their staged values; columns of others keep
    /// theirs. Returns how many. None: it cannot, because foreign keys of others act on deletes.
    fn rewrite(&mut self, merge: &Merge<'_>, which: Which, condition: &str) -> Result<Option<u64>>;

    /// Runs a query; returns all rows as text.
    fn ask(&mut self, sql: &str) -> Result<TextRows>;
}

/// The staged rows of one table, and what is known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagedRows {
    pub rows: u64,
    /// Of them, those that were not published before; only of a marked coverage.
    pub fresh: u64,
    /// The keys of removed rows; only of a marked coverage.
    pub gone: u64,
    /// Fresh rows that are not published, because others have rows with their keys; known once others' rows were
    /// counted.
    pub kept: u64,
    /// The rows of the table, counted if others' rows were.
    pub there: Option<u64>,
}

impl StagedRows {
    /// Remembers the rows of others, which the transaction must find as they are.
    pub fn note(&mut self, others: &Others, is_marked: bool) {
        self.kept = others.numbers.len() as u64;
        self.there = (!is_marked).then_some(others.there);
    }
}

/// A unique index of a table beside its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UniqueSet {
    /// Its columns, as far as it names columns.
    pub columns: Vec<String>,
    /// Of them, the columns that may be NULL, if rows with NULL never conflict.
    pub nullable: Vec<String>,
    /// It covers all rows, and names columns alone: no expression, no part of a text.
    pub is_plain: bool,
}

/// One table of a publication while its rows are applied.
pub struct Account<'a> {
    /// The target's name: `Postgres`.
    pub called: &'static str,
    /// For messages.
    pub table: &'a str,
    pub merge: &'a Merge<'a>,
    pub staged: &'a StagedRows,
    /// The unique indexes beside the key.
    pub unique: &'a [UniqueSet],
    /// Rows of others stay.
    pub keeps_others: bool,
    pub on_conflict: OnConflict,
    /// What others have put on the table and may change rows as they are written: triggers, rules, row security.
    pub hands: &'a [String],
    /// Row security may hide rows from us.
    pub hides_rows: bool,
}
