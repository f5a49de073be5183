//! The messages of publications to MongoDB.

use elt_base::error::Error;

pub(crate) fn export_mongodb_uri(cause: String) -> Error {
    Error::usage("the export's `uri` is not a MongoDB connection string").because(cause)
}

pub(crate) fn export_mongodb_unreachable(place: &str) -> Error {
    Error::failed(format!("no MongoDB server answered at `{place}`"))
        .hint("nothing was published; `serverSelectionTimeoutMS` in the URI sets how long to try")
}

/// `during` names the step: `writing to`.
pub(crate) fn export_mongodb(during: &str, place: &str, cause: String) -> Error {
    Error::failed(format!("MongoDB failed while {during} `{place}`")).because(cause)
}

pub(crate) fn export_no_bson_type(table: &str, column: &str, written: &str, words: &[&str]) -> Error {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    Error::usage(format!("column `{column}` of `{table}` cannot be published as `{written}`"))
        .hint(format!("use one of MongoDB's types: {}", words.join(", ")))
}

pub(crate) fn export_spill(cause: &std::io::Error) -> Error {
    Error::failed("cannot keep the documents to publish in a temporary file").caused_by(cause)
}
