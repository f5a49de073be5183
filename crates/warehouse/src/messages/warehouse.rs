//! The messages of the warehouse: opening it, its own state, and statements of ours that fail.

use std::path::Path;

use elt_base::error::Error;
use elt_base::sql_error::SqlError;

pub(crate) fn warehouse_folder(folder: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot create the warehouse's folder `{}`", folder.display()))
        .caused_by(cause)
        .hint("`warehouse` in profiles.toml names the file; its disk must be writable")
}

pub(crate) fn warehouse_open(path: &Path, cause: &SqlError) -> Error {
    Error::failed(format!("cannot open the warehouse `{}`", path.display()))
        .because(cause.message.clone())
        .hint("`warehouse` in profiles.toml names the file; its disk must be writable")
}

pub(crate) fn warehouse_locked(path: &Path, pid: &str, program: Option<&str>) -> Error {
    let program = program.map(|program| format!(" (`{program}`)")).unwrap_or_default();
    Error::failed(format!("the warehouse `{}` is in use by process {pid}{program}", path.display()))
        .hint("wait until that process ends, or stop it; one process at a time may write a DuckDB file")
        .transient()
}

/// The process that answered for a file that it was writing.
pub(crate) fn warehouse_writer_gone(path: &Path) -> Error {
    Error::failed(format!("the process that had the warehouse `{}` open has just ended", path.display()))
        .hint("the same command finds the file free now")
}

pub(crate) fn warehouse_options(cause: &SqlError, memory_limit: Option<&str>) -> Error {
    let limit = memory_limit.map(|limit| format!(" with `memory_limit = \"{limit}\"`")).unwrap_or_default();
    Error::usage(format!("DuckDB refuses its settings{limit}"))
        .because(cause.message.clone())
        .hint("a memory limit is written like `4GB`, threads as a whole number above 0")
}

pub(crate) fn warehouse_state(path: &Path, cause: &SqlError) -> Error {
    Error::failed(format!("cannot read or write elt's own tables in `{}`", path.display()))
        .because(cause.message.clone())
}

/// A version of our tables that this program does not know.
pub(crate) fn warehouse_version(path: &Path, found: &str, known: &str) -> Error {
    Error::failed(format!("the warehouse `{}` was written by another version of elt", path.display()))
        .because(format!("its format is {found}, this program knows {known}"))
        .hint("use the newer program, or remove the file and build again with `--full-refresh`")
}

pub(crate) fn raw_load(table: &str, cause: &SqlError) -> Error {
    Error::failed(format!("cannot load the raw table `{table}`"))
        .because(cause.message.clone())
        .hint("what was landed stays; the next run loads it again")
}

/// A raw table whose column cannot take what a load brings.
pub(crate) fn raw_conflict(table: &str) -> Error {
    Error::failed(format!("the columns of raw table `{table}` do not fit what was landed"))
        .hint("`--full-refresh` loads the collection anew")
}
