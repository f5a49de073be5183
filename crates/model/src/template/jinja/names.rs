//! What all renderings of a project share: its names, variables and macros, and what names refer to.
//!
//! Values.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use minijinja::value::Value;
use serde_json::{Map, Value as Json};

use crate::graph::{Call, NodeId, Relation};
use elt_base::error::SourceText;

/// What a name stands for once the graph is resolved.
#[derive(Debug, Clone)]
pub(crate) struct Referent {
    pub id: NodeId,
    pub relation: Relation,
    /// The name of the common table expression that stands for an ephemeral model.
    pub cte: Option<String>,
    /// The node's own `event_time`.
    pub event_time: Option<String>,
    /// The files that stand for a source's table.
    pub external: Option<String>,
}

/// What all renderings share.
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
    /// `graph`, once something asked for it.
    pub graph: OnceLock<Value>,
}

impl ProjectNames {
    /// Whether the project has a macro of that name.
    pub fn has_macro(&self, name: &str) -> bool {
        self.macros.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }
}
