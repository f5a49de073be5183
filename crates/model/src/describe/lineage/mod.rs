//! Column lineage: the input fields of each column of a model. Over the whole graph, it shows where a field comes from
//! and where it is used.
//!
//! Reads the bound plan of one model at a time, then combines the results. Knows a database only as `Binder`; prints
//! nothing.

mod expression;
mod flow;
mod plan;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use plan::PlanNames;
use rows::PlanRows;
use serde_json::Value;

use crate::compile::{Compile, Compiler, Standins};
use crate::graph::{Materialized, Node, NodeId, NodeKind, Relation};
use crate::sql::{Binder, Compiled, KnownColumns};
use elt_base::path::Step;
use elt_base::schema::quote;

pub use flow::{Field, How, path_text, same_step, starts_with};

/// A field of an input, and its role in a place of a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The place in the model. The first step is the column.
    pub to: Vec<Step>,
    pub from: Field,
    pub how: How,
}

/// A model's columns and the fields they come from.
#[derive(Debug, Clone, Default)]
pub struct OutputColumns {
    pub names: Vec<String>,
    pub edges: BTreeSet<Edge>,
    /// Fields of filters, joins and groups, which decide which rows exist.
    pub rows: BTreeSet<Field>,
    /// The part of the plan that could not be followed. Then every column counts as computed from all fields of all
    /// inputs.
    pub inexact: Option<String>,
}

/// The lineage of some models of a graph.
pub struct Lineage<'g> {
    graph: &'g Compiler,
    models: BTreeMap<NodeId, OutputColumns>,
    /// The direct readers of a node, including ephemeral models.
    readers: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// Models whose query could not be bound.
    pub unbound: BTreeSet<NodeId>,
}

impl<'g> Lineage<'g> {
    /// Computes the lineage of the given models. `known` contains the columns of all their inputs, except ephemeral
    /// models. The binder's database is empty, or contains relations with these columns.
    pub fn new(
        graph: &'g Compiler,
        models: impl IntoIterator<Item = NodeId>,
        known: &KnownColumns,
        binder: &mut dyn Binder,
    ) -> Self {
        let mut lineage = Self { graph, models: BTreeMap::new(), readers: BTreeMap::new(), unbound: BTreeSet::new() };
        let relations: HashMap<(String, String), NodeId> = graph
            .nodes()
            .filter(|node| node.kind.is_referable() || node.kind == NodeKind::Source)
            .map(by_relation)
            .collect();
        let mut work =
            LineageTrace { graph, known, binder, relations, made: BTreeSet::new(), schemas: BTreeSet::new() };
        let mut models: Vec<NodeId> = models.into_iter().collect();
        models.sort_by_key(|id| graph.ranks[id.index()]);
        for id in models {
            let node = graph.node(id);
            if !matches!(node.kind, NodeKind::Model | NodeKind::Snapshot) {
                continue;
            }
            match work.columns(node) {
                Some(columns) => {
                    let read =
                        columns.edges.iter().map(|edge| edge.from.node).chain(columns.rows.iter().map(|row| row.node));
                    for parent in read {
                        lineage.readers.entry(parent).or_default().insert(id);
                    }
                    lineage.models.insert(id, columns);
                }
                None => {
                    lineage.unbound.insert(id);
                }
            }
        }
        lineage
    }

