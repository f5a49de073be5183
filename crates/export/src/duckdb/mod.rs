//! Publishes to a DuckDB file, in one of its transactions.
//!
//! The file is attached to the warehouse's own database while the publication is open. DuckDB allows only one process
//! to write a file, so the attached file is also the publication's lock. DuckDB copies the rows from one database to
//! the other. `_elt.publications` in the file names the last publication. Knows no driver: the engine runs the SQL.

mod attach;
mod capabilities;
mod quarantine;
mod statements;
mod table;
mod writing;

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

use self::capabilities::CAPABILITIES;
use self::writing::DuckdbPublication;
use super::capabilities::Capabilities;
use super::exporter::{Exporter, Opening, Target};
use crate::messages;
use elt_base::error::Result;

/// A schema of a DuckDB file.
pub struct DuckdbTarget<'p> {
    pub path: &'p Path,
    pub schema: &'p str,
}

impl Target for DuckdbTarget<'_> {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn place_of(&self, label: &str) -> Option<String> {
        Some(match label.contains('.') {
            true => format!("table `{label}`"),
            false => format!("table `{}.{label}`", self.schema),
        })
    }

    fn open<'a>(&self, opening: Opening<'a>) -> Result<Box<dyn Exporter + 'a>> {
        Ok(Box::new(DuckdbPublication::open(self.path, self.schema, opening)?))
    }

    /// Without opening the file as a database.
    fn probe(&self) -> Result<String> {
        let (shown, schema) = (self.path.display(), self.schema);
        if !self.path.exists() {
            return Ok(format!(
                "DuckDB file `{shown}`, schema `{schema}`: does not exist yet; the first publication creates it"
            ));
        }
        // Twelve bytes in: a checksum precedes the mark.
        let mut head = [0; 12];
        let read = fs::File::open(self.path).and_then(|mut file| file.read_exact(&mut head));
        match read {
            Ok(()) if head.ends_with(b"DUCK") => Ok(format!("DuckDB file `{shown}`, schema `{schema}`")),
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                Err(messages::export_file("read", self.path, &error))
            }
            _ => Err(messages::export_duckdb_open(self.path, &["it is not a DuckDB file".to_owned()])),
        }
    }
}
