//! Describes which columns and exports a changed field of a source reaches, and which fields a load changed.
//!
//! Runs only if a field changed. Knows the graph and its lineage.

use std::collections::BTreeSet;

use elt_base::error::Result;
use elt_model::lineage::{Field, Lineage};
use elt_model::{Compiler, FieldChange, KnownColumns, NodeId, NodeKind, SelectedNodes, field_changes};

use super::binder;

/// The largest number of columns that a line names.
const SHOWN_MAX: usize = 4;

/// The lineage of all models that read the given sources, for the known columns.
pub fn lineage<'g>(
    graph: &'g Compiler,
    everything: &SelectedNodes,
    sources: &BTreeSet<NodeId>,
    known: &KnownColumns,
) -> Result<Lineage<'g>> {
    let below: BTreeSet<NodeId> = sources.iter().flat_map(|id| graph.descendants(*id)).collect();
    let mut selection = everything.clone();
    selection.retain(|id| below.contains(&id) && graph.node(id).kind == NodeKind::Model);
    let (mut columns, checked, _) = binder::examine(graph, &selection, known.clone(), None, None)?;
    columns.extend(checked.columns);
    binder::lineage(graph, below, &columns, None)
}

/// `reaches customers.city, exported`; None if nothing reads it.
pub fn words(lineage: &Lineage<'_>, field: &Field, exports: &[NodeId]) -> Option<String> {
    let graph = lineage.graph();
    let reached = lineage.reached(field);
    let shown = |field: &Field| {
        let mut text = graph.node(field.node).display_name();
        field.path.iter().for_each(|step| step.push(&mut text));
        text
    };
    let is_exported = |field: &&Field| exports.contains(&field.node);
    let exported: Vec<String> = reached.iter().filter(is_exported).map(shown).collect();
    if !exported.is_empty() {
        return Some(format!("reaches {}, exported", listed(&exported)));
    }
    // Only the last columns of the lineage are shown.
    let is_end = |field: &&Field| lineage.reached(field).is_empty();
    let ends: Vec<String> = reached.iter().filter(is_end).map(shown).collect();
    if !ends.is_empty() {
        return Some(format!("reaches {}", listed(&ends)));
    }
    let deciding: BTreeSet<String> =
        lineage.below(field).keys().map(|field| format!("`{}`", graph.node(field.node).display_name())).collect();
    if !deciding.is_empty() {
        return Some(format!("decides rows of {}", deciding.into_iter().collect::<Vec<_>>().join(", ")));
    }
    // Of the models that cannot be bound, the most upstream ones may have read the field.
    let below = graph.descendants(field.node);
    let unbound: Vec<NodeId> = lineage.unbound.iter().copied().filter(|id| below.contains(id)).collect();
    let is_first = |id: &&NodeId| graph.parents(**id).all(|parent| !unbound.contains(&parent.id));
    let names: Vec<String> =
        unbound.iter().filter(is_first).map(|id| format!("`{}`", graph.node(*id).display_name())).collect();
    (!names.is_empty()).then(|| format!("{} cannot be bound: `elt check` says why", listed(&names)))
}

fn listed(names: &[String]) -> String {
    match names.len() {
        number if number <= SHOWN_MAX => names.join(", "),
        number => format!("{} and {} more", names[..SHOWN_MAX].join(", "), number - SHOWN_MAX),
    }
}

/// A line for each field that the loads added, removed or changed to another type, in collections that were loaded
/// before.
pub fn changes(
    graph: &Compiler,
    everything: &SelectedNodes,
    before: &KnownColumns,
    now: &KnownColumns,
    exports: &[NodeId],
) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for (id, columns) in now.iter().filter(|(id, _)| graph.node(**id).kind == NodeKind::Source) {
        let Some(old) = before.get(id) else { continue };
        changed
            .extend(field_changes(old, columns).into_iter().map(|(path, change)| (Field { node: *id, path }, change)));
    }
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let sources: BTreeSet<NodeId> = changed.iter().map(|(field, _)| field.node).collect();
    // Queries that read a removed field cannot be bound now.
    let then = lineage(graph, everything, &sources, before)?;
    let later = match changed.iter().any(|(_, change)| *change == FieldChange::New) {
        true => Some(lineage(graph, everything, &sources, now)?),
        false => None,
    };
    let line = |(field, change): &(Field, FieldChange)| {
        let (what, lineage) = match change {
            FieldChange::New => ("is new".to_owned(), later.as_ref().unwrap_or(&then)),
            FieldChange::Gone => ("is gone".to_owned(), &then),
            FieldChange::Retyped(from, to) => (format!("was {from} and is {to}"), &then),
        };
        let name = graph.node(field.node).display_name();
        let words = words(lineage, field, exports).unwrap_or_else(|| "no model reads it".into());
        format!("`{}` of `{name}` {what}: {words}", field.text())
    };
    Ok(changed.iter().map(line).collect())
}
