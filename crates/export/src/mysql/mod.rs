//! Publishes to MySQL and MariaDB: stages by `load data` from memory, applies all tables in one InnoDB transaction.
//!
//! The only module that names the `mysql` crate. In the target's database `_elt_publications` records the publications,
//! and `_elt_tables` records the tables that elt created. Staging tables (`_elt_rows_<n>`, `_elt_gone_<n>`, `_elt_bad_<n>`) exist only
//! while a publication is running. A named lock prevents two publications at the same time; the next publication that
//! has the lock drops the staging tables that a killed run left. MySQL commits before and after each change of a
//! table's definition. Therefore tables and columns are created, empty, before the transaction.

mod apply;
mod capabilities;
mod catalog;
mod encode;
mod fit;
mod hazard;
mod load;
mod lock;
mod mysql_type;
mod names;
mod plan;
mod quarantine;
mod quarantining;
mod rights;
mod staging;
mod statements;
mod table;
mod table_transaction;

use self::capabilities::CAPABILITIES;
use self::staging::MysqlPublication;
use super::capabilities::Capabilities;
use super::contract::{Table, label_parts};
use super::exporter::{Exporter, Opening, Target};
use crate::messages;
use crate::missing_right::MissingRight;
use elt_base::error::Result;
use elt_base::secret::Secret;
use elt_connect::mysql::Flavour;
use elt_connect::mysql::{MysqlServer, describe};

/// A database of MySQL or MariaDB.
pub struct MysqlTarget<'p> {
    pub uri: &'p Secret,
}

impl Target for MysqlTarget<'_> {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn place(&self) -> String {
        CAPABILITIES.called.into()
    }

    fn place_of(&self, label: &str) -> Option<String> {
        Some(format!("table `{label}`"))
    }

    fn check(&self, tables: &[Table]) -> Result<()> {
        names::check(tables)
    }

    fn open<'a>(&self, opening: Opening<'a>) -> Result<Box<dyn Exporter + 'a>> {
        Ok(Box::new(MysqlPublication::open(self.uri, opening)?))
    }

    fn probe(&self) -> Result<String> {
        let server = MysqlServer::new(self.uri)?;
        let mut connection = server.connect()?;
        let (version, flavour) = elt_connect::mysql::version(&mut connection).map_err(|error| {
            elt_connect::messages::mysql_refused(&server.name(), self.uri.redact(&describe(&error)))
        })?;
        let kind = if flavour == Flavour::MariaDb { "MariaDB" } else { "MySQL" };
        Ok(format!("{kind} {version} at `{}`", server.name()))
    }

    fn missing_rights(&self, tables: &[String]) -> Result<Vec<MissingRight>> {
        let server = MysqlServer::new(self.uri)?;
        let places: Vec<_> = tables.iter().map(|label| label_parts(label, &server.database)).collect();
        let found = rights::missing(&mut server.connect()?, &server.database, &places);
        found.map_err(|error| messages::mysql("asking for its rights", None, describe(&error)))
    }
}
