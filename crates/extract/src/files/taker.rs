//! The trait of the receiver to which the reader of a file format passes each document.
//!
//! Knows no format, and not how documents are used.

use crate::decode::Fault;
use elt_base::error::{Error, Result};

pub trait Taker {
    /// Accepts a document, as BSON. For a malformed one, the reader then calls `broken`, because it knows the place.
    fn document(&mut self, document: &[u8]) -> Result<(), Fault>;

    /// Accepts a document of a file of texts, with the text form of its key.
    fn keyed(&mut self, document: &[u8], _key: &[u8]) -> Result<(), Fault> {
        self.document(document)
    }

    /// Accepts bytes that should be a document. `error` is the message for a source that does not allow broken
    /// documents.
    fn broken(&mut self, broken: Broken<'_>, error: Error) -> Result<()>;

    /// Accepts the bytes at the end of a file that ends too early. Nobody knows how many documents are missing, so this
    /// is an error unless the taker allows it.
    fn cut_off(&mut self, _broken: Broken<'_>, error: Error) -> Result<()> {
        Err(error)
    }
}

/// A part of a file that should be a document, but is not valid.
#[derive(Debug)]
pub struct Broken<'b> {
    /// The offset in bytes from the start of the decompressed file.
    pub offset: u64,
    pub line: Option<u64>,
    pub what: String,
    pub bytes: &'b [u8],
}
