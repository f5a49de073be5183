//! Columns of times: TIMESTAMP with and without a time zone, DATE, TIME.
//!
//! Knows no other column.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Time64MicrosecondArray, TimestampMicrosecondArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;

use crate::bson::{Kind, Malformed, Value};
use crate::column::context::Context;
use crate::column::values::{Slot, Stored, Values, taken};
use crate::from_text::{self, MICROS, TextForm};
use elt_base::schema::ColumnType;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Microseconds since 1970 of a date. None if they do not fit in an i64.
#[inline]
fn micros_of(value: Value<'_>) -> Option<i64> {
    if value.kind == Kind::Date { value.integer().checked_mul(1000) } else { None }
}

/// Microseconds since 1970.
#[derive(Debug)]
pub struct Instants {
    micros: Vec<i64>,
    /// With a time zone (UTC) or without.
    zoned: bool,
}

impl Instants {
    pub fn new(zoned: bool) -> Self {
        Self { micros: Vec::new(), zoned }
    }
}

impl Values for Instants {
    fn column_type(&self) -> ColumnType {
        if self.zoned { ColumnType::TimestampTz } else { ColumnType::Timestamp }
    }

    fn data_type(&self) -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, self.zoned.then(|| "UTC".into()))
    }

    #[inline]
    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        match micros_of(value) {
            Some(micros) if MICROS.contains(&micros) => {
                self.micros.push(micros);
                Ok(Stored::Whole)
            }
            _ => Ok(Stored::Not),
        }
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::instant(text, self.zoned, form).map(|micros| self.micros.push(micros)).is_some()
    }

    fn nulls(&mut self, count: usize) {
        self.micros.resize(self.micros.len() + count, 0);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let array = TimestampMicrosecondArray::try_new(taken(&mut self.micros), nulls)?;
        Ok(Arc::new(if self.zoned { array.with_timezone("UTC") } else { array }))
    }
}

/// Days since 1970.
#[derive(Debug, Default)]
pub struct Days(Vec<i32>);

impl Values for Days {
    fn column_type(&self) -> ColumnType {
        ColumnType::Date
    }

    fn data_type(&self) -> DataType {
        DataType::Date32
    }

    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        let micros = micros_of(value).filter(|micros| micros % MICROS_PER_DAY == 0);
        let day = micros.and_then(|micros| i32::try_from(micros / MICROS_PER_DAY).ok());
        let Some(day) = day else { return Ok(Stored::Not) };
        self.0.push(day);
        Ok(Stored::Whole)
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::day(text, form).map(|day| self.0.push(day)).is_some()
    }

    fn nulls(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(Date32Array::try_new(taken(&mut self.0), nulls)?))
    }
}

/// Microseconds of a day. No BSON type is a time of day, so such a column comes from a file or from YAML.
#[derive(Debug, Default)]
pub struct TimesOfDay(Vec<i64>);

impl Values for TimesOfDay {
    fn column_type(&self) -> ColumnType {
        ColumnType::Time
    }

    fn data_type(&self) -> DataType {
        DataType::Time64(TimeUnit::Microsecond)
    }

    fn store(&mut self, _value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        Ok(Stored::Not)
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::time_of_day(text, form).map(|micros| self.0.push(micros)).is_some()
    }

    fn nulls(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(Time64MicrosecondArray::try_new(taken(&mut self.0), nulls)?))
    }
}
