//! The values that an object with `$` keys is read as: the forms of Extended JSON v2, canonical and relaxed, and of v1,
//! which mongoexport wrote before 4.2.
//!
//! The formats are the specification "MongoDB Extended JSON v2" and the manual's "MongoDB Extended JSON (v1)". The
//! order of the keys has no meaning. Works on objects that are BSON already, so it knows no text around them.

use super::moment;
use super::typed::{self, Typed};
use crate::bson::{Element, Fields, Kind, Value};

/// The keys that begin an object of a type, and the form of that object. An object that begins with one of them is
/// either of that form or not valid.
const FORMS: [(&str, &str); 17] = [
    ("$oid", "`$oid` must be a text of 24 hexadecimal digits"),
    ("$symbol", "`$symbol` must be a text"),
    ("$numberInt", "`$numberInt` must be a text with an integer of 32 bits"),
    ("$numberLong", "`$numberLong` must be a text with an integer of 64 bits"),
    ("$numberDouble", "`$numberDouble` must be a text with a number, `Infinity`, `-Infinity` or `NaN`"),
    ("$numberDecimal", "`$numberDecimal` must be a text with a number of at most 34 digits, `Infinity` or `NaN`"),
    ("$binary", "`$binary` must have `base64` and `subType`, or be a text in base64 with `$type` beside it"),
    ("$uuid", "`$uuid` must be a text of hexadecimal digits in the form 8-4-4-4-12"),
    ("$code", "`$code` must be a text, alone or with an object as `$scope`"),
    ("$timestamp", "`$timestamp` must have `t` and `i`, two integers from 0 to 4294967295"),
    ("$regularExpression", "`$regularExpression` must have the texts `pattern` and `options`"),
    ("$dbPointer", "`$dbPointer` must have the text `$ref` and an `$id` with an `$oid`"),
    ("$date", "`$date` must be a time such as `2024-06-01T12:30:00Z`, or milliseconds since 1970"),
    ("$minKey", "`$minKey` must be 1"),
    ("$maxKey", "`$maxKey` must be 1"),
    ("$undefined", "`$undefined` must be true"),
    ("$scope", "`$scope` must be an object with a `$code` beside it"),
];

/// The bytes of the values that are only a type.
const NOTHING: [u8; 0] = [];

/// What an object, whose first key begins with `$`, is read as. None if it is only an object: a DBRef, a query operator,
/// or any other keys. The error is a message about its form.
pub fn typed(object: &[u8]) -> Result<Option<Typed>, &'static str> {
    let Ok(mut fields) = Fields::new(object) else { return Ok(None) };
    let mut next = || fields.next(&[]).ok().flatten();
    let (first, second, third) = (next(), next(), next());
    let Some(first) = first else { return Ok(None) };
    // In v1 the subtype may come first.
    let decides = if first.key == b"$type" { second.filter(|second| second.key == b"$binary") } else { Some(first) };
    let found = match (second, third) {
        (None, _) => alone(first),
        (Some(second), None) => pair(first, second).or_else(|| pair(second, first)),
        _ => None,
    };
    let form = decides.and_then(|decides| FORMS.iter().find(|(name, _)| name.as_bytes() == decides.key));
    match (found, form) {
        (None, Some((_, form))) => Err(form),
        (found, _) => Ok(found),
    }
}

