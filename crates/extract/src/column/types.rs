//! The column that values of each BSON type get.
//!
//! Knows single values, not the other values of a column.

use crate::bson::decimal::{DIGITS_MAX, Decimal, rescale, scale_needed};
use crate::bson::{Kind, Malformed, Value};
use elt_base::schema::{ColumnType, Nesting};

/// The most places after the point that a DECIMAL gets because of trailing zeros.
pub const SCALE_WRITTEN_MAX: i32 = 19;

/// The types that have a text, the most usual first.
pub const TEXT_KINDS: [Kind; 4] = [Kind::String, Kind::ObjectId, Kind::Symbol, Kind::Code];

/// The column of a BSON type, if it does not depend on the value. None also for types that no column can store.
pub fn of_kind(kind: Kind) -> Option<ColumnType> {
    Some(match kind {
        Kind::Double => ColumnType::Double,
        Kind::String => ColumnType::Varchar,
        Kind::Symbol => ColumnType::Symbol,
        Kind::Code => ColumnType::Code,
        Kind::ObjectId => ColumnType::ObjectId,
        Kind::Boolean => ColumnType::Boolean,
        Kind::Date => ColumnType::TimestampTz,
        Kind::Int32 | Kind::Int64 => ColumnType::BigInt,
        Kind::Timestamp => ColumnType::BsonTimestamp,
        Kind::Regex => ColumnType::Regex,
        Kind::Object | Kind::Array | Kind::Binary | Kind::Decimal128 => return None,
        Kind::Undefined | Kind::Null | Kind::DbPointer | Kind::CodeWithScope | Kind::MinKey | Kind::MaxKey => {
            return None;
        }
    })
}

/// The column for the first value of a field. None if no column can store the value.
pub fn of_first(value: Value<'_>, at: Nesting) -> Result<Option<ColumnType>, Malformed> {
    Ok(match value.kind {
        Kind::Object if !at.may_be_struct() => Some(ColumnType::Json),
        Kind::Array if !at.may_be_list() => Some(ColumnType::Json),
        // A STRUCT has at least one field, but an empty object does not show which.
        Kind::Object if value.fields()?.is_empty() => None,
        Kind::Object => Some(ColumnType::Struct(Vec::new())),
        Kind::Array => Some(ColumnType::List(Box::new(ColumnType::Null))),
        Kind::Binary if value.uuid().is_some() => Some(ColumnType::Uuid),
        Kind::Binary => Some(of_binary(value.binary().0)),
        Kind::Decimal128 => scale_of(value).map(|scale| ColumnType::Decimal { scale }),
        kind => of_kind(kind),
    })
}

/// The column of binaries of that subtype.
pub fn of_binary(subtype: u8) -> ColumnType {
    if subtype == 0 { ColumnType::Blob } else { ColumnType::Binary { subtype } }
}

/// The scale of a DECIMAL that can store this decimal128.
fn scale_of(value: Value<'_>) -> Option<u8> {
    let Decimal::Finite { coefficient, scale } = Decimal::from_bytes(value.decimal()) else { return None };
    let needed = scale_needed(coefficient, scale, SCALE_WRITTEN_MAX);
    rescale(coefficient, scale, needed).filter(|_| needed <= DIGITS_MAX).map(|_| needed as u8)
}

/// The double that is exactly this integer.
pub fn exact_double(integer: i64) -> Option<f64> {
    let double = integer as f64;
    // 2^63 itself is not an i64, and the cast back would saturate to the greatest i64.
    (double < 9_223_372_036_854_775_808.0 && double as i64 == integer).then_some(double)
}