    pub fn graph(&self) -> &'g Compiler {
        self.graph
    }

    pub fn columns(&self, node: NodeId) -> Option<&OutputColumns> {
        self.models.get(&node)
    }

    /// The inputs of a field, one model up. Empty for sources, for seeds, and for models that could not be bound.
    pub fn above(&self, field: &Field) -> BTreeMap<Field, How> {
        let mut found = BTreeMap::new();
        let Some(columns) = self.models.get(&field.node) else { return found };
        for edge in &columns.edges {
            if starts_with(&edge.to, &field.path) {
                strongest(&mut found, edge.from.clone(), edge.how);
            } else if starts_with(&field.path, &edge.to) {
                strongest(&mut found, onward(&edge.from, &field.path[edge.to.len()..], edge.how), edge.how);
            }
        }
        found
    }

    /// The uses of a field, one model down: places in columns, and, as a field without a path, the models whose rows it
    /// decides.
    pub fn below(&self, field: &Field) -> BTreeMap<Field, How> {
        let mut found = BTreeMap::new();
        for reader in self.readers.get(&field.node).into_iter().flatten() {
            let columns = &self.models[reader];
            for edge in columns.edges.iter().filter(|edge| edge.from.node == field.node) {
                let to = Field { node: *reader, path: edge.to.clone() };
                if starts_with(&edge.from.path, &field.path) {
                    strongest(&mut found, to, edge.how);
                } else if starts_with(&field.path, &edge.from.path) {
                    strongest(&mut found, onward(&to, &field.path[edge.from.path.len()..], edge.how), edge.how);
                }
            }
            let decides = |row: &Field| {
                row.node == field.node && (starts_with(&row.path, &field.path) || starts_with(&field.path, &row.path))
            };
            if columns.rows.iter().any(decides) {
                strongest(&mut found, Field { node: *reader, path: Vec::new() }, How::Decides);
            }
        }
        found
    }

    /// The fields of sources and seeds (and of models that could not be bound) that contribute to the value of a field.
    pub fn origins(&self, field: &Field) -> BTreeSet<Field> {
        self.all(field, &|field| self.above(field), true)
    }

    /// Every place in a column that a field contributes to, at any distance.
    pub fn reached(&self, field: &Field) -> BTreeSet<Field> {
        self.all(field, &|field| self.below(field), false)
    }

    fn all(&self, field: &Field, next: &dyn Fn(&Field) -> BTreeMap<Field, How>, ends_only: bool) -> BTreeSet<Field> {
        let (mut seen, mut found, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![field.clone()]);
        while let Some(one) = open.pop() {
            let further = next(&one).into_iter().filter(|(_, how)| *how != How::Decides).map(|(field, _)| field);
            let further: Vec<Field> = further.collect();
            if ends_only && further.is_empty() && !self.models.contains_key(&one.node) && one != *field {
                found.insert(one);
            }
            for field in further {
                if seen.insert(field.clone()) {
                    if !ends_only {
                        found.insert(field.clone());
                    }
                    open.push(field);
                }
            }
        }
        found
    }
}

/// A place within a copied value has the same place within the copy.
fn onward(field: &Field, rest: &[Step], how: How) -> Field {
    let mut field = field.clone();
    if how == How::Copied {
        field.path.extend(rest.iter().cloned());
    }
    field
}

fn strongest(found: &mut BTreeMap<Field, How>, field: Field, how: How) {
    let known = found.entry(field).or_insert(how);
    *known = how.min(*known);
}

fn by_relation(node: &Node) -> ((String, String), NodeId) {
    ((node.relation.schema.to_lowercase(), node.relation.identifier.to_lowercase()), node.id)
}

struct LineageTrace<'a> {
    graph: &'a Compiler,
    known: &'a KnownColumns,
    binder: &'a mut dyn Binder,
    relations: HashMap<(String, String), NodeId>,
    made: BTreeSet<NodeId>,
    schemas: BTreeSet<String>,
}

