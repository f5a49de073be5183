//! The columns of an Arrow batch as fields of Postgres' binary COPY, each value in its column's type.
//!
//! Each type's bytes are those its `_recv` function reads. No allocation a value, but for one that cannot stand: it is
//! reported, and the nearest value that can is written. Knows neither a connection nor a driver.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, Int16Array, Int32Array, Int64Array,
    StringArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};

use super::exact::{Exact, Number, numbers_of, put_integer};
use super::hazard::{Hazard, json_hazard, mend_json};
use super::numeric::{put_decimal, put_digits};
use crate::export::postgres_type::PostgresType;

/// Days and microseconds from 1970-01-01 to Postgres' epoch, 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// What Postgres' `timestamp.h` takes, from its epoch: 4713-11-24 BC up to and without 5874898-06-03 and 294277-01-01.
const DATES: std::ops::Range<i32> = -2_451_545..2_145_031_949;
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// The labels of an enum.
pub type Labels = Arc<HashSet<String>>;

/// One column of one batch, ready to be read by row.
pub struct Values {
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
    /// At most so many characters.
    Short(StringArray, usize),
    /// One of the labels, where they are known.
    Label(StringArray, Option<Labels>),
    /// With the byte that tells `jsonb`'s version before it, or, for `json`, without.
    Json(StringArray, bool),
    /// Integers of a wider type than the column's, which takes so many bytes.
    NarrowInt(Int64Array, u32),
    /// Numbers of another scale or precision than the column's.
    Exact(Number, Exact),
    Uuid(StringArray),
    UuidBytes(FixedSizeBinaryArray),
    Bytes(BinaryArray),
    Date(ScalarBuffer<i32>),
    Time(ScalarBuffer<i64>),
    Timestamp(ScalarBuffer<i64>),
    Interval(ScalarBuffer<IntervalMonthDayNano>),
    List {
        offsets: OffsetBuffer<i32>,
        elements: Box<Values>,
        oid: u32,
    },
}

/// The array itself, or cast to `wanted`: DuckDB's settings choose among Arrow's several string and list types.
fn plain(array: &ArrayRef, wanted: &DataType) -> Option<ArrayRef> {
    if array.data_type() == wanted { Some(array.clone()) } else { cast(array, wanted).ok() }
}

