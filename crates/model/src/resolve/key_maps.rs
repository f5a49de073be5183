//! The dependencies that maps of surrogate keys create: a template that only looks up ids depends on all templates that
//! fill the map.
//!
//! Knows the names of maps, not the ids in them.

use std::collections::HashMap;

use crate::graph::{Materialized, NodeId};
use crate::parse::{Draft, ProjectParser};
use elt_base::error::Place;

impl ProjectParser<'_> {
    /// Adds the nodes that fill a map to the parents of the nodes that only look up its ids.
    pub(super) fn key_map_edges(&mut self) {
        let mut fillers: HashMap<String, Vec<NodeId>> = HashMap::new();
        for draft in &self.drafts {
            for used in draft.node.key_maps.iter().filter(|used| used.fills) {
                let of_map = fillers.entry(used.map.clone()).or_default();
                // The keys of an ephemeral model get their ids when a reader of the model is built.
                if draft.node.config.materialized == Materialized::Ephemeral {
                    let readers = self.drafts.iter().filter(|reader| reader.node.parents.contains(&draft.node.id));
                    of_map
                        .extend(readers.filter(|reader| reader.node.kind.is_referable()).map(|reader| reader.node.id));
                } else {
                    of_map.push(draft.node.id);
                }
            }
        }
        for draft in &mut self.drafts {
            let node = &mut draft.node;
            let fills = |map: &str| node.key_maps.iter().any(|used| used.map == map && used.fills);
            let looked_up = node.key_maps.iter().filter(|used| !fills(&used.map));
            let above = looked_up.filter_map(|used| fillers.get(&used.map)).flatten().copied();
            let above: Vec<NodeId> = above.filter(|id| *id != node.id).collect();
            for id in above {
                if !node.parents.contains(&id) {
                    node.parents.push(id);
                }
            }
        }
    }
}

/// The first place where a template names a map, for an error about its dependencies.
pub(super) fn place(draft: &Draft) -> Option<Place> {
    const CALL: &str = "elt.surrogate_key";
    let start = draft.node.source.text.find(CALL).filter(|_| !draft.node.key_maps.is_empty())?;
    Some(Place::new(&draft.node.source, start..start + CALL.len()))
}
