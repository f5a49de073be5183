//! Encodes Arrow batches as rows of Postgres' binary COPY, and counts what Postgres could not hold.
//!
//! Format: <https://www.postgresql.org/docs/current/sql-copy.html> ("Binary Format"); each type's bytes are those its
//! `_recv` function reads. One growing buffer, no allocation a value. Knows neither a connection nor a driver.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, Int16Array, Int32Array, Int64Array,
    StringArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::record_batch::RecordBatch;

use super::numeric::{put_decimal, put_digits};
use crate::export::postgres_type::PostgresType;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// How many bytes gather before they are sent.
const SEND_BYTES: usize = 256 * 1024;

/// Days and microseconds from 1970-01-01 to Postgres' epoch, 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// What Postgres' `timestamp.h` takes, from its epoch: 4713-11-24 BC up to and without 5874898-06-03 and 294277-01-01.
const DATES: std::ops::Range<i32> = -2_451_545..2_145_031_949;
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// Why a value cannot stand in Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hazard {
    /// U+0000 in text or in a string of JSON.
    Nul,
    /// A date or timestamp before 4713 BC or beyond Postgres' last year.
    YearRange,
    /// NaN or Infinity within JSON.
    NotFinite,
    /// Half of a UTF-16 surrogate pair, escaped in a string of JSON.
    Surrogate,
    /// More digits than `numeric` holds.
    Digits,
    /// Text that should be a UUID.
    NotUuid,
}

/// How many values of one column have one hazard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column's index.
    pub column: usize,
    pub hazard: Hazard,
    pub values: u64,
}

/// A column whose batch has an Arrow type that cannot become the column's Postgres type: an error of ours, not of the data.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub column: usize,
    pub arrow: String,
}

/// Encodes batch after batch. A value with a hazard is counted and written as NULL: the caller looks at `faults`
/// before it lets the rows in.
pub struct Encoder {
    columns: Vec<PostgresType>,
    buffer: Vec<u8>,
    faults: Vec<Fault>,
    rows: u64,
}

