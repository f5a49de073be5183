//! The messages about reading sources.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use elt_base::error::Error;

/// The state has a watermark that cannot be parsed. A watermark is a row's value, so the message does not show it.
pub(crate) fn malformed_watermark(_ejson: &str) -> Error {
    Error::failed("the stored watermark is not canonical Extended JSON")
        .hint("`elt extract --full-refresh` loads the collection from its start and stores a new watermark")
}

pub(crate) fn batch(collection: &str, cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::failed(format!("cannot build a batch of collection `{collection}`")).caused_by(cause)
}

pub(crate) fn malformed_document(collection: &str, offset: usize, what: &str) -> Error {
    Error::failed(format!("a document of collection `{collection}` is not valid BSON at its byte {offset}: {what}"))
}

/// `on_mismatch` is `fail`, and a value does not fit its column. `id` is the `_id` of the document.
pub(crate) fn mismatch(collection: &str, path: &str, bson_type: &str, id: &str) -> Error {
    Error::failed(format!(
        "`{path}` of collection `{collection}` has a value of type `{bson_type}` that does not fit its column"
    ))
    .because(format!("the document's `_id` is {id}"))
    .hint("`on_mismatch: fail` stops the load; `on_mismatch: rescue` stores such values in `_elt_rescued`")
}

/// The options of a source's table contradict each other, or its source does not support them.
pub(crate) fn source_options(collection: &str, complaint: &str) -> Error {
    Error::usage(format!("the `config` of collection `{collection}` is not valid: {complaint}"))
}

/// The ranges of one collection have columns that do not fit together.
pub(crate) fn parts_conflict(collection: &str) -> Error {
    Error::failed(format!(
        "the parts of collection `{collection}` were read with columns whose types do not fit together"
    ))
    .hint("`elt extract --full-refresh` loads the collection from its start")
}

pub(crate) fn source_folder(path: &Path, cause: &io::Error) -> Error {
    Error::failed(format!("cannot list the source's folder `{}`", path.display()))
        .caused_by(cause)
        .hint("the `path` of a `files` source must be a folder that contains one file for each collection")
}

/// The folder is one that mongodump wrote, with one folder for each database.
pub(crate) fn source_folder_above(source: &str, path: &Path, below: &[PathBuf]) -> Error {
    let below: Vec<_> = below.iter().map(|path| format!("`{}`", path.display())).collect();
    Error::failed(format!("the folder `{}` of source `{source}` contains no collection files", path.display()))
        .hint(format!("`path` must be the folder of one database: {}", below.join(" or ")))
}

pub(crate) fn source_file(path: &Path, cause: &io::Error) -> Error {
    Error::failed(format!("cannot read `{}`", path.display())).caused_by(cause)
}

pub fn unknown_collection(source: &str, collection: &str, near: Option<&str>) -> Error {
    Error::failed(format!("source `{source}` has no collection `{collection}`"))
        .hint_maybe(near.map(|near| format!("the most similar name is `{near}`")))
}

/// Two files contain the same collection.
pub(crate) fn ambiguous_collection(collection: &str, first: &Path, second: &Path) -> Error {
    Error::failed(format!(
        "collection `{collection}` is in two files: `{}` and `{}`",
        first.display(),
        second.display()
    ))
    .hint("a collection must be in one file; move one of the two files out of the folder")
}

/// The end of the compressed file is missing.
pub(crate) fn truncated_gzip(path: &Path, documents: u64) -> Error {
    Error::failed(format!("the compressed file `{}` ends too early, after {documents} complete documents", path.display()))
        .hint("the dump is incomplete; run `mongodump` again, or set `on_truncated: quarantine` to load the documents that the file has")
}

pub(crate) fn truncated_bson(path: &Path, offset: u64, documents: u64) -> Error {
    Error::failed(format!(
        "`{}` ends in the middle of the document that begins at byte {offset}, after {documents} complete documents",
        path.display()
    ))
    .hint(
        "the dump is incomplete; run `mongodump` again, or set `on_truncated: quarantine` to load the documents that the \
         file has",
    )
}

pub(crate) fn truncated_json(path: &Path, line: u64, what: &str) -> Error {
    malformed_json(path, line, what).hint(
        "the file is incomplete; export it again, or set `on_truncated: quarantine` to load the documents that it has",
    )
}

pub(crate) fn malformed_bson(path: &Path, offset: u64, documents: u64, what: &str) -> Error {
    Error::failed(format!(
        "`{}` is not valid BSON at byte {offset}, after {documents} complete documents: {what}",
        path.display()
    ))
}

