//! Publishes to Postgres: stages by binary COPY on parallel connections, applies all tables in one transaction.
//!
//! The only module that names the `postgres` crate. elt's own schema `_elt` stores the record of publications and,
//! while a publication is running, its staging tables. An advisory lock per target schema prevents two publications at
//! the same time. The next publication that has the lock drops the staging tables that a killed run left. A new table
//! is filled and indexed in `_elt`, and moves into the target schema in the transaction.

mod altering;
mod apply;
mod arrow_times;
mod beginning;
mod capabilities;
mod catalog;
mod comparing;
mod copy;
mod ddl;
mod definition;
mod exact;
mod field;
mod fit;
mod foresight;
mod hazard;
mod index_sql;
mod load_target;
mod loading;
mod lock;
mod migration;
mod names;
mod numeric;
mod object_names;
mod opening;
mod order;
mod own_schema;
mod pgcopy;
mod plan;
mod preparing;
mod preview;
mod put;
mod quarantine;
mod quarantining;
mod rights;
mod said;
mod script;
mod sequences;
mod staging;
mod statements;
mod table;
mod table_lock;
mod table_transaction;
mod target_types;
mod times;
mod turn;
mod values;
mod violations;
mod watch;

use self::capabilities::CAPABILITIES;
use self::said::describe;
use self::staging::PostgresPublication;
use self::table::PostgresTable;
use super::capabilities::Capabilities;
use super::contract::{Table, label_parts};
use super::exporter::{Exporter, Opening, Target};
use super::missing_right::MissingRight;
use super::plan::PlannedStep;
use super::publication::{Publication, PublishedKey};
use crate::messages;
use elt_base::error::Result;
use elt_base::secret::Secret;
use elt_connect::postgres::PostgresServer;
use elt_project::ExportPolicy;

/// A schema of a Postgres database.
pub struct PostgresTarget<'p> {
    pub uri: &'p Secret,
    pub schema: &'p str,
    /// How many connections copy at once.
    pub connections: usize,
}

impl Target for PostgresTarget<'_> {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn place(&self) -> String {
        format!("Postgres schema `{}`", self.schema)
    }

    fn place_of(&self, label: &str) -> Option<String> {
        Some(match label.contains('.') {
            true => format!("table `{label}`"),
            false => format!("table `{}.{label}`", self.schema),
        })
    }

    fn check(&self, tables: &[Table]) -> Result<()> {
        PostgresTable::all_of(tables, self.schema).map(drop)
    }

    fn open<'a>(&self, opening: Opening<'a>) -> Result<Box<dyn Exporter + 'a>> {
        Ok(Box::new(PostgresPublication::open(self.uri, self.schema, self.connections, opening)?))
    }

    fn probe(&self) -> Result<String> {
        let server = PostgresServer::new(self.uri, "elt debug")?;
        let mut client = server.connect()?;
        let version: String = match client.query_typed_one("show server_version", &[]) {
            Ok(row) => row.get(0),
            Err(error) => {
                return Err(elt_connect::messages::export_refused(&server.name(), self.uri.redact(&describe(&error))));
            }
        };
        Ok(format!("Postgres {version} at `{}`, schema `{}`", server.name(), self.schema))
    }

    fn missing_rights(&self, tables: &[String]) -> Result<Vec<MissingRight>> {
        let server = PostgresServer::new(self.uri, "elt debug")?;
        let places: Vec<_> = tables.iter().map(|label| label_parts(label, self.schema)).collect();
        let found = rights::missing(&mut server.connect()?, self.schema, &places);
        found.map_err(|error| messages::export_postgres("asking for its rights", None, describe(&error)))
    }

    fn plan(&self, publication: &Publication, policy: ExportPolicy) -> Result<Vec<PlannedStep>> {
        preview::plan(self.uri, self.schema, publication, policy)
    }

    fn ddl(&self, tables: &[Table]) -> Result<String> {
        let mut tables = table::PostgresTable::all_of(tables, self.schema)?;
        object_names::resolve(&mut tables, &catalog::PostgresCatalog::new());
        Ok(ddl::script(&tables))
    }

    fn keys(&self, known: Option<&str>) -> Result<Option<Vec<PublishedKey>>> {
        preview::keys(self.uri, self.schema, known)
    }
}
