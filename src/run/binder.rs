//! Binds the queries of the graph in an empty in-memory database, with the real columns of the warehouse's tables.
//!
//! Supplies `model::check` and `model::lineage` with a database. Decides nothing.

use super::host::SessionHost;
use crate::report::Console;
use elt_base::error::{Error, Result};
use elt_base::schema::{ID, LOAD_ID, LOADED_AT, RESCUED, literal};
use elt_base::sql_error::SqlError;
use elt_model::lineage::Lineage;
use elt_model::{Binder, Checked, Compiler, Host, KnownColumns, NodeId, NodeKind, Origin, SelectedNodes};
use elt_warehouse::{Reach, Session, Warehouse};

use super::pinned::pinned_columns;

pub(super) struct InMemory {
    session: Session,
    /// Whether SQL of the project may only read.
    only_reads: bool,
    // Keeps the database alive as long as its session.
    database: Warehouse,
}

impl InMemory {
    pub fn new(database: Warehouse, session: Session) -> Self {
        Self { session, only_reads: false, database }
    }

    /// The database with the bound relations, and its session.
    pub fn parts(self) -> (Warehouse, Session) {
        (self.database, self.session)
    }
}

impl Binder for InMemory {
    fn create(&mut self, statement: &str) -> Result<(), SqlError> {
        if self.only_reads && !statement.starts_with("create table ") {
            // The query of a view is the project's, and so is any other statement.
            let query = statement.strip_prefix("create view ").and_then(|view| view.split_once(" as "));
            self.session.only_reads(query.map_or(statement, |(_, query)| query))?;
        }
        self.session.execute(statement)
    }

    fn describe(&mut self, statement: &str) -> Result<Vec<(String, String)>, SqlError> {
        if self.only_reads {
            self.session.only_reads(statement)?;
        }
        self.session.described(statement)
    }

    fn plan(&mut self, query: &str) -> Result<String, SqlError> {
        let plan = self.session.value(&format!("select json_serialize_plan({}, optimize := false)", literal(query)))?;
        Ok(plan.unwrap_or_default())
    }
}

/// An empty database to bind queries in. `reach`: the files that queries may read, in a command that only reads.
fn in_memory(graph: &Compiler, reach: Option<&Reach>) -> Result<InMemory> {
    let database = Warehouse::in_memory_within(&graph.root, &graph.database, reach)?;
    let session = database.session()?;
    super::keys::prepare(&session)?;
    Ok(InMemory { only_reads: reach.is_some(), ..InMemory::new(database, session) })
}

/// The columns of raw tables and seeds in the warehouse. Tables that have never been loaded are absent.
pub fn known(graph: &Compiler, warehouse: &Session) -> Result<KnownColumns> {
    let columns = warehouse.columns()?;
    let nodes =
        graph.nodes().filter(|node| matches!(node.kind, NodeKind::Source | NodeKind::Seed | NodeKind::Snapshot));
    Ok(nodes
        .filter_map(|node| {
            let key = (node.relation.schema.to_lowercase(), node.relation.identifier.to_lowercase());
            // Two nodes can be one table: a seed and the source that reads it.
            Some((node.id, columns.get(&key)?.clone()))
        })
        .collect())
}

/// The columns of sources that are not `known`, from their YAML, if each column in it has a `data_type`.
fn declared(graph: &Compiler, known: &KnownColumns) -> Result<KnownColumns> {
    let mut declared = KnownColumns::new();
    for node in graph.nodes().filter(|node| node.kind == NodeKind::Source && !known.contains_key(&node.id)) {
        if node.columns.is_empty() || node.columns.iter().any(|column| column.data_type.is_none()) {
            continue;
        }
        if node.origin != Origin::Loaded {
            let own = node.columns.iter().filter_map(|column| Some((column.name.clone(), column.data_type.clone()?)));
            declared.insert(node.id, own.collect());
            continue;
        }
        let fields = pinned_columns(node)?.into_iter().map(|column| (column.name, column.column_type.sql()));
        let mut columns: Vec<(String, String)> = fields.collect();
        let own = [(ID, "VARCHAR"), (RESCUED, "JSON"), (LOAD_ID, "VARCHAR"), (LOADED_AT, "TIMESTAMP WITH TIME ZONE")];
        for (name, column_type) in own {
            if !columns.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                columns.push((name.to_owned(), column_type.to_owned()));
            }
        }
        declared.insert(node.id, columns);
    }
    Ok(declared)
}

/// Checks the selected nodes and everything that they read. A node that reads unknown columns is not checked. Templates
/// query `warehouse`, or an empty database if no warehouse exists yet, and change nothing. Returns what could be bound,
/// and the errors.
pub fn check(
    graph: &Compiler,
    selection: &SelectedNodes,
    known: &KnownColumns,
    warehouse: Option<&Session>,
    reach: Option<&Reach>,
    console: &Console,
) -> Result<(Checked, Vec<Error>)> {
    let empty = if warehouse.is_none() { Some(in_memory(graph, reach)?) } else { None };
    let asked = warehouse.or(empty.as_ref().map(|empty| &empty.session));
    let host = asked.map(|session| SessionHost::reading(session, console));
    let host = host.as_ref().map(|host| host as &dyn Host);
    Ok(elt_model::bind(graph, selection, known, &mut in_memory(graph, reach)?, host))
}

/// Like `check`, but also returns what was bound. A source that is not `known` has the columns of its YAML, unless a
/// query names others: then its YAML lists only some of the columns.
pub fn examine(
    graph: &Compiler,
    selection: &SelectedNodes,
    known: KnownColumns,
    host: Option<&dyn Host>,
    reach: Option<&Reach>,
) -> Result<(KnownColumns, Checked, Vec<Error>)> {
    let declared = declared(graph, &known)?;
    if !declared.is_empty() {
        let mut all = known.clone();
        all.extend(declared);
        let (checked, errors) = elt_model::bind(graph, selection, &all, &mut in_memory(graph, reach)?, host);
        let is_partial = |error: &Error| {
            let message = error.message();
            message.contains("not found in FROM clause") || message.contains("does not have a column")
        };
        if !errors.iter().any(is_partial) {
            return Ok((all, checked, errors));
        }
    }
    let (checked, errors) = elt_model::bind(graph, selection, &known, &mut in_memory(graph, reach)?, host);
    Ok((known, checked, errors))
}

/// The lineage of models. `known`: the columns of all their inputs.
pub fn lineage<'g>(
    graph: &'g Compiler,
    models: impl IntoIterator<Item = NodeId>,
    known: &KnownColumns,
    reach: Option<&Reach>,
) -> Result<Lineage<'g>> {
    Ok(Lineage::new(graph, models, known, &mut in_memory(graph, reach)?))
}
