//! The columns of an Arrow batch as fields of Postgres' binary COPY, each value in its column's type.
//!
//! Each type's bytes are those that its `_recv` function reads. Allocates nothing for a value, except for one that
//! Postgres cannot store: that value is reported, and the nearest valid value is written. Knows no connection and no
//! driver.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, Int16Array, Int32Array, Int64Array,
    StringArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
};

use super::arrow_times::{micros, odd, of_nanos};
use super::exact::{Exact, Number, numbers_of, put_integer};
use super::hazard::{PostgresHazard, json_elements, json_hazard, mend_json};
use super::numeric::{put_decimal, put_digits};
use super::put::{put_bytes, put_fixed, put_null};
use super::times::{date, day, midnight, rounded, stamp, time_with_zone};
use crate::postgres_type::PostgresType;

/// What the database says of a type of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownType {
    pub oid: u32,
    /// Of an enum.
    pub labels: Option<HashSet<String>>,
}

/// Shared by the columns of one type.
pub type Labels = Arc<KnownType>;

/// One column of one batch, ready to be read by row.
pub struct Values {
    nulls: Option<NullBuffer>,
    /// The times that are no microseconds, if the column has other units, and what is wrong with them.
    odd: Option<(BooleanBuffer, PostgresHazard)>,
    kind: Kind,
}

