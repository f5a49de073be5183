//! Columns without a type yet, and BOOLEAN columns.
//!
//! Knows no other column.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::bson::{Kind, Malformed, Value};
use crate::column::context::Context;
use crate::column::values::{Slot, Stored, Values};
use crate::from_text::{self, TextForm};
use elt_base::schema::ColumnType;

/// No value so far that a column can store.
#[derive(Debug)]
pub struct Untyped;

impl Values for Untyped {
    fn column_type(&self) -> ColumnType {
        ColumnType::Null
    }

    fn data_type(&self) -> DataType {
        DataType::Utf8
    }

    fn store(&mut self, _value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        Ok(Stored::Not)
    }

    fn nulls(&mut self, _count: usize) {}

    fn finish(&mut self, rows: usize, _nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(new_null_array(&DataType::Utf8, rows))
    }
}

#[derive(Debug)]
pub struct Booleans(BooleanBufferBuilder);

impl Default for Booleans {
    fn default() -> Self {
        Self(BooleanBufferBuilder::new(0))
    }
}

impl Values for Booleans {
    fn column_type(&self) -> ColumnType {
        ColumnType::Boolean
    }

    fn data_type(&self) -> DataType {
        DataType::Boolean
    }

    #[inline]
    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        if value.kind != Kind::Boolean {
            return Ok(Stored::Not);
        }
        self.0.append(value.boolean());
        Ok(Stored::Whole)
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::boolean(text, form).map(|boolean| self.0.append(boolean)).is_some()
    }

    fn nulls(&mut self, count: usize) {
        self.0.append_n(count, false);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(BooleanArray::new(self.0.finish(), nulls)))
    }
}
