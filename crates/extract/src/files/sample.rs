//! Draws a sample from a whole `.bson` file. A document begins with its length, so the documents between are not read.
//!
//! Knows only the file's layout. A broken document ends the sample, but not the reading.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::bson::DOCUMENT_BYTES_MAX;
use crate::files::filter::filter;
use crate::messages;
use crate::question::Question;
use crate::survey::{Draw, SAMPLE_BYTES_MAX, SAMPLE_DOCUMENTS_MAX, Survey};
use elt_base::error::Result;

/// The most bytes that are skipped within the buffer.
const BUFFER_BYTES: usize = 1 << 20;

/// The number of documents at the file's start whose average size is used.
const FIRST: u64 = 200;

pub fn survey(path: &Path, question: &Question) -> Result<Survey> {
    let failed = |error: std::io::Error| messages::source_file(path, &error);
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    // These are all documents, and a reading uses its own first documents as a sample.
    if size <= SAMPLE_BYTES_MAX as u64 {
        return Ok(Survey::default());
    }
    let query = filter(question)?;
    let passes = |document: &[u8]| query.as_ref().is_none_or(|query| query.matches(document).unwrap_or(false));
    let mut drawn = Draw::new(question.reshape()?);
    let mut input = BufReader::with_capacity(BUFFER_BYTES, file);
    let (mut at, mut number) = (0_u64, 0_u64);
    // The distance in bytes between two documents of the sample.
    let mut stride = 0;
    let mut next = 0;
    let mut document = Vec::new();
    while let Some(length) = length(&mut input).map_err(failed)? {
        if at >= next {
            document.clear();
            document.extend_from_slice(&(length as i32).to_le_bytes());
            let read = input.by_ref().take(length as u64 - 4).read_to_end(&mut document).map_err(failed)?;
            if read + 4 < length {
                break;
            }
            if passes(&document) && !drawn.take(&document) {
                break;
            }
            if number == FIRST {
                let documents = size / (at / FIRST).max(1);
                stride = size / (SAMPLE_DOCUMENTS_MAX as u64 - FIRST).min(documents.max(1));
            }
            next = at + length as u64 + stride.saturating_sub(length as u64);
        } else if skip(&mut input, length - 4).map_err(failed)? < length - 4 {
            break;
        }
        at += length as u64;
        number += 1;
    }
    Ok(Survey { sample: drawn.shape(), ..Survey::default() })
}

/// The length of the next document. None at the end of the file, or if the length is not valid.
fn length(input: &mut impl Read) -> std::io::Result<Option<usize>> {
    let mut prefix = [0; 4];
    match input.read_exact(&mut prefix) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = usize::try_from(i32::from_le_bytes(prefix)).unwrap_or_default();
    Ok((5..=DOCUMENT_BYTES_MAX).contains(&length).then_some(length))
}

/// Skips bytes. Returns how many there were.
fn skip(input: &mut impl BufRead, bytes: usize) -> std::io::Result<usize> {
    let mut left = bytes;
    while left > 0 {
        let have = input.fill_buf()?.len().min(left);
        if have == 0 {
            break;
        }
        input.consume(have);
        left -= have;
    }
    Ok(bytes - left)
}
