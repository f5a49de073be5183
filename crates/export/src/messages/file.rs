//! The messages of publications to files and to a DuckDB file.

use std::path::Path;
use std::time::Duration;

use elt_base::error::Error;

/// Files that are not as they were published, one line each.
pub(crate) fn export_files_differ(differences: &[String]) -> Error {
    let mut error = Error::failed("published files are not as they were published");
    for difference in differences {
        error = error.because(difference);
    }
    error.hint("nothing was published; `elt export --heal` writes them anew")
}

/// A table's folder that is a schema's too.
pub(crate) fn export_folder_taken(table: &str, path: &Path) -> Error {
    Error::usage(format!("`{table}` would be published as `{}`, which is the folder of a schema", path.display()))
        .hint("`export: {table: …}` in the model's config gives it another name")
}

pub(crate) fn export_folder_not_ours(table: &str, path: &Path) -> Error {
    Error::failed(format!("`{}`, where `{table}` is to be published, holds other files", path.display())).hint(
        "nothing was published; a folder is replaced only if it holds partitions alone: move those files elsewhere, or give \
         the table another name with `export: {table: …}`",
    )
}

pub(crate) fn export_only_partitions(table: &str) -> Error {
    Error::usage(format!("`{table}` is partitioned by all of its columns"))
        .hint("the columns of `partition_by` name folders; at least one other is left for the files in them")
}

pub(crate) fn export_nested_partition(table: &str, column: &str, duckdb_type: &str) -> Error {
    Error::usage(format!("`{table}` cannot be partitioned by `{column}`, which is {duckdb_type}"))
        .hint("a column of `partition_by` holds plain values: they name folders")
}

pub(crate) fn export_duckdb_open(path: &Path, causes: &[String]) -> Error {
    let error = Error::failed(format!("cannot open the DuckDB file `{}` of the target", path.display()));
    with_causes(error, causes).hint("`path` below `[target.….export]` names the file; it is made where there is none")
}

pub(crate) fn export_duckdb_in_use(path: &Path, pid: &str, program: Option<&str>, waited: Duration) -> Error {
    let program = program.map(|program| format!(" (`{program}`)")).unwrap_or_default();
    Error::failed(format!(
        "the DuckDB file `{}` is in use by process {pid}{program} (waited {} s)",
        path.display(),
        waited.as_secs()
    ))
    .hint("nothing was published; once that program has closed the file, `elt export` publishes")
}

pub(crate) fn export_duckdb_own_schema() -> Error {
    Error::usage("schema `_elt` of a DuckDB file holds the record of publications")
        .hint("tables are published to another schema: `schema` below `[target.….export]`, or `export: {schema: …}`")
}

pub(crate) fn export_duckdb_view(schema: &str, name: &str) -> Error {
    Error::failed(format!("`{schema}.{name}` is a view in the DuckDB file, and a table is to be published there"))
        .hint("nothing was changed; `export: {table: …}` gives the table another name, or `drop view` makes room")
}

pub(crate) fn export_duckdb_type(table: &str, column: &str, written: &str, causes: &[String]) -> Error {
    let error = Error::usage(format!("`{written}`, the type of column `{column}` of `{table}`, is none of DuckDB's"));
    with_causes(error, causes)
}

/// `steps`: what would be done, one line each.
pub(crate) fn export_duckdb_contract_changed(schema: &str, table: &str, steps: &[String]) -> Error {
    let error = Error::failed(format!("the contract of `{schema}.{table}` changed, and `on_schema_change` is `fail`"));
    with_causes(error, steps).hint("nothing was published; with `on_schema_change = \"apply\"` the table is made anew")
}

/// `during` goes before the table: `making`, `adding a key or index to`.
pub(crate) fn export_duckdb(path: &str, during: &str, table: Option<&str>, causes: &[String]) -> Error {
    let on = table.map(|table| format!(" `{table}`")).unwrap_or_default();
    let error = Error::failed(format!("DuckDB failed while {during}{on} in `{path}`"));
    with_causes(error, causes).hint("nothing was published; the file is as it was")
}

fn with_causes(error: Error, causes: &[String]) -> Error {
    causes.iter().fold(error, |error, cause| error.because(cause))
}
