//! The messages of the warehouse: opening it, its own state, and statements of ours that fail.

use std::path::Path;

use super::Error;
use crate::warehouse::SqlError;

impl Error {
    pub fn warehouse_folder(folder: &Path, cause: &std::io::Error) -> Self {
        Self::failed(format!("cannot create the warehouse's folder `{}`", folder.display()))
            .caused_by(cause)
            .hint("`warehouse` in profiles.toml names the file; its disk must be writable")
    }

    pub fn warehouse_open(path: &Path, cause: &SqlError) -> Self {
        Self::failed(format!("cannot open the warehouse `{}`", path.display()))
            .because(cause.message.clone())
            .hint("`warehouse` in profiles.toml names the file; its disk must be writable")
    }

    pub fn warehouse_locked(path: &Path, pid: &str, program: Option<&str>) -> Self {
        let program = program.map(|program| format!(" (`{program}`)")).unwrap_or_default();
        Self::failed(format!("the warehouse `{}` is in use by process {pid}{program}", path.display()))
            .hint("wait until that process ends, or stop it; one process at a time may write a DuckDB file")
            .transient()
    }

    /// The process that answered for a file that it was writing.
    pub fn warehouse_writer_gone(path: &Path) -> Self {
        Self::failed(format!("the process that had the warehouse `{}` open has just ended", path.display()))
            .hint("the same command finds the file free now")
    }

    pub fn warehouse_options(cause: &SqlError, memory_limit: Option<&str>) -> Self {
        let limit = memory_limit.map(|limit| format!(" with `memory_limit = \"{limit}\"`")).unwrap_or_default();
        Self::usage(format!("DuckDB refuses its settings{limit}"))
            .because(cause.message.clone())
            .hint("a memory limit is written like `4GB`, threads as a whole number above 0")
    }

    pub fn warehouse_state(path: &Path, cause: &SqlError) -> Self {
        Self::failed(format!("cannot read or write elt's own tables in `{}`", path.display()))
            .because(cause.message.clone())
    }

    /// A version of our tables that this program does not know.
    pub fn warehouse_version(path: &Path, found: &str, known: &str) -> Self {
        Self::failed(format!("the warehouse `{}` was written by another version of elt", path.display()))
            .because(format!("its format is {found}, this program knows {known}"))
            .hint("use the newer program, or remove the file and build again with `--full-refresh`")
    }

    pub fn raw_load(table: &str, cause: &SqlError) -> Self {
        Self::failed(format!("cannot load the raw table `{table}`"))
            .because(cause.message.clone())
            .hint("what was landed stays; the next run loads it again")
    }

    /// A raw table whose column cannot take what a load brings.
    pub fn raw_conflict(table: &str) -> Self {
        Self::failed(format!("the columns of raw table `{table}` do not fit what was landed"))
            .hint("`--full-refresh` loads the collection anew")
    }
}

impl From<SqlError> for Error {
    /// A statement of ours that failed where no better message is at hand.
    fn from(error: SqlError) -> Self {
        if error.is_interrupt() {
            return Self::interrupted();
        }
        Self::failed("the warehouse refused a statement").because(error.message)
    }
}
