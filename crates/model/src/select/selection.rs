//! dbt's selectors: the nodes that `--select`, `--exclude` and `--selector` select, and the parents that a selection
//! needs.
//!
//! Sets are evaluated as in dbt: each criterion returns nodes with their tests, and remembers tests with only some
//! selected parents. Knows the graph, but not the use of a selection.

use std::collections::BTreeSet;

use super::earlier_artifacts::EarlierArtifacts;
use super::spec::{self, Indirect, SelectorCriterion, Spec};
use crate::graph::{Graph, Materialized, Node, NodeId, NodeKind};
use crate::messages;
use elt_base::error::{Error, Result};
use elt_project::SelectorDefinition;

/// A request for a selection.
#[derive(Debug, Clone, Copy, Default)]
pub struct SelectionRequest<'a> {
    /// Empty selects everything.
    pub select: &'a [String],
    pub exclude: &'a [String],
    /// A YAML selector by name.
    pub selector: Option<&'a str>,
    pub indirect: Indirect,
    /// `selectors.yml`.
    pub selectors: &'a [SelectorDefinition],
    /// The artifacts that `state:`, `result:` and `source_status:` compare with.
    pub previous: Option<&'a EarlierArtifacts>,
    /// Kinds that are kept; empty keeps all.
    pub kinds: &'a [NodeKind],
}

/// The selected nodes, including tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectedNodes {
    nodes: BTreeSet<NodeId>,
    /// Selectors that compare with a state and match nothing, because nothing changed.
    pub unmatched: Vec<String>,
}

impl SelectedNodes {
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains(&id)
    }

    /// In the graph's own order: sources, seeds, models, tests.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().copied()
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn insert(&mut self, id: NodeId) {
        self.nodes.insert(id);
    }

    /// Keeps the nodes that match a condition, such as only tests.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.nodes.retain(|id| keep(*id));
    }
}

impl FromIterator<NodeId> for SelectedNodes {
    fn from_iter<T: IntoIterator<Item = NodeId>>(ids: T) -> Self {
        Self { nodes: ids.into_iter().collect(), unmatched: Vec::new() }
    }
}

impl Extend<NodeId> for SelectedNodes {
    fn extend<T: IntoIterator<Item = NodeId>>(&mut self, ids: T) {
        self.nodes.extend(ids);
    }
}

/// Selected nodes, and tests with some but not all parents selected.
#[derive(Debug, Clone, Default)]
struct FoundNodes {
    direct: BTreeSet<NodeId>,
    indirect: BTreeSet<NodeId>,
}

#[derive(Debug, Clone, Copy)]
enum Join {
    Union,
    Intersection,
    Difference,
}

impl Join {
    fn of(self, one: &BTreeSet<NodeId>, other: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        match self {
            Self::Union => one.union(other).copied().collect(),
            Self::Intersection => one.intersection(other).copied().collect(),
            Self::Difference => one.difference(other).copied().collect(),
        }
    }
}

impl Graph {
    /// The nodes that `--select` and `--exclude` select; all nodes if `select` is empty. A test is selected with any of
    /// its parents.
    ///
    /// # Errors
    /// As `select_with`.
    pub fn select(&self, select: &[String], exclude: &[String]) -> Result<SelectedNodes> {
        self.select_with(&SelectionRequest { select, exclude, ..SelectionRequest::default() })
    }

