//! Publishes relations as files below one folder: Parquet, CSV or JSON lines, each relation one file or, partitioned,
//! one folder.
//!
//! Each file or folder is written under a temporary name and then renamed, so that a reader always finds it complete.
//! `publication.json` is written last and names the publication that the files belong to. Several files do not change
//! in one instant. Removes nothing that it did not write. Knows no SQL: the warehouse writes the files.

mod capabilities;
mod exchange;
mod places;
mod quarantine;
mod record;
mod temporary;
mod writing;

use std::path::Path;

pub use self::capabilities::capabilities_of;
use self::places::check_places;
use self::record::Record;
use self::writing::FilePublication;
use super::capabilities::Capabilities;
use super::contract::Table;
use super::exporter::{Exporter, Opening, Target};
use elt_base::error::Result;
use elt_project::FileFormat;

/// Files of one format below a folder.
pub struct FileTarget<'p> {
    pub folder: &'p Path,
    pub format: &'p FileFormat,
}

impl Target for FileTarget<'_> {
    fn capabilities(&self) -> &'static Capabilities {
        capabilities_of(self.format)
    }

    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    /// The file or folder, as far as it still exists.
    fn place_of(&self, label: &str) -> Option<String> {
        let record = Record::read(self.folder).ok()??;
        let path = self.folder.join(record.tables.get(label)?.path.as_ref()?);
        path.exists().then(|| format!("`{}`", path.display()))
    }

    fn check(&self, tables: &[Table]) -> Result<()> {
        check_places(tables, self.format)
    }

    fn open<'a>(&self, opening: Opening<'a>) -> Result<Box<dyn Exporter + 'a>> {
        Ok(Box::new(FilePublication::open(self.folder, self.format, opening)?))
    }

    fn probe(&self) -> Result<String> {
        Ok(format!("{} files in `{}`", self.capabilities().called, self.folder.display()))
    }
}
