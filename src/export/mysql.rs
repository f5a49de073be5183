//! Publishes to MySQL and MariaDB.

use super::{Changes, Exporter, Extent, Opening, Published};
use crate::error::{Error, Result};
use crate::secret::Secret;

pub struct MysqlExporter;

impl MysqlExporter {
    pub fn open(_uri: &Secret, _opening: Opening<'_>) -> Result<Self> {
        Err(Error::export_incomplete())
    }
}

impl Exporter for MysqlExporter {
    fn last(&self) -> Option<&str> {
        None
    }

    fn wants_everything(&self, _table: &str) -> bool {
        true
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    fn stage(&self, _table: &str, _extent: Extent, _changes: &mut dyn Changes) -> Result<()> {
        Err(Error::export_incomplete())
    }

    fn commit(self: Box<Self>) -> Result<Published> {
        Err(Error::export_incomplete())
    }
}

/// Connects, and says in one line what answered; changes nothing.
pub fn probe(_uri: &Secret) -> Result<String> {
    Err(Error::export_incomplete())
}
