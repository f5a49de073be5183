//! Turns drafts into the graph: resolves each name, connects readers, and reports cycles and duplicates.
//!
//! Renders a template again only to find the place of a name that does not exist.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, HashSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::key_maps;
use crate::graph::{Call, Graph, Materialized, Node, NodeId, NodeKind, Origin, RunHooks, cte_name};
use crate::messages;
use crate::parse::{CallSite, Draft, ProjectParser};
use crate::template::jinja::{Referent, Refusal, Setting};
use crate::template::{TemplateText, Templates, node_value};
use elt_base::error::{Error, Place, Result};

/// Reports a warning for each microbatch model without an input that has an `event_time`: each batch reads all rows.
fn unfiltered(nodes: &[Node]) -> Vec<Error> {
    let is_filtered = |node: &&Node| node.parents.iter().any(|id| nodes[id.index()].config.event_time.is_some());
    let in_batches = nodes.iter().filter(|node| node.config.batch.is_some() && !is_filtered(node));
    in_batches.map(|node| messages::unfiltered_batches(&node.name, node.place())).collect()
}

impl ProjectParser<'_> {
    /// The graph, and the templates that render its nodes.
    ///
    /// # Errors
    /// All errors in names, configuration and templates, file by file.
    pub(crate) fn resolve(mut self) -> Result<(Graph, Templates)> {
        self.drop_tests_of_disabled();
        for (number, draft) in self.drafts.iter_mut().enumerate() {
            draft.node.id = NodeId(u32::try_from(number).unwrap_or(u32::MAX));
        }
        let targets = self.targets();
        self.unit_test_inputs(&targets);
        self.made_by_seeds();
        self.collections_of_two_tables();
        self.distinct_raw_tables();
        self.doubled_relations();
        for number in 0..self.drafts.len() {
            let (parents, errors) = self.parents(&self.drafts[number], &targets);
            // The owner of a generic test comes first, before the nodes in its arguments.
            for parent in parents {
                if !self.drafts[number].node.parents.contains(&parent) {
                    self.drafts[number].node.parents.push(parent);
                }
            }
            self.errors.extend(errors);
        }
        self.key_map_edges();
        let unknown = self.hook_calls.iter().filter(|(_, _, call)| !targets.contains_key(call));
        let unknown: Vec<Error> =
            unknown.map(|(owner, place, call)| self.unresolved_call(owner, call, Some(place.clone()))).collect();
        self.errors.extend(unknown);
        let children = children(&self.drafts);
        self.access_errors(&targets);
        self.cycles();
        // File by file, from top to bottom. Errors without a place come first.
        self.errors.sort_by_cached_key(|error| {
            error.places().first().map(|place| (place.source.path.clone(), place.span.start))
        });
        if let Some(error) = Error::many(std::mem::take(&mut self.errors)) {
            return Err(error);
        }
        let ranks = ranks(&self.drafts, &children);
        let mut nodes: Vec<Node> = self.drafts.into_iter().map(|draft| draft.node).collect();
        for node in &mut nodes {
            if let Some(test) = node.test.as_mut().filter(|test| test.generic.is_none()) {
                test.owner = node.parents.iter().copied().max_by_key(|parent| ranks[parent.index()]);
            }
        }
        let resolved = targets
            .into_iter()
            .map(|(call, id)| {
                let node = &nodes[id.index()];
                let cte = (node.config.materialized == Materialized::Ephemeral).then(|| cte_name(&node.name));
                let external = match &node.origin {
                    Origin::External(sql) => Some(sql.clone()),
                    _ => None,
                };
                let event_time = node.config.event_time.clone();
                (call, Referent { id, relation: node.relation.clone(), cte, event_time, external })
            })
            .collect();
        self.warnings.extend(unfiltered(&nodes));
        // The cell is fresh: it was created with these templates, and nothing else fills it.
        let _ = self.templates.names.targets.set(resolved);
        let graph = Graph {
            project: self.project.profiles.name.clone(),
            root: self.project.profiles.root.clone(),
            is_dbt: self.project.profiles.is_dbt,
            database: self.project.profiles.target.database.clone(),
            by_unique_id: nodes.iter().map(|node| (node.unique_id.clone(), node.id)).collect(),
            nodes,
            children,
            ranks,
            warnings: self.warnings,
            selectors: self.project.selectors.clone(),
            groups: self.project.properties.groups.clone(),
            run_hooks: RunHooks::of(&self.project.profiles),
            docs: node_value::docs(&self.project.profiles.name, &self.project.docs),
            disabled: self.disabled_nodes,
            macros: self.templates.macros(),
        };
        Ok((graph, self.templates))
    }

    /// Drops the tests of disabled nodes with a warning, as in dbt. Tests are the last drafts, so the numbers of other
    /// drafts do not change.
    fn drop_tests_of_disabled(&mut self) {
        let disabled = &self.disabled;
        let is_gone = |call: &Call| match call {
            Call::Ref(name) => disabled.contains(name),
            Call::Source(source, table) => disabled.contains(&format!("{source}.{table}")),
        };
        let warnings = &mut self.warnings;
        self.drafts.retain(|draft| {
            let gone = draft.calls.iter().find(|heard| is_gone(&heard.call));
            match (draft.node.kind, gone) {
                (NodeKind::Test, Some(heard)) => {
                    let name = match &heard.call {
                        Call::Ref(name) => name.clone(),
                        Call::Source(source, table) => format!("{source}.{table}"),
                    };
                    warnings.push(messages::test_of_disabled(&draft.node.name, &name, draft.node.place()));
                    false
                }
                _ => true,
            }
        });
    }

    /// The nodes that `ref` and `source` can name. Reports duplicates.
    fn targets(&mut self) -> HashMap<Call, NodeId> {
        let mut targets: HashMap<Call, NodeId> = HashMap::new();
        let mut errors = Vec::new();
        for draft in &self.drafts {
            let node = &draft.node;
            let call = match (node.kind, &node.source_name) {
                (kind, _) if kind.is_referable() => Call::Ref(node.name.clone()),
                (NodeKind::Source, Some(source)) => Call::Source(source.clone(), node.name.clone()),
                _ => continue,
            };
            if let Some(first) = targets.get(&call) {
                let other = self.drafts[first.index()].node.place();
                errors.push(match node.kind {
                    NodeKind::Source => messages::duplicate_source(&node.display_name(), node.place(), other),
                    kind => messages::duplicate_name(kind.name(), &node.name, node.place(), other),
                });
                continue;
            }
            targets.insert(call, node.id);
        }
        let mut tests: HashMap<&str, &Node> = HashMap::new();
        for draft in self.drafts.iter().filter(|draft| draft.node.kind == NodeKind::Test) {
            if let Some(other) = tests.insert(&draft.node.unique_id, &draft.node) {
                errors.push(messages::duplicate_test(&draft.node.name, draft.node.place(), other.place()));
            }
        }
        self.errors.extend(errors);
        targets
    }

    fn parents(&self, draft: &Draft, targets: &HashMap<Call, NodeId>) -> (Vec<NodeId>, Vec<Error>) {
        let mut parents = Vec::new();
        let mut errors = Vec::new();
        let mut blamed: HashSet<&Call> = HashSet::new();
        for heard in &draft.calls {
            match targets.get(&heard.call) {
                Some(id) if parents.contains(id) => {}
                Some(id) => parents.push(*id),
                None if blamed.insert(&heard.call) => errors.push(self.unresolved(draft, heard)),
                None => {}
            }
        }
        (parents, errors)
    }

    fn unresolved(&self, draft: &Draft, heard: &CallSite) -> Error {
        self.unresolved_call(&draft.node.described(), &heard.call, self.call_place(draft, heard))
    }

    fn unresolved_call(&self, owner: &str, call: &Call, place: Option<Place>) -> Error {
        match call {
            Call::Ref(name) if self.disabled.contains(name) => messages::disabled_ref(owner, name, place),
            Call::Ref(name) => {
                let known = self
                    .drafts
                    .iter()
                    .filter(|draft| draft.node.kind.is_referable())
                    .map(|draft| draft.node.name.as_str());
                messages::unknown_ref(owner, name, known, place)
            }
            Call::Source(source, table) => {
                let full = format!("{source}.{table}");
                if self.disabled.contains(&full) {
                    return messages::disabled_ref(owner, &full, place);
                }
                let known: Vec<(String, String)> = self
                    .drafts
                    .iter()
                    .filter_map(|draft| Some((draft.node.source_name.clone()?, draft.node.name.clone())))
                    .collect();
                messages::unknown_source(owner, source, table, &known, place)
            }
        }
    }

    /// The place of a call. The template is rendered again and fails at the call.
    pub(crate) fn call_place(&self, draft: &Draft, heard: &CallSite) -> Option<Place> {
        let node = &draft.node;
        let Some((is_incremental, number)) = heard.number else { return Some(node.place()) };
        let setting = Setting {
            is_incremental,
            this: Some(node.relation.clone()),
            config: node.raw_config.clone(),
            fail_at: Some((number, Refusal::new("here"))),
            ..Setting::default()
        };
        let place = match self.templates.render("", &TemplateText::File(node.source.clone()), setting, None) {
            Err(error) => error.places().first().cloned(),
            Ok(_) => None,
        };
        place.or_else(|| Some(node.place()))
    }

    /// Reports each cycle of models once, with all names.
    fn cycles(&mut self) {
        let mut graph: DiGraph<(), ()> = DiGraph::new();
        for _ in &self.drafts {
            graph.add_node(());
        }
        for draft in &self.drafts {
            for parent in &draft.node.parents {
                graph.add_edge(NodeIndex::new(draft.node.id.index()), NodeIndex::new(parent.index()), ());
            }
        }
        let mut errors = Vec::new();
        for mut component in tarjan_scc(&graph) {
            component.sort();
            let Some(&first) = component.first() else { continue };
            if component.len() == 1 && !graph.contains_edge(first, first) {
                continue;
            }
            let path = circle(&graph, first, &component);
            let names: Vec<String> = path.iter().map(|index| self.drafts[index.index()].node.name.clone()).collect();
            let places = path
                .windows(2)
                .filter_map(|pair| {
                    let (from, to) = (&self.drafts[pair[0].index()], &self.drafts[pair[1].index()]);
                    let call = Call::Ref(to.node.name.clone());
                    match from.calls.iter().find(|heard| heard.call == call) {
                        Some(heard) => self.call_place(from, heard),
                        None => key_maps::place(from),
                    }
                })
                .collect();
            errors.push(messages::cycle(&names, places));
        }
        self.errors.extend(errors);
    }
}

