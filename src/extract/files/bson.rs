//! mongodump's `.bson`: documents one after the other, handed on from a buffer without a copy of each.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::extract::bson::DOCUMENT_BYTES_MAX;
use crate::extract::files::{Each, placed};

/// Bytes read at once; a larger document makes the buffer grow to its own size.
const BUFFER_BYTES: usize = 1 << 20;

pub fn documents(path: &Path, mut input: Box<dyn Read>, each: &mut Each<'_>) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    // What is read but not yet handed on, and where that stands in the file.
    let (mut start, mut end) = (0, 0);
    let (mut offset, mut documents) = (0_u64, 0_u64);
    loop {
        let pending = buffer.get(start..end).unwrap_or_default();
        let mut wanted = 4;
        if let Some(prefix) = pending.first_chunk::<4>() {
            wanted = usize::try_from(i32::from_le_bytes(*prefix)).unwrap_or_default();
            if !(5..=DOCUMENT_BYTES_MAX).contains(&wanted) {
                return Err(Error::malformed_bson(path, offset, documents, "a document's length is out of bounds"));
            }
            if let Some(document) = pending.get(..wanted) {
                each(document).map_err(|fault| {
                    placed(fault, |malformed| {
                        Error::malformed_bson(path, offset + malformed.offset as u64, documents, malformed.what)
                    })
                })?;
                start += wanted;
                offset += wanted as u64;
                documents += 1;
                continue;
            }
        }
        buffer.copy_within(start..end, 0);
        (start, end) = (0, end - start);
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let read = match input.read(buffer.get_mut(end..).unwrap_or_default()) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // A compressed dump that was cut off.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(Error::source_file(path, &error)),
        };
        end += read;
        if read == 0 {
            return if end == 0 { Ok(()) } else { Err(Error::truncated_bson(path, offset, documents)) };
        }
    }
}
