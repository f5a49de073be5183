//! The order in which selected nodes are built, and the tests that run with each node.
//!
//! Knows only the graph. The run decides how many steps run at the same time, and what a failure skips.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::selection::SelectedNodes;
use crate::graph::{Graph, Materialized, NodeId, NodeKind};

/// One unit of work: a node with its tests, which commit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStep {
    pub node: NodeId,
    /// False if the node is not built: it is ephemeral, or it is not selected and only its tests run.
    pub builds: bool,
    pub tests: Vec<NodeId>,
    /// The unit tests of the model, which run before it.
    pub unit_tests: Vec<NodeId>,
    /// Nodes of earlier steps that must be finished first.
    pub waits_for: Vec<NodeId>,
}

impl BuildStep {
    fn of(node: NodeId, builds: bool) -> Self {
        Self { node, builds, tests: Vec::new(), unit_tests: Vec::new(), waits_for: Vec::new() }
    }
}

/// Steps in an order in which each step comes after the steps that it waits for.
pub type Steps = Vec<BuildStep>;

/// The nodes that a failing data test blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gate {
    /// The node that it runs with, which is rolled back, and therefore all its readers.
    #[default]
    Commit,
    /// As in dbt: only descendants that have all of the test's parents among their ancestors.
    Children,
}

impl Graph {
    /// The steps of a selection. A node comes after the nodes that its foreign keys reference. A test with several parents runs with its owner, which then waits for the other
    /// parents. If the other parents depend on the owner, the test runs with the last of them. With `Gate::Children`,
    /// each test is a separate step. Selected sources are steps, too. Tests that read no node of the graph have no step
    /// (see `loose_tests`).
    pub fn order(&self, selection: &SelectedNodes, gate: Gate) -> Steps {
        let mut steps: BTreeMap<NodeId, BuildStep> = BTreeMap::new();
        for id in selection.iter() {
            let node = self.node(id);
            let is_real = (node.kind.is_referable() || node.kind == NodeKind::Source)
                && node.config.materialized != Materialized::Ephemeral;
            if is_real {
                steps.insert(id, BuildStep::of(id, true));
            }
        }
        for id in selection.iter() {
            if let Some(test) = &self.node(id).unit_test {
                steps.entry(test.model).or_insert_with(|| BuildStep::of(test.model, false)).unit_tests.push(id);
            }
        }
        let tests: Vec<NodeId> = selection.iter().filter(|id| self.node(*id).kind == NodeKind::Test).collect();
        if gate == Gate::Children {
            return self.order_of_children(steps, &tests);
        }
        for test in &tests {
            if let Some(owner) = self.node(*test).test.as_ref().and_then(|test| test.owner) {
                steps.entry(owner).or_insert_with(|| BuildStep::of(owner, false));
            }
        }
        let mut waits: BTreeMap<NodeId, BTreeSet<NodeId>> =
            steps.keys().map(|id| (*id, self.nearest_steps(*id, &steps))).collect();
        self.referenced_first(&steps, &mut waits);
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
        if !steps.values().any(|step| step.builds) {
            // If nothing is built, tests do not depend on each other.
            waits.values_mut().for_each(BTreeSet::clear);
        }
        for (id, own) in &waits {
            if let Some(step) = steps.get_mut(id) {
                step.waits_for = own.iter().copied().collect();
            }
        }
        self.sorted(steps, &waits)
    }

    /// A node whose foreign keys or relationships in YAML reference another node waits for that node, unless the other
    /// node waits for it. Otherwise the first build could find no row that it references.
    fn referenced_first(&self, steps: &BTreeMap<NodeId, BuildStep>, waits: &mut BTreeMap<NodeId, BTreeSet<NodeId>>) {
        for id in steps.iter().filter(|(_, step)| step.builds).map(|(id, _)| *id) {
            let foreign_keys = self.node(id).constraints.iter().filter_map(|constraint| constraint.to.as_deref());
            let relationships = self.tests_of(id).filter_map(|node| node.test.as_ref()?.generic.as_ref());
            let relationships = relationships
                .filter(|test| test.test == "relationships")
                .filter_map(|test| test.arguments.get("to").and_then(serde_json::Value::as_str));
            for other in foreign_keys.chain(relationships).filter_map(|to| Some(self.referred(to)?.id)) {
                let is_built = steps.get(&other).is_some_and(|step| step.builds);
                if is_built && other != id && !reaches(waits, other, id) {
                    waits.entry(id).or_default().insert(other);
                }
            }
        }
    }

