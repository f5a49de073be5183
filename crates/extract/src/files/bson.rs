//! Reads mongodump's `.bson`: documents one after the other, passed on from a buffer without a copy.
//!
//! A broken document is quarantined, and reading continues with the next one. A file that ends inside a document is an
//! error. If the length of a document is wrong, the
//! reader searches for the next valid document byte by byte. A document that is the value of a field does not count,
//! because it is not a document of the collection.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::bson::{DOCUMENT_BYTES_MAX, validate};
use crate::decode::Fault;
use crate::files::taker::{Broken, Taker};
use crate::messages;
use elt_base::error::{Error, Result};

/// The number of bytes that are read at once. For a larger document, the buffer grows to the document's size.
const BUFFER_BYTES: usize = 1 << 20;

/// The size of the shortest document, which is empty.
const DOCUMENT_BYTES_MIN: usize = 5;

/// The number of bytes that are quarantined at once while the reader searches for the next document.
const BROKEN_BYTES_MAX: usize = 16 << 20;

/// The most bytes of a key while the reader searches for a document.
const KEY_BYTES_MAX: usize = 1024;

/// The number of bytes that are searched for the next document before they are quarantined.
const BROKEN_STEP: usize = 1 << 20;

pub fn documents(path: &Path, input: Box<dyn Read>, taker: &mut dyn Taker) -> Result<()> {
    let mut file = Buffered {
        path,
        input,
        buffer: vec![0; BUFFER_BYTES],
        start: 0,
        end: 0,
        offset: 0,
        is_whole: false,
        is_cut: false,
    };
    let mut documents = 0_u64;
    loop {
        let at = file.offset;
        let Some(prefix) = file.want(4)?.first_chunk::<4>().copied() else {
            if !file.pending().is_empty() || file.is_cut {
                let error = if file.pending().is_empty() {
                    messages::truncated_gzip(path, documents)
                } else {
                    messages::truncated_bson(path, at, documents)
                };
                file.cut_off(error, taker)?;
            }
            return Ok(());
        };
        let length = usize::try_from(i32::from_le_bytes(prefix)).unwrap_or_default();
        if !(DOCUMENT_BYTES_MIN..=DOCUMENT_BYTES_MAX).contains(&length) {
            file.skip_to_next(documents, "a document's length is out of bounds", taker)?;
            continue;
        }
        let Some(document) = file.want(length)?.get(..length) else {
            // Either the file is incomplete, or the length is wrong and valid documents follow.
            file.skip_to_next(documents, CUT_OFF, taker)?;
            continue;
        };
        match taker.document(document) {
            Ok(()) => file.advance(length),
            Err(Fault::Stopped(error)) => return Err(error),
            Err(Fault::Malformed(malformed)) => {
                if document.last() == Some(&0) && file.goes_on_at(length)? {
                    let offset = at + malformed.offset as u64;
                    let error = messages::malformed_bson(path, offset, documents, malformed.what);
                    file.set_apart(length, error, malformed.what, taker)?;
                } else {
                    file.skip_to_next(documents, malformed.what, taker)?;
                }
                continue;
            }
        }
        documents += 1;
    }
}

const CUT_OFF: &str = "the file ends inside a document";

/// A file, with the bytes that were read but not yet passed on.
struct Buffered<'p> {
    path: &'p Path,
    input: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The offset of `start` in the file.
    offset: u64,
    /// Whether the end of the file was reached.
    is_whole: bool,
    /// Whether the compressed file is incomplete.
    is_cut: bool,
}

impl Buffered<'_> {
    fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads until the buffer has at least so many bytes, or until the file ends.
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
                // The compressed dump is incomplete.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => (self.is_whole, self.is_cut) = (true, true),
                Err(error) => return Err(messages::source_file(self.path, &error)),
            }
        }
        Ok(self.pending())
    }

    /// Whether the file ends after so many bytes, or whether bytes with the length and the last byte of a document
    /// follow. In both cases the bytes before are probably one document.
    fn goes_on_at(&mut self, at: usize) -> Result<bool> {
        let next = self.want(at + 4)?.get(at..).unwrap_or_default();
        let Some(prefix) = next.first_chunk::<4>().copied() else { return Ok(next.is_empty()) };
        let length = usize::try_from(i32::from_le_bytes(prefix)).unwrap_or_default();
        if !(DOCUMENT_BYTES_MIN..=DOCUMENT_BYTES_MAX).contains(&length) {
            return Ok(false);
        }
        Ok(self.want(at + length)?.get(at + length - 1) == Some(&0))
    }

    /// Passes the next bytes to the taker as a broken document.
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

    /// Passes the rest of a file that ends too early to the taker.
    fn cut_off(&mut self, error: Error, taker: &mut dyn Taker) -> Result<()> {
        let what = if self.is_cut { "the compressed file ends too early" } else { CUT_OFF };
        let bytes = self.pending();
        let length = bytes.len();
        taker.cut_off(Broken { offset: self.offset, line: None, what: what.to_owned(), bytes }, error)?;
        self.advance(length);
        self.is_cut = false;
        Ok(())
    }

    /// Quarantines the bytes before the next valid document.
    fn skip_to_next(&mut self, documents: u64, what: &'static str, taker: &mut dyn Taker) -> Result<()> {
        let path = self.path;
        let error = |offset| {
            if what == CUT_OFF {
                messages::truncated_bson(path, offset, documents)
            } else {
                messages::malformed_bson(path, offset, documents, what)
            }
        };
        // A wrong length may be longer than the file, so do not read ahead at every byte.
        let mut skipped = 1;
        loop {
            let pending = self.want(skipped + BROKEN_STEP)?;
            let is_last = pending.len() < skipped + BROKEN_STEP;
            while skipped < pending.len() {
                if pending.get(skipped..).is_some_and(begins_soundly) && !is_value(&pending[..skipped]) {
                    return self.set_apart(skipped, error(self.offset), what, taker);
                }
                skipped += 1;
                if !is_last && skipped + BROKEN_STEP > pending.len() {
                    break;
                }
            }
            if is_last {
                let rest = self.pending().len();
                return match what {
                    CUT_OFF => self.cut_off(error(self.offset), taker),
                    _ => self.set_apart(rest, error(self.offset), what, taker),
                };
            }
            if skipped >= BROKEN_BYTES_MAX {
                self.set_apart(skipped, error(self.offset), what, taker)?;
                skipped = 0;
            }
        }
    }
}

