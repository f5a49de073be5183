//! Columns of times with nanoseconds: TIMESTAMP_NS and TIME_NS. They come from Parquet files, or from YAML.
//!
//! Knows no other column.

use std::sync::Arc;

use arrow::array::{ArrayRef, Time64NanosecondArray, TimestampNanosecondArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;

use crate::bson::{Kind, Malformed, Value};
use crate::column::context::Context;
use crate::column::values::{Slot, Stored, Values, taken};
use crate::from_text::{self, TextForm};
use elt_base::schema::ColumnType;

/// Nanoseconds since 1970.
#[derive(Debug, Default)]
pub struct NanoInstants(Vec<i64>);

impl Values for NanoInstants {
    fn column_type(&self) -> ColumnType {
        ColumnType::TimestampNs
    }

    fn data_type(&self) -> DataType {
        DataType::Timestamp(TimeUnit::Nanosecond, None)
    }

    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        let nanos = if value.kind == Kind::Date { value.integer().checked_mul(1_000_000) } else { None };
        Ok(Stored::whole_if(nanos.map(|nanos| self.0.push(nanos)).is_some()))
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::nano_instant(text, form).map(|nanos| self.0.push(nanos)).is_some()
    }

    fn nulls(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(TimestampNanosecondArray::try_new(taken(&mut self.0), nulls)?))
    }
}

/// Nanoseconds of a day.
#[derive(Debug, Default)]
pub struct NanoTimes(Vec<i64>);

impl Values for NanoTimes {
    fn column_type(&self) -> ColumnType {
        ColumnType::TimeNs
    }

    fn data_type(&self) -> DataType {
        DataType::Time64(TimeUnit::Nanosecond)
    }

    fn store(&mut self, _value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        Ok(Stored::Not)
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::nano_time(text, form).map(|nanos| self.0.push(nanos)).is_some()
    }

    fn nulls(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(Time64NanosecondArray::try_new(taken(&mut self.0), nulls)?))
    }
}
