//! The messages about connections to MongoDB.

use std::io;

use elt_base::error::Error;

pub fn mongodb_runtime(cause: &io::Error) -> Error {
    Error::failed("cannot start the threads that read from MongoDB").caused_by(cause)
}
