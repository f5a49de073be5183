//! Binds the graph's queries in an empty in-memory database, with the columns that the warehouse's tables really have.
//!
//! Gives `model::check` its database; decides nothing.

use crate::error::Result;
use crate::model::{self, Binder, Graph, KnownColumns, NodeKind, Relation, Selection};
use crate::schema::literal;
use crate::warehouse::{Session, SqlError, Warehouse};

pub(super) struct InMemory {
    session: Session,
    // Held so that it lives as long as its session.
    database: Warehouse,
}

impl InMemory {
    pub fn new(database: Warehouse, session: Session) -> Self {
        Self { session, database }
    }

    /// The database as it was bound, and its session.
    pub fn parts(self) -> (Warehouse, Session) {
        (self.database, self.session)
    }
}

impl Binder for InMemory {
    fn create(&mut self, statement: &str) -> Result<(), SqlError> {
        self.session.execute(statement)
    }

    fn columns(&mut self, relation: &Relation) -> Result<Vec<(String, String)>, SqlError> {
        self.session.describe(&relation.to_string())
    }

    fn plan(&mut self, query: &str) -> Result<String, SqlError> {
        let plan = self.session.value(&format!("select json_serialize_plan({}, optimize := false)", literal(query)))?;
        Ok(plan.unwrap_or_default())
    }
}

/// The columns of raw tables and seeds as the warehouse has them; what was never loaded is not in it.
pub fn known(graph: &Graph, warehouse: &Session) -> Result<KnownColumns> {
    let mut columns = warehouse.columns()?;
    let nodes =
        graph.nodes().filter(|node| matches!(node.kind, NodeKind::Source | NodeKind::Seed | NodeKind::Snapshot));
    Ok(nodes
        .filter_map(|node| {
            let key = (node.relation.schema.to_lowercase(), node.relation.identifier.to_lowercase());
            Some((node.id, columns.remove(&key)?))
        })
        .collect())
}

/// Checks the selected nodes and all that they read; what reads unknown columns is left unchecked.
pub fn check(graph: &Graph, selection: &Selection, known: &KnownColumns) -> Result<()> {
    let database = Warehouse::in_memory(&graph.root)?;
    let session = database.session()?;
    let mut binder = InMemory::new(database, session);
    model::check(graph, selection, known, &mut binder).map(drop)
}
