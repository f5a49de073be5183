//! The messages of publications to files and to a DuckDB file.

use std::path::Path;
use std::time::Duration;

use elt_base::error::Error;

/// `differences`: the files that were changed or removed after they were published, one line each.
pub(crate) fn export_files_differ(differences: &[String]) -> Error {
    let mut error = Error::failed("published files were changed or removed since the last publication");
    for difference in differences {
        error = error.because(difference);
    }
    error.hint("nothing was published; run `elt export --heal` to write them again")
}

/// The table's folder is also the folder of a schema.
pub(crate) fn export_folder_taken(table: &str, path: &Path) -> Error {
    Error::usage(format!("`{table}` would be published as `{}`, which is the folder of a schema", path.display()))
        .hint("set `export: {table: …}` in the model's config to rename the table")
}

pub(crate) fn export_folder_not_ours(table: &str, path: &Path) -> Error {
    Error::failed(format!("`{}`, where `{table}` is to be published, contains other files", path.display())).hint(
        "nothing was published, because a folder is replaced only if it contains nothing but partitions; move those files \
         elsewhere, or rename the table with `export: {table: …}`",
    )
}

pub(crate) fn export_only_partitions(table: &str) -> Error {
    Error::usage(format!("`{table}` is partitioned by all of its columns")).hint(
        "the columns of `partition_by` become names of folders; remove one of them, so that the files have a column",
    )
}

pub(crate) fn export_nested_partition(table: &str, column: &str, duckdb_type: &str) -> Error {
    Error::usage(format!("`{table}` cannot be partitioned by `{column}`, which is {duckdb_type}"))
        .hint("use a column of plain values, because the values of `partition_by` become names of folders")
}

pub(crate) fn export_duckdb_open(path: &Path, causes: &[String]) -> Error {
    let error = Error::failed(format!("cannot open the DuckDB file `{}` of the target", path.display()));
    with_causes(error, causes)
        .hint("`path` in `[target.….export]` names the file; elt creates the file if it does not exist")
}

pub(crate) fn export_duckdb_in_use(path: &Path, pid: &str, program: Option<&str>, waited: Duration) -> Error {
    let program = program.map(|program| format!(" (`{program}`)")).unwrap_or_default();
    Error::failed(format!(
        "the DuckDB file `{}` is in use by process {pid}{program} (waited {} s)",
        path.display(),
        waited.as_secs()
    ))
    .hint("nothing was published; close the file in that program, then run `elt export`")
}

pub(crate) fn export_duckdb_own_schema() -> Error {
    Error::usage("schema `_elt` of a DuckDB file stores the record of publications").hint(
        "publish to another schema: set `schema` in `[target.….export]`, or `export: {schema: …}` in a model's config",
    )
}

pub(crate) fn export_duckdb_view(schema: &str, name: &str) -> Error {
    Error::failed(format!("`{schema}.{name}` is a view in the DuckDB file, so a table cannot be published there"))
        .hint("nothing was changed; rename the table with `export: {table: …}`, or remove the view with `drop view`")
}

pub(crate) fn export_duckdb_type(table: &str, column: &str, written: &str, causes: &[String]) -> Error {
    let error = Error::usage(format!("`{written}`, the type of column `{column}` of `{table}`, is not a DuckDB type"));
    with_causes(error, causes)
}

/// `steps`: the steps that would be run, one line each.
pub(crate) fn export_duckdb_contract_changed(schema: &str, table: &str, steps: &[String]) -> Error {
    let error = Error::failed(format!("the contract of `{schema}.{table}` changed, and `on_schema_change` is `fail`"));
    with_causes(error, steps)
        .hint("nothing was published; set `on_schema_change = \"apply\"` to have the table created again")
}

/// `during` names the step, before the table's name: `making`, `adding a key or index to`.
pub(crate) fn export_duckdb(path: &str, during: &str, table: Option<&str>, causes: &[String]) -> Error {
    let on = table.map(|table| format!(" `{table}`")).unwrap_or_default();
    let error = Error::failed(format!("DuckDB failed while {during}{on} in `{path}`"));
    with_causes(error, causes).hint("nothing was published, and the file did not change")
}

fn with_causes(error: Error, causes: &[String]) -> Error {
    causes.iter().fold(error, |error, cause| error.because(cause))
}
