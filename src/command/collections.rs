//! The collections that a command may name: those of the project, and those that the warehouse knows of.
//!
//! Knows names; reads no document.

use crate::messages;
use elt_base::error::{Error, Result};
use elt_model::{Graph, Node, NodeKind};
use elt_warehouse::LastLoad;

/// A collection, by the name people know it by: `source.table`.
pub struct Named<'g> {
    pub name: String,
    /// None if it is no longer in the project.
    pub node: Option<&'g Node>,
    /// None if it was never loaded.
    pub last: Option<LastLoad>,
}

/// All of them, by name.
pub fn all<'g>(graph: &'g Graph, loads: Vec<LastLoad>) -> Vec<Named<'g>> {
    let mut found: Vec<Named<'g>> = Vec::new();
    let mut loads: Vec<Option<LastLoad>> = loads.into_iter().map(Some).collect();
    for node in graph.nodes().filter(|node| node.kind == NodeKind::Source) {
        let source = node.source_name.as_deref().unwrap_or_default();
        let collection = node.collection.as_deref().unwrap_or(&node.name);
        let is_its = |load: &&mut Option<LastLoad>| {
            load.as_ref().is_some_and(|load| load.source == source && load.collection == collection)
        };
        let last = loads.iter_mut().find(is_its).and_then(Option::take);
        found.push(Named { name: node.display_name(), node: Some(node), last });
    }
    for load in loads.into_iter().flatten() {
        found.push(Named { name: format!("{}.{}", load.source, load.collection), node: None, last: Some(load) });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Those that were loaded: the ones named, or all. Names that are none, and collections that were never loaded, are
/// errors, all told at once.
pub fn loaded<'g>(all: Vec<Named<'g>>, names: &[String]) -> Result<Vec<(Named<'g>, LastLoad)>> {
    let mut errors = Vec::new();
    for name in names {
        match all.iter().find(|one| is_called(one, name)) {
            None => errors.push(messages::collection_unknown(name, all.iter().map(|one| one.name.as_str()))),
            Some(one) if one.last.is_none() => errors.push(messages::collection_never_loaded(&one.name)),
            Some(_) => {}
        }
    }
    if let Some(error) = Error::many(errors) {
        return Err(error);
    }
    let is_chosen = |one: &Named<'_>| names.is_empty() || names.iter().any(|name| is_called(one, name));
    let chosen = all.into_iter().filter(is_chosen);
    Ok(chosen.filter_map(|mut one| one.last.take().map(|last| (one, last))).collect())
}

/// Also by its selector.
fn is_called(one: &Named<'_>, name: &str) -> bool {
    name.strip_prefix("source:").unwrap_or(name) == one.name
}