/// Whether the bytes before a document show that it is the value of a field: the tag of an object or an array,
/// and a key.
fn is_value(before: &[u8]) -> bool {
    let Some((0, before)) = before.split_last() else { return false };
    let tag = before.iter().rev().take(KEY_BYTES_MAX).find(|byte| matches!(byte, 0 | 3 | 4));
    tag.is_some_and(|byte| *byte != 0)
}

/// Whether a valid document with at least one field seems to begin here.
fn begins_soundly(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk::<4>().and_then(|prefix| usize::try_from(i32::from_le_bytes(*prefix)).ok());
    length
        .filter(|length| *length > DOCUMENT_BYTES_MIN)
        .and_then(|length| bytes.get(..length))
        .is_some_and(|document| validate(document).is_ok())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bson::{Document, doc};

    use super::documents;
    use crate::bson as raw;
    use crate::decode::Fault;
    use crate::files::taker::{Broken, Taker};
    use elt_base::error::{Error, Result};

    /// One line for each result: a document, or the offset and length of the bytes that were quarantined.
    struct Found(Vec<String>);

    impl Taker for Found {
        fn document(&mut self, document: &[u8]) -> Result<(), Fault> {
            raw::validate(document)?;
            self.0.push(Document::from_reader(document).unwrap().to_string());
            Ok(())
        }

        fn broken(&mut self, broken: Broken<'_>, _: Error) -> Result<()> {
            self.0.push(format!("{} bytes at {}", broken.bytes.len(), broken.offset));
            Ok(())
        }

        fn cut_off(&mut self, broken: Broken<'_>, _: Error) -> Result<()> {
            self.0.push(format!("cut off: {} bytes at {}", broken.bytes.len(), broken.offset));
            Ok(())
        }
    }

    #[track_caller]
    fn check(parts: &[Vec<u8>], expected: &[&str]) {
        let mut found = Found(Vec::new());
        let input = Box::new(std::io::Cursor::new(parts.concat()));
        documents(Path::new("loans.bson"), input, &mut found).unwrap();
        assert_eq!(found.0, expected);
    }

    fn sound(n: i32) -> Vec<u8> {
        doc! { "_id": n }.to_vec().unwrap()
    }

    /// A document that contains objects and arrays, which are valid documents themselves. Its length is too great by
    /// `length`.
    fn nested(length: i32) -> Vec<u8> {
        let mut document =
            doc! { "_id": 9, "at": { "x": 1, "to": { "y": 2 } }, "list": [1, { "z": 3 }] }.to_vec().unwrap();
        let stated = i32::try_from(document.len()).unwrap() + length;
        document[..4].copy_from_slice(&stated.to_le_bytes());
        document
    }

    #[test]
    fn values_of_fields_are_no_documents() {
        for length in [-7, -1, 1, 3, 7, 9, 1_000, -1_000, i32::MAX / 2] {
            check(
                &[sound(1), nested(length), sound(2), sound(3)],
                &[r#"{ "_id": 1 }"#, "79 bytes at 14", r#"{ "_id": 2 }"#, r#"{ "_id": 3 }"#],
            );
        }
    }

    #[test]
    fn what_is_cut_off_ends_the_file() {
        check(&[sound(1), sound(2)[..9].to_vec()], &[r#"{ "_id": 1 }"#, "cut off: 9 bytes at 14"]);
        check(&[sound(1), vec![14, 0]], &[r#"{ "_id": 1 }"#, "cut off: 2 bytes at 14"]);
        check(&[nested(2)], &["cut off: 79 bytes at 0"]);
    }

    #[test]
    fn a_document_of_the_right_length_is_one() {
        let mut odd = nested(0);
        odd[13] = 0x7e;
        check(&[odd.clone(), sound(2)], &["79 bytes at 0", r#"{ "_id": 2 }"#]);
        check(&[odd.clone(), odd.clone(), sound(2)], &["79 bytes at 0", "79 bytes at 79", r#"{ "_id": 2 }"#]);
        check(&[sound(2), odd], &[r#"{ "_id": 2 }"#, "79 bytes at 14"]);
    }
}
