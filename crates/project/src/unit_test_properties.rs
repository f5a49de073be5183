//! Entries of `unit_tests:` as values, each with its place.
//!
//! Knows dbt's keys (<https://docs.getdbt.com/reference/resource-properties/unit-tests>); neither how they are read nor
//! the meaning of a row's values.

use elt_base::error::Place;
use serde_json::{Map, Value};

/// A `unit_tests:` entry.
#[derive(Debug, Clone)]
pub struct UnitTestProperties {
    pub name: String,
    pub place: Place,
    pub description: String,
    pub config: Map<String, Value>,
    /// The model it tests, with its place.
    pub model: (String, Place),
    pub given: Vec<GivenProperties>,
    pub expect: FixtureProperties,
    pub overrides: OverrideProperties,
}

/// An entry of `given:`.
#[derive(Debug, Clone)]
pub struct GivenProperties {
    /// `ref('customers')`, `source('loans', 'customers')` or `this`, as written.
    pub input: String,
    /// The rows of the input.
    pub place: Place,
    pub rows: FixtureProperties,
}

/// The rows of an entry of `given:` or `expect:`.
#[derive(Debug, Clone)]
pub struct FixtureProperties {
    pub place: Place,
    pub rows: FixtureRows,
}

#[derive(Debug, Clone)]
pub enum FixtureRows {
    /// Neither `rows` nor `fixture`: a seed uses its own file.
    Missing,
    Dict(Vec<FixtureRow>),
    Csv(String),
    Sql(String),
    /// A file of the fixtures folder, by its name without its ending.
    File {
        name: String,
        is_sql: bool,
    },
}

/// One row. Columns that it does not name are NULL.
#[derive(Debug, Clone)]
pub struct FixtureRow {
    pub place: Place,
    pub cells: Vec<FixtureCell>,
}

#[derive(Debug, Clone)]
pub struct FixtureCell {
    pub column: String,
    pub column_place: Place,
    pub value: Value,
    pub place: Place,
}

/// `overrides:`: the values that macros, variables and environment variables return instead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OverrideProperties {
    pub macros: Map<String, Value>,
    pub vars: Map<String, Value>,
    pub env_vars: Map<String, Value>,
}
