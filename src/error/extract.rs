//! The messages of the `extract` stage, each one a constructor.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Error;

impl Error {
    /// A watermark in the state that no longer parses. A watermark is a row's value, so it is not shown.
    pub fn malformed_watermark(_ejson: &str) -> Self {
        Self::failed("the stored watermark is not canonical Extended JSON")
            .hint("a load with `--full-refresh` starts anew without it")
    }

    pub fn batch(collection: &str, cause: &(dyn std::error::Error + 'static)) -> Self {
        Self::failed(format!("cannot build a batch of collection `{collection}`")).caused_by(cause)
    }

    pub fn malformed_document(collection: &str, offset: usize, what: &str) -> Self {
        Self::failed(format!("a document of collection `{collection}` is not valid BSON: at its byte {offset}, {what}"))
    }

    // Files.

    pub fn source_folder(path: &Path, cause: &io::Error) -> Self {
        Self::failed(format!("cannot list the source's folder `{}`", path.display()))
            .caused_by(cause)
            .hint("the `path` of a `files` source is a folder with one file a collection")
    }

    /// mongodump's folder with one folder a database.
    pub fn source_folder_above(source: &str, path: &Path, below: &[PathBuf]) -> Self {
        let below: Vec<_> = below.iter().map(|path| format!("`{}`", path.display())).collect();
        Self::failed(format!("the folder `{}` of source `{source}` holds no collection itself", path.display()))
            .hint(format!("`path` is the folder of one database: {}", below.join(" or ")))
    }

    pub fn source_file(path: &Path, cause: &io::Error) -> Self {
        Self::failed(format!("cannot read `{}`", path.display())).caused_by(cause)
    }

    pub fn unknown_collection(source: &str, collection: &str, near: Option<&str>) -> Self {
        Self::failed(format!("source `{source}` has no collection `{collection}`"))
            .hint_maybe(near.map(|near| format!("`{near}` is the nearest name")))
    }

    /// Two files of one collection.
    pub fn ambiguous_collection(collection: &str, first: &Path, second: &Path) -> Self {
        Self::failed(format!(
            "collection `{collection}` stands in two files: `{}` and `{}`",
            first.display(),
            second.display()
        ))
        .hint("one file a collection is read; the other belongs elsewhere")
    }

    pub fn truncated_bson(path: &Path, offset: u64, documents: u64) -> Self {
        Self::failed(format!(
            "`{}` ends within a document that begins at byte {offset}, after {documents} whole documents",
            path.display()
        ))
        .hint("the dump was cut off; a new `mongodump` replaces it")
    }

    pub fn malformed_bson(path: &Path, offset: u64, documents: u64, what: &str) -> Self {
        Self::failed(format!(
            "`{}` is not valid BSON at byte {offset}, after {documents} whole documents: {what}",
            path.display()
        ))
    }

    pub fn malformed_json(path: &Path, line: u64, what: &str) -> Self {
        Self::failed(format!("`{}` line {line} is not valid Extended JSON: {what}", path.display()))
    }

    pub fn malformed_csv(path: &Path, line: u64, what: &str) -> Self {
        Self::failed(format!("`{}` line {line} is not valid CSV: {what}", path.display()))
    }

    pub fn source_parquet(path: &Path, cause: &(dyn std::error::Error + 'static)) -> Self {
        Self::failed(format!("cannot read `{}` as Parquet", path.display())).caused_by(cause)
    }

    /// A Parquet column that does not fit the raw table's.
    pub fn parquet_column(path: &Path, column: &str, have: &str, wanted: &str) -> Self {
        Self::failed(format!("column `{column}` of `{}` is {have}, but the raw table has {wanted}", path.display()))
            .hint("a load with `--full-refresh` gives the raw table the file's types")
    }

    // MongoDB.

    pub fn mongodb_uri(source: &str, cause: String) -> Self {
        Self::usage(format!("the `uri` of source `{source}` is not a MongoDB connection string")).because(cause)
    }

    pub fn mongodb_runtime(cause: &io::Error) -> Self {
        Self::failed("cannot start the threads that read from MongoDB").caused_by(cause)
    }

    pub fn mongodb_unreachable(source: &str, hosts: &str, waited: Duration, cause: String) -> Self {
        Self::failed(format!(
            "no MongoDB server of source `{source}` answered at {hosts} within {:.1} s",
            waited.as_secs_f64()
        ))
        .because(cause)
        .hint("`serverSelectionTimeoutMS` in the URI sets how long to try")
    }

    pub fn mongodb_authentication(source: &str, hosts: &str, cause: String) -> Self {
        Self::failed(format!("the MongoDB server of source `{source}` at {hosts} refused the user or password"))
            .because(cause)
            .hint("the user must exist in the database that the URI's `authSource` names")
    }

    pub fn mongodb_read(source: &str, collection: &str, documents: u64, cause: String) -> Self {
        Self::failed(format!(
            "reading collection `{collection}` of source `{source}` failed after {documents} documents"
        ))
        .because(cause)
        .hint("nothing of this load was committed; the next run reads it again")
    }

    pub fn mongodb_command(source: &str, what: &str, cause: String) -> Self {
        Self::failed(format!("cannot {what} of source `{source}`")).because(cause)
    }
}
