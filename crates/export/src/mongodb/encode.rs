//! Encodes rows of an Arrow batch as BSON documents: STRUCT as sub-document, LIST as array, MAP as sub-document.
//!
//! Format: <https://bsonspec.org/spec.html>. Writes bytes, no document maps. Knows no server.

use std::str::FromStr;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bson::oid::ObjectId;
use bson::{Bson, Decimal128};

use crate::target::{Hazard, Replacement};

/// The maximum size of a document (`maxBsonObjectSize`).
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The maximum nesting that a server accepts.
const DEPTH_MAX: usize = 100;

/// The BSON type of a column: MongoDB's `$type` aliases, from its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BsonType {
    /// As the relation's type says.
    Natural,
    /// A JSON text, as the value it spells (canonical Extended JSON is understood).
    Json,
    Uuid,
    ObjectId,
    Decimal,
    Date,
    String,
    Int,
    Long,
    Double,
    Bool,
    BinData,
}

impl BsonType {
    /// From the contract's type, or the relation's own type. None: the type does not exist.
    pub fn of(written: Option<&str>, duckdb_type: &str) -> Option<Self> {
        Some(match written {
            None => match duckdb_type.to_uppercase().as_str() {
                "JSON" => Self::Json,
                "UUID" => Self::Uuid,
                "HUGEINT" | "UHUGEINT" | "UBIGINT" => Self::Decimal,
                _ => Self::Natural,
            },
            Some(written) => match written.to_lowercase().as_str() {
                "objectid" => Self::ObjectId,
                "decimal" | "decimal128" => Self::Decimal,
                "date" => Self::Date,
                "string" => Self::String,
                "int" => Self::Int,
                "long" => Self::Long,
                "double" => Self::Double,
                "bool" => Self::Bool,
                "bindata" => Self::BinData,
                "uuid" => Self::Uuid,
                "object" | "array" | "json" => Self::Json,
                _ => return None,
            },
        })
    }

    /// The words of `of`, for messages.
    pub const WORDS: [&str; 12] = [
        "objectId", "decimal", "date", "string", "int", "long", "double", "bool", "binData", "uuid", "object", "array",
    ];
}

/// Why a value cannot be published as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BsonHazard {
    /// It does not convert to the contract's type. NULL in its place.
    Conversion,
    /// More than 34 digits. NULL.
    Digits,
    /// Finer than a millisecond. Cut.
    Precision,
    /// Beyond the dates that 64 bits of milliseconds hold, or infinite. NULL.
    YearRange,
    /// A name with U+0000 in it. The field is left out.
    FieldName,
    /// Deeper than 100 levels. NULL.
    Depth,
    /// A document over 16 MB, which has no nearest one.
    Size,
}

impl Hazard for BsonHazard {
    fn text(self) -> &'static str {
        match self {
            Self::Conversion => "not of the column's type",
            Self::Digits => "more than 34 digits",
            Self::Precision => "finer than a millisecond",
            Self::YearRange => "a date that BSON does not reach",
            Self::FieldName => "a field's name with U+0000",
            Self::Depth => "deeper than 100 levels",
            Self::Size => "documents over 16 MB",
        }
    }

    fn replacement(self) -> Replacement {
        match self {
            Self::Precision => Replacement::Nearest("whole milliseconds"),
            Self::FieldName => Replacement::Nearest("nothing"),
            Self::Size => Replacement::None,
            _ => Replacement::Null,
        }
    }

    fn is_of_column(self) -> bool {
        self != Self::Size
    }
}

/// One field of the documents.
#[derive(Debug, Clone)]
pub struct DocumentField {
    pub name: String,
    pub bson_type: BsonType,
}

type Report<'a> = dyn FnMut(BsonHazard) + 'a;

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
            element(out, &field.name, batch.column(*index), row, field.bson_type, 1, &mut fault);
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
            element(out, "_id", batch.column(*one), row, all[*one].bson_type, 1, &mut fault);
        }
        several => {
            head(out, 0x03, "_id");
            document(out, |out| {
                for index in several {
                    let mut fault = |hazard| fault(*index, hazard);
                    element(out, &all[*index].name, batch.column(*index), row, all[*index].bson_type, 2, &mut fault);
                }
            });
        }
    }
}

