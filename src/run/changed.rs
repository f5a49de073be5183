//! Finds the nodes that have not changed since their last build. `--changed` skips them.
//!
//! A node's fingerprint covers its query (both renderings of an incremental model), its hooks and configuration, and
//! the versions of its inputs. A version changes whenever the content may have changed. Knows the records of
//! `_elt.built`. The build writes them in each node's own transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use elt_base::digest::sha256;
use elt_base::error::Result;
use elt_base::numbers::counted;
use elt_model::{Compile, Compiler, Materialized, Node, NodeId, NodeKind, is_volatile};
use elt_warehouse::{Built, Catalog, RelationKind, Session};

/// Configuration keys that affect no row.
const INDIFFERENT: [&str; 8] = ["tags", "meta", "docs", "description", "enabled", "group", "access", "full_refresh"];

/// The current state of the nodes that may be built.
pub struct Changed<'g> {
    graph: &'g Compiler,
    /// Whether nodes may be skipped.
    is_asked: bool,
    stored: HashMap<String, Built>,
    loads: HashMap<(String, String), String>,
    /// The versions of the nodes that this run has processed; None if a version is not known.
    versions: Mutex<HashMap<NodeId, Option<String>>>,
    models: AtomicU64,
    seeds: AtomicU64,
    snapshots: AtomicU64,
    tests: AtomicU64,
}

/// The fingerprint that a node would have if it were built now.
#[derive(Debug, Clone, Default)]
pub struct Print {
    definition: String,
    /// None for a node that never stays the same: it is volatile, or the version of an input is not known.
    fingerprint: Option<String>,
}

impl<'g> Changed<'g> {
    pub fn new(graph: &'g Compiler, session: &Session, is_asked: bool) -> Result<Self> {
        Ok(Self {
            graph,
            is_asked,
            stored: session.built()?,
            loads: session.standing_loads()?,
            versions: Mutex::default(),
            models: AtomicU64::new(0),
            seeds: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
            tests: AtomicU64::new(0),
        })
    }

    /// The fingerprint before a node is built. Its inputs have been built by then.
    pub fn print(&self, node: &Node) -> Print {
        let definition = self.definition(node);
        let fingerprint = definition.as_ref().and_then(|definition| self.with_inputs(node, definition));
        Print { definition: definition.unwrap_or_default(), fingerprint }
    }

    /// Whether a node is unchanged and can be skipped.
    pub fn is_unchanged(&self, node: &Node, print: &Print, catalog: &Catalog) -> bool {
        let wanted = match node.config.materialized {
            Materialized::View => RelationKind::View,
            _ => RelationKind::Table,
        };
        let stands = catalog.get(&node.relation.schema, &node.relation.identifier) == Some(wanted);
        let stored = self.stored.get(&node.unique_id);
        let is_same = stored.is_some_and(|stored| Some(&stored.fingerprint) == print.fingerprint.as_ref());
        self.is_asked && stands && is_same
    }

