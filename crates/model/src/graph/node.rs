//! A node of the graph: sources, seeds, snapshots, models, analyses, tests and exposures, each with its
//! configuration and parents.
//!
//! Values; `parse` and `resolve` create them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::Access;
use super::config::Config;
use super::data_test::DataTest;
use super::id::NodeId;
use super::key_map::KeyMapUse;
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
    /// A reader of models outside of the project. Nothing runs for it.
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

    /// Whether `ref()` can name it and a run builds its relation.
    pub fn is_referable(self) -> bool {
        matches!(self, Self::Seed | Self::Snapshot | Self::Model)
    }

    /// Whether it runs as a test.
    pub fn is_test(self) -> bool {
        matches!(self, Self::Test | Self::UnitTest)
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One node of the graph. Fields have the meaning of dbt's fields of the same name, except where a comment says
/// otherwise.
#[derive(Debug, Clone)]
pub struct Node {
    pub id: NodeId,
    pub kind: NodeKind,
    /// `model.<project>.<name>`, `source.<project>.<source>.<table>`, `test.<project>.<name>[.<hash>]`, `seed.…`.
    pub unique_id: String,
    /// The model's, seed's or test's name; a source's table name.
    pub name: String,
    /// For a source: the source's name.
    pub source_name: Option<String>,
    /// For a source: the collection to read (`identifier:`, or the table's name).
    pub collection: Option<String>,
    /// For a source: the origin of its table.
    pub origin: Origin,
    /// For a source that no load fills: the seed of this project that builds its table.
    pub made_by: Option<NodeId>,
    pub fqn: Vec<String>,
    /// The file that defines it: SQL, CSV (with empty text) or, for sources and generic tests, YAML.
    pub source: Arc<SourceText>,
    /// The absolute path of that file, if the project has one (empty for sources and generic tests).
    pub path: std::path::PathBuf,
    /// The input of a snapshot that is defined only in YAML, as written: `ref('customers')`.
    pub reads: Option<String>,
    /// Its YAML entry, if it has one.
    pub patch: Option<Place>,
    pub relation: Relation,
    pub config: Config,
    /// The complete merged configuration, including keys that this tool does not know.
    pub raw_config: Map<String, Value>,
    /// The configuration as its files write it, without added values and without defaults.
    pub unrendered_config: Map<String, Value>,
    pub columns: Vec<ColumnProperties>,
    pub constraints: Vec<Constraint>,
    pub description: String,
    /// Its inputs, each once, in order of first mention.
    pub parents: Vec<NodeId>,
    /// The maps of surrogate keys that its template uses.
    pub key_maps: Vec<KeyMapUse>,
    /// SHA-256 of the raw text, hex.
    pub checksum: String,
    /// For a test: its subject.
    pub test: Option<DataTest>,
    /// For a unit test: its given and expected rows.
    pub unit_test: Option<Arc<UnitTest>>,
    /// For an exposure: its entry.
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

    /// The name for people: `stg_loans`, or `loans.customers` for a source.
    pub fn display_name(&self) -> String {
        match &self.source_name {
            Some(source) => format!("{source}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The name in messages: ``model `x` ``, or "the query" of `--inline`.
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

    /// The place of the whole node: the YAML entry of a source or generic test, else the first line of the file.
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
    /// The SQL to read the node: its relation, or the files that replace it.
    pub fn read_as(&self) -> String {
        match &self.origin {
            Origin::External(sql) => sql.clone(),
            _ => self.relation.to_string(),
        }
    }
}

impl Node {
    /// The group in its own configuration.
    pub fn group(&self) -> Option<&str> {
        self.raw_config.get("group")?.as_str()
    }

    /// `protected` if nothing is configured.
    pub fn access(&self) -> Access {
        match self.raw_config.get("access").and_then(|value| value.as_str()) {
            Some("private") => Access::Private,
            Some("public") => Access::Public,
            _ => Access::Protected,
        }
    }
}
