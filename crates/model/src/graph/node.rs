//! A node of the graph: sources, seeds, snapshots, models, analyses, tests and exposures, each with its
//! configuration and parents.
//!
//! Values: `parse` and `resolve` make them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::Access;
use super::config::Config;
use super::data_test::DataTest;
use super::id::NodeId;
use super::origin::Origin;
use super::relation::Relation;
use super::snapshot_block::{body, first_line};
use super::unit_test::UnitTest;
use elt_base::error::{Place, SourceText};
use elt_project::{ColumnProperties, Constraint, ExposureProperties};

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
            (NodeKind::Snapshot, _) => body(&self.source.text),
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
            (NodeKind::Snapshot, ..) => first_line(&self.source),
            _ => Place::line(&self.source, 1),
        }
    }
}

impl Node {
    /// What reads the node in SQL: its relation, or the files in its place.
    pub fn read_as(&self) -> String {
        match &self.origin {
            Origin::External(sql) => sql.clone(),
            _ => self.relation.to_string(),
        }
    }
}

impl Node {
    /// The group it belongs to by its own configuration.
    pub fn group(&self) -> Option<&str> {
        self.raw_config.get("group")?.as_str()
    }

    /// `protected` if nothing is said.
    pub fn access(&self) -> Access {
        match self.raw_config.get("access").and_then(|value| value.as_str()) {
            Some("private") => Access::Private,
            Some("public") => Access::Public,
            _ => Access::Protected,
        }
    }
}