/// The shortest path from a node back to itself within its component, including both ends.
fn circle(graph: &DiGraph<(), ()>, start: NodeIndex, component: &[NodeIndex]) -> Vec<NodeIndex> {
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut open = std::collections::VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for next in graph.neighbors(at).filter(|next| component.contains(next)) {
            if next == start {
                let mut path = vec![start, at];
                let mut back = at;
                while back != start {
                    let Some(&previous) = came_from.get(&back) else { break };
                    path.push(previous);
                    back = previous;
                }
                if at == start {
                    path.truncate(2);
                }
                path.reverse();
                return path;
            }
            if let Entry::Vacant(vacant) = came_from.entry(next) {
                vacant.insert(at);
                open.push_back(next);
            }
        }
    }
    vec![start]
}

fn children(drafts: &[Draft]) -> Vec<Vec<NodeId>> {
    let mut children = vec![Vec::new(); drafts.len()];
    for draft in drafts {
        for parent in &draft.node.parents {
            children[parent.index()].push(draft.node.id);
        }
    }
    children
}

/// Each node's position in a topological order that keeps the order of the files where possible.
fn ranks(drafts: &[Draft], children: &[Vec<NodeId>]) -> Vec<u32> {
    let mut waits: Vec<usize> = drafts.iter().map(|draft| draft.node.parents.len()).collect();
    let mut ready: BinaryHeap<Reverse<u32>> =
        drafts.iter().filter(|draft| draft.node.parents.is_empty()).map(|draft| Reverse(draft.node.id.0)).collect();
    let mut ranks = vec![0; drafts.len()];
    let mut rank = 0;
    while let Some(Reverse(id)) = ready.pop() {
        ranks[id as usize] = rank;
        rank += 1;
        for child in &children[id as usize] {
            waits[child.index()] -= 1;
            if waits[child.index()] == 0 {
                ready.push(Reverse(child.0));
            }
        }
    }
    ranks
}
