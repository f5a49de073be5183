//! The subject of a data test.
//!
//! Values. Does not know the SQL of a test.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::id::NodeId;

/// The subject of a data test.
#[derive(Debug, Clone)]
pub struct DataTest {
    /// The node that the test is defined for and runs with. None if the test reads no node of the graph.
    pub owner: Option<NodeId>,
    /// None for a singular test.
    pub generic: Option<GenericTest>,
}

/// A generic test's call.
#[derive(Debug, Clone)]
pub struct GenericTest {
    /// `unique`, `not_null`, `accepted_values`, `relationships`, or a custom test's name.
    pub test: String,
    pub column: Option<String>,
    pub arguments: Map<String, Value>,
}

impl GenericTest {
    /// dbt's `test_metadata`: the name and all arguments, including the tested node.
    pub(crate) fn metadata(&self, on: &Call) -> Value {
        let tested = match on {
            Call::Ref(name) => format!("ref('{name}')"),
            Call::Source(source, table) => format!("source('{source}', '{table}')"),
        };
        let mut arguments = Map::new();
        if let Some(column) = &self.column {
            arguments.insert("column_name".into(), column.clone().into());
        }
        arguments.extend(self.arguments.clone());
        arguments.insert("model".into(), format!("{{{{ get_where_subquery({tested}) }}}}").into());
        json!({ "name": self.test, "kwargs": arguments, "namespace": null })
    }
}
