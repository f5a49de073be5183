//! Checks that the landed segments which models will read are as they were written.
//!
//! A raw table may be a view over segments, and DuckDB reads a damaged file as other values. Knows the landing and the
//! warehouse, but changes neither.

use std::collections::BTreeSet;

use crate::messages;
use elt_base::error::{Error, Result};
use elt_extract::land::Landing;
use elt_model::{Graph, Materialized, Node, NodeId, NodeKind};
use elt_warehouse::{Catalog, RelationKind, Session};

/// An error for each collection with a damaged segment that one of the `nodes` reads. The collections in `loaded` were
/// just loaded.
pub fn check(
    graph: &Graph,
    nodes: impl Iterator<Item = NodeId>,
    loaded: &[NodeId],
    catalog: &Catalog,
    session: &Session,
    landing: &Landing,
) -> Result<()> {
    let mut errors = Vec::new();
    for source in read_sources(graph, nodes) {
        let Some(name) = source.source_name.as_deref().filter(|_| !loaded.contains(&source.id)) else { continue };
        if catalog.get(&source.relation.schema, &source.relation.identifier) != Some(RelationKind::View) {
            continue;
        }
        let collection = source.collection.as_deref().unwrap_or(&source.name);
        let Some(last) = session.loaded(name, collection)? else { continue };
        if let Some((path, what)) = landing.damaged(name, collection, &last.full_load_id)? {
            errors.push(messages::damaged_segment(&source.display_name(), &path, what));
        }
    }
    Error::many(errors).map_or(Ok(()), Err)
}

/// The sources that the nodes read, also through views, whose queries run with those of the nodes.
fn read_sources(graph: &Graph, nodes: impl Iterator<Item = NodeId>) -> Vec<&Node> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<NodeId> = nodes.collect();
    while let Some(id) = open.pop() {
        for parent in graph.parents(id).filter(|parent| seen.insert(parent.id)) {
            match parent.kind {
                NodeKind::Source => found.push(parent),
                _ if matches!(parent.config.materialized, Materialized::Ephemeral | Materialized::View) => {
                    open.push(parent.id);
                }
                _ => {}
            }
        }
    }
    found
}
