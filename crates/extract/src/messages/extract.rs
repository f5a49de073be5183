//! The messages of the `extract` stage.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use elt_base::error::Error;

/// A watermark in the state that no longer parses. A watermark is a row's value, so it is not shown.
pub(crate) fn malformed_watermark(_ejson: &str) -> Error {
    Error::failed("the stored watermark is not canonical Extended JSON")
        .hint("a load with `--full-refresh` starts anew without it")
}

pub(crate) fn batch(collection: &str, cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::failed(format!("cannot build a batch of collection `{collection}`")).caused_by(cause)
}

pub(crate) fn malformed_document(collection: &str, offset: usize, what: &str) -> Error {
    Error::failed(format!("a document of collection `{collection}` is not valid BSON: at its byte {offset}, {what}"))
}

/// `on_mismatch: fail`, and a value that does not fit its column. `id` is the document's.
pub(crate) fn mismatch(collection: &str, path: &str, bson_type: &str, id: &str) -> Error {
    Error::failed(format!(
        "`{path}` of collection `{collection}` has a value of type `{bson_type}` that does not fit its column"
    ))
    .because(format!("the document's `_id` is {id}"))
    .hint("`on_mismatch: fail` forbids that; with `rescue` the value is kept in `_elt_rescued`")
}

/// Options of a source's table that contradict each other, or that its source cannot follow.
pub(crate) fn source_options(collection: &str, complaint: &str) -> Error {
    Error::usage(format!("collection `{collection}` cannot be read as its `config` says: {complaint}"))
}

/// Ranges of one collection whose columns do not fit together.
pub(crate) fn parts_conflict(collection: &str) -> Error {
    Error::failed(format!("the ranges of collection `{collection}` landed with columns that do not fit together"))
        .hint("a load with `--full-refresh` starts anew")
}

pub(crate) fn source_folder(path: &Path, cause: &io::Error) -> Error {
    Error::failed(format!("cannot list the source's folder `{}`", path.display()))
        .caused_by(cause)
        .hint("the `path` of a `files` source is a folder with one file a collection")
}

/// mongodump's folder with one folder a database.
pub(crate) fn source_folder_above(source: &str, path: &Path, below: &[PathBuf]) -> Error {
    let below: Vec<_> = below.iter().map(|path| format!("`{}`", path.display())).collect();
    Error::failed(format!("the folder `{}` of source `{source}` holds no collection itself", path.display()))
        .hint(format!("`path` is the folder of one database: {}", below.join(" or ")))
}

pub(crate) fn source_file(path: &Path, cause: &io::Error) -> Error {
    Error::failed(format!("cannot read `{}`", path.display())).caused_by(cause)
}

pub fn unknown_collection(source: &str, collection: &str, near: Option<&str>) -> Error {
    Error::failed(format!("source `{source}` has no collection `{collection}`"))
        .hint_maybe(near.map(|near| format!("`{near}` is the nearest name")))
}

/// Two files of one collection.
pub(crate) fn ambiguous_collection(collection: &str, first: &Path, second: &Path) -> Error {
    Error::failed(format!(
        "collection `{collection}` is in two files: `{}` and `{}`",
        first.display(),
        second.display()
    ))
    .hint("one file a collection is read; the other belongs elsewhere")
}

pub(crate) fn truncated_bson(path: &Path, offset: u64, documents: u64) -> Error {
    Error::failed(format!(
        "`{}` ends within a document that begins at byte {offset}, after {documents} whole documents",
        path.display()
    ))
    .hint("the dump was cut off; a new `mongodump` replaces it")
}

pub(crate) fn malformed_bson(path: &Path, offset: u64, documents: u64, what: &str) -> Error {
    Error::failed(format!(
        "`{}` is not valid BSON at byte {offset}, after {documents} whole documents: {what}",
        path.display()
    ))
}

pub(crate) fn malformed_json(path: &Path, line: u64, what: &str) -> Error {
    Error::failed(format!("`{}` line {line} is not valid Extended JSON: {what}", path.display()))
}

pub(crate) fn malformed_csv(path: &Path, line: u64, what: &str) -> Error {
    Error::failed(format!("`{}` line {line} is not valid CSV: {what}", path.display()))
}

pub(crate) fn source_parquet(path: &Path, cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::failed(format!("cannot read `{}` as Parquet", path.display())).caused_by(cause)
}

/// A Parquet column that does not fit the raw table's.
pub(crate) fn parquet_column(path: &Path, column: &str, have: &str, wanted: &str) -> Error {
    Error::failed(format!("column `{column}` of `{}` is {have}, but the raw table has {wanted}", path.display()))
        .hint("a load with `--full-refresh` changes the raw table to the file's types")
}

pub(crate) fn mongodb_uri(source: &str, cause: String) -> Error {
    Error::usage(format!("the `uri` of source `{source}` is not a MongoDB connection string")).because(cause)
}

pub(crate) fn mongodb_unreachable(source: &str, hosts: &str, waited: Duration, cause: String) -> Error {
    Error::failed(format!(
        "no MongoDB server of source `{source}` answered at {hosts} within {:.1} s",
        waited.as_secs_f64()
    ))
    .because(cause)
    .hint("`serverSelectionTimeoutMS` in the URI sets how long to try")
}

pub(crate) fn mongodb_authentication(source: &str, hosts: &str, cause: String) -> Error {
    Error::failed(format!("the MongoDB server of source `{source}` at {hosts} refused the user or password"))
        .because(cause)
        .hint("the user must exist in the database that the URI's `authSource` names")
}

pub(crate) fn mongodb_read(source: &str, collection: &str, documents: u64, cause: String) -> Error {
    Error::failed(format!("reading collection `{collection}` of source `{source}` failed after {documents} documents"))
        .because(cause)
        .hint("nothing of this load was committed; the next run reads it again")
}

pub(crate) fn mongodb_snapshot(source: &str, cause: String) -> Error {
    Error::failed(format!("source `{source}` cannot be read as it was at one moment"))
        .because(cause)
        .hint("`snapshot = true` needs a replica set or a sharded cluster, MongoDB 5.0 or later")
}

pub(crate) fn mongodb_command(source: &str, what: &str, cause: String) -> Error {
    Error::failed(format!("cannot {what} of source `{source}`")).because(cause)
}
