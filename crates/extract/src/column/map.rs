//! MAP columns, which come from Parquet files: no value of a document is one.
//!
//! Knows the columns of the keys and the values only by their types.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;

use crate::bson::{Malformed, Value};
use crate::column::builder::{ColumnBuilder, Maps};
use crate::column::context::Context;
use crate::column::values::{Slot, Stored, Values};
use elt_base::schema::ColumnType;

impl Maps {
    pub fn of(key: ColumnBuilder, value: ColumnBuilder) -> Self {
        Self { key: Box::new(key), value: Box::new(value) }
    }
}

impl Values for Maps {
    fn column_type(&self) -> ColumnType {
        ColumnType::Map(Box::new(self.key.column_type()), Box::new(self.value.column_type()))
    }

    fn data_type(&self) -> DataType {
        let fields = [self.key.field("key").with_nullable(false), self.value.field("value")];
        let entries = Field::new("key_value", DataType::Struct(fields.into_iter().collect()), false);
        DataType::Map(Arc::new(entries), false)
    }

    fn store(&mut self, _value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        Ok(Stored::Not)
    }

    fn nulls(&mut self, _count: usize) {}

    fn finish(&mut self, rows: usize, _nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(new_null_array(&self.data_type(), rows))
    }
}
