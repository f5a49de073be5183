//! The data that all renderings of a project share: its names, variables and macros, and the nodes that names refer to.
//!
//! Values.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use minijinja::value::Value;
use serde_json::{Map, Value as Json};

use crate::graph::{Call, NodeId, Relation};
use elt_base::error::SourceText;

/// The node that a name means after the graph is resolved.
#[derive(Debug, Clone)]
pub(crate) struct Referent {
    pub id: NodeId,
    pub relation: Relation,
    /// The name of the common table expression that represents an ephemeral model.
    pub cte: Option<String>,
    /// The node's own `event_time`.
    pub event_time: Option<String>,
    /// The files that replace a source's table.
    pub external: Option<String>,
}

/// The data that all renderings share.
#[derive(Debug, Default)]
pub(crate) struct ProjectNames {
    pub project: String,
    pub schema: String,
    /// The warehouse's name in SQL.
    pub database: String,
    pub vars: Map<String, Json>,
    /// Empty while parsing.
    pub targets: OnceLock<HashMap<Call, Referent>>,
    /// All project macros' names.
    pub macros: Vec<String>,
    /// Macro files by the name of their template.
    pub macro_files: HashMap<String, Arc<SourceText>>,
    /// `graph`, after a template used it.
    pub graph: OnceLock<Value>,
}

impl ProjectNames {
    /// Whether the project has a macro with this name.
    pub fn has_macro(&self, name: &str) -> bool {
        self.macros.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }
}
