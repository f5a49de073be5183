//! Reads the documents that a load quarantined: the place, the reason and the length of each, and its bytes on demand.
//!
//! `quarantine` defines the files' columns. Knows nothing of what the bytes should have been, nor which loads count.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use sha2::{Digest, Sha256};

use crate::messages;
use elt_base::error::Result;
use elt_base::manifest::Manifest;

/// The most documents in memory at once. Each may have megabytes.
const BATCH_ROWS: usize = 8;

/// A quarantined document, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineEntry {
    pub load_id: String,
    /// The offset in bytes from the start of the file's text. None for a document of a server.
    pub offset: Option<u64>,
    pub line: Option<u64>,
    pub reason: String,
    /// The length in bytes. None if the bytes were not kept.
    pub size: Option<u64>,
    /// SHA-256 of the bytes.
    pub digest: Option<[u8; 32]>,
    /// Where the bytes are: the file, and the row in it.
    file: PathBuf,
    row: usize,
}

/// The quarantined documents of a load, in the order in which they were read.
pub fn quarantined(manifest: &Manifest) -> Result<Vec<QuarantineEntry>> {
    let mut found = Vec::new();
    for file in &manifest.quarantine {
        let path = manifest.folder.join(file);
        let mut row = 0;
        for batch in open(&path, 0)? {
            let batch = batch.map_err(|error| messages::landing("read", &path, &error))?;
            let Some((offsets, lines, reasons, bytes)) = columns(&batch) else {
                return Err(messages::malformed_quarantine(&path));
            };
            for index in 0..batch.num_rows() {
                let bytes = bytes.is_valid(index).then(|| bytes.value(index));
                found.push(QuarantineEntry {
                    load_id: manifest.load_id.clone(),
                    offset: offsets.is_valid(index).then(|| offsets.value(index)),
                    line: lines.is_valid(index).then(|| lines.value(index)),
                    reason: reasons.value(index).to_owned(),
                    size: bytes.map(|bytes| bytes.len() as u64),
                    digest: bytes.map(|bytes| Sha256::digest(bytes).into()),
                    file: path.clone(),
                    row,
                });
                row += 1;
            }
        }
    }
    Ok(found)
}

impl QuarantineEntry {
    /// The bytes. None if they were not kept.
    pub fn bytes(&self) -> Result<Option<Vec<u8>>> {
        let batch = open(&self.file, self.row)?.next().transpose();
        let batch = batch.map_err(|error| messages::landing("read", &self.file, &error))?;
        let Some((.., bytes)) = batch.as_ref().filter(|batch| batch.num_rows() > 0).and_then(columns) else {
            return Err(messages::malformed_quarantine(&self.file));
        };
        Ok(bytes.is_valid(0).then(|| bytes.value(0).to_vec()))
    }
}

fn open(path: &Path, from: usize) -> Result<ParquetRecordBatchReader> {
    let file = File::open(path).map_err(|error| messages::landing("read", path, &error))?;
    ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(BATCH_ROWS).with_offset(from).build())
        .map_err(|error| messages::landing("read", path, &error))
}

type QuarantineColumns<'b> = (
    &'b arrow::array::UInt64Array,
    &'b arrow::array::UInt64Array,
    &'b arrow::array::StringArray,
    &'b arrow::array::BinaryArray,
);

/// None if the columns have other types.
fn columns(batch: &RecordBatch) -> Option<QuarantineColumns<'_>> {
    Some((
        batch.column_by_name("offset")?.as_primitive_opt::<UInt64Type>()?,
        batch.column_by_name("line")?.as_primitive_opt::<UInt64Type>()?,
        batch.column_by_name("reason")?.as_string_opt::<i32>()?,
        batch.column_by_name("bytes")?.as_binary_opt::<i32>()?,
    ))
}
