//! Stores documents until they are published: a few in memory, more in a temporary file.
//!
//! A BSON document contains its own length, so documents are stored without separators. Knows no server.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use crate::messages;
use elt_base::error::Result;

const MEMORY_BYTES: usize = 8 * 1024 * 1024;

/// The limits of one request: a server accepts 100,000 operations and 48 MB.
pub const BATCH_DOCUMENTS: usize = 5_000;
pub const BATCH_BYTES: usize = 12 * 1024 * 1024;

pub struct Documents {
    file: SpooledTempFile,
    pub count: u64,
    pub bytes: u64,
}

impl Documents {
    pub fn new() -> Self {
        Self { file: SpooledTempFile::new(MEMORY_BYTES), count: 0, bytes: 0 }
    }

    pub fn push(&mut self, document: &[u8]) -> Result<()> {
        self.file.write_all(document).map_err(|error| messages::export_spill(&error))?;
        self.count += 1;
        self.bytes += document.len() as u64;
        Ok(())
    }

    /// Passes on all documents, in batches as large as one request allows.
    pub fn batches(&mut self, mut each: impl FnMut(&[Vec<u8>]) -> Result<()>) -> Result<()> {
        let failed = |error: io::Error| messages::export_spill(&error);
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut reader = BufReader::new(&mut self.file);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for _ in 0..self.count {
            let mut length = [0; 4];
            reader.read_exact(&mut length).map_err(failed)?;
            let mut document = vec![0; u32::from_le_bytes(length) as usize];
            document[..4].copy_from_slice(&length);
            reader.read_exact(&mut document[4..]).map_err(failed)?;
            if !batch.is_empty() && (batch.len() >= BATCH_DOCUMENTS || bytes + document.len() > BATCH_BYTES) {
                each(&batch)?;
                batch.clear();
                bytes = 0;
            }
            bytes += document.len();
            batch.push(document);
        }
        if batch.is_empty() { Ok(()) } else { each(&batch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_pushed() {
        let mut documents = Documents::new();
        let document = bson::serialize_to_vec(&bson::doc! { "text": "x".repeat(5_000) }).expect("a document");
        for _ in 0..7_000 {
            documents.push(&document).expect("room");
        }
        let mut sizes = Vec::new();
        documents
            .batches(|batch| {
                assert!(batch.iter().all(|found| *found == document));
                sizes.push(batch.len());
                Ok(())
            })
            .expect("read back");
        assert_eq!(sizes.iter().sum::<usize>(), 7_000);
        assert!(sizes.iter().all(|size| size * document.len() <= BATCH_BYTES));
    }
}
