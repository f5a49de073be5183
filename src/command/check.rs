//! `elt check`: renders and binds every selected query against the real columns, and reports all errors. Builds
//! nothing. The warehouse is open only while its columns are read.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::report::Console;
use crate::run::{SessionHost, binder, plan};
use elt_base::error::{Error, Result};
use elt_base::numbers::counted;
use elt_model::{Checked, Compiler, Host, Node, NodeId, NodeKind, Origin};
use elt_warehouse::{Session, Warehouse};

use super::workspace::Workspace;
use super::{Common, Selection, publication};

pub fn run(common: &Common, options: &Selection, console: &Console) -> Result<bool> {
    let started = Instant::now();
    let workspace = Workspace::open(common, console)?;
    let graph = &workspace.graph;
    let selected = workspace.select(options, console)?;
    let reach = workspace.reach();
    let warehouse = workspace.warehouse_within(&reach)?;
    let session = warehouse.as_ref().map(Warehouse::session).transpose()?;
    let known = session.as_ref().map_or_else(|| Ok(Default::default()), |session| binder::known(graph, session))?;
    let host = session.as_ref().map(|session| SessionHost::reading(session, console));
    let host = host.as_ref().map(|host| -> &dyn Host { host });
    let (_, checked, mut errors) = binder::examine(graph, &selected, known, host, Some(&reach))?;
    let target = workspace.target();
    let exports = plan::exports(graph, &selected, target)?;
    if !exports.is_empty() {
        let stands = session.as_ref().map_or_else(|| Ok(Default::default()), Session::columns)?;
        errors.extend(publication::check_all(graph, &exports, target, &checked.columns, &stands));
    }
    let open: BTreeSet<NodeId> = checked.unchecked.iter().copied().filter(|id| selected.contains(*id)).collect();
    for line in unchecked(graph, &open, &checked) {
        console.say(&line);
    }
    let count = |kinds: &[NodeKind], among: &dyn Fn(NodeId) -> bool| {
        selected.iter().filter(|id| kinds.contains(&graph.node(*id).kind) && among(*id)).count() as u64
    };
    if let Some(error) = Error::many(errors) {
        return Err(error);
    }
    let bound = |id: NodeId| !open.contains(&id);
    let models = count(&[NodeKind::Model, NodeKind::Snapshot], &bound);
    let tests = count(&[NodeKind::Test, NodeKind::UnitTest], &bound);
    let analyses = count(&[NodeKind::Analysis], &bound);
    let what =
        [(models, "models"), (analyses, "analyses"), (tests, "tests")].into_iter().filter(|(number, _)| *number > 0);
    let what: Vec<String> = what.map(|(number, noun)| counted(number, noun)).collect();
    let what = match what.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    };
    console.say(&format!("checked {what} in {:.2} s", started.elapsed().as_secs_f64()));
    Ok(true)
}

/// The nodes that could not be checked, one line per reason.
fn unchecked(graph: &Compiler, open: &BTreeSet<NodeId>, checked: &Checked) -> Vec<String> {
    let all = &checked.unchecked;
    let mut lines = Vec::new();
    let mut told = BTreeSet::new();
    let name = |id: &NodeId| format!("`{}`", graph.node(*id).display_name());
    let reasons = [
        (NodeKind::Seed, Origin::Loaded, false, "has", "never been loaded", "`elt seed` loads the missing tables"),
        (NodeKind::Source, Origin::Standing, true, "has", "never been loaded", "`elt seed` loads the missing tables"),
        (
            NodeKind::Source,
            Origin::Standing,
            false,
            "is",
            "not in the warehouse",
            "no target loads this source; add a `data_type` to each column in YAML",
        ),
        (
            NodeKind::Source,
            Origin::Loaded,
            false,
            "has",
            "never been loaded",
            "run `elt extract`, or add a `data_type` to each column in YAML",
        ),
    ];
    for (kind, origin, is_made, one, missing, how) in reasons {
        let mut readers = BTreeSet::new();
        let mut tables = Vec::new();
        let is_meant = |node: &Node| node.kind == kind && node.origin == origin && node.made_by.is_some() == is_made;
        for table in all.iter().filter(|id| is_meant(graph.node(**id))) {
            let below = graph.descendants(*table);
            let before = readers.len();
            readers.extend(below.into_iter().filter(|id| open.contains(id)));
            if readers.len() > before {
                tables.push(name(table));
            }
        }
        if readers.is_empty() {
            continue;
        }
        let what = spoken(graph, &readers);
        let verb = match (one, tables.len()) {
            (one, 1) => one,
            ("is", _) => "are",
            _ => "have",
        };
        let tables = short(tables, "tables").unwrap_or_default();
        lines.push(format!("not checked: {what}, because {tables} {verb} {missing}: {how}"));
        told.extend(readers);
    }
    for id in checked.by_files.iter().filter(|id| open.contains(id)) {
        let below = graph.descendants(*id).into_iter().chain([*id]);
        let readers: BTreeSet<NodeId> = below.filter(|id| open.contains(id)).collect();
        let what = spoken(graph, &readers);
        lines.push(format!("not checked: {what}, because {} uses files that no source declares", name(id)));
        told.extend(readers);
    }
    let first: Vec<NodeId> = checked.by_hooks.iter().copied().filter(|id| !told.contains(id)).collect();
    let below = first.iter().flat_map(|id| graph.descendants(*id)).chain(first.iter().copied());
    let readers: BTreeSet<NodeId> = below.filter(|id| open.contains(id)).collect();
    if !readers.is_empty() {
        let what = spoken(graph, &readers);
        let named = short(first.iter().map(name).collect(), "nodes").unwrap_or_default();
        lines.push(format!(
            "not checked: {what}, because only a hook of `on-run-start` can create the objects that {named} uses"
        ));
        told.extend(readers);
    }
    let rest = open.iter().filter(|id| !told.contains(*id) && graph.node(**id).kind == NodeKind::Model);
    lines.extend(
        rest.map(|id| format!("not checked: {}, because its columns depend on the data that it pivots", name(id))),
    );
    lines
}

/// The names of the models, and the number of tests.
fn spoken(graph: &Compiler, ids: &BTreeSet<NodeId>) -> String {
    let models = ids.iter().map(|id| graph.node(*id)).filter(|node| !node.kind.is_test());
    let models: Vec<String> = models.map(|node| format!("`{}`", node.display_name())).collect();
    let tests = (ids.len() - models.len()) as u64;
    let tests = (tests > 0).then(|| counted(tests, "tests"));
    short(models, "models").into_iter().chain(tests).collect::<Vec<_>>().join(" and ")
}

/// The first names, and the number of the others.
fn short(names: Vec<String>, noun: &str) -> Option<String> {
    const SHOWN_MAX: usize = 4;
    match names.len() {
        0 => None,
        number if number <= SHOWN_MAX => Some(names.join(", ")),
        number => Some(format!("{} and {} more {noun}", names[..SHOWN_MAX - 1].join(", "), number - SHOWN_MAX + 1)),
    }
}
