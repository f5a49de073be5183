//! The functions with which the MongoDB shells, old and new, write values: `ObjectId("…")`, `NumberLong(5)`,
//! `ISODate('…')`. mongoimport reads those of the old shell.
//!
//! The sources are the manual's "Data Types in the mongo Shell" and mongosh's reference. Works on arguments that are
//! BSON already, so it knows no text around them.

use super::extended::{text, timestamp, whole};
use super::moment;
use super::typed::{self, Typed};
use crate::bson::{Fields, Kind, Value};

/// The most arguments of a function.
const ARGUMENTS_MAX: usize = 3;

/// The bytes of the values that are only a type.
const NOTHING: [u8; 0] = [];

/// The words that are a value without arguments.
pub fn word(name: &str) -> Option<Typed> {
    let double = |double: f64| Typed::new(Kind::Double, double.to_le_bytes());
    Some(match name {
        "undefined" => Typed::new(Kind::Undefined, NOTHING),
        "MinKey" => Typed::new(Kind::MinKey, NOTHING),
        "MaxKey" => Typed::new(Kind::MaxKey, NOTHING),
        "NaN" => double(f64::NAN),
        "Infinity" => double(f64::INFINITY),
        _ => return None,
    })
}

/// The value of a function. The error is a message about its arguments, which are a BSON array.
pub fn call(name: &str, arguments: &[u8]) -> Result<Typed, &'static str> {
    let arguments = values(arguments).ok_or("a function of the MongoDB shell has too many arguments")?;
    let given = arguments.as_slice();
    let (found, form) = match name {
        "ObjectId" | "ObjectID" | "ObjectId.createFromHexString" => {
            (object_id(given), "`ObjectId` must have a text of 24 hexadecimal digits")
        }
        "ISODate" | "Date" => (
            date(given),
            "the argument of a date must be a time such as `2024-06-01T12:30:00Z`, or milliseconds since 1970",
        ),
        "NumberInt" | "Int32" => (int(given), "the argument of `NumberInt` must be an integer of 32 bits"),
        "NumberLong" | "Long" | "Long.fromString" | "Long.fromNumber" => {
            (long(given), "the argument of `NumberLong` must be an integer of 64 bits")
        }
        "NumberDouble" | "Double" => (double(given), "the argument of `Double` must be a number"),
        "NumberDecimal" | "Decimal128" | "Decimal128.fromString" => {
            (decimal(given), "the argument of `NumberDecimal` must be a text with a number of at most 34 digits")
        }
        "Timestamp" => (clock(given), "`Timestamp` must have two integers from 0 to 4294967295"),
        "BinData" | "HexData" | "MD5" | "UUID" | "Binary.createFromBase64" | "Binary.createFromHexString" => {
            (binary(name, given), "the arguments of a binary must be its bytes in base64 or hexadecimal, and a subtype")
        }
        "DBRef" | "Dbref" => (reference(given), "`DBRef` must have a collection, an id and possibly a database"),
        "DBPointer" | "Dbpointer" => (pointer(given), "`DBPointer` must have a namespace and an `ObjectId`"),
        "RegExp" | "BSONRegExp" => {
            (regex(given), "the arguments of a regular expression must be its pattern and options")
        }
        "Code" => (code(given), "`Code` must have a text, and possibly an object as its scope"),
        "Symbol" | "BSONSymbol" => (symbol(given), "`BSONSymbol` must have a text"),
        "Boolean" => (boolean(given), "the argument of `Boolean` must be true or false"),
        "MinKey" | "MaxKey" => (word(name).filter(|_| given.is_empty()), "`MinKey` and `MaxKey` have no arguments"),
        _ => return Err("an unknown function"),
    };
    found.ok_or(form)
}

/// None if there are too many.
fn values(arguments: &[u8]) -> Option<Vec<Value<'_>>> {
    let mut fields = Fields::new(arguments).ok()?;
    let mut values = Vec::new();
    while let Some(element) = fields.next(&[]).ok()? {
        values.push(element.value);
    }
    (values.len() <= ARGUMENTS_MAX).then_some(values)
}