/// Integers for a column of integers.
fn integers(array: &ArrayRef, wanted: &PostgresType, is_text: bool) -> Option<Kind> {
    let bytes = match wanted {
        PostgresType::Int2 => 2,
        PostgresType::Int4 => 4,
        _ => 8,
    };
    let is_exact = match array.data_type() {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => true,
        DataType::UInt16 | DataType::Int32 => bytes >= 4,
        DataType::UInt32 | DataType::Int64 => bytes >= 8,
        // Digits in text, or a decimal's.
        _ => return Some(Kind::Exact(numbers_of(array, is_text)?, Exact::Integer(bytes))),
    };
    Some(match (is_exact, bytes) {
        (true, 2) => Kind::Int2(plain(array, &DataType::Int16)?.as_primitive::<Int16Type>().clone()),
        (true, 4) => Kind::Int4(plain(array, &DataType::Int32)?.as_primitive::<Int32Type>().clone()),
        (true, _) => Kind::Int8(plain(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
        (false, _) => Kind::NarrowInt(plain(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone(), bytes),
    })
}

/// Numbers for a column of `numeric`.
fn numbers(array: &ArrayRef, wanted: Option<(u8, u8)>, is_text: bool) -> Option<Kind> {
    let numbers = numbers_of(array, is_text)?;
    let holds_all = match (&numbers, wanted) {
        (_, None) => true,
        (Number::Decimal { scale, precision, .. }, Some((to_precision, to_scale))) => {
            to_scale >= *scale
                && i16::from(to_precision) - i16::from(to_scale) >= i16::from(*precision) - i16::from(*scale)
        }
        _ => false,
    };
    Some(match numbers {
        Number::Decimal { values, scale, .. } if holds_all => Kind::Decimal(values, scale),
        Number::Digits(values) if holds_all => Kind::Digits(values),
        numbers => Kind::Exact(numbers, Exact::Numeric(wanted)),
    })
}

impl Values {
    /// None: no value of this Arrow type is one of that Postgres type.
    pub fn of(array: &ArrayRef, postgres_type: &PostgresType, labels: Option<&Labels>) -> Option<Self> {
        // Text can become nearly everything in Arrow's eyes, with nulls where it cannot.
        let is_text = matches!(
            array.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..)
        );
        if is_text
            && !matches!(
                postgres_type,
                PostgresType::Text
                    | PostgresType::Varchar(_)
                    | PostgresType::Char(_)
                    | PostgresType::Citext
                    | PostgresType::Named(_)
                    | PostgresType::Jsonb
                    | PostgresType::Json
                    | PostgresType::Uuid
                    | PostgresType::Numeric(_)
                    | PostgresType::Int2
                    | PostgresType::Int4
                    | PostgresType::Int8
            )
        {
            return None;
        }
        let text = || plain(array, &DataType::Utf8).map(|array| array.as_string::<i32>().clone());
        let kind = match postgres_type {
            PostgresType::Bool => Kind::Bool(plain(array, &DataType::Boolean)?.as_boolean().clone()),
            PostgresType::Int2 | PostgresType::Int4 | PostgresType::Int8 => integers(array, postgres_type, is_text)?,
            PostgresType::Float4 => {
                Kind::Float4(plain(array, &DataType::Float32)?.as_primitive::<Float32Type>().values().clone())
            }
            PostgresType::Float8 => {
                Kind::Float8(plain(array, &DataType::Float64)?.as_primitive::<Float64Type>().values().clone())
            }
            PostgresType::Numeric(wanted) => numbers(array, *wanted, is_text)?,
            PostgresType::Text | PostgresType::Citext => Kind::Text(text()?),
            PostgresType::Varchar(length) | PostgresType::Char(length) => Kind::Short(text()?, *length as usize),
            PostgresType::Named(_) => Kind::Label(text()?, labels.cloned()),
            PostgresType::Jsonb => Kind::Json(text()?, true),
            PostgresType::Json => Kind::Json(text()?, false),
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
                    elements: Box::new(Self::of(list.values(), element, None)?),
                    oid: element.oid(),
                }
            }
        };
        Some(Self { nulls: array.logical_nulls(), kind })
    }

    /// Appends a value with its length, or the length -1 of a null.
    #[inline]
    pub fn put(&self, row: usize, out: &mut Vec<u8>, fault: &mut impl FnMut(Hazard)) {
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
            Kind::Text(values) => put_text(out, values.value(row), usize::MAX, fault),
            Kind::Short(values, length) => put_text(out, values.value(row), *length, fault),
            Kind::Label(values, labels) => {
                let text = values.value(row);
                if labels.as_ref().is_some_and(|labels| !labels.contains(text)) {
                    fault(Hazard::NoLabel);
                    return put_null(out);
                }
                put_bytes(out, text.as_bytes());
            }
            Kind::Json(values, is_binary) => {
                let text = values.value(row);
                match json_hazard(text) {
                    None => put_json(out, text, *is_binary),
                    Some(hazard) => {
                        fault(hazard);
                        match mend_json(text, hazard) {
                            Some(mended) => put_json(out, &mended, *is_binary),
                            None => put_null(out),
                        }
                    }
                }
            }
            Kind::NarrowInt(values, bytes) => put_integer(out, i128::from(values.value(row)), *bytes, fault),
            Kind::Exact(values, wanted) => wanted.put(out, values, row, fault),
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
                    put_fixed(out, (if values[row] < 0 { i32::MIN } else { i32::MAX }).to_be_bytes());
                }
            },
            Kind::Time(values) => put_fixed(out, values[row].to_be_bytes()),
            Kind::Timestamp(values) => match timestamp(values[row]) {
                Some(micros) => put_fixed(out, micros.to_be_bytes()),
                None => {
                    fault(Hazard::YearRange);
                    put_fixed(out, (if values[row] < 0 { i64::MIN } else { i64::MAX }).to_be_bytes());
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

pub fn put_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1i32).to_be_bytes());
}

#[inline]
pub fn put_fixed<const N: usize>(out: &mut Vec<u8>, value: [u8; N]) {
    out.extend_from_slice(&(N as u32).to_be_bytes());
    out.extend_from_slice(&value);
}

/// Text without NULs, of at most so many characters.
#[inline]
fn put_text(out: &mut Vec<u8>, text: &str, characters_max: usize, fault: &mut impl FnMut(Hazard)) {
    let mended;
    let text = if text.as_bytes().contains(&0) {
        fault(Hazard::Nul);
        mended = text.replace('\0', "");
        &mended
    } else {
        text
    };
    // No text has more characters than bytes.
    let text = if text.len() > characters_max { cut(text, characters_max, fault) } else { text };
    put_bytes(out, text.as_bytes());
}

#[cold]
fn cut<'t>(text: &'t str, characters_max: usize, fault: &mut impl FnMut(Hazard)) -> &'t str {
    match text.char_indices().nth(characters_max) {
        // Postgres drops spaces beyond the length, as SQL has it, and so it is no hazard.
        Some((end, _)) if text[end..].bytes().all(|byte| byte == b' ') => &text[..end],
        Some((end, _)) => {
            fault(Hazard::Length);
            &text[..end]
        }
        None => text,
    }
}

fn put_json(out: &mut Vec<u8>, text: &str, is_binary: bool) {
    if !is_binary {
        return put_bytes(out, text.as_bytes());
    }
    out.extend_from_slice(&(text.len() as u32 + 1).to_be_bytes());
    // The version of jsonb's binary form.
    out.push(1);
    out.extend_from_slice(text.as_bytes());
}

#[inline]
pub fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
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