    /// Each test is a step after its inputs. Nodes that have all of its parents among their ancestors come after it.
    fn order_of_children(&self, mut steps: BTreeMap<NodeId, BuildStep>, tests: &[NodeId]) -> Steps {
        let mut waits: BTreeMap<NodeId, BTreeSet<NodeId>> =
            steps.keys().map(|id| (*id, self.nearest_steps(*id, &steps))).collect();
        let built: BTreeSet<NodeId> = steps.keys().copied().collect();
        for test in
            tests.iter().copied().filter(|test| self.node(*test).test.as_ref().is_some_and(|t| t.owner.is_some()))
        {
            let above = self.nearest_steps(test, &steps);
            let below = match self.node(test).parents.as_slice() {
                // Direct readers of the node wait, and more distant readers wait for them.
                [parent] => self.nearest_below(*parent, &built),
                parents => {
                    let common = parents.iter().map(|parent| self.descendants(*parent)).reduce(|a, b| &a & &b);
                    common.unwrap_or_default().into_iter().filter(|id| built.contains(id)).collect()
                }
            };
            for id in below {
                waits.entry(id).or_default().insert(test);
            }
            waits.insert(test, above);
        }
        for test in tests {
            if waits.contains_key(test) {
                steps.insert(*test, BuildStep { tests: vec![*test], ..BuildStep::of(*test, false) });
            }
        }
        for (id, own) in &waits {
            if let Some(step) = steps.get_mut(id) {
                step.waits_for = own.iter().copied().collect();
            }
        }
        self.sorted(steps, &waits)
    }

    /// The nearest built descendants of a node, across nodes that are not built.
    fn nearest_below(&self, id: NodeId, built: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = self.children[id.index()].clone();
        while let Some(child) = open.pop() {
            if !seen.insert(child) {
                continue;
            }
            if built.contains(&child) {
                found.insert(child);
            } else {
                open.extend(&self.children[child.index()]);
            }
        }
        found
    }

    /// Selected tests that read no node of the graph, and therefore belong to no step.
    pub fn loose_tests(&self, selection: &SelectedNodes) -> Vec<NodeId> {
        let is_loose = |id: &NodeId| self.node(*id).test.as_ref().is_some_and(|test| test.owner.is_none());
        selection.iter().filter(is_loose).collect()
    }

    /// The nearest steps above a node, across nodes that are not steps.
    fn nearest_steps(&self, id: NodeId, steps: &BTreeMap<NodeId, BuildStep>) -> BTreeSet<NodeId> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let above = |id: NodeId| self.node(id).parents.iter().chain(&self.node(id).made_by).copied();
        let mut open: Vec<NodeId> = above(id).collect();
        while let Some(parent) = open.pop() {
            if !seen.insert(parent) {
                continue;
            }
            if steps.contains_key(&parent) {
                found.insert(parent);
            } else {
                open.extend(above(parent));
            }
        }
        found
    }

    fn sorted(&self, mut steps: BTreeMap<NodeId, BuildStep>, waits: &BTreeMap<NodeId, BTreeSet<NodeId>>) -> Steps {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Gate;
    use crate::sample::column;
    use crate::sample::graph;
    use crate::sample::project;
    use crate::sample::properties;

    #[test]
    fn tests_alone_wait_for_nothing() {
        let mut sample =
            project(&[("models/a.sql", "select 1 as id"), ("models/b.sql", "select * from {{ ref('a') }}")]);
        for name in ["a", "b"] {
            let mut entry = properties(name, json!({}));
            entry.columns.push(column("id", &[("unique", json!({}), json!({}))]));
            sample.properties.models.push(entry);
        }
        let graph = graph(&sample);
        let waits = |select: &str| {
            let mut selection = graph.select(&[], &[]).unwrap_or_default();
            selection.retain(|id| select.is_empty() || graph.node(id).kind.is_test());
            graph.order(&selection, Gate::Commit).iter().map(|step| step.waits_for.len()).collect::<Vec<_>>()
        };
        assert_eq!((waits(""), waits("tests")), (vec![0, 1], vec![0, 0]));
    }

    /// a -> c, b -> d, a and b -> e; `a` and `b` are tested alone, and `b` against `a`.
    #[test]
    fn a_test_holds_back_what_has_all_of_its_parents_above() {
        let mut sample = project(&[
            ("models/a.sql", "select 1 as id"),
            ("models/b.sql", "select 1 as id"),
            ("models/c.sql", "select * from {{ ref('a') }}"),
            ("models/d.sql", "select * from {{ ref('b') }}"),
            ("models/e.sql", "select * from {{ ref('c') }} join {{ ref('d') }} using (id)"),
        ]);
        let mut a = properties("a", json!({}));
        a.columns.push(column("id", &[("unique", json!({}), json!({}))]));
        let mut b = properties("b", json!({}));
        b.columns.push(column("id", &[("relationships", json!({"to": "ref('a')", "field": "id"}), json!({}))]));
        sample.properties.models.extend([a, b]);
        let graph = graph(&sample);
        let selection = graph.select(&[], &[]).unwrap_or_default();
        let name = |id| graph.node(id).display_name();
        let steps: Vec<String> = graph
            .order(&selection, Gate::Children)
            .iter()
            .map(|step| {
                let waits: Vec<String> = step.waits_for.iter().map(|id| name(*id)).collect();
                format!("{} <- {}", name(step.node), waits.join(" "))
            })
            .collect();
        let to = "relationships_b_id__id__ref_a_";
        let expected = [
            "a <- ".to_owned(),
            "b <- ".to_owned(),
            "d <- b".to_owned(),
            "unique_a_id <- a".to_owned(),
            "c <- a unique_a_id".to_owned(),
            format!("{to} <- a b"),
            format!("e <- c d {to}"),
        ];
        assert_eq!(steps, expected);
    }
}