    /// The nodes that a request selects. A selector that compares with an earlier state may match nothing.
    ///
    /// # Errors
    /// A selector is malformed, a selector matches nothing (with the nearest names), or the exclusion removes all of a
    /// selection; exit code 2.
    pub fn select_with(&self, request: &SelectionRequest<'_>) -> Result<SelectedNodes> {
        let known = spec::definitions(request.selectors, request.indirect)?;
        let words = |texts: &[String]| -> Vec<String> {
            texts.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
        };
        let (included, excluded) = (words(request.select), words(request.exclude));
        if included.is_empty() && !request.select.is_empty() {
            return Err(messages::empty_selector());
        }
        let default = request.selectors.iter().find(|selector| selector.is_default).map(|selector| &selector.name);
        let is_bare = request.select.is_empty() && request.exclude.is_empty();
        let named = request.selector.or(default.filter(|_| is_bare).map(String::as_str));
        let mut parts: Vec<(String, Spec)> = Vec::new();
        let mut errors = Vec::new();
        if let Some(name) = named {
            parts.push((format!("selector:{name}"), spec::named(name, &known)?));
        }
        for text in &included {
            match Spec::parse(text, request.indirect, &known) {
                Ok(spec) => parts.push((text.clone(), spec)),
                Err(error) => errors.push(error),
            }
        }
        let mut selection = SelectedNodes::default();
        let mut found = Vec::new();
        for (text, spec) in &parts {
            match self.found(spec, request.previous) {
                Ok(part) => {
                    if part.direct.is_empty() {
                        if spec.criteria().iter().any(|criterion| criterion.is_of_state()) {
                            selection.unmatched.push(text.clone());
                        } else {
                            errors.push(messages::nothing_selected(text, &self.near(spec)));
                        }
                    }
                    found.push(part);
                }
                Err(error) => errors.push(error),
            }
        }
        let mut without = Vec::new();
        for text in &excluded {
            match Spec::parse(text, request.indirect, &known).and_then(|spec| self.found(&spec, request.previous)) {
                Ok(part) => without.push(part),
                Err(error) => errors.push(error),
            }
        }
        if let Some(error) = Error::many(errors) {
            return Err(error);
        }
        if parts.is_empty() {
            let all = self.nodes.iter().map(|node| node.id).collect();
            found.push(FoundNodes { direct: all, indirect: BTreeSet::new() });
        }
        let found = self.joined(found, request.indirect, Join::Union);
        let without = self.joined(without, request.indirect, Join::Union);
        selection.nodes = found.direct.difference(&without.direct).copied().collect();
        let was_empty = selection.is_empty();
        if !request.kinds.is_empty() {
            selection.retain(|id| request.kinds.contains(&self.node(id).kind));
        }
        if was_empty && selection.unmatched.is_empty() && !excluded.is_empty() {
            return Err(messages::all_excluded(&included.join(" "), &excluded.join(" ")));
        }
        Ok(selection)
    }

    /// The ancestors of a selection that are neither selected nor built (according to `is_built`), in build order.
    /// Ephemeral models are replaced by their inputs.
    pub fn with_missing_parents(&self, selection: &SelectedNodes, is_built: &dyn Fn(&Node) -> bool) -> Vec<NodeId> {
        let mut missing = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<NodeId> = selection.iter().collect();
        while let Some(id) = open.pop() {
            for parent in &self.node(id).parents {
                if selection.contains(*parent) || !seen.insert(*parent) {
                    continue;
                }
                let node = self.node(*parent);
                if node.config.materialized == Materialized::Ephemeral {
                    open.push(*parent);
                } else if !is_built(node) {
                    missing.insert(*parent);
                    open.push(*parent);
                }
            }
        }
        let mut missing: Vec<NodeId> = missing.into_iter().collect();
        missing.sort_by_key(|id| self.ranks[id.index()]);
        missing
    }

    fn found(&self, spec: &Spec, previous: Option<&EarlierArtifacts>) -> Result<FoundNodes> {
        let each = |parts: &[Spec]| -> Result<Vec<FoundNodes>> {
            parts.iter().map(|part| self.found(part, previous)).collect()
        };
        Ok(match spec {
            Spec::One(criterion) => self.one(criterion, previous)?,
            Spec::Union(parts, mode) => self.joined(each(parts)?, *mode, Join::Union),
            Spec::Intersection(parts, mode) => self.joined(each(parts)?, *mode, Join::Intersection),
            Spec::Difference(from, without) => {
                let parts = vec![self.found(from, previous)?, self.found(without, previous)?];
                self.joined(parts, Indirect::Eager, Join::Difference)
            }
        })
    }

