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

    /// `on_mismatch: fail`, and a value that does not fit its column. `id` is the document's.
    pub fn mismatch(collection: &str, path: &str, bson_type: &str, id: &str) -> Self {
        Self::failed(format!(
            "`{path}` of collection `{collection}` has a value of type `{bson_type}` that does not fit its column"
        ))
        .because(format!("the document's `_id` is {id}"))
        .hint("`on_mismatch: fail` forbids that; with `rescue` the value is kept in `_elt_rescued`")
    }

    /// Options of a source's table that contradict each other, or that its source cannot follow.
    pub fn source_options(collection: &str, complaint: &str) -> Self {
        Self::usage(format!("collection `{collection}` cannot be read as its `config` says: {complaint}"))
    }

    /// The proof of a load does not hold.
    pub fn proof(name: &str, (least, most): (u64, u64), rows: u64, quarantined: u64) -> Self {
        let at_source = if least == most { format!("{least}") } else { format!("{least} to {most}") };
        let aside = if quarantined > 0 { format!(" and {quarantined} are quarantined") } else { String::new() };
        Self::failed(format!("the source counts {at_source} documents of `{name}`, but {rows} are here{aside}"))
    }

    /// What becomes of a load whose proof does not hold.
    pub const STRICT: &str = "`verify: strict` keeps the raw table as it was; the next run reads again";
    pub const NOT_STRICT: &str = "documents that come and go while they are read may explain it, and deleted ones without `deletes: sweep`; \
                                  `--full-refresh` reads all again, and `verify: strict` makes it an error";

    /// Not one document of a load could be decoded.
    pub fn all_quarantined(name: &str, quarantined: u64) -> Self {
        Self::failed(format!("not one document of `{name}` can be decoded: {quarantined} were set apart"))
            .hint("nothing of this load was committed, and the raw table stands as it was")
    }

    /// A source that was lost, and is tried again.
    pub fn source_again(what: &str, wait: Duration, cause: &Error) -> Self {
        let mut error =
            Self::failed(format!("{what} was lost on the way; it is read again in {:.1} s", wait.as_secs_f64()));
        for text in std::iter::once(cause.message()).chain(cause.causes().iter().map(String::as_str)) {
            error = error.because(text.to_owned());
        }
        error
    }

    /// A source that stayed lost.
    pub fn source_lost(what: &str, attempts: u32, cause: Error) -> Self {
        let mut error = Self::failed(format!("{what} was lost on the way {attempts} times; it is not tried again"));
        for text in std::iter::once(cause.message()).chain(cause.causes().iter().map(String::as_str)) {
            error = error.because(text.to_owned());
        }
        error
            .hint("nothing of this load was committed; the next run goes on with the ranges that landed, if it has any")
    }

    /// Ranges of one collection whose columns do not fit together.
    pub fn parts_conflict(collection: &str) -> Self {
        Self::failed(format!("the ranges of collection `{collection}` landed with columns that do not fit together"))
            .hint("a load with `--full-refresh` starts anew")
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

    pub fn mongodb_snapshot(source: &str, cause: String) -> Self {
        Self::failed(format!("source `{source}` cannot be read as it was at one moment"))
            .because(cause)
            .hint("`snapshot = true` needs a replica set or a sharded cluster, MongoDB 5.0 or later")
    }

    pub fn mongodb_command(source: &str, what: &str, cause: String) -> Self {
        Self::failed(format!("cannot {what} of source `{source}`")).because(cause)
    }
}
