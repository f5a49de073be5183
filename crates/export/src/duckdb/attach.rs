//! Attaches a DuckDB file to the warehouse's database, which locks it.
//!
//! Knows the engine's messages, but no table.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::table::CATALOG;
use crate::changes::Engine;
use crate::messages;
use crate::target::{PublicationLock, wait_for};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::schema::literal;

/// Attaches the file, or creates it, after no other program has it open.
pub fn attach(path: &Path, engine: &Engine<'_>, cancel: &Cancel, say: &dyn Fn(&str)) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| messages::export_file("create folder", folder, &error))?;
    }
    is_no_warehouse(path, engine)?;
    wait_for(&mut FileLock { path, engine, pid: String::new(), program: None }, cancel, say)
}

/// DuckDB lets one process at a time have a file that it writes.
struct FileLock<'a> {
    path: &'a Path,
    engine: &'a Engine<'a>,
    /// Who has the file, and its program.
    pid: String,
    program: Option<String>,
}

impl PublicationLock for FileLock<'_> {
    type Held = ();

    fn ask(&mut self) -> Result<Option<()>> {
        let statement = format!("attach {} as {CATALOG}", literal(&self.path.to_string_lossy()));
        let Err(error) = (self.engine)(&statement) else { return Ok(Some(())) };
        let said = error.causes().join(" ");
        let holder = said.split_once("PID ").filter(|_| said.contains("lock"));
        let Some((before, rest)) = holder else { return Err(messages::export_duckdb_open(self.path, error.causes())) };
        self.pid = rest.split(|digit: char| !digit.is_ascii_digit()).next().unwrap_or_default().to_owned();
        let program = before.split_once("held in ").map(|(_, program)| program.trim_end_matches([' ', '(']));
        self.program = program.map(str::to_owned);
        Ok(None)
    }

    fn obstacle(&self) -> String {
        format!("process {} has `{}` open", self.pid, self.path.display())
    }

    fn refusal(&mut self, waited: Duration) -> Error {
        messages::export_duckdb_in_use(self.path, &self.pid, self.program.as_deref(), waited)
    }
}

/// The warehouse's own file cannot be attached a second time, and publishing into it would mix both.
fn is_no_warehouse(path: &Path, engine: &Engine<'_>) -> Result<()> {
    let rows = engine("select path from duckdb_databases() where path is not null")?;
    let real = |path: &Path| {
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        path.canonicalize().ok().or_else(|| Some(folder?.join(path.file_name()?)))
    };
    let own = real(path);
    let is_it = rows.iter().flatten().flatten().any(|open| own.is_some() && real(Path::new(open)) == own);
    if is_it { Err(elt_project::messages::export_duckdb_is_warehouse(path)) } else { Ok(()) }
}
