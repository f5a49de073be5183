//! The relations of all nodes: no two nodes may get one relation, also where a database or a file system treats
//! different names as equal.
//!
//! Raw tables of collections get distinct names. All other nodes with one relation are errors. Knows names only.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::graph::{Materialized, Node, NodeId, NodeKind, Origin};
use crate::messages;
use crate::parse::{Draft, ProjectParser};
use elt_base::digest::sha256;
use elt_base::names::folded;

/// The schemas that elt uses itself: for its state, and for the queries that it checks.
const RESERVED_SCHEMAS: [&str; 2] = ["_elt", "elt_tests"];

/// The relation's names in the form in which they must be unique.
type RelationKey = (String, String);

fn relation_key(node: &Node) -> RelationKey {
    (folded(&node.relation.schema), folded(&node.relation.identifier))
}

/// A source's table that a load fills.
fn is_loaded(node: &Node) -> bool {
    node.kind == NodeKind::Source && node.origin == Origin::Loaded
}

/// The source and the collection that a source's table is loaded from.
fn collection(node: &Node) -> (&str, &str) {
    (node.source_name.as_deref().unwrap_or_default(), node.collection.as_deref().unwrap_or(&node.name))
}

impl ProjectParser<'_> {
    /// Finds sources over tables that seeds of this project build. dbt's own example projects seed their raw data.
    pub(super) fn made_by_seeds(&mut self) {
        let key = |node: &Node| (node.relation.schema.to_lowercase(), node.relation.identifier.to_lowercase());
        let seeds: HashMap<RelationKey, NodeId> = self
            .drafts
            .iter()
            .filter(|draft| draft.node.kind == NodeKind::Seed)
            .map(|draft| (key(&draft.node), draft.node.id))
            .collect();
        for draft in self.drafts.iter_mut().filter(|draft| draft.node.origin == Origin::Standing) {
            draft.node.made_by = seeds.get(&key(&draft.node)).copied();
        }
    }

    /// Reports collections that two tables name. Each of the two would load it, each with its own configuration.
    pub(super) fn collections_of_two_tables(&mut self) {
        let mut seen: HashMap<(&str, &str), &Node> = HashMap::new();
        let mut errors = Vec::new();
        for node in self.drafts.iter().map(|draft| &draft.node).filter(|node| is_loaded(node)) {
            if let Some(other) = seen.insert(collection(node), node)
                && other.name != node.name
            {
                let (source, collection) = collection(node);
                let shown = format!("{source}.{collection}");
                errors.push(messages::collection_of_two_tables(&shown, node.place(), other.place()));
            }
        }
        self.errors.extend(errors);
    }

    /// Gives each collection a raw table of its own. Of several collections whose raw tables would have one name, the
    /// one in lower case keeps it, and the others get a suffix that depends only on their own name.
    pub(super) fn distinct_raw_tables(&mut self) {
        let mut groups: BTreeMap<RelationKey, Vec<usize>> = BTreeMap::new();
        for (index, draft) in self.drafts.iter().enumerate().filter(|(_, draft)| is_loaded(&draft.node)) {
            groups.entry(relation_key(&draft.node)).or_default().push(index);
        }
        let mut taken: BTreeSet<RelationKey> = groups.keys().cloned().collect();
        for mut members in groups.into_values().filter(|members| members.len() > 1) {
            let rank = |draft: &Draft| {
                let (source, collection) = collection(&draft.node);
                let is_plain = folded(source) == source && folded(collection) == collection;
                (!is_plain, source.to_owned(), collection.to_owned())
            };
            members.sort_by_cached_key(|index| rank(&self.drafts[*index]));
            for index in members.into_iter().skip(1) {
                let node = &mut self.drafts[index].node;
                let (source, collection) = collection(node);
                let digest = sha256(&format!("{source}\0{collection}"));
                let plain = node.relation.identifier.clone();
                // A longer suffix than the first is needed only if a collection was named to prevent it.
                for length in 6..digest.len() {
                    node.relation.identifier = format!("{plain}_{}", &digest[..length]);
                    if taken.insert(relation_key(node)) {
                        break;
                    }
                }
            }
        }
    }

    /// Reports nodes that would be built as one relation, and relations in schemas that elt uses itself.
    pub(super) fn doubled_relations(&mut self) {
        let mut seen: HashMap<RelationKey, &Node> = HashMap::new();
        let mut tests: HashMap<String, &Node> = HashMap::new();
        let mut errors = Vec::new();
        for draft in &self.drafts {
            let node = &draft.node;
            let is_singular = node.test.as_ref().is_some_and(|test| test.generic.is_none());
            if is_singular
                && let Some(other) = tests.insert(folded(&node.name), node)
                && other.name != node.name
            {
                errors.push(messages::duplicate_test_file(&node.name, &other.name, node.place(), other.place()));
            }
            // A table that already exists may have two names, and files have no name in the warehouse.
            let has_relation = node.kind.is_referable() || is_loaded(node);
            if !has_relation || node.config.materialized == Materialized::Ephemeral {
                continue;
            }
            let key = relation_key(node);
            if RESERVED_SCHEMAS.contains(&key.0.as_str()) {
                errors.push(messages::reserved_schema(&node.described(), &node.relation.schema, node.place()));
            }
            if let Some(other) = seen.insert(key, node)
                && (other.name != node.name || other.kind != node.kind)
                // Two tables of one collection are reported as such.
                && (other.kind, node.kind) != (NodeKind::Source, NodeKind::Source)
            {
                errors.push(messages::duplicate_relation(
                    &node.relation.to_string(),
                    (&node.display_name(), node.place()),
                    (&other.display_name(), other.place()),
                ));
            }
        }
        self.errors.extend(errors);
    }
}