fn alone(element: Element<'_>) -> Option<Typed> {
    let value = element.value;
    Some(match element.key {
        b"$oid" => Typed::new(Kind::ObjectId, typed::object_id(text(value)?)?),
        b"$symbol" => Typed::text(Kind::Symbol, text(value)?.as_bytes())?,
        b"$numberInt" => Typed::new(Kind::Int32, i32::try_from(typed::integer(text(value)?)?).ok()?.to_le_bytes()),
        b"$numberLong" => Typed::new(Kind::Int64, typed::integer(text(value)?)?.to_le_bytes()),
        b"$numberDouble" => Typed::new(Kind::Double, typed::double(text(value)?)?.to_le_bytes()),
        b"$numberDecimal" => Typed::new(Kind::Decimal128, typed::decimal(text(value)?)?),
        b"$uuid" => Typed::binary(4, &typed::uuid(text(value)?)?)?,
        b"$code" => Typed::text(Kind::Code, text(value)?.as_bytes())?,
        b"$date" => Typed::date(match value.kind {
            Kind::String => moment::millis(text(value)?)?,
            Kind::Date => value.integer(),
            _ => whole(value)?,
        }),
        b"$minKey" => Typed::new(Kind::MinKey, (whole(value)? == 1).then_some(NOTHING)?),
        b"$maxKey" => Typed::new(Kind::MaxKey, (whole(value)? == 1).then_some(NOTHING)?),
        b"$undefined" => {
            Typed::new(Kind::Undefined, (value.kind == Kind::Boolean && value.boolean()).then_some(NOTHING)?)
        }
        b"$timestamp" => {
            let [seconds, increment] = members(value, ["t", "i"])?;
            timestamp(seconds, increment)?
        }
        b"$binary" => {
            let [payload, subtype] = members(value, ["base64", "subType"])?;
            let (payload, subtype) = (typed::base64(text(payload)?)?, text(subtype)?);
            (1..=2).contains(&subtype.len()).then_some(())?;
            Typed::binary(u8::from_str_radix(subtype, 16).ok().filter(|_| is_hex(subtype))?, &payload)?
        }
        b"$regularExpression" => {
            let [pattern, options] = members(value, ["pattern", "options"])?;
            Typed::regex(text(pattern)?.as_bytes(), text(options)?.as_bytes())?
        }
        b"$dbPointer" => {
            let [namespace, id] = members(value, ["$ref", "$id"])?;
            (id.kind == Kind::ObjectId).then_some(())?;
            Typed::db_pointer(text(namespace)?.as_bytes(), id.object_id())?
        }
        _ => return None,
    })
}

fn pair(one: Element<'_>, other: Element<'_>) -> Option<Typed> {
    match (one.key, other.key) {
        (b"$code", b"$scope") if other.value.kind == Kind::Object => {
            Typed::code_with_scope(text(one.value)?.as_bytes(), other.value.bytes)
        }
        (b"$binary", b"$type") => Typed::binary(old_subtype(other.value)?, &typed::base64(text(one.value)?)?),
        (b"$regex", b"$options") => Typed::regex(text(one.value)?.as_bytes(), text(other.value)?.as_bytes()),
        _ => None,
    }
}

/// The subtype in v1: one or two hexadecimal digits, or a number. Some drivers wrote those from `80` on as `ffffff80`.
fn old_subtype(value: Value<'_>) -> Option<u8> {
    if value.kind != Kind::String {
        return u8::try_from(whole(value)?).ok();
    }
    let text = text(value)?;
    let digits = match text.len() {
        8 => text.to_ascii_lowercase().strip_prefix("ffffff").map(str::to_owned)?,
        1 | 2 => text.to_owned(),
        _ => return None,
    };
    if is_hex(&digits) { u8::from_str_radix(&digits, 16).ok() } else { None }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The two values of an object that has exactly these keys.
fn members<'v>(value: Value<'v>, keys: [&str; 2]) -> Option<[Value<'v>; 2]> {
    if value.kind != Kind::Object {
        return None;
    }
    let mut fields = value.fields().ok()?;
    let mut next = || fields.next(&[]).ok().flatten();
    let (one, other, third) = (next()?, next()?, next());
    let [first, second] = keys.map(str::as_bytes);
    match (third, one.key, other.key) {
        (None, a, b) if a == first && b == second => Some([one.value, other.value]),
        (None, a, b) if a == second && b == first => Some([other.value, one.value]),
        _ => None,
    }
}

/// The text of a string.
pub fn text(value: Value<'_>) -> Option<&str> {
    if value.kind == Kind::String { std::str::from_utf8(value.text()).ok() } else { None }
}

/// The integer that a number is.
pub fn whole(value: Value<'_>) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value.kind {
        Kind::Int32 | Kind::Int64 => Some(value.integer()),
        Kind::Double => Some(value.double())
            .filter(|double| double.trunc() == *double && double.abs() <= EXACT)
            .map(|double| double as i64),
        _ => None,
    }
}

pub fn timestamp(seconds: Value<'_>, increment: Value<'_>) -> Option<Typed> {
    Some(Typed::timestamp(u32::try_from(whole(seconds)?).ok()?, u32::try_from(whole(increment)?).ok()?))
}
