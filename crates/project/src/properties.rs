//! YAML properties in dbt's schema: sources, models, seeds, columns, data tests, constraints, each with its place.
//!
//! Knows the shape of the files, but not the meaning of a configuration key.

use serde_json::{Map, Value};

use super::exposure_properties::{ExposureProperties, GroupProperties};
use super::unit_test_properties::UnitTestProperties;
use elt_base::error::Place;

/// All properties of a project, in the order of their files' paths.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    pub sources: Vec<SourceProperties>,
    pub models: Vec<NodeProperties>,
    pub seeds: Vec<NodeProperties>,
    pub analyses: Vec<NodeProperties>,
    pub macros: Vec<MacroProperties>,
    pub snapshots: Vec<NodeProperties>,
    /// `data_tests:` of singular tests (config and description only).
    pub tests: Vec<NodeProperties>,
    pub unit_tests: Vec<UnitTestProperties>,
    pub exposures: Vec<ExposureProperties>,
    pub groups: Vec<GroupProperties>,
}

/// A `models:`, `seeds:`, `snapshots:` or singular `data_tests:` entry.
#[derive(Debug, Clone)]
pub struct NodeProperties {
    pub name: String,
    pub place: Place,
    pub description: String,
    /// `config:`, as written. Jinja in values is already rendered with `var`, `env_var` and `target`.
    pub config: Map<String, Value>,
    pub columns: Vec<ColumnProperties>,
    pub data_tests: Vec<TestProperties>,
    pub constraints: Vec<Constraint>,
    /// A snapshot's `relation:`, as written (`ref('customers')`), if no SQL file contains its query.
    pub relation: Option<String>,
}

/// A `macros:` entry.
#[derive(Debug, Clone)]
pub struct MacroProperties {
    pub name: String,
    pub place: Place,
    pub description: String,
    pub arguments: Vec<MacroArgument>,
}

/// An `arguments:` entry of a macro.
#[derive(Debug, Clone)]
pub struct MacroArgument {
    pub name: String,
    /// `type:`
    pub data_type: Option<String>,
    pub description: String,
}

/// A `columns:` entry of a model, a seed or a source's table.
#[derive(Debug, Clone)]
pub struct ColumnProperties {
    pub name: String,
    pub place: Place,
    pub description: String,
    pub data_type: Option<String>,
    pub config: Map<String, Value>,
    pub data_tests: Vec<TestProperties>,
    pub constraints: Vec<Constraint>,
}

/// An entry of `data_tests:` (or `tests:`): `unique`, or `{accepted_values: {arguments: {values: [..]}, config: {..}}}`.
#[derive(Debug, Clone)]
pub struct TestProperties {
    /// The generic test: `unique`, `relationships`, `custom`.
    pub test: String,
    /// `name:`, if the user sets one.
    pub name: Option<String>,
    pub place: Place,
    /// Keyword arguments, below `arguments:` or, as in older files, next to the name.
    pub arguments: Map<String, Value>,
    /// `config:` and the config keys that are written next to it: severity, where, limit, warn_if, error_if, tags,
    /// enabled …
    pub config: Map<String, Value>,
}

/// dbt's constraint: on a model (`columns:` names its columns) or on one column.
#[derive(Debug, Clone)]
pub struct Constraint {
    pub kind: ConstraintKind,
    pub place: Place,
    pub name: Option<String>,
    /// Its columns. For a column's constraint, that column.
    pub columns: Vec<String>,
    /// The SQL of a check or a custom constraint. For other kinds, the text after the keyword.
    pub expression: Option<String>,
    /// A foreign key's `to:`, as written: `ref('customers')`.
    pub to: Option<String>,
    pub to_columns: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    NotNull,
    Unique,
    PrimaryKey,
    ForeignKey,
    Check,
    /// SQL that is used unchanged, only for DuckDB.
    Custom,
}

/// A `sources:` entry.
#[derive(Debug, Clone)]
pub struct SourceProperties {
    pub name: String,
    pub place: Place,
    pub description: String,
    /// The DuckDB schema of its raw tables; the source's name by default.
    pub schema: Option<String>,
    pub config: Map<String, Value>,
    pub tables: Vec<TableProperties>,
}

/// A `tables:` entry of a source: one collection.
#[derive(Debug, Clone)]
pub struct TableProperties {
    pub name: String,
    pub place: Place,
    pub description: String,
    /// The collection's own name, if it differs from the table's name.
    pub identifier: Option<String>,
    /// The table's `config:`, merged over the source's.
    pub config: Map<String, Value>,
    pub columns: Vec<ColumnProperties>,
    pub data_tests: Vec<TestProperties>,
}
