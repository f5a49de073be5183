//! Writes raw BSON values as MongoDB Extended JSON v2, canonical or relaxed, directly from their bytes.
//!
//! The format is the specification "MongoDB Extended JSON v2", with two additions. A string that is not UTF-8, which
//! JSON cannot represent, becomes `{"$invalidUtf8": {"base64": …}}`. An object that would be read as a value of another
//! type, because it begins with a key such as `$date`, becomes `{"$object": {…}}`. Knows nothing of columns.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::bson::{DEPTH_MAX, Kind, Malformed, Value};

/// One of the specification's two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The canonical form keeps every type.
    Canonical,
    /// The relaxed form has readable numbers and dates. It keeps every value, but not the width of integers.
    Relaxed,
}

/// Appends `value`.
pub fn write(out: &mut String, value: Value<'_>, form: Form) -> Result<(), Malformed> {
    write_at(out, value, form, 0)
}

/// The canonical form of one value.
pub fn canonical(value: Value<'_>) -> Result<String, Malformed> {
    let mut out = String::new();
    write(&mut out, value, Form::Canonical)?;
    Ok(out)
}

/// The keys with which the values of other types begin.
const TYPES: [&[u8]; 19] = [
    b"$binary",
    b"$code",
    b"$date",
    b"$dbPointer",
    b"$invalidUtf8",
    b"$maxKey",
    b"$minKey",
    b"$numberDecimal",
    b"$numberDouble",
    b"$numberInt",
    b"$numberLong",
    b"$object",
    b"$oid",
    b"$regularExpression",
    b"$scope",
    b"$symbol",
    b"$timestamp",
    b"$undefined",
    b"$uuid",
];

fn write_at(out: &mut String, value: Value<'_>, form: Form, depth: usize) -> Result<(), Malformed> {
    if depth > DEPTH_MAX {
        return Err(Malformed { offset: value.offset, what: "values are nested more than 250 levels deep" });
    }
    match value.kind {
        Kind::Double => write_double(out, value.double(), form),
        Kind::String => write_string(out, value.text()),
        Kind::Object => {
            let mut fields = value.fields()?;
            let is_like_a_type = fields
                .clone()
                .next(&[])?
                .is_some_and(|first| first.key.starts_with(b"$") && TYPES.contains(&first.key));
            if is_like_a_type {
                out.push_str("{\"$object\":");
            }
            out.push('{');
            let mut first = true;
            while let Some(element) = fields.next(&[])? {
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                write_key(out, element.key, element.value.offset)?;
                out.push(':');
                write_at(out, element.value, form, depth + 1)?;
            }
            out.push_str(if is_like_a_type { "}}" } else { "}" });
        }
        Kind::Array => {
            let mut fields = value.fields()?;
            out.push('[');
            let mut first = true;
            while let Some(element) = fields.next(&[])? {
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                write_at(out, element.value, form, depth + 1)?;
            }
            out.push(']');
        }
        Kind::Binary => {
            let (subtype, payload) = value.binary();
            out.push_str("{\"$binary\":{\"base64\":\"");
            write_base64(out, payload);
            push(out, format_args!("\",\"subType\":\"{subtype:02x}\"}}}}"));
        }
        Kind::Undefined => out.push_str("{\"$undefined\":true}"),
        Kind::ObjectId => {
            out.push_str("{\"$oid\":\"");
            write_hex(out, value.object_id());
            out.push_str("\"}");
        }
        Kind::Boolean => out.push_str(if value.boolean() { "true" } else { "false" }),
        Kind::Date => write_date(out, value.integer(), form),
        Kind::Null => out.push_str("null"),
        Kind::Regex => {
            let (pattern, options) = value.regex();
            out.push_str("{\"$regularExpression\":{\"pattern\":");
            write_string(out, pattern);
            out.push_str(",\"options\":");
            write_string(out, options);
            out.push_str("}}");
        }
        Kind::DbPointer => {
            out.push_str("{\"$dbPointer\":{\"$ref\":");
            write_string(out, value.text());
            out.push_str(",\"$id\":{\"$oid\":\"");
            write_hex(out, value.object_id());
            out.push_str("\"}}}");
        }
        Kind::Code => {
            out.push_str("{\"$code\":");
            write_string(out, value.text());
            out.push('}');
        }
        Kind::Symbol => {
            out.push_str("{\"$symbol\":");
            write_string(out, value.text());
            out.push('}');
        }
        Kind::CodeWithScope => {
            let (code, scope) = value.code_with_scope()?;
            out.push_str("{\"$code\":");
            write_string(out, code);
            out.push_str(",\"$scope\":");
            write_at(out, scope, form, depth + 1)?;
            out.push('}');
        }
        Kind::Int32 | Kind::Int64 if form == Form::Relaxed => push(out, format_args!("{}", value.integer())),
        Kind::Int32 => push(out, format_args!("{{\"$numberInt\":\"{}\"}}", value.integer())),
        Kind::Int64 => push(out, format_args!("{{\"$numberLong\":\"{}\"}}", value.integer())),
        Kind::Timestamp => {
            let (t, i) = value.timestamp();
            push(out, format_args!("{{\"$timestamp\":{{\"t\":{t},\"i\":{i}}}}}"));
        }
        Kind::Decimal128 => {
            let decimal = bson::Decimal128::from_bytes(value.decimal());
            push(out, format_args!("{{\"$numberDecimal\":\"{decimal}\"}}"));
        }
        Kind::MinKey => out.push_str("{\"$minKey\":1}"),
        Kind::MaxKey => out.push_str("{\"$maxKey\":1}"),
    }
    Ok(())
}

