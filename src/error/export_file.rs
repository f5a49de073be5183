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

    /// Files that are not as they were published, one line each.
    pub fn export_files_differ(differences: &[String]) -> Self {
        let mut error = Self::failed("published files are not as they were published");
        for difference in differences {
            error = error.because(difference);
        }
        error.hint("nothing was published; with `on_divergence = \"heal\"` they are written anew")
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
