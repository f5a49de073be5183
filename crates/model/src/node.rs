//! The graph and its nodes: sources, seeds, snapshots, models, analyses, tests and exposures, each with its
//! configuration and parents.
//!
//! Values only: how they come to be is `parse`, what is done with them is in the modules beside it.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::config::Config;
use super::operation::RunHooks;
use super::relation::Relation;
use super::source_table::Origin;
use super::template::Templates;
use super::unit_test::UnitTest;
use elt_base::error::{Place, SourceText};
use elt_project::{ColumnProperties, Constraint, ExposureProperties, GroupProperties, SelectorDefinition};

/// A node's place in its graph; valid for the graph that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    Source,
    Seed,
    Snapshot,
    Model,
    /// Rendered and checked, never built.
    Analysis,
    /// A data test, generic or singular.
    Test,
    UnitTest,
    /// What reads models outside of the project. Nothing is run for it.
    Exposure,
}

impl NodeKind {
    /// dbt's `resource_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Model => "model",
            Self::Analysis => "analysis",
            Self::Test => "test",
            Self::UnitTest => "unit_test",
            Self::Exposure => "exposure",
        }
    }

    /// All kinds, in the order of the graph.
    pub const ALL: [Self; 8] = [
        Self::Source,
        Self::Seed,
        Self::Snapshot,
        Self::Model,
        Self::Analysis,
        Self::Test,
        Self::UnitTest,
        Self::Exposure,
    ];

    /// Whether `ref()` can name it, and a run makes its relation.
    pub fn is_referable(self) -> bool {
        matches!(self, Self::Seed | Self::Snapshot | Self::Model)
    }

    /// Whether it is run to find out whether something is right.
    pub fn is_test(self) -> bool {
        matches!(self, Self::Test | Self::UnitTest)
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One node of the graph. Fields are dbt's of the same name, unless said otherwise.
#[derive(Debug, Clone)]
pub struct Node {
    pub id: NodeId,
    pub kind: NodeKind,
    /// `model.<project>.<name>`, `source.<project>.<source>.<table>`, `test.<project>.<name>[.<hash>]`, `seed.…`.
    pub unique_id: String,
    /// The model's, seed's or test's name; a source's table name.
    pub name: String,
    /// For a source the source's name.
    pub source_name: Option<String>,
    /// For a source the collection to read (`identifier:`, or the table's name).
    pub collection: Option<String>,
    /// For a source what makes its table.
    pub origin: Origin,
    /// For a source that no load makes the seed of this project that does.
    pub made_by: Option<NodeId>,
    pub fqn: Vec<String>,
    /// The file that defines it: SQL, CSV (text empty) or, for sources and generic tests, YAML.
    pub source: Arc<SourceText>,
    /// Absolute path of that file, where the project gives one (empty for sources and generic tests).
    pub path: std::path::PathBuf,
    /// What a snapshot that stands in YAML alone reads, as written: `ref('customers')`.
    pub reads: Option<String>,
    /// Its YAML entry, if it has one.
    pub patch: Option<Place>,
    pub relation: Relation,
    pub config: Config,
    /// All configuration as merged, with keys this tool does not know.
    pub raw_config: Map<String, Value>,
    /// Configuration as its files write it, without what adds up and without defaults.
    pub unrendered_config: Map<String, Value>,
    pub columns: Vec<ColumnProperties>,
    pub constraints: Vec<Constraint>,
    pub description: String,
    /// What it reads, each once, in order of first mention.
    pub parents: Vec<NodeId>,
    /// SHA-256 of the raw text, hex.
    pub checksum: String,
    /// For a test what it tests.
    pub test: Option<DataTest>,
    /// For a unit test what it gives and expects.
    pub unit_test: Option<Arc<UnitTest>>,
    /// For an exposure its entry.
    pub exposure: Option<Box<ExposureProperties>>,
}

impl Node {
    /// The file's path from the project's root.
    pub fn original_path(&self) -> &Path {
        &self.source.path
    }

    /// Jinja as written (empty for sources, seeds and generic tests).
    pub fn raw_text(&self) -> &str {
        match (self.kind, &self.test) {
            (NodeKind::Snapshot, _) => super::snapshot_file::body(&self.source.text),
            (NodeKind::Model | NodeKind::Analysis, _) | (NodeKind::Test, Some(DataTest { generic: None, .. })) => {
                &self.source.text
            }
            _ => "",
        }
    }

    /// The name a person knows it by: `stg_loans`, or `loans.customers` for a source.
    pub fn display_name(&self) -> String {
        match &self.source_name {
            Some(source) => format!("{source}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// How messages speak of it: ``model `x` ``, or "the query" of `--inline`.
    pub fn described(&self) -> String {
        if self.source.path == std::path::Path::new(elt_project::INLINE_PATH) {
            return "the query".into();
        }
        let kind = match self.kind {
            NodeKind::Test => "data test",
            NodeKind::UnitTest => "unit test",
            kind => kind.name(),
        };
        format!("{kind} `{}`", self.display_name())
    }

    /// Where to point when the whole node is meant: its YAML entry for a source or generic test, else its first line.
    pub fn place(&self) -> Place {
        match (&self.kind, &self.test, &self.patch) {
            (NodeKind::Source | NodeKind::UnitTest | NodeKind::Exposure, _, Some(place)) => place.clone(),
            (_, Some(DataTest { generic: Some(_), .. }), Some(place)) => place.clone(),
            (NodeKind::Snapshot, _, Some(place)) if self.reads.is_some() => place.clone(),
            (NodeKind::Snapshot, ..) => super::snapshot_file::first_line(&self.source),
            _ => Place::line(&self.source, 1),
        }
    }
}

/// What a data test tests.
#[derive(Debug, Clone)]
pub struct DataTest {
    /// The node it stands beside and runs with; None if it reads nothing of the graph.
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

/// All nodes of a project, resolved and free of cycles. Kinds come in the order of `NodeKind`, each in the order of its
/// files.
#[derive(Debug)]
pub struct Graph {
    pub project: String,
    /// The project's folder, absolute.
    pub root: std::path::PathBuf,
    /// The warehouse's name in SQL.
    pub database: String,
    /// Whether `dbt_project.yml` is the project.
    pub is_dbt: bool,
    pub(super) nodes: Vec<Node>,
    /// Direct readers of each node, by index.
    pub(super) children: Vec<Vec<NodeId>>,
    /// Position of each node in one topological order.
    pub(super) ranks: Vec<u32>,
    pub(super) by_unique_id: HashMap<String, NodeId>,
    /// What is odd but stops nothing, such as YAML entries without a file.
    pub warnings: Vec<elt_base::error::Error>,
    pub(super) selectors: Vec<SelectorDefinition>,
    pub(super) groups: Vec<GroupProperties>,
    /// What is run before and after the nodes.
    pub run_hooks: RunHooks,
    /// The project's doc blocks as dbt's manifest has them, by `doc.<project>.<name>`.
    pub docs: Map<String, Value>,
    /// Models, seeds and tests that are switched off, in no relation to the others.
    pub(super) disabled: Vec<Node>,
    pub(super) templates: Arc<Templates>,
}

impl Graph {
    /// Whether a word stands in what a node's query is rendered from: its text, those of ephemeral models above, or a macro.
    pub fn has_word(&self, node: &Node, word: &str) -> bool {
        let is_in = |node: &Node| node.source.text.contains(word);
        is_in(node)
            || self.templates.macros_mention(word)
            || self
                .ancestors(node.id)
                .into_iter()
                .map(|id| self.node(id))
                .any(|above| above.config.materialized == super::config::Materialized::Ephemeral && is_in(above))
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

    /// Nodes that read this one directly: models and tests.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        self.children[id.index()].iter().map(|id| self.node(*id))
    }

    /// Whether the project defines a generic test itself, in place of the built-in one perhaps.
    pub(super) fn has_own_test(&self, test: &str) -> bool {
        self.templates.has_macro(&format!("test_{test}"))
    }

    /// `--store-failures`: data tests keep their failures, unless their own configuration says otherwise.
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

    /// All nodes that read this one, directly or not, itself excluded: what is skipped when it fails.
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

    /// Some nodes and all that they read, directly or not.
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

    /// All nodes that this one reads, directly or not, itself excluded.
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