/// Writing into a `String` cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn write_double(out: &mut String, double: f64, form: Form) {
    let name = if double.is_nan() {
        "NaN"
    } else if double == f64::INFINITY {
        "Infinity"
    } else if double == f64::NEG_INFINITY {
        "-Infinity"
    } else if form == Form::Relaxed {
        return push(out, format_args!("{double:?}"));
    } else {
        return push(out, format_args!("{{\"$numberDouble\":\"{double:?}\"}}"));
    };
    push(out, format_args!("{{\"$numberDouble\":\"{name}\"}}"));
}

fn write_date(out: &mut String, millis: i64, form: Form) {
    // In the specification, the relaxed form is for the years 1970 to 9999.
    let date = DateTime::<Utc>::from_timestamp_millis(millis).filter(|_| (0..253_402_300_800_000).contains(&millis));
    match date {
        Some(date) if form == Form::Relaxed => {
            let seconds = if millis % 1000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
            push(out, format_args!("{{\"$date\":\"{}\"}}", date.to_rfc3339_opts(seconds, true)));
        }
        _ => push(out, format_args!("{{\"$date\":{{\"$numberLong\":\"{millis}\"}}}}")),
    }
}

fn write_key(out: &mut String, key: &[u8], offset: usize) -> Result<(), Malformed> {
    let key = std::str::from_utf8(key).map_err(|_| Malformed { offset, what: "a key is not UTF-8" })?;
    write_json_string(out, key);
    Ok(())
}

/// A BSON string's bytes as a JSON value.
pub fn write_string(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => write_json_string(out, text),
        Err(_) => {
            out.push_str("{\"$invalidUtf8\":{\"base64\":\"");
            write_base64(out, bytes);
            out.push_str("\"}}");
        }
    }
}

/// A JSON string (RFC 8259, section 7), quotes included.
pub fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(text.get(plain..index).unwrap_or_default());
        plain = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => push(out, format_args!("\\u{byte:04x}")),
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}

const HEX: [u8; 16] = *b"0123456789abcdef";