enum Kind {
    Bool(BooleanArray),
    Int2(Int16Array),
    Int4(Int32Array),
    Int8(Int64Array),
    Float4(ScalarBuffer<f32>),
    NarrowFloat(ScalarBuffer<f64>),
    Float8(ScalarBuffer<f64>),
    Decimal(ScalarBuffer<i128>, u8),
    Digits(StringArray),
    Text(StringArray),
    /// At most so many characters.
    Short(StringArray, usize),
    /// A number or truth, in at most so many characters.
    Printed(StringArray, usize),
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
    /// `time with time zone`, as text.
    TimeTz(StringArray),
    Timestamp(ScalarBuffer<i64>),
    /// Timestamps for a column of dates.
    Day(ScalarBuffer<i64>),
    /// Dates for a column of timestamps.
    Midnight(ScalarBuffer<i32>),
    /// Times, or timestamps, in units of so many microseconds.
    Rounded(Box<Kind>, i64),
    Interval(ScalarBuffer<IntervalMonthDayNano>),
    /// Lists as JSON text, for arrays of `jsonb`.
    JsonArray(StringArray),
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
        if is_text && !takes_text(postgres_type) {
            return None;
        }
        let text = || plain(array, &DataType::Utf8).map(|array| array.as_string::<i32>().clone());
        let kind = match postgres_type {
            PostgresType::Bool => Kind::Bool(plain(array, &DataType::Boolean)?.as_boolean().clone()),
            PostgresType::Int2 | PostgresType::Int4 | PostgresType::Int8 => integers(array, postgres_type, is_text)?,
            PostgresType::Float4 if *array.data_type() == DataType::Float64 => {
                Kind::NarrowFloat(array.as_primitive::<Float64Type>().values().clone())
            }
            PostgresType::Float4 => {
                Kind::Float4(plain(array, &DataType::Float32)?.as_primitive::<Float32Type>().values().clone())
            }
            PostgresType::Float8 => {
                Kind::Float8(plain(array, &DataType::Float64)?.as_primitive::<Float64Type>().values().clone())
            }
            PostgresType::Numeric(wanted) => numbers(array, *wanted, is_text)?,
            PostgresType::Text | PostgresType::Citext if is_text => Kind::Text(text()?),
            PostgresType::Text | PostgresType::Citext => Kind::Printed(printed(array)?, usize::MAX),
            PostgresType::Varchar(length) | PostgresType::Char(length) if !is_text => {
                Kind::Printed(printed(array)?, *length as usize)
            }
            PostgresType::Varchar(length) | PostgresType::Char(length) => Kind::Short(text()?, *length as usize),
            PostgresType::Named(_) => Kind::Label(text()?, labels.cloned()),
            PostgresType::Jsonb => Kind::Json(text()?, true),
            PostgresType::Json => Kind::Json(text()?, false),
            PostgresType::Uuid => match array.data_type() {
                DataType::FixedSizeBinary(16) => Kind::UuidBytes(array.as_fixed_size_binary().clone()),
                _ => Kind::Uuid(text()?),
            },
            PostgresType::Bytea => Kind::Bytes(plain(array, &DataType::Binary)?.as_binary::<i32>().clone()),
            PostgresType::Date if matches!(array.data_type(), DataType::Timestamp(..)) => Kind::Day(micros(array)?),
            PostgresType::Date => {
                Kind::Date(plain(array, &DataType::Date32)?.as_primitive::<Date32Type>().values().clone())
            }
            PostgresType::Time => match array.data_type() {
                DataType::Time64(TimeUnit::Nanosecond) => {
                    Kind::Time(of_nanos(array.as_primitive::<Time64NanosecondType>().values()))
                }
                _ => {
                    let array = plain(array, &DataType::Time64(TimeUnit::Microsecond))?;
                    Kind::Time(array.as_primitive::<Time64MicrosecondType>().values().clone())
                }
            },
            PostgresType::TimeTz => Kind::TimeTz(text()?),
            PostgresType::Timestamp | PostgresType::TimestampTz if *array.data_type() == DataType::Date32 => {
                Kind::Midnight(array.as_primitive::<Date32Type>().values().clone())
            }
            PostgresType::Timestamp | PostgresType::TimestampTz => Kind::Timestamp(micros(array)?),
            PostgresType::Precise(base, digits) => match Self::of(array, base, None)?.kind {
                midnight @ Kind::Midnight(_) => midnight,
                kind => Kind::Rounded(Box::new(kind), 10i64.pow(6 - u32::from(*digits).min(6))),
            },
            PostgresType::Interval => {
                let array = plain(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
                Kind::Interval(array.as_primitive::<IntervalMonthDayNanoType>().values().clone())
            }
            PostgresType::Array(element) if **element == PostgresType::Jsonb && is_text => Kind::JsonArray(text()?),
            PostgresType::Array(element) => {
                let array = match array.data_type() {
                    DataType::List(_) => array.clone(),
                    DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
                        plain(array, &DataType::List(field.clone()))?
                    }
                    _ => return None,
                };
                let list = array.as_list::<i32>();
                let oid = match (element.oid(), labels) {
                    (0, labels) => labels?.oid,
                    (oid, _) => oid,
                };
                Kind::List {
                    offsets: list.offsets().clone(),
                    elements: Box::new(Self::of(list.values(), element, labels)?),
                    oid,
                }
            }
        };
        Some(Self { nulls: array.logical_nulls(), odd: odd(array), kind })
    }

    /// Appends a value with its length, or the length -1 of a null.
    #[inline]
    pub fn put(&self, row: usize, out: &mut Vec<u8>, fault: &mut impl FnMut(PostgresHazard)) {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return put_null(out);
        }
        if let Some((_, hazard)) = self.odd.as_ref().filter(|(odd, _)| odd.value(row)) {
            fault(*hazard);
        }
        match &self.kind {
            Kind::Bool(values) => out.extend_from_slice(&[0, 0, 0, 1, u8::from(values.value(row))]),
            Kind::Int2(values) => put_fixed(out, values.value(row).to_be_bytes()),
            Kind::Int4(values) => put_fixed(out, values.value(row).to_be_bytes()),
            Kind::Int8(values) => put_fixed(out, values.value(row).to_be_bytes()),
            Kind::Float4(values) => put_fixed(out, values[row].to_be_bytes()),
            Kind::NarrowFloat(values) => put_float(out, values[row], fault),
            Kind::Float8(values) => put_fixed(out, values[row].to_be_bytes()),
            Kind::Decimal(values, scale) => put_decimal(out, values[row], *scale),
            Kind::Digits(values) => {
                if !put_digits(out, values.value(row)) {
                    fault(PostgresHazard::Digits);
                    put_null(out);
                }
            }
            Kind::Text(values) => put_text(out, values.value(row), usize::MAX, fault),
            Kind::Printed(values, length) => {
                let text = values.value(row);
                if text.len() > *length {
                    fault(PostgresHazard::Width);
                    return put_null(out);
                }
                put_bytes(out, text.as_bytes());
            }
            Kind::Short(values, length) => put_text(out, values.value(row), *length, fault),
            Kind::Label(values, labels) => {
                let text = values.value(row);
                let labels = labels.as_ref().and_then(|known| known.labels.as_ref());
                if labels.is_some_and(|labels| !labels.contains(text)) {
                    fault(PostgresHazard::NoLabel);
                    return put_null(out);
                }
                put_bytes(out, text.as_bytes());
            }
            Kind::Json(values, is_binary) => {
                let text = values.value(row);
                match json_hazard(text) {
                    None => put_json(out, text, *is_binary),
                    Some(_) => match mend_json(text, fault) {
                        Some(mended) => put_json(out, &mended, *is_binary),
                        None => put_null(out),
                    },
                }
            }
            Kind::NarrowInt(values, bytes) => put_integer(out, i128::from(values.value(row)), *bytes, fault),
            Kind::Exact(values, wanted) => wanted.put(out, values, row, fault),
            Kind::Uuid(values) => match uuid::Uuid::try_parse(values.value(row)) {
                Ok(uuid) => put_fixed(out, *uuid.as_bytes()),
                Err(_) => {
                    fault(PostgresHazard::NotUuid);
                    put_null(out);
                }
            },
            Kind::UuidBytes(values) => put_bytes(out, values.value(row)),
            Kind::Bytes(values) => put_bytes(out, values.value(row)),
            Kind::Date(values) => put_fixed(out, date(values[row], fault).to_be_bytes()),
            Kind::Time(values) => put_fixed(out, values[row].to_be_bytes()),
            Kind::TimeTz(values) => match time_with_zone(values.value(row)) {
                Some((micros, seconds_west)) => {
                    out.extend_from_slice(&12u32.to_be_bytes());
                    out.extend_from_slice(&micros.to_be_bytes());
                    out.extend_from_slice(&seconds_west.to_be_bytes());
                }
                None => {
                    fault(PostgresHazard::NotTime);
                    put_null(out);
                }
            },
            Kind::Timestamp(values) => put_fixed(out, stamp(values[row], fault).to_be_bytes()),
            Kind::Midnight(values) => put_fixed(out, midnight(values[row], fault).to_be_bytes()),
            Kind::Day(values) => put_fixed(out, day(values[row], fault).to_be_bytes()),
            Kind::Rounded(kind, unit) => match &**kind {
                Kind::Time(values) => put_fixed(out, rounded(values[row], *unit, fault).to_be_bytes()),
                Kind::Timestamp(values) => {
                    let micros = stamp(values[row], fault);
                    let is_finite = micros != i64::MAX && micros != i64::MIN;
                    put_fixed(out, if is_finite { rounded(micros, *unit, fault) } else { micros }.to_be_bytes());
                }
                _ => put_null(out),
            },
            Kind::Interval(values) => {
                let value = values[row];
                out.extend_from_slice(&16u32.to_be_bytes());
                out.extend_from_slice(&(value.nanoseconds / 1_000).to_be_bytes());
                out.extend_from_slice(&value.days.to_be_bytes());
                out.extend_from_slice(&value.months.to_be_bytes());
            }
            Kind::JsonArray(values) => match json_elements(values.value(row)) {
                Some(elements) => put_json_array(out, &elements, fault),
                None => put_null(out),
            },
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
    fault: &mut dyn FnMut(PostgresHazard),
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

/// The same for an array of `jsonb`; `null` is NULL.
fn put_json_array(out: &mut Vec<u8>, elements: &[&str], fault: &mut dyn FnMut(PostgresHazard)) {
    let start = out.len();
    let mut fault = fault;
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u32::from(!elements.is_empty()).to_be_bytes());
    out.extend_from_slice(&u32::from(elements.contains(&"null")).to_be_bytes());
    out.extend_from_slice(&PostgresType::Jsonb.oid().to_be_bytes());
    if !elements.is_empty() {
        out.extend_from_slice(&(elements.len() as u32).to_be_bytes());
        out.extend_from_slice(&1u32.to_be_bytes());
    }
    for element in elements {
        match (*element == "null", json_hazard(element)) {
            (true, _) => put_null(out),
            (_, None) => put_json(out, element, true),
            (_, Some(_)) => match mend_json(element, &mut fault) {
                Some(mended) => put_json(out, &mended, true),
                None => put_null(out),
            },
        }
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Text without NULs, of at most so many characters.
#[inline]
fn put_text(out: &mut Vec<u8>, text: &str, characters_max: usize, fault: &mut impl FnMut(PostgresHazard)) {
    let mended;
    let text = if text.as_bytes().contains(&0) {
        fault(PostgresHazard::Nul);
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
fn cut<'t>(text: &'t str, characters_max: usize, fault: &mut impl FnMut(PostgresHazard)) -> &'t str {
    match text.char_indices().nth(characters_max) {
        // Postgres drops spaces beyond the length, as SQL has it, and so it is no hazard.
        Some((end, _)) if text[end..].bytes().all(|byte| byte == b' ') => &text[..end],
        Some((end, _)) => {
            fault(PostgresHazard::Length);
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

/// The types whose values come, or may come, as text.
fn takes_text(postgres_type: &PostgresType) -> bool {
    use PostgresType::*;
    if let Array(element) = postgres_type {
        return **element == Jsonb;
    }
    matches!(
        postgres_type,
        Text | Varchar(_)
            | Char(_)
            | Citext
            | Named(_)
            | Jsonb
            | Json
            | Uuid
            | Numeric(_)
            | Int2
            | Int4
            | Int8
            | TimeTz
    )
}

/// Truths and numbers as text, which Arrow writes as Postgres does.
fn printed(array: &ArrayRef) -> Option<StringArray> {
    let data_type = array.data_type();
    let is_plain = data_type.is_integer() || data_type.is_decimal() || *data_type == DataType::Boolean;
    if !is_plain {
        return None;
    }
    Some(plain(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// A double in four bytes: exact where both print the same.
fn put_float(out: &mut Vec<u8>, value: f64, fault: &mut impl FnMut(PostgresHazard)) {
    let narrow = value as f32;
    if narrow.is_infinite() && value.is_finite() {
        fault(PostgresHazard::Digits);
        return put_null(out);
    }
    if f64::from(narrow) != value && !value.is_nan() && narrow.to_string() != value.to_string() {
        fault(PostgresHazard::Scale);
    }
    put_fixed(out, narrow.to_be_bytes());
}