/// Length, elements, and the zero byte at the end.
fn document(out: &mut Vec<u8>, elements: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    elements(out);
    out.push(0);
    let length = (out.len() - start) as i32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn head(out: &mut Vec<u8>, kind: u8, name: &str) {
    out.push(kind);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as i32 + 1).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

/// One element: a name and the value that an array has at a row.
fn element(
    out: &mut Vec<u8>,
    name: &str,
    array: &dyn Array,
    row: usize,
    bson_type: BsonType,
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
    if bson_type != BsonType::Natural {
        return converted(out, name, array, row, bson_type, fault);
    }
    let int = |out: &mut Vec<u8>, value: i32| {
        head(out, 0x10, name);
        out.extend_from_slice(&value.to_le_bytes());
    };
    match array.data_type() {
        DataType::Boolean => {
            head(out, 0x08, name);
            out.push(u8::from(array.as_boolean().value(row)));
        }
        DataType::Int8 => int(out, array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => int(out, array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => int(out, array.as_primitive::<Int32Type>().value(row)),
        DataType::UInt8 => int(out, array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => int(out, array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => long(out, name, array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::Int64 => long(out, name, array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => decimal(out, name, &array.as_primitive::<UInt64Type>().value(row).to_string(), fault),
        DataType::Float32 => double(out, name, array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => double(out, name, array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
            decimal(out, name, &shown(array, row), fault);
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
                for (field, column) in fields.iter().zip(values.columns()) {
                    element(out, field.name(), column, row, BsonType::Natural, depth + 1, fault);
                }
            });
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            head(out, 0x03, name);
            document(out, |out| {
                for entry in 0..entries.len() {
                    let key = shown(entries.column(0), entry);
                    element(out, &key, entries.column(1), entry, BsonType::Natural, depth + 1, fault);
                }
            });
        }
        DataType::List(_) => list(out, name, array.as_list::<i32>().value(row).as_ref(), depth, fault),
        DataType::LargeList(_) => list(out, name, array.as_list::<i64>().value(row).as_ref(), depth, fault),
        DataType::FixedSizeList(..) => list(out, name, array.as_fixed_size_list().value(row).as_ref(), depth, fault),
        // Times, intervals, enums, unions: as DuckDB's text.
        _ => {
            head(out, 0x02, name);
            string(out, &shown(array, row));
        }
    }
}

fn list(out: &mut Vec<u8>, name: &str, values: &dyn Array, depth: usize, fault: &mut Report<'_>) {
    head(out, 0x04, name);
    document(out, |out| {
        for index in 0..values.len() {
            element(out, &index.to_string(), values, index, BsonType::Natural, depth + 1, fault);
        }
    });
}

fn long(out: &mut Vec<u8>, name: &str, value: i64) {
    head(out, 0x12, name);
    out.extend_from_slice(&value.to_le_bytes());
}

fn double(out: &mut Vec<u8>, name: &str, value: f64) {
    head(out, 0x01, name);
    out.extend_from_slice(&value.to_le_bytes());
}

fn binary(out: &mut Vec<u8>, name: &str, subtype: u8, bytes: &[u8]) {
    head(out, 0x05, name);
    out.extend_from_slice(&(bytes.len() as i32).to_le_bytes());
    out.push(subtype);
    out.extend_from_slice(bytes);
}

fn decimal(out: &mut Vec<u8>, name: &str, text: &str, fault: &mut Report<'_>) {
    let figures = text.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0');
    let digits = figures.count();
    match Decimal128::from_str(text) {
        Ok(value) if digits <= 34 => {
            head(out, 0x13, name);
            out.extend_from_slice(&value.bytes());
        }
        _ => {
            fault(BsonHazard::Digits);
            head(out, 0x0a, name);
        }
    }
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
    fault: &mut Report<'_>,
) {
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
        BsonType::Decimal => {
            decimal(out, name, &text(), fault);
            Some(())
        }
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
        BsonType::Int => text().parse::<i32>().ok().map(|value| {
            head(out, 0x10, name);
            out.extend_from_slice(&value.to_le_bytes());
        }),
        BsonType::Long => text().parse::<i64>().ok().map(|value| long(out, name, value)),
        BsonType::Double => text().parse::<f64>().ok().map(|value| double(out, name, value)),
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
        BsonType::Json => serde_json::from_str::<serde_json::Value>(&text())
            .ok()
            .and_then(|value| Bson::try_from(value).ok())
            .and_then(|value| bson::serialize_to_vec(&bson::doc! { name: value }).ok())
            // The element alone, without the document around it.
            .map(|bytes| out.extend_from_slice(&bytes[4..bytes.len() - 1])),
    };
    if done.is_none() {
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

/// A document with more elements behind its own.
pub fn joined(document: &[u8], more: &bson::Document) -> Vec<u8> {
    let more = bson::serialize_to_vec(more).unwrap_or_default();
    let tail = more.get(4..).unwrap_or(&[0]);
    let mut joined = document[..document.len() - 1].to_vec();
    joined.extend_from_slice(tail);
    let length = (joined.len() as i32).to_le_bytes();
    joined[..4].copy_from_slice(&length);
    joined
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
