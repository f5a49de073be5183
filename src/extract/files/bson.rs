//! mongodump's `.bson`: documents one after the other, handed on from a buffer without a copy of each.
//!
//! A document that is not sound is set apart and the next one follows. Where its very length is wrong, the next sound
//! document is looked for, byte by byte.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::extract::bson::{DOCUMENT_BYTES_MAX, validate};
use crate::extract::decode::Fault;
use crate::extract::files::{Broken, Taker};

/// Bytes read at once; a larger document makes the buffer grow to its own size.
const BUFFER_BYTES: usize = 1 << 20;

/// The shortest document, an empty one.
const DOCUMENT_BYTES_MIN: usize = 5;

/// Bytes set apart at once where the next document is looked for.
const BROKEN_BYTES_MAX: usize = 16 << 20;

/// Bytes looked at for where the next document begins, before they are set apart.
const BROKEN_STEP: usize = 1 << 20;

pub fn documents(path: &Path, input: Box<dyn Read>, taker: &mut dyn Taker) -> Result<()> {
    let mut file =
        Buffered { path, input, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, offset: 0, is_whole: false };
    let mut documents = 0_u64;
    loop {
        let at = file.offset;
        let Some(prefix) = file.want(4)?.first_chunk::<4>().copied() else {
            if !file.pending().is_empty() {
                file.set_apart(file.pending().len(), Error::truncated_bson(path, at, documents), CUT_OFF, taker)?;
            }
            return Ok(());
        };
        let length = usize::try_from(i32::from_le_bytes(prefix)).unwrap_or_default();
        if !(DOCUMENT_BYTES_MIN..=DOCUMENT_BYTES_MAX).contains(&length) {
            file.skip_to_next(documents, "a document's length is out of bounds", taker)?;
            continue;
        }
        let Some(document) = file.want(length)?.get(..length) else {
            // Either the file was cut off, or the length is wrong and sound documents follow.
            file.skip_to_next(documents, CUT_OFF, taker)?;
            continue;
        };
        match taker.document(document) {
            Ok(()) => file.advance(length),
            Err(Fault::Stopped(error)) => return Err(error),
            Err(Fault::Malformed(malformed)) if document.last() == Some(&0) => {
                let offset = at + malformed.offset as u64;
                let error = Error::malformed_bson(path, offset, documents, malformed.what);
                file.set_apart(length, error, malformed.what, taker)?;
                continue;
            }
            Err(Fault::Malformed(malformed)) => {
                file.skip_to_next(documents, malformed.what, taker)?;
                continue;
            }
        }
        documents += 1;
    }
}

const CUT_OFF: &str = "the file ends within a document";

/// A file's bytes, those that are read and not yet handed on.
struct Buffered<'p> {
    path: &'p Path,
    input: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Of `start`, in the file.
    offset: u64,
    /// Whether the file's end was read.
    is_whole: bool,
}

impl Buffered<'_> {
    fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// At least so many bytes, unless the file ends before.
    fn want(&mut self, wanted: usize) -> Result<&[u8]> {
        while self.end - self.start < wanted && !self.is_whole {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            match self.input.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => self.is_whole = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A compressed dump that was cut off.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.is_whole = true,
                Err(error) => return Err(Error::source_file(self.path, &error)),
            }
        }
        Ok(self.pending())
    }

    /// Gives the next bytes to the taker as a broken document.
    fn set_apart(&mut self, bytes: usize, error: Error, what: &str, taker: &mut dyn Taker) -> Result<()> {
        let broken = Broken {
            offset: self.offset,
            line: None,
            what: what.to_owned(),
            bytes: self.pending().get(..bytes).unwrap_or_default(),
        };
        taker.broken(broken, error)?;
        self.advance(bytes);
        Ok(())
    }

    /// Sets apart what stands before the next sound document.
    fn skip_to_next(&mut self, documents: u64, what: &'static str, taker: &mut dyn Taker) -> Result<()> {
        let path = self.path;
        let error = |offset| {
            if what == CUT_OFF {
                Error::truncated_bson(path, offset, documents)
            } else {
                Error::malformed_bson(path, offset, documents, what)
            }
        };
        // A stray length may ask for more than there is: that is no reason to wait for it at every byte.
        let mut skipped = 1;
        loop {
            let pending = self.want(skipped + BROKEN_STEP)?;
            let is_last = pending.len() < skipped + BROKEN_STEP;
            while skipped < pending.len() {
                if pending.get(skipped..).is_some_and(begins_soundly) {
                    return self.set_apart(skipped, error(self.offset), what, taker);
                }
                skipped += 1;
                if !is_last && skipped + BROKEN_STEP > pending.len() {
                    break;
                }
            }
            if is_last {
                let rest = self.pending().len();
                return self.set_apart(rest, error(self.offset), what, taker);
            }
            if skipped >= BROKEN_BYTES_MAX {
                self.set_apart(skipped, error(self.offset), what, taker)?;
                skipped = 0;
            }
        }
    }
}

/// Whether a sound document with at least one field begins here, as far as it can be seen.
fn begins_soundly(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk::<4>().and_then(|prefix| usize::try_from(i32::from_le_bytes(*prefix)).ok());
    length
        .filter(|length| *length > DOCUMENT_BYTES_MIN)
        .and_then(|length| bytes.get(..length))
        .is_some_and(|document| validate(document).is_ok())
}
