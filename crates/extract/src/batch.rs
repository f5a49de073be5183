//! The values that a source passes to landing: typed batches, and documents that cannot be decoded.
//!
//! Pure values. Knows no driver and no file format.

use arrow::record_batch::RecordBatch;

use elt_base::schema::Column;

/// Some documents of one collection, decoded. `data` has `_id` (VARCHAR) first, then the columns known so far,
/// then `_elt_rescued` (JSON text, null where all fits). Later batches of a load may have more or wider columns.
#[derive(Debug, Clone)]
pub struct Batch {
    pub data: RecordBatch,
    /// The columns of `data` without `_id` and `_elt_rescued`, in order.
    pub columns: Vec<Column>,
    /// The size of the source's documents in bytes.
    pub bytes: u64,
}

/// One output of a reading.
#[derive(Debug, Clone)]
pub enum Output {
    Documents(Batch),
    Quarantined(Quarantined),
}

/// A document that cannot be decoded, or bytes that should be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its offset in bytes from the start of the decompressed file. None for a document of a server.
    pub offset: Option<u64>,
    /// Its line, in a file of lines.
    pub line: Option<u64>,
    /// The reason; it never shows a value.
    pub reason: String,
    /// None if the bytes must not be kept, because they may include a masked or excluded field.
    pub bytes: Option<Vec<u8>>,
}
