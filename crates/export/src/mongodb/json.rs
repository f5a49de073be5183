//! Writes JSON text as a BSON element: the value that it spells, with all digits of its numbers. Canonical Extended JSON
//! is understood.
//!
//! One pass over the text, into bytes. Knows no Arrow.

use std::collections::HashSet;

use bson::Bson;

use super::bytes::{decimal, document, double, head, int, long, string};
use super::hazard::{BsonHazard, Report};
use super::numbers::DecimalNumber;

/// The maximum nesting that a server accepts.
pub const DEPTH_MAX: usize = 100;

/// Appends an element with the value that `text` spells. None, with a part of it appended: it is no JSON.
pub fn put_json(out: &mut Vec<u8>, name: &str, text: &str, depth: usize, fault: &mut Report<'_>) -> Option<()> {
    let mut reader = JsonReader { text, at: 0 };
    reader.skip_spaces();
    reader.value(out, name, depth, fault)?;
    reader.skip_spaces();
    (reader.at == text.len()).then_some(())
}

struct JsonReader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> JsonReader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads one byte, with spaces around it.
    fn take(&mut self, wanted: u8) -> Option<()> {
        self.skip_spaces();
        (self.peek()? == wanted).then_some(())?;
        self.at += 1;
        self.skip_spaces();
        Some(())
    }

    fn value(&mut self, out: &mut Vec<u8>, name: &str, depth: usize, fault: &mut Report<'_>) -> Option<()> {
        match self.peek()? {
            b'{' | b'[' if depth > DEPTH_MAX => {
                fault(BsonHazard::Depth);
                head(out, 0x0a, name);
                self.skip_nested()
            }
            b'{' => match self.extended()? {
                Some(value) => {
                    let bytes = bson::serialize_to_vec(&bson::doc! { name: value }).ok()?;
                    // The element alone, without the document around it.
                    out.extend_from_slice(bytes.get(4..bytes.len() - 1)?);
                    Some(())
                }
                None => {
                    head(out, 0x03, name);
                    document(out, |out| self.fields(out, depth, fault))
                }
            },
            b'[' => {
                head(out, 0x04, name);
                document(out, |out| self.elements(out, depth, fault))
            }
            b'"' => {
                let text = self.string()?;
                head(out, 0x02, name);
                string(out, &text);
                Some(())
            }
            _ => self.scalar(out, name, fault),
        }
    }

    /// The fields of an object. Of fields with one name the last stays, as JSON's readers have it.
    fn fields(&mut self, out: &mut Vec<u8>, depth: usize, fault: &mut Report<'_>) -> Option<()> {
        self.take(b'{')?;
        let mut written: Vec<(String, usize)> = Vec::new();
        if self.peek()? != b'}' {
            loop {
                let key = self.string()?;
                self.take(b':')?;
                if key.as_bytes().contains(&0) {
                    fault(BsonHazard::FieldName);
                    self.skip_value()?;
                } else {
                    written.push((key, out.len()));
                    let key = written.last().map_or("", |(key, _)| key.as_str());
                    self.value(out, key, depth + 1, fault)?;
                }
                self.skip_spaces();
                if self.peek()? != b',' {
                    break;
                }
                self.take(b',')?;
            }
        }
        self.take_last(b'}')?;
        let mut seen = HashSet::with_capacity(written.len());
        let mut end = out.len();
        for (key, start) in written.iter().rev() {
            if !seen.insert(key.as_str()) {
                out.drain(*start..end);
            }
            end = *start;
        }
        Some(())
    }

    fn elements(&mut self, out: &mut Vec<u8>, depth: usize, fault: &mut Report<'_>) -> Option<()> {
        self.take(b'[')?;
        let mut index = 0;
        if self.peek()? != b']' {
            loop {
                self.value(out, &index.to_string(), depth + 1, fault)?;
                index += 1;
                self.skip_spaces();
                if self.peek()? != b',' {
                    break;
                }
                self.take(b',')?;
            }
        }
        self.take_last(b']')
    }

    /// The closing byte; what follows it belongs to the value around.
    fn take_last(&mut self, wanted: u8) -> Option<()> {
        self.skip_spaces();
        (self.peek()? == wanted).then_some(())?;
        self.at += 1;
        Some(())
    }

    fn scalar(&mut self, out: &mut Vec<u8>, name: &str, fault: &mut Report<'_>) -> Option<()> {
        let rest = &self.text[self.at..];
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let token = &rest[..length];
        self.at += length;
        match token {
            "null" => head(out, 0x0a, name),
            "true" | "false" => {
                head(out, 0x08, name);
                out.push(u8::from(token == "true"));
            }
            _ => return number(out, name, token, fault),
        }
        Some(())
    }

    /// A string of the text, which the reader is at.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.skip_string()?;
        let quoted = &self.text[start..self.at];
        let inner = quoted.get(1..quoted.len() - 1)?;
        if inner.contains('\\') { serde_json::from_str(quoted).ok() } else { Some(inner.to_owned()) }
    }

    fn skip_string(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        (*bytes.get(self.at)? == b'"').then_some(())?;
        self.at += 1;
        loop {
            match bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }

    /// An object or list, whatever is in it.
    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' | b'[' => self.skip_nested(),
            b'"' => self.skip_string(),
            _ => {
                let rest = &self.text.as_bytes()[self.at..];
                self.at += rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']'))?;
                Some(())
            }
        }
    }

    /// The value of an object of Extended JSON, such as `{"$oid": "…"}`, which is read then. `Some(None)`: it is any
    /// other object, and not read.
    fn extended(&mut self) -> Option<Option<Bson>> {
        let start = self.at;
        self.take(b'{')?;
        let is_marked = self.text[self.at..].starts_with("\"$");
        self.at = start;
        if !is_marked {
            return Some(None);
        }
        self.skip_nested()?;
        let value: serde_json::Value = serde_json::from_str(&self.text[start..self.at]).ok()?;
        match Bson::try_from(value).ok()? {
            Bson::Document(_) => {
                self.at = start;
                Some(None)
            }
            value => Some(Some(value)),
        }
    }
}

