//! The messages of `generate`.

use std::path::Path;

use elt_base::error::Error;

pub(crate) fn rate_out_of_range(name: &str) -> Error {
    Error::usage(format!("the rate of `{name}` is not from 0 to 1")).hint("0.01 is one document in a hundred")
}

pub(crate) fn too_many_customers(max: u64) -> Error {
    Error::usage(format!("more than {max} customers cannot be made"))
}

pub(crate) fn cannot_generate(path: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot write `{}`", path.display())).caused_by(cause)
}

pub(crate) fn bad_bson(path: &Path, cause: &bson::error::Error) -> Error {
    Error::failed(format!("`{}` holds a document that is no BSON", path.display())).caused_by(cause)
}

pub(crate) fn bad_document(cause: &bson::error::Error) -> Error {
    Error::failed("a document cannot be written as BSON").caused_by(cause)
}

pub(crate) fn no_bson_document(path: &Path, offset: u64) -> Error {
    Error::failed(format!("`{}` is no BSON from byte {offset} on", path.display()))
}

pub(crate) fn nothing_to_mutate(place: &str) -> Error {
    Error::usage(format!("there are no documents in `{place}` to change")).hint("without `--mutate`, they are made")
}

pub(crate) fn collection_not_empty(collection: &str, database: &str) -> Error {
    Error::usage(format!("the collection `{collection}` of database `{database}` is not empty"))
        .hint("made documents go into a database of their own; `--mutate` changes those that are there")
}

pub fn mongodb_generate(cause: &str) -> Error {
    Error::failed("cannot write the documents to MongoDB").because(cause)
}
