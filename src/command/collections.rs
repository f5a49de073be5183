//! The collections that a command can name: those of the project and those that the warehouse knows.
//!
//! Knows only names. Reads no document.

use crate::messages;
use elt_base::error::{Error, Result};
use elt_model::{Graph, Node, NodeKind};
use elt_warehouse::LastLoad;

/// A collection with the name that people use: `source.table`.
pub struct Named<'g> {
    pub name: String,
    /// None if the project no longer contains it.
    pub node: Option<&'g Node>,
    /// None if it has never been loaded.
    pub last: Option<LastLoad>,
}

impl Named<'_> {
    /// The source and the collection's own name. None if the project no longer contains it.
    pub fn collection(&self) -> Option<(&str, &str)> {
        let node = self.node?;
        Some((node.source_name.as_deref()?, node.collection.as_deref().unwrap_or(&node.name)))
    }

    /// A selector also names it.
    pub fn is_called(&self, name: &str) -> bool {
        name.strip_prefix("source:").unwrap_or(name) == self.name
    }
}

/// All collections, by name.
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

/// The loaded collections: the named ones, or all. Reports all unknown names and all collections that have never been
/// loaded as errors at once.
pub fn loaded<'g>(all: Vec<Named<'g>>, names: &[String]) -> Result<Vec<(Named<'g>, LastLoad)>> {
    let mut errors = Vec::new();
    for name in names {
        match all.iter().find(|one| one.is_called(name)) {
            None => errors.push(messages::collection_unknown(name, all.iter().map(|one| one.name.as_str()))),
            Some(one) if one.last.is_none() => errors.push(messages::collection_never_loaded(&one.name)),
            Some(_) => {}
        }
    }
    if let Some(error) = Error::many(errors) {
        return Err(error);
    }
    let is_chosen = |one: &Named<'_>| names.is_empty() || names.iter().any(|name| one.is_called(name));
    let chosen = all.into_iter().filter(is_chosen);
    Ok(chosen.filter_map(|mut one| one.last.take().map(|last| (one, last))).collect())
}