impl LineageTrace<'_> {
    /// Returns None if the query cannot be rendered or bound.
    fn columns(&mut self, node: &Node) -> Option<OutputColumns> {
        // Files are replaced by relations, because a plan cannot show files.
        let relations = Standins { overrides: Some(Default::default()), ..Standins::default() };
        let query = self.graph.compile_with(node, &Compile::default(), &relations).ok()?;
        let mut open = node.parents.clone();
        while let Some(parent) = open.pop() {
            if self.graph.node(parent).config.materialized == Materialized::Ephemeral {
                open.extend(&self.graph.node(parent).parents);
            } else {
                self.table(parent);
            }
        }
        let names: Vec<String> = match self.known.get(&node.id) {
            Some(columns) => columns.iter().map(|(name, _)| name.clone()).collect(),
            None => self.described(node, &query)?,
        };
        let text = self.binder.plan(&query.sql).ok()?;
        let rows = serde_json::from_str::<Value>(&text)
            .map_err(|cause| cause.to_string())
            .and_then(|plan| match plan["error_message"].as_str() {
                Some(message) => Err(message.lines().next().unwrap_or_default().to_owned()),
                None => self.walk(&plan),
            })
            // A snapshot has its own columns after those of its query.
            .and_then(|rows| match rows.columns.len() >= names.len() || node.kind == NodeKind::Snapshot {
                true => Ok(rows),
                false => Err("a plan of fewer columns than the query has".to_owned()),
            });
        Some(match rows {
            Ok(rows) => exact(names, rows),
            Err(cause) => self.inexact(node, names, cause),
        })
    }

    fn walk(&self, plan: &Value) -> Result<PlanRows, String> {
        let relation =
            |schema: &str, name: &str| self.relations.get(&(schema.to_lowercase(), name.to_lowercase())).copied();
        let ephemeral = |name: &str| {
            let node = self.graph.by_name(name)?;
            (node.config.materialized == Materialized::Ephemeral).then_some(node.id)
        };
        plan::rows(plan, &PlanNames { relation: &relation, ephemeral: &ephemeral })
    }

    /// Each column is computed from all fields.
    fn inexact(&self, node: &Node, names: Vec<String>, cause: String) -> OutputColumns {
        let columns = |id: &NodeId| {
            let known = self.known.get(id).map(Vec::as_slice).unwrap_or_default().iter();
            known.map(|(name, _)| Field::column(*id, name.clone())).collect::<Vec<_>>()
        };
        let all: BTreeSet<Field> = node.parents.iter().flat_map(columns).collect();
        let edges = names.iter().flat_map(|name| {
            let to = vec![Step::Key(name.clone())];
            all.iter().map(move |from| Edge { to: to.clone(), from: from.clone(), how: How::Computed })
        });
        OutputColumns { edges: edges.collect(), names, rows: BTreeSet::new(), inexact: Some(cause) }
    }

    /// Creates an empty table with a node's columns.
    fn table(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let Some(columns) = self.known.get(&id) else { return };
        if !self.made.insert(id) {
            return;
        }
        self.schema(&node.relation.schema);
        let list: Vec<String> = columns.iter().map(|(name, sql)| format!("{} {sql}", quote(name))).collect();
        // An existing table already has these columns. If it cannot be created, the queries that read it report the
        // error.
        let _ = self.binder.create(&format!("create table if not exists {} ({})", node.relation, list.join(", ")));
    }

    fn schema(&mut self, schema: &str) {
        if self.schemas.insert(schema.to_owned()) {
            let _ = self.binder.create(&format!("create schema if not exists {}", quote(schema)));
        }
    }

    /// The names of a query's columns.
    fn described(&mut self, node: &Node, query: &Compiled) -> Option<Vec<String>> {
        let relation = Relation::new("elt_lineage", format!("e{}", node.id.0));
        self.schema(&relation.schema);
        self.binder.create(&query.within(&format!("create or replace view {relation} as (\n"), "\n)").sql).ok()?;
        let columns = self.binder.describe(&format!("describe {relation}")).ok()?;
        Some(columns.into_iter().map(|(name, _)| name).collect())
    }
}

fn exact(names: Vec<String>, rows: PlanRows) -> OutputColumns {
    let mut edges = BTreeSet::new();
    for (name, flow) in names.iter().zip(&rows.columns) {
        let mut to = vec![Step::Key(name.clone())];
        flow.visit(&mut to, &mut |to, from, how| {
            edges.insert(Edge { to: to.to_vec(), from: from.clone(), how });
        });
    }
    OutputColumns { names, edges, rows: rows.decides, inexact: None }
}
