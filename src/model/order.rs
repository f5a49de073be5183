//! In which order selected nodes are built, and which tests run with each.
//!
//! Knows the graph only. How many steps run at once, and what a failure skips, is the run's business.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::config::Materialized;
use super::node::{Graph, NodeId, NodeKind};
use super::select::Selection;

/// One unit of work: a node with its tests, which commit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub node: NodeId,
    /// False if the node itself is not selected and only its tests run, or if it is ephemeral: nothing to build.
    pub builds: bool,
    pub tests: Vec<NodeId>,
    /// Those of the model; they come before it.
    pub unit_tests: Vec<NodeId>,
    /// Nodes of earlier steps that have to be done before.
    pub waits_for: Vec<NodeId>,
}

/// Steps in an order that respects what each waits for.
pub type Steps = Vec<Step>;

impl Graph {
    /// The steps of a selection. A test with several parents runs with the one it stands on, which then waits for the
    /// others; where those depend on it, with the last of them. Selected sources are steps too; tests that read nothing
    /// of the graph have no step (see `loose_tests`).
    pub fn order(&self, selection: &Selection) -> Steps {
        let mut steps: BTreeMap<NodeId, Step> = BTreeMap::new();
        let step = |node, builds| Step { node, builds, tests: Vec::new(), unit_tests: Vec::new(), waits_for: Vec::new() };
        for id in selection.iter() {
            let node = self.node(id);
            let is_real = (node.kind.is_referable() || node.kind == NodeKind::Source)
                && node.config.materialized != Materialized::Ephemeral;
            if is_real {
                steps.insert(id, step(id, true));
            }
        }
        let tests: Vec<NodeId> = selection.iter().filter(|id| self.node(*id).kind == NodeKind::Test).collect();
        for test in &tests {
            if let Some(owner) = self.node(*test).test.as_ref().and_then(|test| test.owner) {
                steps.entry(owner).or_insert_with(|| step(owner, false));
            }
        }
        for id in selection.iter() {
            if let Some(test) = &self.node(id).unit_test {
                steps.entry(test.model).or_insert_with(|| step(test.model, false)).unit_tests.push(id);
            }
        }
        let mut waits: BTreeMap<NodeId, BTreeSet<NodeId>> =
            steps.keys().map(|id| (*id, self.nearest_steps(*id, &steps))).collect();
        for test in tests {
            let node = self.node(test);
            let Some(owner) = node.test.as_ref().and_then(|test| test.owner) else { continue };
            let mut parents: Vec<NodeId> = vec![owner];
            for parent in &node.parents {
                if steps.contains_key(parent) {
                    parents.push(*parent);
                } else {
                    parents.extend(self.nearest_steps(*parent, &steps));
                }
            }
            let is_last = |id: NodeId| !parents.iter().any(|other| *other != id && reaches(&waits, *other, id));
            let host = parents.iter().copied().find(|id| is_last(*id)).unwrap_or(owner);
            if let Some(step) = steps.get_mut(&host) {
                step.tests.push(test);
            }
            if let Some(own) = waits.get_mut(&host) {
                own.extend(parents.into_iter().filter(|id| *id != host));
            }
        }
        for (id, own) in &waits {
            if let Some(step) = steps.get_mut(id) {
                step.waits_for = own.iter().copied().collect();
            }
        }
        self.sorted(steps, &waits)
    }

    /// Selected tests that read no node of the graph, and so belong to no step.
    pub fn loose_tests(&self, selection: &Selection) -> Vec<NodeId> {
        let is_loose = |id: &NodeId| self.node(*id).test.as_ref().is_some_and(|test| test.owner.is_none());
        selection.iter().filter(is_loose).collect()
    }

    /// The steps right above a node, through whatever is no step.
    fn nearest_steps(&self, id: NodeId, steps: &BTreeMap<NodeId, Step>) -> BTreeSet<NodeId> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = self.node(id).parents.clone();
        while let Some(parent) = open.pop() {
            if !seen.insert(parent) {
                continue;
            }
            if steps.contains_key(&parent) {
                found.insert(parent);
            } else {
                open.extend(&self.node(parent).parents);
            }
        }
        found
    }

    fn sorted(&self, mut steps: BTreeMap<NodeId, Step>, waits: &BTreeMap<NodeId, BTreeSet<NodeId>>) -> Steps {
        let mut left: BTreeMap<NodeId, usize> = waits.iter().map(|(id, own)| (*id, own.len())).collect();
        let mut readers: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for (id, own) in waits {
            for parent in own {
                readers.entry(*parent).or_default().push(*id);
            }
        }
        let rank = |id: NodeId| Reverse((self.ranks[id.index()], id));
        let mut ready: BinaryHeap<Reverse<(u32, NodeId)>> =
            left.iter().filter(|(_, count)| **count == 0).map(|(id, _)| rank(*id)).collect();
        let mut sorted = Vec::with_capacity(steps.len());
        while let Some(Reverse((_, id))) = ready.pop() {
            sorted.extend(steps.remove(&id));
            for reader in readers.get(&id).into_iter().flatten() {
                if let Some(count) = left.get_mut(reader) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(rank(*reader));
                    }
                }
            }
        }
        sorted
    }
}

/// Whether `from` waits for `to`, directly or not.
fn reaches(waits: &BTreeMap<NodeId, BTreeSet<NodeId>>, from: NodeId, to: NodeId) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for next in waits.get(&id).into_iter().flatten() {
            if *next == to {
                return true;
            }
            if seen.insert(*next) {
                open.push(*next);
            }
        }
    }
    false
}
