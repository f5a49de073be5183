//! What a query is bound in: an empty database, as a trait.
//!
//! Knows no database; who answers is outside of the model.

use std::collections::BTreeMap;

use crate::graph::NodeId;
use elt_base::sql_error::SqlError;

/// An empty in-memory database that takes statements.
pub trait Binder {
    /// Executes one statement that creates something.
    fn create(&mut self, statement: &str) -> Result<(), SqlError>;

    /// Executes a `describe` of a relation, or of a query in brackets: its columns in order, as `(name, DuckDB type)`.
    /// Asked once a model: it answers in under a millisecond, `information_schema` does not.
    fn describe(&mut self, statement: &str) -> Result<Vec<(String, String)>, SqlError>;

    /// DuckDB's JSON of a query's bound plan, not optimised (`json_serialize_plan`).
    fn plan(&mut self, query: &str) -> Result<String, SqlError>;
}

/// Columns of sources and seeds as they are known from loads, by node; `(name, DuckDB type)` each.
pub type KnownColumns = BTreeMap<NodeId, Vec<(String, String)>>;