    /// Joins parts by a set operation. Also finds tests whose parents are in several parts.
    fn joined(&self, parts: Vec<FoundNodes>, mode: Indirect, join: Join) -> FoundNodes {
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return FoundNodes::default() };
        let mut direct = first.direct.clone();
        let mut maybe: BTreeSet<NodeId> = first.direct.union(&first.indirect).copied().collect();
        for part in parts {
            let both = part.direct.union(&part.indirect).copied().collect();
            direct = join.of(&direct, &part.direct);
            maybe = join.of(&maybe, &both);
        }
        let allowed = self.allowed(&direct, mode);
        direct.extend(allowed.iter().flat_map(|allowed| maybe.iter().filter(|id| self.is_covered(**id, allowed))));
        FoundNodes { direct, indirect: maybe }
    }

    fn one(&self, criterion: &SelectorCriterion, previous: Option<&EarlierArtifacts>) -> Result<FoundNodes> {
        let matched = self.matched(criterion, previous)?;
        let mut direct: BTreeSet<NodeId> = matched.iter().copied().collect();
        if criterion.children_parents {
            for id in &matched {
                direct.extend(self.descendants(*id));
            }
            for id in direct.clone() {
                direct.extend(self.ancestors(id));
            }
        }
        if let Some(depth) = criterion.parents {
            direct.extend(self.reach(&matched, depth, |id| &self.node(id).parents));
        }
        if let Some(depth) = criterion.children {
            direct.extend(self.reach(&matched, depth, |id| &self.children[id.index()]));
        }
        let mut found = FoundNodes { direct, indirect: BTreeSet::new() };
        if criterion.indirect == Indirect::Empty {
            return Ok(found);
        }
        let tests: Vec<NodeId> = found
            .direct
            .iter()
            .flat_map(|id| &self.children[id.index()])
            .filter(|id| self.node(**id).kind.is_test())
            .copied()
            .collect();
        let mut allowed = self.allowed(&found.direct, criterion.indirect).unwrap_or_default();
        if criterion.indirect == Indirect::Buildable {
            allowed.extend(self.nodes.iter().filter(|node| node.kind == NodeKind::Source).map(|node| node.id));
        }
        for test in tests {
            if criterion.indirect == Indirect::Eager || self.is_covered(test, &allowed) {
                found.direct.insert(test);
            } else {
                found.indirect.insert(test);
            }
        }
        Ok(found)
    }

    /// The set that must contain all parents of a test so that the test is selected. None if the parents do not matter.
    fn allowed(&self, direct: &BTreeSet<NodeId>, mode: Indirect) -> Option<BTreeSet<NodeId>> {
        match mode {
            Indirect::Eager | Indirect::Empty => None,
            Indirect::Cautious => Some(direct.clone()),
            Indirect::Buildable => {
                let mut all = direct.clone();
                for id in direct {
                    all.extend(self.ancestors(*id));
                }
                Some(all)
            }
        }
    }

    fn is_covered(&self, id: NodeId, allowed: &BTreeSet<NodeId>) -> bool {
        let node = self.node(id);
        allowed.contains(&id) || node.kind.is_test() && node.parents.iter().all(|parent| allowed.contains(parent))
    }

    /// The nodes within `depth` steps.
    fn reach<'a>(&'a self, from: &[NodeId], depth: usize, next: impl Fn(NodeId) -> &'a [NodeId]) -> BTreeSet<NodeId> {
        let mut seen: BTreeSet<NodeId> = from.iter().copied().collect();
        let mut edge = from.to_vec();
        for _ in 0..depth {
            edge = edge.iter().flat_map(|id| next(*id)).copied().filter(|id| seen.insert(*id)).collect();
            if edge.is_empty() {
                break;
            }
        }
        seen
    }
}
