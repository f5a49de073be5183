//! Publishes to a DuckDB file.

use std::path::Path;

use super::{Changes, Exporter, Extent, Opening, Published};
use crate::error::{Error, Result};

pub struct DuckdbExporter;

impl DuckdbExporter {
    pub fn open(_path: &Path, _schema: &str, _opening: Opening<'_>) -> Result<Self> {
        Err(Error::export_incomplete())
    }
}

impl Exporter for DuckdbExporter {
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