pub fn write_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// The same, appended to bytes. Every objectId column has this form.
#[inline]
pub fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// RFC 4648, section 4, padded.
fn write_base64(out: &mut String, bytes: &[u8]) {
    const ALPHABET: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().enumerate().fold(0_u32, |group, (index, byte)| group | u32::from(*byte) << (16 - 8 * index));
        for index in 0..4 {
            let sextet = (group >> (18 - 6 * index)) & 63;
            out.push(if index > chunk.len() { '=' } else { char::from(ALPHABET[sextet as usize]) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, write};
    use crate::bson::{Kind, Value};
    use bson::{Bson, Document, doc};

    #[track_caller]
    fn check(form: Form, document: &Document, expected: &str) {
        let bytes = document.to_vec().unwrap();
        let mut out = String::new();
        write(&mut out, Value { kind: Kind::Object, bytes: &bytes, offset: 0 }, form).unwrap();
        assert_eq!(out, expected);
    }

    fn regex(pattern: &str, options: &str) -> bson::Regex {
        let text = |text: &str| bson::raw::CString::try_from(text).unwrap();
        bson::Regex { pattern: text(pattern), options: text(options) }
    }

    #[test]
    fn writes_both_forms() {
        let date = bson::DateTime::from_millis(1_500);
        let document =
            doc! { "a\"b": 1_i32, "l": 2_i64, "d": 1.0, "n": f64::NAN, "t": date, "s": "é\n", "x": [Bson::Null, true] };
        check(
            Form::Relaxed,
            &document,
            r#"{"a\"b":1,"l":2,"d":1.0,"n":{"$numberDouble":"NaN"},"t":{"$date":"1970-01-01T00:00:01.500Z"},"s":"é\n","x":[null,true]}"#,
        );
        check(
            Form::Canonical,
            &document,
            r#"{"a\"b":{"$numberInt":"1"},"l":{"$numberLong":"2"},"d":{"$numberDouble":"1.0"},"n":{"$numberDouble":"NaN"},"t":{"$date":{"$numberLong":"1500"}},"s":"é\n","x":[null,true]}"#,
        );
    }

    #[test]
    fn objects_that_look_like_other_types_are_told_apart() {
        check(Form::Canonical, &doc! { "v": { "$date": 1 } }, r#"{"v":{"$object":{"$date":{"$numberInt":"1"}}}}"#);
        check(Form::Relaxed, &doc! { "v": { "$oid": "a", "x": [] } }, r#"{"v":{"$object":{"$oid":"a","x":[]}}}"#);
        check(Form::Relaxed, &doc! { "v": { "$object": {} } }, r#"{"v":{"$object":{"$object":{}}}}"#);
        check(Form::Relaxed, &doc! { "v": { "$ref": "c", "$date": 1 } }, r#"{"v":{"$ref":"c","$date":1}}"#);
    }

    #[test]
    fn the_driver_reads_every_type_back() {
        let document = doc! {
            "bin": bson::Binary { subtype: 0.into(), bytes: vec![1, 2, 3, 250] },
            "old": bson::Binary { subtype: bson::spec::BinarySubtype::BinaryOld, bytes: vec![9] },
            "oid": bson::oid::ObjectId::from_bytes([0xab; 12]),
            "re": Bson::RegularExpression(regex("a/b", "i")),
            "code": Bson::JavaScriptCode("f()".into()),
            "scope": Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "g()".into(), scope: doc! { "x": 1_i32 } }),
            "ts": Bson::Timestamp(bson::Timestamp { time: 7, increment: 8 }),
            "dec": Bson::Decimal128("1.50".parse().unwrap()),
            "sym": Bson::Symbol("s".into()), "undef": Bson::Undefined, "min": Bson::MinKey, "max": Bson::MaxKey,
            "far": bson::DateTime::from_millis(i64::MIN),
        };
        let bytes = document.to_vec().unwrap();
        let mut out = String::new();
        write(&mut out, Value { kind: Kind::Object, bytes: &bytes, offset: 0 }, Form::Canonical).unwrap();
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(Bson::try_from(json).unwrap(), Bson::Document(document));
    }
}
