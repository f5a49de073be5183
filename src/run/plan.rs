//! The plan of a command: the collections to load, the nodes to build in order, the tables to publish.
//!
//! Decides from the graph, the selection and the content of the warehouse. Executes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::messages;
use crate::report::{Console, Stage};
use elt_base::error::{Error, Result};
use elt_base::numbers::counted;
use elt_base::path::path_of_key;
use elt_base::schema::Column;
use elt_extract::{BATCH_SIZE, CollectionOptions, CsvOptions, Encoding, Mask, OnMismatch};
use elt_model::{
    CsvConfig, Gate, Graph, LoadKind, MaskWith, Materialized, Node, NodeId, NodeKind, OnMalformed,
    OnMismatch as ForMismatch, OnTruncated, Origin, SelectedNodes, SourceConfig, Steps, TextEncoding, Verify,
};
use elt_project::{ColumnProperties, SourceProfile, Target};
use elt_warehouse::{Catalog, RelationKind};

use super::changed::Changed;
use super::collection::{CollectionLoad, LoadMode};
use super::pinned::pinned_columns;
use super::previous::Previous;

/// The work of a command.
#[derive(Debug)]
pub struct Plan {
    /// Collections to load, by source and name.
    pub loads: Vec<NodeId>,
    /// The nodes to build and test, including the added ones.
    pub selection: SelectedNodes,
    /// Parents that the selection needs and that have never been built.
    pub added: Vec<NodeId>,
    /// Tests that are not run, because they read nodes that have never been built.
    pub waiting: Vec<NodeId>,
    pub steps: Steps,
    pub exports: Vec<PlannedExport>,
}

/// The models that one export of the target publishes: at least one.
#[derive(Debug, Clone)]
pub struct PlannedExport {
    /// The position of the export in the target.
    pub index: usize,
    pub models: Vec<NodeId>,
}

/// The parts of the work that a command does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope {
    pub extract: bool,
    pub seeds: bool,
    pub snapshots: bool,
    pub models: bool,
    pub tests: bool,
    pub export: bool,
    /// The command's name.
    pub name: &'static str,
    /// The nodes that a failing test prevents from running.
    pub gate: Gate,
}

impl Scope {
    /// Whether the command creates relations.
    pub fn builds(self) -> bool {
        self.seeds || self.snapshots || self.models
    }

    /// Whether the command builds or runs nodes of a kind.
    fn takes(self, kind: NodeKind) -> bool {
        match kind {
            NodeKind::Seed => self.seeds,
            NodeKind::Snapshot => self.snapshots,
            NodeKind::Model => self.models,
            NodeKind::Test | NodeKind::UnitTest => self.tests,
            NodeKind::Source | NodeKind::Analysis | NodeKind::Exposure => false,
        }
    }
}

impl Plan {
    /// Creates the plan for a selection. `catalog` is the current content of the warehouse; empty if none exists yet.
    pub fn new(
        graph: &Graph,
        selected: SelectedNodes,
        scope: Scope,
        catalog: &Catalog,
        target: &Target,
    ) -> Result<Self> {
        let exists = |node: &Node| exists(node, catalog);
        let mut selection = selected;
        if scope.builds() {
            selection.retain(|id| {
                let kind = graph.node(id).kind;
                scope.takes(kind) || scope.extract && kind == NodeKind::Source
            });
        } else if !scope.tests {
            selection.retain(|id| !graph.node(id).kind.is_test());
        }
        // A test runs only if all its inputs exist. It never adds nodes to build.
        let is_later = |id: NodeId| scope.builds() && graph.node(id).kind.is_test();
        let tests: Vec<NodeId> = selection.iter().filter(|id| is_later(*id)).collect();
        selection.retain(|id| !is_later(id));
        let added = if scope.builds() { graph.with_missing_parents(&selection, &exists) } else { Vec::new() };
        let added: Vec<NodeId> = added.into_iter().filter(|id| graph.node(*id).kind != NodeKind::Source).collect();
        selection.extend(added.iter().copied());
        let loads = if scope.extract { loads(graph, &selection, catalog) } else { Vec::new() };
        let is_made = |node: &Node| match node.origin {
            Origin::Loaded => selection.contains(node.id) || loads.contains(&node.id),
            _ => node.made_by.is_some_and(|seed| selection.contains(seed)),
        };
        let is_there = |node: &Node| is_made(node) || exists(node);
        let of_added = added
            .iter()
            .filter(|_| scope.tests)
            .flat_map(|id| graph.tests_of(*id).chain(graph.unit_tests_of(*id)))
            .map(|test| test.id);
        let wanted: BTreeSet<NodeId> = tests.into_iter().chain(of_added).collect();
        let (ready, waiting): (Vec<NodeId>, Vec<NodeId>) =
            wanted.into_iter().partition(|id| is_unit_test(graph, *id) || unmet(graph, *id, &is_there).is_empty());
        selection.extend(ready);
        let exports = if scope.export { exports(graph, &selection, target)? } else { Vec::new() };
        selection.retain(|id| scope.takes(graph.node(id).kind) || added.contains(&id));
        let steps = graph.order(&selection, scope.gate);
        Ok(Self { loads, selection, added, waiting, steps, exports })
    }
}

