//! The messages about the warehouse: opening it, elt's own tables in it, and elt's statements that fail.

use std::path::Path;

use elt_base::error::Error;
use elt_base::numbers::{counted, thousands};
use elt_base::sql_error::SqlError;

pub(crate) fn warehouse_folder(folder: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot create the folder `{}` of the warehouse", folder.display()))
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
        .hint("only one process at a time can write a DuckDB file; wait until that process ends, or stop it")
        .transient()
}

/// The process that was writing the file, and that answered queries about it, has ended.
pub(crate) fn warehouse_writer_gone(path: &Path) -> Error {
    Error::failed(format!("the process that was writing the warehouse `{}` ended during this command", path.display()))
        .hint("the file is free now; run the same command again")
}

pub(crate) fn warehouse_options(cause: &SqlError, memory_limit: Option<&str>) -> Error {
    let limit = memory_limit.map(|limit| format!(" with `memory_limit = \"{limit}\"`")).unwrap_or_default();
    Error::usage(format!("DuckDB does not accept its settings{limit}"))
        .because(cause.message.clone())
        .hint("`memory_limit` must be a size such as `4GB`, and `threads` a whole number above 0")
}

pub(crate) fn warehouse_state(path: &Path, cause: &SqlError) -> Error {
    Error::failed(format!("cannot read or write elt's own tables in the warehouse `{}`", path.display()))
        .because(cause.message.clone())
}

/// elt's own tables have a version that this program does not know.
pub(crate) fn warehouse_version(path: &Path, found: &str, known: &str) -> Error {
    Error::failed(format!("the warehouse `{}` was written by another version of elt", path.display()))
        .because(format!("the warehouse has format {found}, but this program supports format {known}"))
        .hint("use the newer version of elt, or remove the file and run `elt build --full-refresh`")
}

pub(crate) fn raw_load(table: &str, cause: &SqlError) -> Error {
    Error::failed(format!("cannot load the raw table `{table}`"))
        .because(cause.message.clone())
        .hint("the documents that were read are kept; the next run loads them into the raw table again")
}

/// A column of a raw table cannot store the values of a load.
pub(crate) fn raw_conflict(table: &str) -> Error {
    Error::failed(format!("the columns of raw table `{table}` do not fit the documents that were read"))
        .hint("`elt extract --full-refresh` creates the raw table again and loads the collection from its start")
}

/// Two rows of a load have the same key. `some` are keys.
pub(crate) fn key_doubled(table: &str, key: &[String], count: u64, some: &[String]) -> Error {
    let columns: Vec<_> = key.iter().map(|column| format!("`{column}`")).collect();
    let rest = if count > some.len() as u64 { " …" } else { "" };
    Error::failed(format!("several rows of `{table}` have the same `key`, {}", columns.join(", ")))
        .because(format!("{}: {}{rest}", counted(count, "keys"), some.join(", ")))
        .hint("`key` in the table's `config` must name the columns that identify a row; nothing of this load was committed")
}

/// A sweep would remove more rows than `sweep_limit` allows.
pub(crate) fn sweep_limit(table: &str, gone: u64, all: u64, limit: f64) -> Error {
    Error::failed(format!(
        "{} of the {} of `{table}` are gone at the source, more than the `sweep_limit` of {limit} %",
        thousands(gone),
        counted(all, "rows")
    ))
    .because("nothing of this load was committed, and no row was deleted")
    .hint(format!(
        "if the rows are really gone, `elt extract --full-refresh --select source:{table}` loads the table from its start, or `sweep_limit: 100%` in its `config` allows it"
    ))
}
