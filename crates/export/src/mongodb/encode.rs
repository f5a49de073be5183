//! Encodes rows of an Arrow batch as BSON documents: STRUCT as sub-document, LIST as array, MAP as sub-document.
//!
//! Writes bytes, no document maps. Knows no server.

use arrow::array::{Array, AsArray, RecordBatch, UnionArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bson::Decimal128;
use bson::oid::ObjectId;

use super::bson_type::{BsonShape, BsonType};
use super::bytes::{binary, document, double, head, int, long, string};
use super::hazard::{BsonHazard, Report};
use super::json::{DEPTH_MAX, put_json};
use super::numbers::DecimalNumber;

/// The maximum size of a document (`maxBsonObjectSize`).
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One field of the documents.
#[derive(Debug, Clone)]
pub struct DocumentField {
    pub name: String,
    pub shape: BsonShape,
}

/// Appends a document with some of a batch's columns, given with their indexes. Its `_id`, if any, is put first.
pub fn put_row(
    out: &mut Vec<u8>,
    batch: &RecordBatch,
    row: usize,
    id: &[usize],
    fields: &[(usize, &DocumentField)],
    all: &[DocumentField],
    fault: &mut dyn FnMut(usize, BsonHazard),
) {
    document(out, |out| {
        put_id(out, batch, row, id, all, fault);
        for (index, field) in fields {
            let mut fault = |hazard| fault(*index, hazard);
            element(out, &field.name, batch.column(*index), row, &field.shape, 1, &mut fault);
        }
    });
}

/// The `_id` of a row: its key's one value, or a sub-document of several.
fn put_id(
    out: &mut Vec<u8>,
    batch: &RecordBatch,
    row: usize,
    id: &[usize],
    all: &[DocumentField],
    fault: &mut dyn FnMut(usize, BsonHazard),
) {
    match id {
        [] => {}
        [one] => {
            let mut fault = |hazard| fault(*one, hazard);
            element(out, "_id", batch.column(*one), row, &all[*one].shape, 1, &mut fault);
        }
        several => {
            head(out, 0x03, "_id");
            document(out, |out| {
                for index in several {
                    let mut fault = |hazard| fault(*index, hazard);
                    element(out, &all[*index].name, batch.column(*index), row, &all[*index].shape, 2, &mut fault);
                }
            });
        }
    }
}

/// One element: a name and the value that an array has at a row.
fn element(
    out: &mut Vec<u8>,
    name: &str,
    array: &dyn Array,
    row: usize,
    shape: &BsonShape,
    depth: usize,
    fault: &mut Report<'_>,
) {
    if name.as_bytes().contains(&0) {
        return fault(BsonHazard::FieldName);
    }
    if array.is_null(row) {
        return head(out, 0x0a, name);
    }
    if depth > DEPTH_MAX {
        fault(BsonHazard::Depth);
        return head(out, 0x0a, name);
    }
    if shape.own != BsonType::Natural {
        return converted(out, name, array, row, shape.own, depth, fault);
    }
    match array.data_type() {
        DataType::Boolean => {
            head(out, 0x08, name);
            out.push(u8::from(array.as_boolean().value(row)));
        }
        DataType::Int8 => int(out, name, array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => int(out, name, array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => int(out, name, array.as_primitive::<Int32Type>().value(row)),
        DataType::UInt8 => int(out, name, array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => int(out, name, array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => long(out, name, array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::Int64 => long(out, name, array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => {
            let _ = decimal(out, name, &array.as_primitive::<UInt64Type>().value(row).to_string(), fault);
        }
        DataType::Float32 => double(out, name, array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => double(out, name, array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
            let _ = decimal(out, name, &shown(array, row), fault);
        }
        DataType::Utf8 => {
            head(out, 0x02, name);
            string(out, array.as_string::<i32>().value(row));
        }
        DataType::LargeUtf8 => {
            head(out, 0x02, name);
            string(out, array.as_string::<i64>().value(row));
        }
        DataType::Utf8View => {
            head(out, 0x02, name);
            string(out, array.as_string_view().value(row));
        }
        DataType::Binary => binary(out, name, 0, array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => binary(out, name, 0, array.as_binary::<i64>().value(row)),
        DataType::BinaryView => binary(out, name, 0, array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(16) => binary(out, name, 4, array.as_fixed_size_binary().value(row)),
        DataType::Date32 | DataType::Timestamp(..) => date(out, name, array, row, fault),
        DataType::Struct(fields) => {
            let values = array.as_struct();
            head(out, 0x03, name);
            document(out, |out| {
                for (index, (field, column)) in fields.iter().zip(values.columns()).enumerate() {
                    element(out, field.name(), column, row, shape.part(index), depth + 1, fault);
                }
            });
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            head(out, 0x03, name);
            document(out, |out| {
                for entry in 0..entries.len() {
                    let key = shown(entries.column(0), entry);
                    element(out, &key, entries.column(1), entry, shape.part(0), depth + 1, fault);
                }
            });
        }
        DataType::List(_) => list(out, name, array.as_list::<i32>().value(row).as_ref(), shape.part(0), depth, fault),
        DataType::LargeList(_) => {
            list(out, name, array.as_list::<i64>().value(row).as_ref(), shape.part(0), depth, fault)
        }
        DataType::FixedSizeList(..) => {
            list(out, name, array.as_fixed_size_list().value(row).as_ref(), shape.part(0), depth, fault)
        }
        DataType::Union(..) => match array.as_any().downcast_ref::<UnionArray>() {
            Some(union) => member(out, name, union, row, shape, depth, fault),
            None => head(out, 0x0a, name),
        },
        // Times, intervals, enums: as DuckDB's text.
        _ => {
            head(out, 0x02, name);
            string(out, &shown(array, row));
        }
    }
}

/// A UNION: a sub-document with the one member that it has.
fn member(
    out: &mut Vec<u8>,
    name: &str,
    union: &UnionArray,
    row: usize,
    shape: &BsonShape,
    depth: usize,
    fault: &mut Report<'_>,
) {
    let (tag, at) = (union.type_id(row), union.value_offset(row));
    let (DataType::Union(fields, _), values) = (union.data_type(), union.child(tag)) else {
        return head(out, 0x0a, name);
    };
    let found = fields.iter().enumerate().find(|(_, (of, _))| *of == tag);
    let Some((index, (_, field))) = found.filter(|_| !values.is_null(at)) else { return head(out, 0x0a, name) };
    head(out, 0x03, name);
    document(out, |out| element(out, field.name(), values, at, shape.part(index), depth + 1, fault));
}

fn list(out: &mut Vec<u8>, name: &str, values: &dyn Array, shape: &BsonShape, depth: usize, fault: &mut Report<'_>) {
    head(out, 0x04, name);
    document(out, |out| {
        for index in 0..values.len() {
            element(out, &index.to_string(), values, index, shape, depth + 1, fault);
        }
    });
}

/// A number's text as a decimal. None: it is no number.
fn decimal(out: &mut Vec<u8>, name: &str, text: &str, fault: &mut Report<'_>) -> Option<()> {
    let value = match DecimalNumber::parse(text) {
        Some(number) => number.as_decimal(text),
        // NaN and Infinity, which a decimal has.
        None => match text.parse::<f64>() {
            Ok(value) if !value.is_finite() => infinite(value),
            _ => return None,
        },
    };
    match value {
        Some(value) => super::bytes::decimal(out, name, value),
        None => {
            fault(BsonHazard::Digits);
            head(out, 0x0a, name);
        }
    }
    Some(())
}

fn infinite(value: f64) -> Option<Decimal128> {
    let text = match (value.is_nan(), value.is_sign_negative()) {
        (true, _) => "NaN",
        (_, true) => "-Infinity",
        (_, false) => "Infinity",
    };
    text.parse().ok()
}

/// A number's text as a double. None: it is no number.
fn double_of(out: &mut Vec<u8>, name: &str, text: &str, fault: &mut Report<'_>) -> Option<()> {
    let value: f64 = text.parse().ok()?;
    if DecimalNumber::parse(text).is_some_and(|number| number.as_double(text).is_none()) {
        fault(BsonHazard::DoubleDigits);
    }
    double(out, name, value);
    Some(())
}

/// Milliseconds from 1970, UTC.
fn date(out: &mut Vec<u8>, name: &str, array: &dyn Array, row: usize, fault: &mut Report<'_>) {
    let (value, per_milli): (i64, i64) = match array.data_type() {
        DataType::Date32 => match array.as_primitive::<Date32Type>().value(row) {
            i32::MAX => (i64::MAX, 1),
            days if days <= -i32::MAX => (i64::MIN, 1),
            days => (i64::from(days) * 86_400_000, 1),
        },
        DataType::Timestamp(TimeUnit::Second, _) => {
            (array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000), 1)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (array.as_primitive::<TimestampMillisecondType>().value(row), 1)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000)
        }
        _ => (array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000),
    };
    if value == i64::MAX || value <= -i64::MAX {
        fault(BsonHazard::YearRange);
        return head(out, 0x0a, name);
    }
    if value % per_milli != 0 {
        fault(BsonHazard::Precision);
    }
    head(out, 0x09, name);
    out.extend_from_slice(&value.div_euclid(per_milli).to_le_bytes());
}

/// A value in the type that its contract asks for.
fn converted(
    out: &mut Vec<u8>,
    name: &str,
    array: &dyn Array,
    row: usize,
    bson_type: BsonType,
    depth: usize,
    fault: &mut Report<'_>,
) {
    let start = out.len();
    let text = || shown(array, row);
    let is_date = matches!(array.data_type(), DataType::Date32 | DataType::Timestamp(..));
    let done = match bson_type {
        BsonType::Natural => None,
        BsonType::String => {
            head(out, 0x02, name);
            string(out, &text());
            Some(())
        }
        BsonType::Date if is_date => {
            date(out, name, array, row, fault);
            Some(())
        }
        BsonType::Date => None,
        BsonType::Decimal => decimal(out, name, &text(), fault),
        BsonType::ObjectId => ObjectId::parse_str(text()).ok().map(|id| {
            head(out, 0x07, name);
            out.extend_from_slice(&id.bytes());
        }),
        BsonType::Uuid => match array.data_type() {
            DataType::FixedSizeBinary(16) => {
                binary(out, name, 4, array.as_fixed_size_binary().value(row));
                Some(())
            }
            _ => uuid::Uuid::try_parse(&text()).ok().map(|uuid| binary(out, name, 4, uuid.as_bytes())),
        },
        BsonType::Int => text().parse::<i32>().ok().map(|value| int(out, name, value)),
        BsonType::Long => text().parse::<i64>().ok().map(|value| long(out, name, value)),
        BsonType::Double => double_of(out, name, &text(), fault),
        BsonType::Bool => text().parse::<bool>().ok().map(|value| {
            head(out, 0x08, name);
            out.push(u8::from(value));
        }),
        BsonType::BinData => {
            match array.data_type() {
                DataType::Binary => binary(out, name, 0, array.as_binary::<i32>().value(row)),
                DataType::LargeBinary => binary(out, name, 0, array.as_binary::<i64>().value(row)),
                _ => binary(out, name, 0, text().as_bytes()),
            }
            Some(())
        }
        BsonType::Json => put_json(out, name, &text(), depth, fault),
    };
    if done.is_none() {
        // Without the part of it that was read.
        out.truncate(start);
        fault(BsonHazard::Conversion);
        head(out, 0x0a, name);
    }
}

/// A value as text, as DuckDB would cast it as far as Arrow's own texts agree.
fn shown(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        DataType::Utf8 => return array.as_string::<i32>().value(row).to_owned(),
        DataType::Decimal128(_, scale) => {
            return decimal_text(array.as_primitive::<Decimal128Type>().value(row), *scale);
        }
        DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            // ISO 8601, which has one place for each part.
            let (micros, sign) = (value.nanoseconds / 1_000, if value.nanoseconds < 0 { "-" } else { "" });
            let seconds = micros.unsigned_abs();
            return format!(
                "P{}M{}DT{sign}{}.{:06}S",
                value.months,
                value.days,
                seconds / 1_000_000,
                seconds % 1_000_000
            );
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
            let fraction = if rest == 0 { String::new() } else { format!(".{rest:06}") };
            return format!("{:02}:{:02}:{:02}{fraction}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
        }
        _ => {}
    }
    let options = FormatOptions::new();
    ArrayFormatter::try_new(array, &options).map(|format| format.value(row).to_string()).unwrap_or_default()
}

fn decimal_text(value: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    if scale == 0 {
        return value.to_string();
    }
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