impl Plan {
    /// The nodes that `--changed` would skip if no load adds new rows.
    pub fn unchanged(&self, changed: &Changed<'_>, graph: &Graph, catalog: &Catalog) -> BTreeSet<NodeId> {
        let mut unchanged = BTreeSet::new();
        for step in self.steps.iter().filter(|step| step.builds) {
            let node = graph.node(step.node);
            if changed.is_unchanged(node, &changed.print(node), catalog) {
                changed.leave(node, 0);
                unchanged.insert(step.node);
            } else {
                changed.would_change(node);
            }
        }
        unchanged
    }

    /// Keeps only the work that a previous run of the same plan did not finish: the nodes that failed or were skipped,
    /// their tests, and the publication that they prevented.
    pub fn keep_undone(&mut self, graph: &Graph, previous: &Previous, gate: Gate) {
        let is_undone = |id: NodeId| previous.undone.contains(&graph.node(id).unique_id);
        let again: BTreeSet<NodeId> =
            self.steps.iter().filter(|step| step.builds && is_undone(step.node)).map(|step| step.node).collect();
        let tests_of_again: BTreeSet<NodeId> = self
            .steps
            .iter()
            .filter(|step| again.contains(&step.node))
            .flat_map(|step| step.tests.iter().chain(&step.unit_tests).copied())
            .collect();
        self.selection.retain(|id| is_undone(id) || tests_of_again.contains(&id));
        self.added.retain(|id| self.selection.contains(*id));
        self.loads.retain(|id| previous.unloaded.contains(&graph.node(*id).display_name()));
        if previous.is_published {
            self.exports.clear();
        }
        self.steps = graph.order(&self.selection, gate);
    }

    /// Prints the plan for people, one line per piece of work, in the order of execution.
    pub fn print(
        &self,
        graph: &Graph,
        target: &Target,
        full_refresh: bool,
        catalog: &Catalog,
        unchanged: &BTreeSet<NodeId>,
        console: &Console,
    ) -> Result<()> {
        console.say(&format!("plan for target `{}`, nothing is executed:", target.name));
        for id in &self.loads {
            let collection = collection(graph.node(*id), target)?;
            let known = catalog.get(&collection.schema, &collection.table).is_some();
            let mode = match collection.mode {
                LoadMode::Incremental { watermark, .. } if known && !full_refresh => {
                    format!("incremental by `{watermark}`")
                }
                _ => "full".into(),
            };
            console.say(&format!("  {:<8} {:<34} {mode}", Stage::Extract, graph.node(*id).display_name()));
        }
        for step in &self.steps {
            let node = graph.node(step.node);
            let mut notes = Vec::new();
            if unchanged.contains(&step.node) {
                notes.push("unchanged, not built".to_owned());
            } else if step.builds {
                notes.push(node.config.materialized.name().to_owned());
            }
            if !step.tests.is_empty() {
                notes.push(counted(step.tests.len() as u64, "tests"));
            }
            if !step.unit_tests.is_empty() {
                notes.push(counted(step.unit_tests.len() as u64, "unit tests"));
            }
            if self.added.contains(&step.node) {
                notes.push("added because it has never been built".into());
            }
            let stage = match (step.builds, node.kind) {
                (false, _) => Stage::Test,
                (true, NodeKind::Seed) => Stage::Seed,
                (true, NodeKind::Snapshot) => Stage::Snapshot,
                (true, _) => Stage::Model,
            };
            console.say(&format!("  {stage:<8} {:<34} {}", node.display_name(), notes.join(", ")));
        }
        for export in &self.exports {
            for id in &export.models {
                let table = target.exports[export.index].table(&graph.node(*id).relation.identifier);
                console.say(&format!("  {:<8} {table}", Stage::Export));
            }
        }
        Ok(())
    }
}

