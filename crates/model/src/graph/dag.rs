//! The graph: all nodes of a project, resolved and without cycles.
//!
//! Values, and walks along the edges. `resolve` creates the graph.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::choices::Materialized;
use super::hook::RunHooks;
use super::id::NodeId;
use super::macro_files::MacroFiles;
use super::node::{Node, NodeKind};
use elt_project::{GroupProperties, SelectorDefinition};

/// All nodes of a project, resolved and without cycles. They are ordered by kind, as in `NodeKind`, then as in their
/// files.
#[derive(Debug)]
pub struct Graph {
    pub project: String,
    /// The project's folder, absolute.
    pub root: std::path::PathBuf,
    /// The warehouse's name in SQL.
    pub database: String,
    /// Whether `dbt_project.yml` defines the project.
    pub is_dbt: bool,
    pub(crate) nodes: Vec<Node>,
    /// Direct readers of each node, by index.
    pub(crate) children: Vec<Vec<NodeId>>,
    /// Position of each node in one topological order.
    pub(crate) ranks: Vec<u32>,
    pub(crate) by_unique_id: HashMap<String, NodeId>,
    /// Oddities that stop nothing, such as YAML entries without a file.
    pub warnings: Vec<elt_base::error::Error>,
    pub(crate) selectors: Vec<SelectorDefinition>,
    pub(crate) groups: Vec<GroupProperties>,
    /// The statements that run before and after the nodes.
    pub run_hooks: RunHooks,
    /// The project's doc blocks in the form of dbt's manifest, by `doc.<project>.<name>`.
    pub docs: Map<String, Value>,
    /// Disabled models, seeds and tests, without relations to other nodes.
    pub(crate) disabled: Vec<Node>,
    pub(crate) macros: MacroFiles,
}

impl Graph {
    /// Whether a node's query can contain a word: the node's text, the text of an ephemeral model above it, or a macro
    /// contains it.
    pub fn has_word(&self, node: &Node, word: &str) -> bool {
        let is_in = |node: &Node| node.source.text.contains(word);
        is_in(node)
            || self.macros.mention(word)
            || self
                .ancestors(node.id)
                .into_iter()
                .map(|id| self.node(id))
                .any(|above| above.config.materialized == Materialized::Ephemeral && is_in(above))
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    pub fn by_unique_id(&self, unique_id: &str) -> Option<&Node> {
        self.by_unique_id.get(unique_id).map(|id| self.node(*id))
    }

    /// A model, seed or snapshot by its name.
    pub fn by_name(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.kind.is_referable() && node.name == name)
    }

    pub fn parents(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        self.node(id).parents.iter().map(|id| self.node(*id))
    }

    /// The direct readers of a node: models and tests.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        self.children[id.index()].iter().map(|id| self.node(*id))
    }

    /// Whether the project itself defines a generic test, also one that replaces a built-in test.
    pub(crate) fn has_own_test(&self, test: &str) -> bool {
        self.macros.has(&format!("test_{test}"))
    }

    /// `--store-failures`: data tests keep their failures, unless their own configuration differs.
    pub fn store_failures(&mut self) {
        let says =
            |node: &Node| ["store_failures", "store_failures_as"].iter().any(|key| node.raw_config.contains_key(*key));
        for node in self.nodes.iter_mut().filter(|node| node.kind == NodeKind::Test && !says(node)) {
            node.config.test.store_failures = true;
        }
    }

    /// The data tests that run with a node.
    pub fn tests_of(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        self.children(id).filter(move |node| node.test.as_ref().is_some_and(|test| test.owner == Some(id)))
    }

    /// The unit tests of a model.
    pub fn unit_tests_of(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        self.children(id).filter(move |node| node.unit_test.as_ref().is_some_and(|test| test.model == id))
    }

    /// The node that a YAML text names: `ref('customers')`, `source('loans', 'customers')`, or a plain name, with or
    /// without `{{ }}`.
    pub fn referred(&self, written: &str) -> Option<&Node> {
        let text = written.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
        let quoted: Vec<&str> = text.split(['\'', '"']).skip(1).step_by(2).collect();
        match (text.split('(').next().map(str::trim), quoted.as_slice()) {
            (Some("ref"), [.., name]) => self.by_name(name),
            (Some("source"), [source, table]) => {
                self.by_unique_id(&format!("source.{}.{source}.{table}", self.project))
            }
            _ => self.by_name(text),
        }
    }

    /// All direct and indirect readers of a node, without the node itself. They are skipped when it fails.
    pub fn descendants(&self, id: NodeId) -> std::collections::BTreeSet<NodeId> {
        let mut seen = std::collections::BTreeSet::new();
        let mut open = self.children[id.index()].clone();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(&self.children[next.index()]);
            }
        }
        seen
    }

    /// Some nodes and all their direct and indirect inputs.
    pub fn with_ancestors(&self, ids: impl Iterator<Item = NodeId>) -> std::collections::BTreeSet<NodeId> {
        let mut seen = std::collections::BTreeSet::new();
        let mut open: Vec<NodeId> = ids.collect();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(&self.node(next).parents);
            }
        }
        seen
    }

    /// All direct and indirect inputs of a node, without the node itself.
    pub fn ancestors(&self, id: NodeId) -> std::collections::BTreeSet<NodeId> {
        let mut seen = std::collections::BTreeSet::new();
        let mut open = self.node(id).parents.clone();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(&self.node(next).parents);
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn threads_share_a_graph() {
        fn check<T: Send + Sync>() {}
        check::<super::Graph>();
    }
}
