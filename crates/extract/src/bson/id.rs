//! The text form of an `_id`: plain for the type that most `_id`s of the collection have, unique over all types.
//!
//! Raw tables, joins and sweeps compare this text. The first load's sample decides which kind of `_id` is the
//! collection's own (`IdKind`); later loads keep it, so that a text means the same document as long as the raw table
//! exists.
//!
//! - The plain form, for values of that kind: an objectId's 24 hex digits; a string itself; a number's decimal digits,
//!   the same for all numeric types, because equal numbers are one key in MongoDB's unique index; a UUID's text; a
//!   date in ISO 8601 with milliseconds.
//! - The decorated form, for every other value: canonical Extended JSON. `#` and its number for a document of a file
//!   that has no `_id`.
//!
//! Only a plain string could be confused with a decorated form. So if strings are plain, every decorated form begins
//! with `{"$`: a form that does not is wrapped as `{"$value":…}` (without `_id`: `{"$row":…}`), and so is a string that
//! begins with `{"$`. An object that begins with it is wrapped everywhere.
//!
//! Numbers without short exact digits are decorated, too: NaN, infinities, numbers from 10^38 on, and fractions with
//! more than 34 places, such as the double 0.1, which is not the decimal 0.1. Everything can be read back except a
//! number's type and its trailing zeros. Knows no column.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::bson::decimal::{Decimal, rescale};
use crate::bson::ejson;
use crate::bson::{Kind, Malformed, Value};
use elt_base::reading::IdKind;

/// The most places after the point of a plain number: the digits of a decimal128.
const PLACES_MAX: usize = 34;

/// Every decorated form begins with this text if strings are plain.
const DECORATION: &[u8] = b"{\"$";

/// Appends the text form.
#[inline]
pub fn push(out: &mut Vec<u8>, value: Value<'_>, plain: IdKind) -> Result<(), Malformed> {
    let done = match (plain, value.kind) {
        (IdKind::ObjectId, Kind::ObjectId) => {
            ejson::push_hex(out, value.object_id());
            true
        }
        (IdKind::Text, Kind::String) => push_string(out, value.text()),
        (IdKind::Number, _) => push_number(out, value),
        (IdKind::Uuid, Kind::Binary) => push_uuid(out, value),
        (IdKind::Date, Kind::Date) => push_date(out, value.integer()),
        _ => false,
    };
    if done { Ok(()) } else { decorate(out, value, plain) }
}

