//! What a reader of a file format gives each document of a file to.
//!
//! Knows no format, and nothing of what becomes of the documents.

use crate::decode::Fault;
use elt_base::error::{Error, Result};

pub trait Taker {
    /// Takes a document, as BSON. A malformed one comes back as `broken`, from the reader, which knows its place.
    fn document(&mut self, document: &[u8]) -> Result<(), Fault>;

    /// Takes bytes that should be a document. `error` is the message if that is not allowed.
    fn broken(&mut self, broken: Broken<'_>, error: Error) -> Result<()>;
}

/// A part of a file that is not a document.
#[derive(Debug)]
pub struct Broken<'b> {
    /// Bytes from the start of the file's (decompressed) text.
    pub offset: u64,
    pub line: Option<u64>,
    pub what: String,
    pub bytes: &'b [u8],
}