fn object_id(given: &[Value<'_>]) -> Option<Typed> {
    let [id] = given else { return None };
    Some(Typed::new(Kind::ObjectId, typed::object_id(text(*id)?)?))
}

fn date(given: &[Value<'_>]) -> Option<Typed> {
    match given {
        [time] if time.kind == Kind::String => Some(Typed::date(moment::millis(text(*time)?)?)),
        [time] => Some(Typed::date(whole(*time)?)),
        _ => None,
    }
}

fn integer(given: &[Value<'_>]) -> Option<i64> {
    match given {
        [number] if number.kind == Kind::String => typed::integer(text(*number)?),
        [number] => whole(*number),
        _ => None,
    }
}

fn int(given: &[Value<'_>]) -> Option<Typed> {
    Some(Typed::new(Kind::Int32, i32::try_from(integer(given)?).ok()?.to_le_bytes()))
}

fn long(given: &[Value<'_>]) -> Option<Typed> {
    Some(Typed::new(Kind::Int64, integer(given)?.to_le_bytes()))
}

fn double(given: &[Value<'_>]) -> Option<Typed> {
    let [number] = given else { return None };
    let double = match number.kind {
        Kind::String => typed::double(text(*number)?)?,
        Kind::Double => number.double(),
        _ => whole(*number)? as f64,
    };
    Some(Typed::new(Kind::Double, double.to_le_bytes()))
}

/// A number as the argument has the digits with which it would be written.
fn decimal(given: &[Value<'_>]) -> Option<Typed> {
    let [number] = given else { return None };
    let bytes = match number.kind {
        Kind::String => typed::decimal(text(*number)?)?,
        Kind::Decimal128 => number.decimal(),
        Kind::Double => typed::decimal(&number.double().to_string())?,
        _ => typed::decimal(&whole(*number)?.to_string())?,
    };
    Some(Typed::new(Kind::Decimal128, bytes))
}

/// `Timestamp(t, i)` in the old shell, `Timestamp({ t: …, i: … })` in the new one.
fn clock(given: &[Value<'_>]) -> Option<Typed> {
    match given {
        [seconds, increment] => timestamp(*seconds, *increment),
        [parts] if parts.kind == Kind::Object => {
            let mut fields = parts.fields().ok()?;
            let mut next = || fields.next(&[]).ok().flatten();
            let (one, other, third) = (next()?, next()?, next());
            match (one.key, other.key, third) {
                (b"t", b"i", None) => timestamp(one.value, other.value),
                (b"i", b"t", None) => timestamp(other.value, one.value),
                _ => None,
            }
        }
        _ => None,
    }
}

fn binary(name: &str, given: &[Value<'_>]) -> Option<Typed> {
    let subtype = |value: &Value<'_>| u8::try_from(whole(*value)?).ok();
    match (name, given) {
        ("BinData", [of, payload]) => Typed::binary(subtype(of)?, &typed::base64(text(*payload)?)?),
        ("HexData", [of, payload]) => Typed::binary(subtype(of)?, &typed::hex(text(*payload)?)?),
        ("MD5", [payload]) => Typed::binary(5, &typed::hex(text(*payload)?)?),
        ("UUID", [payload]) => {
            let written = text(*payload)?;
            let plain = || typed::hex(written).filter(|bytes| bytes.len() == 16);
            Typed::binary(4, &typed::uuid(written).or_else(plain)?)
        }
        ("Binary.createFromBase64", [payload, rest @ ..]) if rest.len() < 2 => {
            Typed::binary(rest.first().map_or(Some(0), subtype)?, &typed::base64(text(*payload)?)?)
        }
        ("Binary.createFromHexString", [payload, rest @ ..]) if rest.len() < 2 => {
            Typed::binary(rest.first().map_or(Some(0), subtype)?, &typed::hex(text(*payload)?)?)
        }
        _ => None,
    }
}

/// A DBRef is an object: `{$ref, $id, $db}`.
fn reference(given: &[Value<'_>]) -> Option<Typed> {
    let (collection, id, database) = match given {
        [collection, id] => (collection, id, None),
        [collection, id, database] => (collection, id, Some(database)),
        _ => return None,
    };
    let mut object = vec![0; 4];
    let mut push = |key: &str, value: &Value<'_>| {
        object.push(value.kind.tag());
        object.extend_from_slice(key.as_bytes());
        object.push(0);
        object.extend_from_slice(value.bytes);
    };
    text(*collection)?;
    push("$ref", collection);
    push("$id", id);
    if let Some(database) = database {
        text(*database)?;
        push("$db", database);
    }
    object.push(0);
    let length = i32::try_from(object.len()).ok()?.to_le_bytes();
    object.get_mut(..4)?.copy_from_slice(&length);
    Some(Typed::new(Kind::Object, object))
}

fn pointer(given: &[Value<'_>]) -> Option<Typed> {
    match given {
        [namespace, id] if id.kind == Kind::ObjectId => Typed::db_pointer(text(*namespace)?.as_bytes(), id.object_id()),
        _ => None,
    }
}

fn regex(given: &[Value<'_>]) -> Option<Typed> {
    match given {
        [pattern] => Typed::regex(text(*pattern)?.as_bytes(), b""),
        [pattern, options] => Typed::regex(text(*pattern)?.as_bytes(), text(*options)?.as_bytes()),
        _ => None,
    }
}

fn code(given: &[Value<'_>]) -> Option<Typed> {
    match given {
        [code] => Typed::text(Kind::Code, text(*code)?.as_bytes()),
        [code, scope] if scope.kind == Kind::Object => Typed::code_with_scope(text(*code)?.as_bytes(), scope.bytes),
        _ => None,
    }
}

fn symbol(given: &[Value<'_>]) -> Option<Typed> {
    let [symbol] = given else { return None };
    Typed::text(Kind::Symbol, text(*symbol)?.as_bytes())
}

fn boolean(given: &[Value<'_>]) -> Option<Typed> {
    match given {
        [value] if value.kind == Kind::Boolean => Some(Typed::new(Kind::Boolean, [u8::from(value.boolean())])),
        _ => None,
    }
}
