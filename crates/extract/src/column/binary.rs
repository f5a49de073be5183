//! Columns of binaries: BLOB, of one BSON subtype, and UUID.
//!
//! Knows no other column.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::bson::{Kind, Malformed, Value};
use crate::column::bytes::Bytes;
use crate::column::context::Context;
use crate::column::types;
use crate::column::values::{Slot, Stored, Values};
use crate::from_text::{self, TextForm};
use elt_base::schema::ColumnType;

#[derive(Debug)]
pub struct Blobs {
    bytes: Bytes,
    subtype: u8,
}

impl Blobs {
    pub fn of(subtype: u8) -> Self {
        Self { bytes: Bytes::default(), subtype }
    }
}

impl Values for Blobs {
    fn column_type(&self) -> ColumnType {
        types::of_binary(self.subtype)
    }

    fn data_type(&self) -> DataType {
        DataType::Binary
    }

    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        if value.kind != Kind::Binary || value.uuid().is_some() {
            return Ok(Stored::Not);
        }
        let (subtype, payload) = value.binary();
        if subtype != self.subtype {
            return Ok(Stored::Not);
        }
        self.bytes.push(payload);
        Ok(Stored::Whole)
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::bytes(text, form).map(|bytes| self.bytes.push(&bytes)).is_some()
    }

    /// The raw document.
    fn store_bytes(&mut self, bytes: &[u8]) -> bool {
        self.bytes.push(bytes);
        true
    }

    fn nulls(&mut self, count: usize) {
        self.bytes.nulls(count);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        self.bytes.blobs(nulls)
    }
}

/// Bytes of a UUID.
const UUID_BYTES: usize = 16;

#[derive(Debug, Default)]
pub struct Uuids(Vec<u8>);

impl Values for Uuids {
    fn column_type(&self) -> ColumnType {
        ColumnType::Uuid
    }

    fn data_type(&self) -> DataType {
        DataType::FixedSizeBinary(UUID_BYTES as i32)
    }

    fn extension(&self) -> &'static [(&'static str, &'static str)] {
        &[("ARROW:extension:name", "arrow.uuid")]
    }

    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        match value.uuid() {
            Some(uuid) if value.kind == Kind::Binary => {
                self.0.extend_from_slice(uuid);
                Ok(Stored::Whole)
            }
            _ => Ok(Stored::Not),
        }
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::uuid(text, form).map(|uuid| self.0.extend_from_slice(&uuid)).is_some()
    }

    fn nulls(&mut self, count: usize) {
        self.0.resize(self.0.len() + UUID_BYTES * count, 0);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let bytes = Buffer::from_vec(std::mem::take(&mut self.0));
        Ok(Arc::new(FixedSizeBinaryArray::try_new(UUID_BYTES as i32, bytes, nulls)?))
    }
}