impl Encoder {
    pub fn new(columns: Vec<PostgresType>) -> Self {
        let mut buffer = Vec::with_capacity(SEND_BYTES + SEND_BYTES / 4);
        buffer.extend_from_slice(SIGNATURE);
        // No flags, no header extension.
        buffer.extend_from_slice(&[0; 8]);
        Self { columns, buffer, faults: Vec::new(), rows: 0 }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// By column, then hazard.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Appends a batch's rows; `send` takes the buffer whenever it is full.
    pub fn encode<E>(
        &mut self,
        batch: &RecordBatch,
        mut send: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, Mismatch> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for (index, postgres_type) in self.columns.iter().enumerate() {
            let array = batch.columns().get(index);
            let values = array.and_then(|array| Values::of(array, postgres_type));
            let arrow = || array.map_or("missing".to_owned(), |array| array.data_type().to_string());
            columns.push(values.ok_or_else(|| Mismatch { column: index, arrow: arrow() })?);
        }
        let width = (columns.len() as i16).to_be_bytes();
        let faults = &mut self.faults;
        for row in 0..batch.num_rows() {
            self.buffer.extend_from_slice(&width);
            for (index, column) in columns.iter().enumerate() {
                column.put(row, &mut self.buffer, &mut |hazard| count(faults, index, hazard));
            }
            if self.buffer.len() >= SEND_BYTES {
                if let Err(error) = send(&self.buffer) {
                    return Ok(Err(error));
                }
                self.buffer.clear();
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(Ok(()))
    }

    /// The bytes that remain, with the trailer.
    pub fn finish(&mut self) -> &[u8] {
        self.buffer.extend_from_slice(&(-1i16).to_be_bytes());
        &self.buffer
    }
}

fn count(faults: &mut Vec<Fault>, column: usize, hazard: Hazard) {
    match faults.binary_search_by_key(&(column, hazard), |fault| (fault.column, fault.hazard)) {
        Ok(at) => faults[at].values += 1,
        Err(at) => faults.insert(at, Fault { column, hazard, values: 1 }),
    }
}

/// One column of one batch, ready to be read by row.
struct Values {
    nulls: Option<NullBuffer>,
    kind: Kind,
}

enum Kind {
    Bool(BooleanArray),
    Int2(Int16Array),
    Int4(Int32Array),
    Int8(Int64Array),
    Float4(ScalarBuffer<f32>),
    Float8(ScalarBuffer<f64>),
    Decimal(ScalarBuffer<i128>, u8),
    Digits(StringArray),
    Text(StringArray),
    Json(StringArray),
    Uuid(StringArray),
    UuidBytes(FixedSizeBinaryArray),
    Bytes(BinaryArray),
    Date(ScalarBuffer<i32>),
    Time(ScalarBuffer<i64>),
    Timestamp(ScalarBuffer<i64>),
    Interval(ScalarBuffer<IntervalMonthDayNano>),
    List { offsets: OffsetBuffer<i32>, elements: Box<Values>, oid: u32 },
}

/// The array itself, or cast to `wanted`: DuckDB's settings choose among Arrow's several string and list types.
fn plain(array: &ArrayRef, wanted: &DataType) -> Option<ArrayRef> {
    if array.data_type() == wanted { Some(array.clone()) } else { cast(array, wanted).ok() }
}

impl Values {
    /// None: no value of this Arrow type is one of that Postgres type.
    fn of(array: &ArrayRef, postgres_type: &PostgresType) -> Option<Self> {
        // Text can become nearly everything in Arrow's eyes, with nulls where it cannot.
        let is_text = matches!(
            array.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..)
        );
        if is_text
            && !matches!(
                postgres_type,
                PostgresType::Text | PostgresType::Jsonb | PostgresType::Uuid | PostgresType::Numeric(_)
            )
        {
            return None;
        }
        let text = || plain(array, &DataType::Utf8).map(|array| array.as_string::<i32>().clone());
        let kind = match postgres_type {
            PostgresType::Bool => Kind::Bool(plain(array, &DataType::Boolean)?.as_boolean().clone()),
            PostgresType::Int2 => Kind::Int2(plain(array, &DataType::Int16)?.as_primitive::<Int16Type>().clone()),
            PostgresType::Int4 => Kind::Int4(plain(array, &DataType::Int32)?.as_primitive::<Int32Type>().clone()),
            PostgresType::Int8 => Kind::Int8(plain(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
            PostgresType::Float4 => {
                Kind::Float4(plain(array, &DataType::Float32)?.as_primitive::<Float32Type>().values().clone())
            }
            PostgresType::Float8 => {
                Kind::Float8(plain(array, &DataType::Float64)?.as_primitive::<Float64Type>().values().clone())
            }
            PostgresType::Numeric(_) if is_text => Kind::Digits(text()?),
            PostgresType::Numeric(_) => {
                let scale = match array.data_type() {
                    DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
                        *scale
                    }
                    data_type if data_type.is_integer() => 0,
                    _ => return None,
                };
                let precision = match array.data_type() {
                    DataType::Decimal128(precision, _) => *precision,
                    _ => 38,
                };
                let array = plain(array, &DataType::Decimal128(precision, scale))?;
                let values = array.as_primitive::<Decimal128Type>().values().clone();
                Kind::Decimal(values, u8::try_from(scale).ok()?)
            }
            PostgresType::Text => Kind::Text(text()?),
            PostgresType::Jsonb => Kind::Json(text()?),
            PostgresType::Uuid => match array.data_type() {
                DataType::FixedSizeBinary(16) => Kind::UuidBytes(array.as_fixed_size_binary().clone()),
                _ => Kind::Uuid(text()?),
            },
            PostgresType::Bytea => Kind::Bytes(plain(array, &DataType::Binary)?.as_binary::<i32>().clone()),
            PostgresType::Date => {
                Kind::Date(plain(array, &DataType::Date32)?.as_primitive::<Date32Type>().values().clone())
            }
            PostgresType::Time => {
                let array = plain(array, &DataType::Time64(TimeUnit::Microsecond))?;
                Kind::Time(array.as_primitive::<Time64MicrosecondType>().values().clone())
            }
            PostgresType::Timestamp | PostgresType::TimestampTz => {
                // An instant is the same in every zone; only the unit matters.
                let DataType::Timestamp(_, zone) = array.data_type() else { return None };
                let array = plain(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
                Kind::Timestamp(array.as_primitive::<TimestampMicrosecondType>().values().clone())
            }
            PostgresType::Interval => {
                let array = plain(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
                Kind::Interval(array.as_primitive::<IntervalMonthDayNanoType>().values().clone())
            }
            PostgresType::Array(element) => {
                let array = match array.data_type() {
                    DataType::List(_) => array.clone(),
                    DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
                        plain(array, &DataType::List(field.clone()))?
                    }
                    _ => return None,
                };
                let list = array.as_list::<i32>();
                Kind::List {
                    offsets: list.offsets().clone(),
                    elements: Box::new(Self::of(list.values(), element)?),
                    oid: element.oid(),
                }
            }
        };
        Some(Self { nulls: array.logical_nulls(), kind })
    }

    /// Appends a value with its length, or the length -1 of a null.
    #[inline]
    fn put(&self, row: usize, out: &mut Vec<u8>, fault: &mut impl FnMut(Hazard)) {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return put_null(out);
        }
        match &self.kind {
            Kind::Bool(values) => out.extend_from_slice(&[0, 0, 0, 1, u8::from(values.value(row))]),
            Kind::Int2(values) => put_fixed(out, values.value(row).to_be_bytes()),
            Kind::Int4(values) => put_fixed(out, values.value(row).to_be_bytes()),
            Kind::Int8(values) => put_fixed(out, values.value(row).to_be_bytes()),
            Kind::Float4(values) => put_fixed(out, values[row].to_be_bytes()),
            Kind::Float8(values) => put_fixed(out, values[row].to_be_bytes()),
            Kind::Decimal(values, scale) => put_decimal(out, values[row], *scale),
            Kind::Digits(values) => {
                if !put_digits(out, values.value(row)) {
                    fault(Hazard::Digits);
                    put_null(out);
                }
            }
            Kind::Text(values) => {
                let text = values.value(row).as_bytes();
                if text.contains(&0) {
                    fault(Hazard::Nul);
                    return put_null(out);
                }
                put_bytes(out, text);
            }
            Kind::Json(values) => {
                let text = values.value(row);
                if let Some(hazard) = json_hazard(text) {
                    fault(hazard);
                    return put_null(out);
                }
                out.extend_from_slice(&(text.len() as u32 + 1).to_be_bytes());
                // The version of jsonb's binary form.
                out.push(1);
                out.extend_from_slice(text.as_bytes());
            }
            Kind::Uuid(values) => match uuid::Uuid::try_parse(values.value(row)) {
                Ok(uuid) => put_fixed(out, *uuid.as_bytes()),
                Err(_) => {
                    fault(Hazard::NotUuid);
                    put_null(out);
                }
            },
            Kind::UuidBytes(values) => put_bytes(out, values.value(row)),
            Kind::Bytes(values) => put_bytes(out, values.value(row)),
            Kind::Date(values) => match date(values[row]) {
                Some(days) => put_fixed(out, days.to_be_bytes()),
                None => {
                    fault(Hazard::YearRange);
                    put_null(out);
                }
            },
            Kind::Time(values) => put_fixed(out, values[row].to_be_bytes()),
            Kind::Timestamp(values) => match timestamp(values[row]) {
                Some(micros) => put_fixed(out, micros.to_be_bytes()),
                None => {
                    fault(Hazard::YearRange);
                    put_null(out);
                }
            },
            Kind::Interval(values) => {
                let value = values[row];
                out.extend_from_slice(&16u32.to_be_bytes());
                out.extend_from_slice(&(value.nanoseconds / 1_000).to_be_bytes());
                out.extend_from_slice(&value.days.to_be_bytes());
                out.extend_from_slice(&value.months.to_be_bytes());
            }
            Kind::List { offsets, elements, oid } => {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                put_array(out, elements, range, *oid, fault);
            }
        }
    }
}

/// Dimensions, whether nulls occur, the elements' type; then for one dimension its length and lower bound.
fn put_array(
    out: &mut Vec<u8>,
    elements: &Values,
    range: std::ops::Range<usize>,
    oid: u32,
    fault: &mut dyn FnMut(Hazard),
) {
    let start = out.len();
    let has_nulls = elements.nulls.as_ref().is_some_and(|nulls| range.clone().any(|row| nulls.is_null(row)));
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u32::from(!range.is_empty()).to_be_bytes());
    out.extend_from_slice(&u32::from(has_nulls).to_be_bytes());
    out.extend_from_slice(&oid.to_be_bytes());
    if !range.is_empty() {
        out.extend_from_slice(&(range.len() as u32).to_be_bytes());
        out.extend_from_slice(&1u32.to_be_bytes());
    }
    // One dimension is enough: lists of lists are published as JSON, `DuckType::postgres` yields no array of arrays.
    let mut fault = fault;
    for row in range {
        elements.put(row, out, &mut fault);
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn put_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1i32).to_be_bytes());
}

#[inline]
fn put_fixed<const N: usize>(out: &mut Vec<u8>, value: [u8; N]) {
    out.extend_from_slice(&(N as u32).to_be_bytes());
    out.extend_from_slice(&value);
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

/// Days from 1970 as DuckDB has them (its infinities are the ends of the range) to Postgres' days from 2000.
fn date(days: i32) -> Option<i32> {
    match days {
        i32::MAX => Some(i32::MAX),
        days if days <= -i32::MAX => Some(i32::MIN),
        days => days.checked_sub(EPOCH_DAYS).filter(|days| DATES.contains(days)),
    }
}

/// The same for microseconds.
fn timestamp(micros: i64) -> Option<i64> {
    match micros {
        i64::MAX => Some(i64::MAX),
        micros if micros <= -i64::MAX => Some(i64::MIN),
        micros => micros.checked_sub(EPOCH_MICROS).filter(|micros| TIMESTAMPS.contains(micros)),
    }
}

/// What jsonb would refuse in a JSON text that DuckDB wrote: `\u0000` or half a surrogate pair in a string, NaN or
/// Infinity outside of one.
fn json_hazard(text: &str) -> Option<Hazard> {
    let suspects = ["\\u0000", "\\ud", "\\uD", "NaN", "Infinity"];
    if !suspects.iter().any(|suspect| text.contains(suspect)) {
        return None;
    }
    let mut in_string = false;
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => match escaped_unit(tail) {
                Some(0) => return Some(Hazard::Nul),
                Some(0xdc00..=0xdfff) => return Some(Hazard::Surrogate),
                Some(0xd800..=0xdbff) => {
                    let low = tail.get(5..).and_then(|next| next.strip_prefix(b"\\")).and_then(escaped_unit);
                    if !matches!(low, Some(0xdc00..=0xdfff)) {
                        return Some(Hazard::Surrogate);
                    }
                    rest = tail.get(11..).unwrap_or_default();
                }
                _ => rest = tail.get(1..).unwrap_or_default(),
            },
            b'N' | b'I' if !in_string => return Some(Hazard::NotFinite),
            _ => {}
        }
    }
    None
}

/// The UTF-16 unit that `uXXXX`, behind a backslash, spells.
fn escaped_unit(text: &[u8]) -> Option<u16> {
    let hex = text.strip_prefix(b"u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

#[cfg(test)]
#[path = "pgcopy_tests.rs"]
mod tests;