/// An integer in the smallest type that holds it, another number as a double if that is exact, else as a decimal128.
fn number(out: &mut Vec<u8>, name: &str, token: &str, fault: &mut Report<'_>) -> Option<()> {
    let is_whole = token != "-0" && token.strip_prefix('-').unwrap_or(token).bytes().all(|byte| byte.is_ascii_digit());
    if is_whole && let Ok(value) = token.parse::<i64>() {
        match i32::try_from(value) {
            Ok(value) => int(out, name, value),
            Err(_) => long(out, name, value),
        }
        return Some(());
    }
    let Some(read) = DecimalNumber::parse(token) else {
        // DuckDB's JSON may have `NaN` and `-Infinity`, which Rust reads as well.
        let value = token.parse::<f64>().ok().filter(|value| !value.is_finite())?;
        double(out, name, value);
        return Some(());
    };
    if !is_whole && let Some(value) = read.as_double(token) {
        double(out, name, value);
    } else if let Some(value) = read.as_decimal(token) {
        decimal(out, name, value);
    } else if let Some(value) = read.as_double(token) {
        double(out, name, value);
    } else {
        fault(BsonHazard::Digits);
        head(out, 0x0a, name);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bson::{Document, doc};

    use super::*;

    fn read(text: &str) -> (Option<Document>, Vec<BsonHazard>) {
        let (mut out, mut faults) = (Vec::new(), Vec::new());
        let done = document(&mut out, |out| put_json(out, "v", text, 1, &mut |hazard| faults.push(hazard)));
        (done.map(|()| bson::deserialize_from_slice(&out).expect("a document")), faults)
    }

    #[track_caller]
    fn check(text: &str, expected: Document) {
        assert_eq!(read(text), (Some(expected), Vec::new()), "{text}");
    }

    #[test]
    fn writes_what_the_text_spells() {
        check(
            r#" {"b": [1, -2147483649, {"x": null}], "a\n": "é\u00e9", "t": true, "e": {}, "l": []} "#,
            doc! { "v": { "b": [1, -2_147_483_649_i64, { "x": null }], "a\n": "éé", "t": true, "e": {}, "l": [] } },
        );
        check(r#"{"a": 1, "b": 2, "a": 3}"#, doc! { "v": { "b": 2, "a": 3 } });
        check(r#"{"id": {"$oid": "65a1b2c3d4e5f60718293a4b"}, "n": {"$numberLong": "2"}}"#, {
            let id = bson::oid::ObjectId::parse_str("65a1b2c3d4e5f60718293a4b").expect("an id");
            doc! { "v": { "id": id, "n": 2_i64 } }
        });
        check(r#"{"$other": 12}"#, doc! { "v": { "$other": 12 } });
        check("-1.50", doc! { "v": -1.5 });
        check("-0", doc! { "v": -0.0 });
        check("[-Infinity]", doc! { "v": [f64::NEG_INFINITY] });
    }

    #[test]
    fn keeps_all_digits() {
        let decimal = |text: &str| text.parse::<bson::Decimal128>().expect("a decimal");
        check("12345678901234567.89", doc! { "v": decimal("12345678901234567.89") });
        check(
            r#"[123456789012345678901234567890, 9223372036854775808]"#,
            doc! { "v": [decimal("123456789012345678901234567890"), decimal("9223372036854775808")] },
        );
        let long = format!("[0.{}]", "123".repeat(20));
        assert_eq!(read(&long), (Some(doc! { "v": [null] }), vec![BsonHazard::Digits]));
    }

    #[test]
    fn finds_what_it_cannot_write() {
        for text in ["", "{", "[1,]", "{\"a\"}", "nul", "1 2", "{\"$oid\": \"5\"}", "\"\\ud800\"", "[1", "'a'"] {
            assert_eq!(read(text).0, None, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
        assert_eq!(read(&deep).1, [BsonHazard::Depth]);
        assert_eq!(
            read("{\"a\\u0000\": {\"b\": 1}, \"c\": 1}"),
            (Some(doc! { "v": { "c": 1 } }), vec![BsonHazard::FieldName])
        );
    }
}
