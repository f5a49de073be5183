//! The messages of `elt generate`.

use std::path::Path;

use elt_base::error::Error;

pub(crate) fn rate_out_of_range(name: &str) -> Error {
    Error::usage(format!("the rate of `{name}` must be between 0 and 1"))
        .hint("a rate of 0.01 means one document in a hundred")
}

pub(crate) fn too_many_customers(max: u64) -> Error {
    Error::usage(format!("cannot generate more than {max} customers"))
}

pub(crate) fn cannot_generate(path: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot write `{}`", path.display())).caused_by(cause)
}

pub(crate) fn bad_bson(path: &Path, cause: &bson::error::Error) -> Error {
    Error::failed(format!("`{}` contains a document that is not valid BSON", path.display())).caused_by(cause)
}

pub(crate) fn bad_document(cause: &bson::error::Error) -> Error {
    Error::failed("cannot write a document as BSON").caused_by(cause)
}

pub(crate) fn no_bson_document(path: &Path, offset: u64) -> Error {
    Error::failed(format!("`{}` is not valid BSON at byte {offset}", path.display()))
}

pub(crate) fn nothing_to_mutate(place: &str) -> Error {
    Error::usage(format!("`{place}` contains no documents to change"))
        .hint("run the command without `--mutate` to generate documents first")
}

pub(crate) fn collection_not_empty(collection: &str, database: &str) -> Error {
    Error::usage(format!("the collection `{collection}` of database `{database}` is not empty"))
        .hint("choose an empty database, or use `--mutate` to change the documents that exist")
}

pub fn mongodb_generate(cause: &str) -> Error {
    Error::failed("cannot write the documents to MongoDB").because(cause)
}