pub(crate) fn malformed_json(path: &Path, line: u64, what: &str) -> Error {
    Error::failed(format!("line {line} of `{}` is not valid Extended JSON: {what}", path.display()))
}

pub(crate) fn malformed_csv(path: &Path, line: u64, what: &str) -> Error {
    Error::failed(format!("line {line} of `{}` is not valid CSV: {what}", path.display()))
}

/// `what` names the key of the source's table that names the column.
pub(crate) fn file_column_missing(path: &Path, what: &str, column: &str, near: Option<&str>) -> Error {
    Error::failed(format!("`{}` has no column `{column}`, which `{what}` of its table names", path.display()))
        .hint_maybe(near.map(|near| format!("the most similar name is `{near}`")))
}

/// What is wrong with a document that has no key.
pub(crate) const NO_KEY: &str = "a column of `key` has no value";

/// A load that merges documents needs their keys, and these have none.
pub(crate) fn key_missing(collection: &str) -> Error {
    Error::usage(format!("`load: incremental` of collection `{collection}` needs a key: its documents have no `_id`"))
        .hint("`key: [column, …]` in the table's `config` names the columns that identify a document; without a key, only `load: full` is possible")
}

pub(crate) fn row_without_key(path: &Path, row: u64) -> Error {
    Error::failed(format!("row {row} of `{}` is not valid: {NO_KEY}", path.display()))
}

/// The watermark's column has values that are not in an order of time or number.
pub(crate) fn watermark_type(path: &Path, column: &str, column_type: &str) -> Error {
    Error::failed(format!(
        "column `{column}` of `{}` has type {column_type}, which cannot be a watermark",
        path.display()
    ))
    .hint("a watermark is a number, a text, a date or a time")
}

pub(crate) fn source_parquet(path: &Path, cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::failed(format!("cannot read `{}` as Parquet", path.display())).caused_by(cause)
}

/// The type of a Parquet column does not fit the type of the raw table's column.
pub(crate) fn parquet_column(path: &Path, column: &str, have: &str, wanted: &str) -> Error {
    Error::failed(format!(
        "column `{column}` of `{}` has type {have}, but the raw table's column has type {wanted}",
        path.display()
    ))
    .hint("`elt extract --full-refresh` creates the raw table again with the file's types")
}

/// Two columns of a Parquet file have names that differ only in case; the raw table can have one of them.
pub(crate) fn parquet_column_twice(path: &Path, column: &str) -> Error {
    Error::failed(format!("`{}` has two columns named `{column}`, ignoring case", path.display()))
        .hint("the names of columns must differ in more than case; rename one of them in the file")
}

pub(crate) fn mongodb_uri(source: &str, cause: String) -> Error {
    Error::usage(format!("the `uri` of source `{source}` is not a MongoDB connection string")).because(cause)
}

pub(crate) fn mongodb_unreachable(source: &str, hosts: &str, waited: Duration, cause: String) -> Error {
    Error::failed(format!(
        "no MongoDB server of source `{source}` at {hosts} answered within {:.1} s",
        waited.as_secs_f64()
    ))
    .because(cause)
    .hint("the URI's `serverSelectionTimeoutMS` sets how long elt tries to connect")
}

pub(crate) fn mongodb_authentication(source: &str, hosts: &str, cause: String) -> Error {
    Error::failed(format!("the MongoDB server of source `{source}` at {hosts} refused the user or password"))
        .because(cause)
        .hint("the user must exist in the database that `authSource` in the URI names")
}

pub(crate) fn mongodb_read(source: &str, collection: &str, documents: u64, cause: String) -> Error {
    Error::failed(format!("cannot read collection `{collection}` of source `{source}` after {documents} documents"))
        .because(cause)
        .hint("the raw table is unchanged; run the same command again to read the collection again")
}

pub(crate) fn mongodb_snapshot(source: &str, cause: String) -> Error {
    Error::failed(format!("cannot read source `{source}` from one snapshot"))
        .because(cause)
        .hint("`snapshot = true` requires MongoDB 5.0 or later, as a replica set or a sharded cluster")
}

/// A task of the driver panicked, so that the answer may not be complete.
pub(crate) fn mongodb_driver(collection: &str, cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::failed(format!("the MongoDB driver failed while reading `{collection}`")).caused_by(cause)
}

pub(crate) fn mongodb_command(source: &str, what: &str, cause: String) -> Error {
    Error::failed(format!("cannot {what} of source `{source}`")).because(cause)
}
