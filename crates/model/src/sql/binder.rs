//! The trait of an empty database in which queries are bound.
//!
//! Knows no database. The implementation is outside of the model.

use std::collections::BTreeMap;

use crate::graph::NodeId;
use elt_base::sql_error::SqlError;

/// An empty in-memory database that accepts statements.
pub trait Binder {
    /// Executes one statement that creates something.
    fn create(&mut self, statement: &str) -> Result<(), SqlError>;

    /// Executes a `describe` of a relation, or of a query in brackets. Returns its columns in order, as `(name, DuckDB
    /// type)`.
    /// It is called once per model, and answers in under a millisecond, unlike `information_schema`.
    fn describe(&mut self, statement: &str) -> Result<Vec<(String, String)>, SqlError>;

    /// DuckDB's JSON of a query's bound plan before optimisation (`json_serialize_plan`).
    fn plan(&mut self, query: &str) -> Result<String, SqlError>;
}

/// The columns of sources and seeds as earlier loads recorded them, by node, each as `(name, DuckDB type)`.
pub type KnownColumns = BTreeMap<NodeId, Vec<(String, String)>>;
