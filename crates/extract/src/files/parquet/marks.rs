//! The watermark of a Parquet file's rows: the greatest one, and the rows at or after one.
//!
//! Numbers, texts, dates and times can be watermarks. Knows landed arrays, not files.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, TimestampMicrosecondType, TimestampNanosecondType,
};
use bson::Bson;

use crate::bson::decimal;
use crate::bson::{Kind, Value};
use crate::watermark::{self, Mark};
use elt_base::schema::{Column, ColumnType};

/// The watermark's column of a batch, or the field within it.
pub struct MarkColumn<'b> {
    array: &'b ArrayRef,
    column_type: &'b ColumnType,
}

/// What a column of that path is.
pub enum Found<'b> {
    Column(MarkColumn<'b>),
    /// A column whose values are neither numbers nor texts nor times.
    OfOtherType(&'b ColumnType),
    Missing,
}

/// Finds the column at a dotted path. `data` has the columns after `_id`.
pub fn find<'b>(data: &'b RecordBatch, columns: &'b [Column], path: &str) -> Found<'b> {
    let whole = columns.iter().position(|column| column.key() == path);
    let (first, mut rest) = match whole {
        Some(index) => (Some(index), None),
        None => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            (columns.iter().position(|column| column.key() == first), Some(rest))
        }
    };
    let Some(index) = first else { return Found::Missing };
    let (mut array, mut column_type) = (data.column(index + 1), &columns[index].column_type);
    while let Some(path) = rest {
        let ColumnType::Struct(fields) = column_type else { return Found::Missing };
        let (step, more) = path.split_once('.').map_or((path, None), |(step, more)| (step, Some(more)));
        let Some(index) = fields.iter().position(|field| field.key() == step) else { return Found::Missing };
        (array, column_type, rest) = (array.as_struct().column(index), &fields[index].column_type, more);
    }
    match column_type {
        ColumnType::BigInt
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Decimal { .. }
        | ColumnType::Date
        | ColumnType::Timestamp
        | ColumnType::TimestampTz
        | ColumnType::TimestampNs => Found::Column(MarkColumn { array, column_type }),
        other if other.sql() == ColumnType::Varchar.sql() => Found::Column(MarkColumn { array, column_type }),
        other => Found::OfOtherType(other),
    }
}

const DAY_MILLIS: i64 = 86_400_000;

impl MarkColumn<'_> {
    /// The rows at or after `from`, those without a value, and those whose value cannot be compared with it.
    pub fn since(&self, from: &Mark) -> BooleanArray {
        let Some(bound) = from.value() else { return vec![true; self.array.len()].into() };
        if self.column_type.sql() == ColumnType::Varchar.sql() {
            let texts = self.array.as_string::<i32>();
            let is_text = matches!(bound.kind, Kind::String | Kind::Symbol);
            let is_since = |text: Option<&str>| text.is_none_or(|text| !is_text || text.as_bytes() >= bound.text());
            return texts.iter().map(|text| Some(is_since(text))).collect();
        }
        (0..self.array.len())
            .map(|row| {
                let value = self.value(row);
                let order = value.as_ref().and_then(|value| watermark::compare(value.get(), bound));
                Some(order != Some(Ordering::Less))
            })
            .collect()
    }

    /// The greatest value as canonical Extended JSON. A time is cut to milliseconds, so that no row is lost.
    pub fn greatest(&self) -> Option<String> {
        let value = if self.column_type.sql() == ColumnType::Varchar.sql() {
            Bson::String(self.array.as_string::<i32>().iter().flatten().max()?.to_owned())
        } else {
            let values = (0..self.array.len()).filter_map(|row| self.value(row));
            let greater = |best: FixedValue, value: FixedValue| {
                let is_greater = watermark::compare(value.get(), best.get()) == Some(Ordering::Greater);
                if is_greater { value } else { best }
            };
            values.filter(FixedValue::is_finite).reduce(greater)?.bson()?
        };
        Some(value.into_canonical_extjson().to_string())
    }

    fn value(&self, row: usize) -> Option<FixedValue> {
        if self.array.is_null(row) {
            return None;
        }
        let array = self.array;
        let millis = |millis: i64| FixedValue::of(Kind::Date, &millis.to_le_bytes());
        let double = |double: f64| FixedValue::of(Kind::Double, &double.to_le_bytes());
        Some(match self.column_type {
            ColumnType::BigInt => {
                FixedValue::of(Kind::Int64, &array.as_primitive::<Int64Type>().value(row).to_le_bytes())
            }
            ColumnType::Float => double(f64::from(array.as_primitive::<Float32Type>().value(row))),
            ColumnType::Double => double(array.as_primitive::<Float64Type>().value(row)),
            ColumnType::Decimal { scale } => {
                let (mut value, mut scale) = (array.as_primitive::<Decimal128Type>().value(row), u32::from(*scale));
                loop {
                    match decimal::bytes(value, scale) {
                        Some(bytes) => break FixedValue::of(Kind::Decimal128, &bytes),
                        // A smaller watermark loses no row.
                        None if scale > 0 => (value, scale) = (value.div_euclid(10), scale - 1),
                        None => return None,
                    }
                }
            }
            ColumnType::Date => {
                millis(i64::from(array.as_primitive::<Date32Type>().value(row)).saturating_mul(DAY_MILLIS))
            }
            ColumnType::TimestampNs => {
                let nanos = array.as_primitive::<TimestampNanosecondType>().value(row);
                millis(if nanos.unsigned_abs() == i64::MAX as u64 { nanos } else { nanos.div_euclid(1_000_000) })
            }
            _ => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                millis(if micros.unsigned_abs() == i64::MAX as u64 { micros } else { micros.div_euclid(1_000) })
            }
        })
    }
}

/// A value of fixed length, as BSON stores it.
struct FixedValue {
    kind: Kind,
    bytes: [u8; 16],
    length: usize,
}

impl FixedValue {
    fn of(kind: Kind, value: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Self { kind, bytes, length: value.len() }
    }

    fn get(&self) -> Value<'_> {
        Value { kind: self.kind, bytes: self.bytes.get(..self.length).unwrap_or_default(), offset: 0 }
    }

    /// No watermark is beyond all values: nothing would come after it.
    fn is_finite(&self) -> bool {
        match self.kind {
            Kind::Double => self.get().double().is_finite(),
            // DuckDB's infinite times, and infinite days in milliseconds.
            Kind::Date => {
                let millis = self.get().integer();
                let infinite = i64::from(i32::MAX) * DAY_MILLIS;
                millis.unsigned_abs() != i64::MAX as u64 && millis != infinite && millis != -infinite
            }
            _ => true,
        }
    }

    fn bson(&self) -> Option<Bson> {
        let value = self.get();
        Some(match self.kind {
            Kind::Int64 => Bson::Int64(value.integer()),
            Kind::Double => Bson::Double(value.double()),
            Kind::Decimal128 => Bson::Decimal128(bson::Decimal128::from_bytes(value.decimal())),
            Kind::Date => Bson::DateTime(bson::DateTime::from_millis(value.integer())),
            _ => return None,
        })
    }
}