    /// Records that a node was skipped, with this number of tests.
    pub fn leave(&self, node: &Node, tests: usize) {
        self.set(node.id, self.stored.get(&node.unique_id).map(|stored| stored.version.clone()));
        let count = match node.kind {
            NodeKind::Seed => &self.seeds,
            NodeKind::Snapshot => &self.snapshots,
            _ => &self.models,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.tests.fetch_add(tests as u64, Ordering::Relaxed);
    }

    /// Returns the record of a build's inputs, which is stored with the node.
    pub fn built(&self, node: &Node, print: Print, passed: [&Vec<NodeId>; 2]) -> Built {
        let tests = self.passed(node, passed);
        // The rows of an incremental table are those of all its runs.
        let is_function = node.config.materialized != Materialized::Incremental && node.kind != NodeKind::Snapshot;
        let version = match &print.fingerprint {
            Some(fingerprint) if is_function => fingerprint.clone(),
            _ => uuid::Uuid::now_v7().to_string(),
        };
        self.set(node.id, Some(version.clone()));
        Built { definition: print.definition, fingerprint: print.fingerprint.unwrap_or_default(), version, tests }
    }

    /// Records that a node would change, for a plan that builds nothing.
    pub fn would_change(&self, node: &Node) {
        self.set(node.id, Some(uuid::Uuid::now_v7().to_string()));
    }

    /// The tests among these that have not passed, in their current form, on the node's current data.
    pub fn open_tests(&self, node: &Node, tests: &[NodeId]) -> Vec<NodeId> {
        let passed = self.stored.get(&node.unique_id).map(|stored| &stored.tests);
        let is_open = |id: &NodeId| {
            let test = self.graph.node(*id);
            let known = passed.and_then(|passed| passed.get(&test.unique_id));
            known.is_none() || known != self.test_print(node, test).as_ref()
        };
        tests.iter().copied().filter(is_open).collect()
    }

    /// The record of tests that passed.
    fn passed(&self, node: &Node, tests: [&Vec<NodeId>; 2]) -> BTreeMap<String, String> {
        let prints = tests.into_iter().flatten().filter_map(|id| {
            let test = self.graph.node(*id);
            Some((test.unique_id.clone(), self.test_print(node, test)?))
        });
        prints.collect()
    }

    /// The stored record with further tests that passed.
    pub fn retested(&self, node: &Node, tests: [&Vec<NodeId>; 2]) -> Option<Built> {
        let mut built = self.stored.get(&node.unique_id)?.clone();
        built.tests.extend(self.passed(node, tests));
        Some(built)
    }

    /// A sentence about the nodes that were skipped; None if there are none.
    pub fn said(&self) -> Option<String> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts =
            [(read(&self.seeds), "seeds"), (read(&self.snapshots), "snapshots"), (read(&self.models), "models")];
        let names = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(count, noun));
        let names: Vec<String> = names.collect();
        let tests = match read(&self.tests) {
            0 => String::new(),
            tests => format!(", with {} that passed", counted(tests, "tests")),
        };
        (!names.is_empty()).then(|| format!("{} unchanged{tests}", names.join(" and ")))
    }

    fn set(&self, id: NodeId, version: Option<String>) {
        self.versions.lock().insert(id, version);
    }

    /// None if it is not known, or never stays the same.
    fn definition(&self, node: &Node) -> Option<String> {
        let mut parts = vec![
            env!("CARGO_PKG_VERSION").to_owned(),
            node.unique_id.clone(),
            node.relation.to_string(),
            node.config.materialized.name().to_owned(),
        ];
        let mut config = node.raw_config.clone();
        config.retain(|key, _| !INDIFFERENT.contains(&key.as_str()));
        // Sorted, because the order of keys has no meaning.
        parts.push(format!("{:?}", config.into_iter().collect::<BTreeMap<_, _>>()));
        let column = |column: &elt_project::ColumnProperties| {
            let constraints = column.constraints.iter().map(|one| format!("{:?} {:?}", one.kind, one.expression));
            format!("{} {:?} {:?}", column.name, column.data_type, constraints.collect::<Vec<_>>())
        };
        parts.extend(node.columns.iter().map(column));
        parts.extend(
            node.constraints.iter().map(|one| format!("{:?} {:?} {:?}", one.kind, one.columns, one.expression)),
        );
        // Which batches are due depends on the time of the run.
        if node.config.batch.is_some() {
            return None;
        }
        if node.kind == NodeKind::Seed {
            parts.push(sha256(&String::from_utf8_lossy(&std::fs::read(&node.path).ok()?)));
        } else {
            for is_incremental in [false, true] {
                let how = Compile { is_incremental, batch: None, host: None };
                let sql = self.graph.compile(node, &how).ok()?.sql;
                if is_volatile(&sql) {
                    return None;
                }
                parts.push(sql);
                if node.config.materialized != Materialized::Incremental {
                    break;
                }
            }
            let (before, after) = self.graph.hooks(node, &Compile::default()).ok()?;
            parts.extend(before.into_iter().chain(after));
        }
        Some(sha256(&parts.join("\u{1f}")))
    }

    fn with_inputs(&self, node: &Node, definition: &str) -> Option<String> {
        let mut parts = vec![definition.to_owned()];
        for id in self.inputs(node) {
            parts.push(format!("{}={}", self.graph.node(id).unique_id, self.version(id)?));
        }
        Some(sha256(&parts.join("\u{1f}")))
    }

    /// The inputs of a node, also those behind ephemeral models.
    fn inputs(&self, node: &Node) -> BTreeSet<NodeId> {
        let (mut inputs, mut open) = (BTreeSet::new(), node.parents.clone());
        while let Some(id) = open.pop() {
            let parent = self.graph.node(id);
            if parent.config.materialized == Materialized::Ephemeral {
                open.extend(&parent.parents);
            } else {
                inputs.insert(id);
            }
        }
        inputs
    }

    fn version(&self, id: NodeId) -> Option<String> {
        let known = self.versions.lock().get(&id).cloned();
        if let Some(version) = known {
            return version;
        }
        let node = self.graph.node(id);
        let version = match node.kind {
            NodeKind::Source => {
                let collection = node.collection.clone().unwrap_or_else(|| node.name.clone());
                self.loads.get(&(node.source_name.clone()?, collection)).cloned()
            }
            // The current state: the stored definition with the current versions of the inputs.
            _ if node.config.materialized == Materialized::View => {
                let stored = self.stored.get(&node.unique_id).filter(|stored| !stored.fingerprint.is_empty());
                stored.and_then(|stored| self.with_inputs(node, &stored.definition))
            }
            _ => self.stored.get(&node.unique_id).map(|stored| stored.version.clone()),
        };
        self.set(id, version.clone());
        version
    }

    fn test_print(&self, owner: &Node, test: &Node) -> Option<String> {
        if let Some(unit_test) = &test.unit_test {
            return Some(sha256(&format!("{unit_test:?}")));
        }
        let sql = self.graph.compile(test, &Compile::default()).ok()?.failures(&test.config.test).sql;
        if is_volatile(&sql) {
            return None;
        }
        let mut parts = vec![sql, format!("{:?}", test.config.test.severity)];
        for id in self.inputs(test).into_iter().filter(|id| *id != owner.id) {
            parts.push(self.version(id)?);
        }
        Some(sha256(&parts.join("\u{1f}")))
    }
}
