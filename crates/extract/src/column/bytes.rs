//! Texts or bytes of varying length, end to end, as Arrow stores them.
//!
//! Knows nothing of what the bytes are.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;

#[derive(Debug)]
pub struct Bytes {
    /// All values. Whoever appends to it calls `end` after each value.
    pub bytes: Vec<u8>,
    offsets: Vec<i32>,
}

impl Default for Bytes {
    fn default() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0] }
    }
}

impl Bytes {
    /// Ends the value whose bytes were appended. A batch's bound keeps the offsets far below 2 GiB.
    #[inline]
    pub fn end(&mut self) {
        self.offsets.push(self.bytes.len() as i32);
    }

    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.end();
    }

    /// Appends `count` empty values.
    pub fn nulls(&mut self, count: usize) {
        self.offsets.resize(self.offsets.len() + count, self.bytes.len() as i32);
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let next =
            Self { bytes: Vec::with_capacity(self.bytes.len()), offsets: Vec::with_capacity(self.offsets.len()) };
        let Self { bytes, offsets } = std::mem::replace(self, next);
        self.offsets.push(0);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes))
    }

    /// The values as an array; no value is left.
    pub fn texts(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.strings(nulls)?))
    }

    pub fn strings(&mut self, nulls: Option<NullBuffer>) -> Result<StringArray, ArrowError> {
        let (offsets, bytes) = self.take();
        StringArray::try_new(offsets, bytes, nulls)
    }

    pub fn blobs(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let (offsets, bytes) = self.take();
        Ok(Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?))
    }
}
