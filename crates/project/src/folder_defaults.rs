//! Hooks of the run and folder defaults as values.
//!
//! Knows neither the files that they are read from nor their use.

use elt_base::error::Place;
use serde_json::{Map, Value};

/// A statement of `on-run-start` or `on-run-end`, with unrendered Jinja.
#[derive(Debug, Clone)]
pub struct RunHook {
    pub sql: String,
    pub place: Place,
}

/// The folder defaults of each kind of node, as written. They are nested like the folders. Keys that start with `+` are
/// configuration.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    pub models: Map<String, Value>,
    pub seeds: Map<String, Value>,
    pub snapshots: Map<String, Value>,
    /// `data_tests:`, and `tests:`, its name before dbt 1.8.
    pub data_tests: Map<String, Value>,
    pub unit_tests: Map<String, Value>,
    pub sources: Map<String, Value>,
    pub exposures: Map<String, Value>,
}