/// Unit tests do not read the warehouse.
fn is_unit_test(graph: &Graph, id: NodeId) -> bool {
    graph.node(id).kind == NodeKind::UnitTest
}

/// The collections that the selected nodes read, directly or through ephemeral models and views that are not rebuilt.
fn loads(graph: &Graph, selection: &SelectedNodes, catalog: &Catalog) -> Vec<NodeId> {
    let is_view = |node: &Node| {
        node.config.materialized == Materialized::Ephemeral
            || node.config.materialized == Materialized::View
                && catalog.get(&node.relation.schema, &node.relation.identifier) != Some(RelationKind::Table)
    };
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<NodeId> = selection.iter().filter(|id| !graph.node(*id).kind.is_test()).collect();
    while let Some(id) = open.pop() {
        let node = graph.node(id);
        if node.kind == NodeKind::Source && node.origin == Origin::Loaded {
            found.insert(id);
        }
        for parent in graph.parents(id) {
            let through = parent.kind == NodeKind::Source || selection.contains(parent.id) || is_view(parent);
            if through && seen.insert(parent.id) {
                open.push(parent.id);
            }
        }
    }
    found.into_iter().collect()
}

/// The inputs of a node that do not exist, also those behind ephemeral models.
pub fn unmet<'a>(graph: &'a Graph, id: NodeId, is_there: &dyn Fn(&Node) -> bool) -> Vec<&'a Node> {
    let mut missing: Vec<&Node> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        for parent in graph.parents(id).filter(|parent| seen.insert(parent.id)) {
            if parent.config.materialized == Materialized::Ephemeral {
                open.push(parent.id);
            } else if !is_there(parent) {
                missing.push(parent);
            }
        }
    }
    missing
}

/// The error about a node that reads `missing` inputs; None if no input is missing.
pub fn unmet_error(node: &Node, missing: &[&Node]) -> Option<Error> {
    if let Some(table) = missing.iter().find(|node| node.origin == Origin::Standing) {
        let (source, relation) = (table.display_name(), table.relation.to_string());
        return Some(messages::no_such_table(&source, &relation, &node.described(), None).at(node.place()));
    }
    let names = |wanted: bool| -> Vec<String> {
        let of_kind = missing.iter().filter(|node| (node.kind == NodeKind::Source) == wanted);
        of_kind.map(|node| node.display_name()).collect()
    };
    let error = messages::unmet(&node.described(), &names(true), &names(false));
    error.map(|error| error.at(node.place()))
}

/// Whether the relation of a node exists in the warehouse.
pub fn exists(node: &Node, catalog: &Catalog) -> bool {
    matches!(node.origin, Origin::External(_))
        || catalog.get(&node.relation.schema, &node.relation.identifier).is_some()
}

/// The selected models that each of the target's exports also selects.
pub fn exports(graph: &Graph, selection: &SelectedNodes, target: &Target) -> Result<Vec<PlannedExport>> {
    let is_table = |id: &NodeId| {
        let node = graph.node(*id);
        node.kind.is_referable() && node.config.materialized != Materialized::Ephemeral
    };
    let mut exports = Vec::new();
    for (index, export) in target.exports.iter().enumerate() {
        let exported = graph
            .select(std::slice::from_ref(&export.select), &[])
            .map_err(|error| messages::nothing_to_export(&target.name, export, &error))?;
        let models: Vec<NodeId> = selection.iter().filter(|id| exported.contains(*id)).filter(is_table).collect();
        if !models.is_empty() {
            exports.push(PlannedExport { index, models });
        }
    }
    Ok(exports)
}

/// The selected models that any of the target's exports also selects.
pub fn exported(graph: &Graph, selection: &SelectedNodes, target: &Target) -> Result<Vec<NodeId>> {
    let models: BTreeSet<NodeId> =
        exports(graph, selection, target)?.into_iter().flat_map(|export| export.models).collect();
    Ok(models.into_iter().collect())
}

