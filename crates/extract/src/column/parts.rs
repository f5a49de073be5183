//! Columns of BSON values that have two parts: timestamps as STRUCT(t, i), regular expressions as STRUCT(pattern, options).
//!
//! Knows no other column.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;

use crate::bson::{Kind, Malformed, Value};
use crate::column::bytes::Bytes;
use crate::column::context::Context;
use crate::column::values::{Slot, Stored, Values, taken};
use elt_base::schema::ColumnType;

fn fields(names: [&str; 2], data_type: &DataType) -> Fields {
    names.iter().map(|name| Field::new(*name, data_type.clone(), true)).collect()
}

#[derive(Debug, Default)]
pub struct Timestamps {
    seconds: Vec<i64>,
    increments: Vec<i64>,
}

impl Timestamps {
    fn fields() -> Fields {
        fields(["t", "i"], &DataType::Int64)
    }
}

impl Values for Timestamps {
    fn column_type(&self) -> ColumnType {
        ColumnType::BsonTimestamp
    }

    fn data_type(&self) -> DataType {
        DataType::Struct(Self::fields())
    }

    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        if value.kind != Kind::Timestamp {
            return Ok(Stored::Not);
        }
        let (seconds, increment) = value.timestamp();
        self.seconds.push(i64::from(seconds));
        self.increments.push(i64::from(increment));
        Ok(Stored::Whole)
    }

    fn nulls(&mut self, count: usize) {
        for part in [&mut self.seconds, &mut self.increments] {
            part.resize(part.len() + count, 0);
        }
    }

    fn finish(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let part = |values: &mut Vec<i64>| -> Result<ArrayRef, ArrowError> {
            Ok(Arc::new(Int64Array::try_new(taken(values), nulls.clone())?))
        };
        let arrays = vec![part(&mut self.seconds)?, part(&mut self.increments)?];
        Ok(Arc::new(StructArray::try_new_with_length(Self::fields(), arrays, nulls, rows)?))
    }
}

#[derive(Debug, Default)]
pub struct Regexes {
    patterns: Bytes,
    options: Bytes,
}

impl Regexes {
    fn fields() -> Fields {
        fields(["pattern", "options"], &DataType::Utf8)
    }
}

impl Values for Regexes {
    fn column_type(&self) -> ColumnType {
        ColumnType::Regex
    }

    fn data_type(&self) -> DataType {
        DataType::Struct(Self::fields())
    }

    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        if value.kind != Kind::Regex {
            return Ok(Stored::Not);
        }
        let (pattern, options) = value.regex();
        if std::str::from_utf8(pattern).is_err() || std::str::from_utf8(options).is_err() {
            return Ok(Stored::Not);
        }
        self.patterns.push(pattern);
        self.options.push(options);
        Ok(Stored::Whole)
    }

    fn nulls(&mut self, count: usize) {
        self.patterns.nulls(count);
        self.options.nulls(count);
    }

    fn finish(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let arrays = vec![self.patterns.texts(nulls.clone())?, self.options.texts(nulls.clone())?];
        Ok(Arc::new(StructArray::try_new_with_length(Self::fields(), arrays, nulls, rows)?))
    }
}
