//! The messages of publications to files and to a DuckDB file, each one a constructor.

use std::path::Path;
use std::time::Duration;

use super::Error;
use crate::warehouse::SqlError;

impl Error {
    /// A COPY that failed.
    pub fn export_copy(table: &str, path: &Path, cause: &SqlError) -> Self {
        if cause.is_interrupt() {
            return Self::interrupted();
        }
        let folder = path.parent().unwrap_or(path);
        Self::failed(format!("cannot write `{table}` to `{}`", folder.display()))
            .because(cause.message.clone())
            .hint("nothing was published; the files are as they were")
    }

    /// `complaint` says what the key takes.
    pub fn csv_character(key: &str, complaint: &str) -> Self {
        Self::usage(format!("`{key}` of CSV files {complaint}"))
    }

    /// Files that are not as they were published, one line each.
    pub fn export_files_differ(differences: &[String]) -> Self {
        let mut error = Self::failed("published files are not as they were published");
        for difference in differences {
            error = error.because(difference);
        }
        error.hint("nothing was published; `elt export --heal` writes them anew")
    }

    pub fn export_folder_locked(folder: &Path, waited: Duration) -> Self {
        Self::failed(format!(
            "another publication to `{}` is under way (waited {} s)",
            folder.display(),
            waited.as_secs()
        ))
        .hint("it holds the folder's lock until it ends; the next run publishes then")
    }

    /// A table's folder that is a schema's too.
    pub fn export_folder_taken(table: &str, path: &Path) -> Self {
        Self::usage(format!("`{table}` would be published as `{}`, which is the folder of a schema", path.display()))
            .hint("`export: {table: …}` in the model's config gives it another name")
    }

    pub fn export_folder_not_ours(table: &str, path: &Path) -> Self {
        Self::failed(format!("`{}`, where `{table}` is to be published, holds other files", path.display())).hint(
            "nothing was published; a folder is replaced only if it holds partitions alone: move those files elsewhere, or give \
             the table another name with `export: {table: …}`",
        )
    }

    pub fn export_only_partitions(table: &str) -> Self {
        Self::usage(format!("`{table}` is partitioned by all of its columns"))
            .hint("the columns of `partition_by` name folders; at least one other is left for the files in them")
    }

    pub fn export_nested_partition(table: &str, column: &str, duckdb_type: &str) -> Self {
        Self::usage(format!("`{table}` cannot be partitioned by `{column}`, which is {duckdb_type}"))
            .hint("a column of `partition_by` holds plain values: they name folders")
    }
}

/// Of the DuckDB file.
impl Error {
    pub fn export_duckdb_open(path: &Path, causes: &[String]) -> Self {
        let error = Self::failed(format!("cannot open the DuckDB file `{}` of the target", path.display()));
        with_causes(error, causes)
            .hint("`path` below `[target.….export]` names the file; it is made where there is none")
    }

    pub fn export_duckdb_in_use(path: &Path, pid: &str, program: Option<&str>, waited: Duration) -> Self {
        let program = program.map(|program| format!(" (`{program}`)")).unwrap_or_default();
        Self::failed(format!(
            "the DuckDB file `{}` is in use by process {pid}{program} (waited {} s)",
            path.display(),
            waited.as_secs()
        ))
        .hint("nothing was published; once that program has closed the file, `elt export` publishes")
    }

    pub fn export_duckdb_is_warehouse(path: &Path) -> Self {
        Self::usage(format!("the DuckDB file `{}` of the export is the warehouse itself", path.display()))
            .hint("`path` below `[target.….export]` names another file")
    }

    pub fn export_duckdb_own_schema() -> Self {
        Self::usage("schema `_elt` of a DuckDB file holds the record of publications").hint(
            "tables are published to another schema: `schema` below `[target.….export]`, or `export: {schema: …}`",
        )
    }

    pub fn export_duckdb_view(schema: &str, name: &str) -> Self {
        Self::failed(format!("`{schema}.{name}` is a view in the DuckDB file, and a table is to be published there"))
            .hint("nothing was changed; `export: {table: …}` gives the table another name, or `drop view` makes room")
    }

    pub fn export_duckdb_type(table: &str, column: &str, written: &str, causes: &[String]) -> Self {
        let error =
            Self::usage(format!("`{written}`, the type of column `{column}` of `{table}`, is none of DuckDB's"));
        with_causes(error, causes)
    }

    /// `steps`: what would be done, one line each.
    pub fn export_duckdb_contract_changed(schema: &str, table: &str, steps: &[String]) -> Self {
        let error =
            Self::failed(format!("the contract of `{schema}.{table}` changed, and `on_schema_change` is `fail`"));
        with_causes(error, steps)
            .hint("nothing was published; with `on_schema_change = \"apply\"` the table is made anew")
    }

    /// `during` goes before the table: `making`, `adding a key or index to`.
    pub fn export_duckdb(path: &str, during: &str, table: Option<&str>, causes: &[String]) -> Self {
        let on = table.map(|table| format!(" `{table}`")).unwrap_or_default();
        let error = Self::failed(format!("DuckDB failed while {during}{on} in `{path}`"));
        with_causes(error, causes).hint("nothing was published; the file is as it was")
    }
}

fn with_causes(error: Error, causes: &[String]) -> Error {
    causes.iter().fold(error, |error, cause| error.because(cause))
}