#[cfg(test)]
pub fn text(value: Value<'_>, plain: IdKind) -> Result<String, Malformed> {
    let mut out = Vec::new();
    push(&mut out, value, plain)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The text form for a document without `_id`.
pub fn of_number(number: u64, plain: IdKind) -> String {
    if plain == IdKind::Text { format!("{{\"$row\":{number}}}") } else { format!("#{number}") }
}

fn decorate(out: &mut Vec<u8>, value: Value<'_>, plain: IdKind) -> Result<(), Malformed> {
    let text = ejson::canonical(value)?;
    let ambiguous = match value.kind {
        Kind::Object => plain == IdKind::Text || text.as_bytes().starts_with(DECORATION),
        _ => plain == IdKind::Text && !text.as_bytes().starts_with(DECORATION),
    };
    if ambiguous {
        out.extend_from_slice(b"{\"$value\":");
    }
    out.extend_from_slice(text.as_bytes());
    if ambiguous {
        out.push(b'}');
    }
    Ok(())
}

/// Appends the plain form. Returns false, and appends nothing, if the value has none. So do the functions below.
fn push_string(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let plain = !text.starts_with(DECORATION) && std::str::from_utf8(text).is_ok();
    if plain {
        out.extend_from_slice(text);
    }
    plain
}

fn push_number(out: &mut Vec<u8>, value: Value<'_>) -> bool {
    match value.kind {
        Kind::Int32 | Kind::Int64 => push_text(out, format_args!("{}", value.integer())),
        Kind::Double => push_double(out, value.double()),
        Kind::Decimal128 => push_decimal(out, value),
        _ => false,
    }
}

fn push_double(out: &mut Vec<u8>, double: f64) -> bool {
    if double.trunc() == double && double.abs() < 1e38 {
        return push_text(out, format_args!("{}", double as i128));
    }
    // A double is its significand divided by a power of two. It has as many decimal places as the exponent of that
    // power.
    let bits = double.to_bits();
    let (exponent, significand) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let zeros = (significand | 1 << 52).trailing_zeros() as usize;
    let places = (1075_usize).saturating_sub(exponent as usize).saturating_sub(zeros);
    double.abs() < 1e38 && exponent > 0 && places <= PLACES_MAX && push_text(out, format_args!("{double:.places$}"))
}

fn push_decimal(out: &mut Vec<u8>, value: Value<'_>) -> bool {
    let Decimal::Finite { mut coefficient, mut scale } = Decimal::from_bytes(value.decimal()) else {
        let text = bson::Decimal128::from_bytes(value.decimal()).to_string();
        let digits = text.split(['E', 'e']).next().unwrap_or_default();
        return digits.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.')) && push_text(out, format_args!("0"));
    };
    while scale > 0 && coefficient % 10 == 0 && coefficient != 0 {
        coefficient /= 10;
        scale -= 1;
    }
    if let Some(integer) = rescale(coefficient, scale, 0) {
        return push_text(out, format_args!("{integer}"));
    }
    match usize::try_from(scale) {
        Ok(places @ 1..=PLACES_MAX) => {
            let sign = if coefficient < 0 { "-" } else { "" };
            let digits = format!("{:0>width$}", coefficient.unsigned_abs(), width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            push_text(out, format_args!("{sign}{whole}.{fraction}"))
        }
        _ => false,
    }
}

fn push_uuid(out: &mut Vec<u8>, value: Value<'_>) -> bool {
    let Some(bytes) = value.uuid() else { return false };
    push_text(out, format_args!("{}", uuid::Uuid::from_bytes_ref(bytes).hyphenated()))
}

fn push_date(out: &mut Vec<u8>, millis: i64) -> bool {
    let Some(date) = DateTime::<Utc>::from_timestamp_millis(millis) else { return false };
    out.extend_from_slice(date.to_rfc3339_opts(SecondsFormat::Millis, true).as_bytes());
    true
}

/// Writing into a vector cannot fail.
fn push_text(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) -> bool {
    let _ = out.write_fmt(text);
    true
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{of_number, text};
    use crate::bson;
    use ::bson::{Bson, doc, oid::ObjectId};
    use elt_base::reading::IdKind;

    const KINDS: [IdKind; 6] =
        [IdKind::ObjectId, IdKind::Text, IdKind::Number, IdKind::Uuid, IdKind::Date, IdKind::Other];

    fn of(id: Bson, plain: IdKind) -> String {
        let bytes = doc! { "_id": id }.to_vec().unwrap();
        let value = bson::find(&bytes, b"_id").unwrap().unwrap();
        text(value, plain).unwrap()
    }

    #[track_caller]
    fn check(plain: IdKind, id: impl Into<Bson>, expected: &str) {
        assert_eq!(of(id.into(), plain), expected);
    }

    fn decimal(text: &str) -> Bson {
        Bson::Decimal128(text.parse().unwrap())
    }

    fn uuid() -> Bson {
        Bson::Binary(::bson::Binary { subtype: 4.into(), bytes: (0..16).collect() })
    }

    #[test]
    fn the_own_kind_is_plain() {
        check(IdKind::ObjectId, ObjectId::from_bytes([0xab; 12]), "abababababababababababab");
        for text in ["plain", "7", "#7", "true", "null", "[x]", "{x}", "\"x\"", "abababababababababababab", ""] {
            check(IdKind::Text, text, text);
        }
        check(IdKind::Uuid, uuid(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        check(IdKind::Date, ::bson::DateTime::from_millis(0), "1970-01-01T00:00:00.000Z");
        check(
            IdKind::Date,
            ::bson::DateTime::from_millis(i64::MAX),
            "{\"$date\":{\"$numberLong\":\"9223372036854775807\"}}",
        );
    }

    #[test]
    fn equal_numbers_are_one() {
        for seven in
            [Bson::Int32(7), Bson::Int64(7), Bson::Double(7.0), decimal("7"), decimal("7.00"), decimal("70E-1")]
        {
            check(IdKind::Number, seven, "7");
        }
        for half in [Bson::Double(-0.5), decimal("-0.5"), decimal("-0.500")] {
            check(IdKind::Number, half, "-0.5");
        }
        for zero in [Bson::Double(-0.0), decimal("-0"), decimal("-0.00"), decimal("0E+10")] {
            check(IdKind::Number, zero, "0");
        }
        for large in [Bson::Double(1e22), decimal("1E+22")] {
            check(IdKind::Number, large, "10000000000000000000000");
        }
        check(IdKind::Number, i64::MIN, "-9223372036854775808");
        check(IdKind::Number, 1e23, "99999999999999991611392");
        check(IdKind::Number, decimal("123.456"), "123.456");
        check(IdKind::Number, 2.375, "2.375");
    }

    #[test]
    fn numbers_without_short_digits_are_decorated() {
        check(IdKind::Number, 0.1, "{\"$numberDouble\":\"0.1\"}");
        check(IdKind::Number, decimal("0.1"), "0.1");
        check(IdKind::Number, 1e300, "{\"$numberDouble\":\"1e300\"}");
        check(IdKind::Number, f64::NAN, "{\"$numberDouble\":\"NaN\"}");
        check(IdKind::Number, f64::from_bits(1), "{\"$numberDouble\":\"5e-324\"}");
        check(IdKind::Number, decimal("Infinity"), "{\"$numberDecimal\":\"Infinity\"}");
        check(IdKind::Number, decimal("1E+6000"), "{\"$numberDecimal\":\"1E+6000\"}");
        check(IdKind::Number, decimal("1E-40"), "{\"$numberDecimal\":\"1E-40\"}");
    }

    #[test]
    fn other_kinds_are_decorated() {
        check(IdKind::ObjectId, "abababababababababababab", "\"abababababababababababab\"");
        check(IdKind::ObjectId, 7_i32, "{\"$numberInt\":\"7\"}");
        check(IdKind::Number, "7", "\"7\"");
        check(IdKind::Number, true, "true");
        check(IdKind::Text, 7_i32, "{\"$numberInt\":\"7\"}");
        check(IdKind::Text, true, "{\"$value\":true}");
        check(IdKind::Text, doc! { "a": 1_i64 }, "{\"$value\":{\"a\":{\"$numberLong\":\"1\"}}}");
        check(IdKind::Text, "{\"$numberInt\":\"7\"}", "{\"$value\":\"{\\\"$numberInt\\\":\\\"7\\\"}\"}");
        check(IdKind::Other, doc! { "a": 1_i64 }, "{\"a\":{\"$numberLong\":\"1\"}}");
        check(IdKind::Other, doc! { "$oid": "x" }, "{\"$value\":{\"$object\":{\"$oid\":\"x\"}}}");
        assert_eq!(of_number(7, IdKind::Text), "{\"$row\":7}");
        assert_eq!(of_number(7, IdKind::Other), "#7");
    }

    /// Two values that differ in MongoDB never have the same text, for every kind of collection. This is also true for
    /// strings that are the texts of other values.
    #[test]
    fn texts_are_unique_over_types() {
        let mut values: Vec<Bson> = vec![
            ObjectId::from_bytes([0xab; 12]).into(),
            7_i32.into(),
            0.1.into(),
            decimal("0.1"),
            decimal("1E+6000"),
            1e300.into(),
            uuid(),
            Bson::Binary(::bson::Binary { subtype: 0.into(), bytes: (0..16).collect() }),
            ::bson::DateTime::from_millis(0).into(),
            true.into(),
            Bson::Null,
            Bson::MinKey,
            Bson::Symbol("x".into()),
            Bson::Timestamp(::bson::Timestamp { time: 1, increment: 7 }),
            doc! {}.into(),
            doc! { "a": 7_i32 }.into(),
            doc! { "$numberInt": "7" }.into(),
            doc! { "$value": true }.into(),
            vec![Bson::Int32(7)].into(),
        ];
        for _ in 0..2 {
            let texts: HashSet<String> =
                KINDS.iter().flat_map(|kind| values.iter().map(|value| of(value.clone(), *kind))).collect();
            values.extend(
                texts
                    .into_iter()
                    .filter(|text| !values.contains(&text.as_str().into()))
                    .map(Bson::from)
                    .collect::<Vec<_>>(),
            );
        }
        for text in KINDS.map(|kind| of_number(7, kind)) {
            values.push(text.into());
        }
        let distinct: Vec<Bson> = values
            .iter()
            .enumerate()
            .filter(|(index, value)| !values[..*index].contains(value))
            .map(|(_, value)| value.clone())
            .collect();
        for kind in KINDS {
            let mut seen: HashSet<String> = HashSet::from([of_number(7, kind)]);
            for value in &distinct {
                let text = of(value.clone(), kind);
                assert!(seen.insert(text.clone()), "{kind:?}: {value} as {text}");
            }
        }
    }
}
