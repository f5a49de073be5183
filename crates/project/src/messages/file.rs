//! The messages of publications to files and to a DuckDB file.

use std::path::Path;

use elt_base::error::Error;

/// `complaint` says which values the key accepts.
pub(crate) fn csv_character(key: &str, complaint: &str) -> Error {
    Error::usage(format!("`{key}` of CSV files {complaint}"))
}

pub fn export_duckdb_is_warehouse(path: &Path) -> Error {
    Error::usage(format!("the DuckDB file `{}` of the export is the warehouse", path.display()))
        .hint("set `path` under `[target.….export]` to another file")
}
