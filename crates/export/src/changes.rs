//! How the rows of a table reach an exporter.
//!
//! The run implements `Changes` over the queries of `delta`. Knows no target and no driver.

use std::path::Path;

use arrow::record_batch::RecordBatch;

use super::publication::Counts;
use elt_base::error::Result;
use elt_project::FileFormat;

/// How rows leave the warehouse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// Nested values as JSON text.
    #[default]
    Flat,
    /// STRUCT, LIST and MAP as Arrow types.
    Nested,
    /// As `Flat`, with lists of scalars as JSON text too, and intervals as DuckDB's own text.
    Json,
}

/// Receives the batches of a query one by one; its error ends the query.
pub type Sink<'a> = dyn FnMut(&RecordBatch) -> Result<()> + 'a;

/// The column of staged rows that numbers fresh rows.
pub const FRESH: &str = "_elt_fresh";

/// A table's changes, as the warehouse stores them.
pub trait Changes {
    /// The result of `Delta::counts`.
    fn counts(&self) -> Counts;

    /// The rows of `Delta::rows`: all columns of the table in its order, of the Arrow types that `DuckType::select`
    /// names for the exporter's shape.
    fn rows(&mut self, sink: &mut Sink<'_>) -> Result<()>;

    /// The same rows, with one more column: `FRESH`, a BIGINT that numbers the rows whose key was not published before,
    /// and is NULL for all others. Asked for only if the coverage `is_marked`.
    fn marked_rows(&mut self, sink: &mut Sink<'_>) -> Result<()>;

    /// The keys of `Delta::deletes`: the key's columns in its order. Asked for only if the coverage `is_marked`.
    fn deletes(&mut self, sink: &mut Sink<'_>) -> Result<()>;

    /// The keys of `Delta::keys`, of all rows of the relation, whatever changed: the key's columns in the table's order.
    fn keys(&mut self, sink: &mut Sink<'_>) -> Result<()>;

    /// Writes all rows of the relation (`Delta::file_query`) to a new file, or, for a table with `partition_by`, into a
    /// new folder; returns how many. `rows`: a query of the rows that are written instead.
    fn write_file(&mut self, path: &Path, format: &FileFormat, rows: Option<&str>) -> Result<u64>;

    /// The queries behind `rows` and `deletes`, with DuckDB's own types, for a target that DuckDB itself writes.
    fn queries(&self) -> Queries;
}

/// SQL over the warehouse; it returns the same rows until the publication ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queries {
    pub rows: String,
    /// All rows of the relation, whatever changed.
    pub all: String,
    /// The key's columns of removed rows; None if the coverage is not marked.
    pub deletes: Option<String>,
    /// The key's columns of fresh rows, and `FRESH`; None if the coverage is not marked.
    pub fresh: Option<String>,
}

/// The rows of a query, each value as text.
pub type TextRows = Vec<Vec<Option<String>>>;

/// Runs SQL in a session of the warehouse that is the exporter's own, and returns all rows as text.
pub type Engine<'a> = dyn Fn(&str) -> Result<TextRows> + Send + Sync + 'a;
