//! The messages of publications to files and to a DuckDB file.

use std::path::Path;

use elt_base::error::{Error, Place};

/// `complaint` says which values the key accepts.
pub(crate) fn csv_character(key: &str, complaint: &str) -> Error {
    Error::usage(format!("`{key}` of CSV files {complaint}"))
}

pub fn export_duckdb_is_warehouse(path: &Path) -> Error {
    Error::usage(format!("the DuckDB file `{}` of the export is the warehouse", path.display()))
        .hint("set `path` under `[target.….export]` to another file")
}

pub(crate) fn export_name(place: Place) -> Error {
    Error::usage("the name of an export consists of letters, digits, `_` and `-`").at(place)
}

pub(crate) fn exports_of_one_name(export: &str) -> Error {
    Error::usage(format!("another export of this target is {export}"))
        .hint("give each `[[target.….exports]]` a `name` of its own; letters of another case do not make another name")
}

pub(crate) fn exports_to_one_place(export: &str, earlier: &str) -> Error {
    Error::usage(format!("{export} and {earlier} publish to the same place"))
        .hint("make them one export with a wider `select`, or give one of them another database, `schema` or `path`")
}

pub(crate) fn export_and_exports(place: Place) -> Error {
    Error::usage("a target has either `export` or `exports`")
        .at(place)
        .hint("write the only export as `[target.….export]`, or each as `[[target.….exports]]` with a `name`")
}