/// The collection to load for a source's table. Fails if the target does not define where the source is.
pub fn collection(node: &Node, target: &Target) -> Result<CollectionLoad> {
    let source = node.source_name.clone().unwrap_or_default();
    if !target.sources.contains_key(&source) {
        let known = target.sources.keys().map(String::as_str);
        return Err(messages::source_without_profile(&source, &target.name, known).at(node.place()));
    }
    let profile = &target.sources[&source];
    let config = &node.config.source;
    let of_files = [
        ("key", !config.key.is_empty()),
        ("delimiter", config.csv.delimiter.is_some()),
        ("quote", config.csv.quote.is_some()),
        ("null", config.csv.nulls.is_some()),
        ("encoding", config.csv.encoding.is_some()),
        ("header", config.csv.header.is_some()),
    ];
    if let (SourceProfile::Mongodb { .. }, Some((key, _))) = (profile, of_files.iter().find(|(_, is_set)| *is_set)) {
        return Err(messages::key_of_files(key, &source, &node.name).at(node.place()));
    }
    let mode = match (config.load, &config.watermark) {
        (LoadKind::Incremental, Some(watermark)) => {
            LoadMode::Incremental { watermark: watermark.clone(), lookback: config.lookback }
        }
        _ => LoadMode::Full,
    };
    let pinned: Vec<Column> = pinned_columns(node)?;
    Ok(CollectionLoad {
        source,
        name: node.collection.clone().unwrap_or_else(|| node.name.clone()),
        label: node.display_name(),
        schema: node.relation.schema.clone(),
        table: node.relation.identifier.clone(),
        mode,
        deletes: node.config.deletes,
        pinned,
        options: Arc::new(options(node, profile)),
        sweep_limit: config.sweep_limit,
        is_strict: config.verify == Verify::Strict,
        is_resumable: !matches!(profile, SourceProfile::Mongodb { snapshot: true, .. }),
        origin: profile.fingerprint(),
    })
}

/// The fields to read: always with those of the key.
fn include(config: &SourceConfig) -> Vec<String> {
    let mut include = config.include.clone();
    if !include.is_empty() {
        let is_in = |path: &str, above: &String| {
            path.strip_prefix(above.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        for path in &config.key {
            if !include.iter().any(|above| is_in(path, above)) {
                include.push(path.clone());
            }
        }
    }
    include
}

fn csv(config: &CsvConfig) -> CsvOptions {
    // Both characters are ASCII.
    let byte = |letter: char| u8::try_from(letter).unwrap_or_default();
    CsvOptions {
        delimiter: config.delimiter.map(byte),
        quote: config.quote.map(|quote| quote.map(byte)),
        nulls: config.nulls.clone(),
        encoding: config.encoding.map(|encoding| match encoding {
            TextEncoding::Utf8 => Encoding::Utf8,
            TextEncoding::Utf16 | TextEncoding::Utf16Le => Encoding::Utf16Le,
            TextEncoding::Utf16Be => Encoding::Utf16Be,
            TextEncoding::Latin1 => Encoding::Latin1,
            TextEncoding::Windows1252 => Encoding::Windows1252,
        }),
        header: config.header,
    }
}

/// The options for reading a source's table.
fn options(node: &Node, profile: &SourceProfile) -> CollectionOptions {
    let config = &node.config.source;
    let fails = |column: &&ColumnProperties| column.config.get("on_mismatch").is_some_and(|value| value == "fail");
    let columns: Vec<String> = node.columns.iter().filter(fails).map(|column| path_of_key(&column.name)).collect();
    let mask = |with: MaskWith| match with {
        MaskWith::Hash => Mask::Hash,
        MaskWith::Null => Mask::Null,
    };
    CollectionOptions {
        filter: config.filter.clone(),
        include: include(config),
        exclude: config.exclude.clone(),
        mask: config.mask.iter().map(|(path, with)| (path.clone(), mask(*with))).collect(),
        mask_salt: config.mask_salt.clone(),
        keep_bson: config.keep_bson,
        on_mismatch: match config.on_mismatch {
            ForMismatch::Fail => OnMismatch::Fail,
            ForMismatch::Rescue if columns.is_empty() => OnMismatch::Rescue,
            ForMismatch::Rescue => OnMismatch::FailAt(columns),
        },
        fail_on_malformed: config.on_malformed == OnMalformed::Fail,
        takes_truncated: config.on_truncated == OnTruncated::Quarantine,
        read_concern: config.read_concern.clone(),
        batch_size: config.batch_size.unwrap_or(BATCH_SIZE),
        range_size: config.range_size,
        csv: csv(&config.csv),
        key: config.key.clone(),
        // A server's documents always have an `_id`.
        needs_key: config.load == LoadKind::Incremental && matches!(profile, SourceProfile::Files { .. }),
    }
}
