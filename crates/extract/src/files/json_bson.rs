//! Converts one document of Extended JSON v2, canonical or relaxed, to BSON bytes in one pass.
//!
//! Repeated keys are kept in order. Numbers keep all their digits (`json_number`). Values of the rarer types use the conversion of the `bson` crate. Knows no files.

use bson::{Bson, doc};
use chrono::DateTime;

use crate::bson::{DEPTH_MAX, Kind};
use crate::files::json_number::JsonNumber;

/// The error, and its byte offset in the text.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid {
    pub at: usize,
    pub what: &'static str,
}

const FORM: &str = "the value of a `$` key does not have its type's form";

/// Appends the document to `out`.
pub fn convert(text: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
    let mut parser = Parser { text, at: 0, out };
    let result = parser.skip_space().and_then(|()| parser.object(0)).and_then(|()| {
        parser.skip_space()?;
        if parser.at == text.len() { Ok(()) } else { Err("there is text after the end of the document") }
    });
    let at = parser.at.min(text.len());
    result.map_err(|what| Invalid { at, what })
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    out: &'t mut Vec<u8>,
}

type Parsed<T> = Result<T, &'static str>;

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) -> Parsed<()> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    /// Expects this byte, after optional spaces.
    fn expect(&mut self, byte: u8, what: &'static str) -> Parsed<()> {
        self.skip_space()?;
        if self.peek() != Some(byte) {
            return Err(what);
        }
        self.at += 1;
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Parsed<()> {
        self.expect(b'{', "expected an object")?;
        let start = self.open(depth)?;
        self.skip_space()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return self.close(start);
        }
        loop {
            self.skip_space()?;
            let tag = self.out.len();
            self.out.push(0);
            self.string()?;
            if self.out.get(tag + 1..).unwrap_or_default().contains(&0) {
                return Err("a key contains a zero byte");
            }
            self.out.push(0);
            self.expect(b':', "expected `:`")?;
            self.tagged_value(tag, depth)?;
            self.skip_space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return self.close(start);
                }
                _ => return Err("expected `,` or `}`"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Parsed<()> {
        self.expect(b'[', "expected an array")?;
        let start = self.open(depth)?;
        self.skip_space()?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return self.close(start);
        }
        for index in 0_usize.. {
            let tag = self.out.len();
            self.out.push(0);
            self.out.extend_from_slice(index.to_string().as_bytes());
            self.out.push(0);
            self.tagged_value(tag, depth)?;
            self.skip_space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    break;
                }
                _ => return Err("expected `,` or `]`"),
            }
        }
        self.close(start)
    }

    /// Reserves four bytes for the length of a document.
    fn open(&mut self, depth: usize) -> Parsed<usize> {
        if depth > DEPTH_MAX {
            return Err("values are nested more than 250 levels deep");
        }
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        Ok(start)
    }

    fn close(&mut self, start: usize) -> Parsed<()> {
        self.out.push(0);
        let length = i32::try_from(self.out.len() - start).map_err(|_| "a document is longer than 2 GiB")?;
        if let Some(prefix) = self.out.get_mut(start..start + 4) {
            prefix.copy_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    /// Writes a value, and its type into the byte at `tag`.
    fn tagged_value(&mut self, tag: usize, depth: usize) -> Parsed<()> {
        self.skip_space()?;
        let code = self.value(depth)?;
        if let Some(byte) = self.out.get_mut(tag) {
            *byte = code;
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Parsed<u8> {
        let kind = match self.peek() {
            Some(b'{') => match self.extended_key() {
                Some(key) => return self.extended(key),
                None => {
                    self.object(depth + 1)?;
                    Kind::Object
                }
            },
            Some(b'[') => {
                self.array(depth + 1)?;
                Kind::Array
            }
            Some(b'"') => {
                let start = self.out.len();
                self.out.extend_from_slice(&[0; 4]);
                self.string()?;
                self.out.push(0);
                let length = i32::try_from(self.out.len() - start - 4).map_err(|_| "a string is longer than 2 GiB")?;
                if let Some(prefix) = self.out.get_mut(start..start + 4) {
                    prefix.copy_from_slice(&length.to_le_bytes());
                }
                Kind::String
            }
            Some(b'-' | b'0'..=b'9') => return self.number(),
            Some(b't') => {
                self.word("true")?;
                self.out.push(1);
                Kind::Boolean
            }
            Some(b'f') => {
                self.word("false")?;
                self.out.push(0);
                Kind::Boolean
            }
            Some(b'n') => {
                self.word("null")?;
                Kind::Null
            }
            _ => return Err("expected value"),
        };
        Ok(kind as u8)
    }

    fn word(&mut self, word: &str) -> Parsed<()> {
        if !self.text.get(self.at..).unwrap_or_default().starts_with(word.as_bytes()) {
            return Err("expected value");
        }
        self.at += word.len();
        Ok(())
    }

    /// The text of a JSON number (RFC 8259, section 6).
    fn number_text(&mut self) -> Parsed<&'t str> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let text = rest.get(..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        if leading_zero || !digits.starts_with(|first: char| first.is_ascii_digit()) || digits.ends_with('.') {
            return Err("invalid number");
        }
        self.at += length;
        Ok(text)
    }

    fn number(&mut self) -> Parsed<u8> {
        let text = self.number_text()?;
        let kind = match JsonNumber::of(text).ok_or("invalid number")? {
            JsonNumber::Integer(integer) => return Ok(self.integer(integer)),
            JsonNumber::Double(double) => {
                self.out.extend_from_slice(&double.to_le_bytes());
                Kind::Double
            }
            JsonNumber::Decimal(bytes) => {
                self.out.extend_from_slice(&bytes);
                Kind::Decimal128
            }
            JsonNumber::Text => {
                self.out.extend_from_slice(&(text.len() as i32 + 1).to_le_bytes());
                self.out.extend_from_slice(text.as_bytes());
                self.out.push(0);
                Kind::String
            }
        };
        Ok(kind as u8)
    }

    fn integer(&mut self, integer: i64) -> u8 {
        match i32::try_from(integer) {
            Ok(narrow) => {
                self.out.extend_from_slice(&narrow.to_le_bytes());
                Kind::Int32 as u8
            }
            Err(_) => {
                self.out.extend_from_slice(&integer.to_le_bytes());
                Kind::Int64 as u8
            }
        }
    }

    /// A JSON string (RFC 8259, section 7), appended as UTF-8 without its quotes.
    fn string(&mut self) -> Parsed<()> {
        self.expect(b'"', "expected a string")?;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain =
                rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).ok_or("a string does not end")?;
            let (part, _) = rest.split_at(plain);
            if std::str::from_utf8(part).is_err() {
                return Err("a string is not UTF-8");
            }
            self.out.extend_from_slice(part);
            self.at += plain + 1;
            match rest.get(plain) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                _ => return Err("a string contains a control character"),
            }
        }
    }

    fn escape(&mut self) -> Parsed<()> {
        let byte = self.peek().ok_or("a string does not end")?;
        self.at += 1;
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let unit = self.hex4()?;
                let code = match unit {
                    0xd800..0xdc00 if self.text.get(self.at..self.at + 2) == Some(b"\\u") => {
                        self.at += 2;
                        let low = self.hex4()?;
                        if !(0xdc00..0xe000).contains(&low) {
                            return Err("a string contains half of a surrogate pair");
                        }
                        0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                    }
                    unit => unit,
                };
                let letter = char::from_u32(code).ok_or("a string contains half of a surrogate pair")?;
                self.out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err("invalid escape"),
        };
        self.out.push(plain);
        Ok(())
    }

    fn hex4(&mut self) -> Parsed<u32> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        self.at += 4;
        digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or("invalid escape")
    }

    /// The first key of the current object, if it names a type. Consumes nothing.
    fn extended_key(&self) -> Option<&'t [u8]> {
        let rest = self.text.get(self.at + 1..)?;
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let key = rest.get(start..)?.strip_prefix(b"\"")?;
        if key.first() != Some(&b'$') {
            return None;
        }
        let key = key.get(..key.iter().position(|byte| *byte == b'"')?)?;
        const NAMES: [&[u8]; 18] = [
            b"$oid",
            b"$symbol",
            b"$numberInt",
            b"$numberLong",
            b"$numberDouble",
            b"$numberDecimal",
            b"$binary",
            b"$uuid",
            b"$code",
            b"$scope",
            b"$timestamp",
            b"$regularExpression",
            b"$dbPointer",
            b"$date",
            b"$minKey",
            b"$maxKey",
            b"$undefined",
            b"$type",
        ];
        NAMES.contains(&key).then_some(key)
    }

    fn extended(&mut self, key: &[u8]) -> Parsed<u8> {
        let start = self.at;
        let kind = match key {
            b"$oid" | b"$numberInt" | b"$numberLong" | b"$numberDouble" | b"$numberDecimal" | b"$date" => {
                self.wrapped(key)?
            }
            _ => None,
        };
        if let Some(kind) = kind {
            return Ok(kind as u8);
        }
        // The rarer types and forms.
        self.at = start;
        let end = start + self.extent()?;
        let json: serde_json::Value =
            self.text.get(start..end).and_then(|text| serde_json::from_slice(text).ok()).ok_or(FORM)?;
        let value = Bson::try_from(json).map_err(|_| FORM)?;
        let document = doc! { "v": value }.to_vec().map_err(|_| FORM)?;
        self.at = end;
        self.out.extend_from_slice(document.get(7..document.len() - 1).unwrap_or_default());
        document.get(4).copied().ok_or(FORM)
    }

    /// The value of `{"$key": "text"}`. None if the object has another form.
    fn wrapped(&mut self, key: &[u8]) -> Parsed<Option<Kind>> {
        self.expect(b'{', FORM)?;
        self.expect(b'"', FORM)?;
        self.at += key.len() + 1;
        self.expect(b':', "expected `:`")?;
        self.skip_space()?;
        let kind = if key == b"$date" && self.peek() == Some(b'{') {
            if self.extended_key() != Some(b"$numberLong") || self.wrapped(b"$numberLong")? != Some(Kind::Int64) {
                return Err(FORM);
            }
            Kind::Date
        } else {
            let Some(b'"') = self.peek() else { return Ok(None) };
            let rest = self.text.get(self.at + 1..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'"').ok_or("a string does not end")?;
            let text = rest.get(..end).and_then(|text| std::str::from_utf8(text).ok()).ok_or(FORM)?;
            let kind = self.put(key, text)?;
            self.at += end + 2;
            kind
        };
        self.expect(b'}', FORM)?;
        Ok(Some(kind))
    }

    fn put(&mut self, key: &[u8], text: &str) -> Parsed<Kind> {
        match key {
            b"$oid" => {
                let id = bson::oid::ObjectId::parse_str(text).map_err(|_| FORM)?;
                self.out.extend_from_slice(&id.bytes());
                Ok(Kind::ObjectId)
            }
            b"$numberInt" => {
                self.out.extend_from_slice(&text.parse::<i32>().map_err(|_| FORM)?.to_le_bytes());
                Ok(Kind::Int32)
            }
            b"$numberLong" => {
                self.out.extend_from_slice(&text.parse::<i64>().map_err(|_| FORM)?.to_le_bytes());
                Ok(Kind::Int64)
            }
            b"$numberDouble" => {
                self.out.extend_from_slice(&text.parse::<f64>().map_err(|_| FORM)?.to_le_bytes());
                Ok(Kind::Double)
            }
            b"$numberDecimal" => {
                self.out.extend_from_slice(&text.parse::<bson::Decimal128>().map_err(|_| FORM)?.bytes());
                Ok(Kind::Decimal128)
            }
            _ => {
                let date = DateTime::parse_from_rfc3339(text).map_err(|_| FORM)?;
                self.out.extend_from_slice(&date.timestamp_millis().to_le_bytes());
                Ok(Kind::Date)
            }
        }
    }

    /// The length of the current object in bytes, found by its brackets.
    fn extent(&self) -> Parsed<usize> {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        for (index, byte) in self.text.get(self.at..).unwrap_or_default().iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth <= 1 => return Ok(index + 1),
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
        Err("an object does not end")
    }
}

#[cfg(test)]
mod tests {
    use super::convert;
    use bson::{Bson, Document, doc};

    #[track_caller]
    fn check(text: &str, expected: Result<Document, (usize, &str)>) {
        let mut out = Vec::new();
        let result = convert(text.as_bytes(), &mut out).map_err(|invalid| (invalid.at, invalid.what));
        // Compared as texts, because NaN is not equal to itself.
        let found = result.map(|()| format!("{:?}", Document::from_reader(out.as_slice()).unwrap()));
        assert_eq!(found, expected.map(|document| format!("{document:?}")), "{text}");
    }

    #[test]
    fn converts_plain_json() {
        check("{}", Ok(doc! {}));
        check(
            r#" {"i": 1, "l": 5000000000, "d": 1.5, "z": -0, "e": 1e3, "s": "a\"\\\u00e9\ud83d\ude00\n", "t": [true, null, {}]} "#,
            Ok(
                doc! { "i": 1_i32, "l": 5_000_000_000_i64, "d": 1.5, "z": -0.0, "e": 1e3, "s": "a\"\\é😀\n", "t": [true, Bson::Null, {}] },
            ),
        );
        check(
            "{\"n\": 18446744073709551616}",
            Ok(doc! { "n": Bson::Decimal128("18446744073709551616".parse().unwrap()) }),
        );
        let exact: bson::Decimal128 = "0.1234567890123456789".parse().unwrap();
        check("{\"n\": 0.1234567890123456789}", Ok(doc! { "n": Bson::Decimal128(exact) }));
    }

    #[test]
    fn converts_every_type() {
        let document = doc! {
            "i": 1_i32, "l": 2_i64, "d": f64::NAN, "inf": f64::NEG_INFINITY, "dec": Bson::Decimal128("1.50".parse().unwrap()),
            "oid": bson::oid::ObjectId::from_bytes([0xab; 12]), "at": bson::DateTime::from_millis(1_500),
            "old": bson::DateTime::from_millis(-5), "bin": bson::Binary { subtype: 5.into(), bytes: vec![1, 2, 3] },
            "ts": Bson::Timestamp(bson::Timestamp { time: 7, increment: 8 }), "sym": Bson::Symbol("s".into()),
            "code": Bson::JavaScriptCode("f()".into()), "undef": Bson::Undefined, "min": Bson::MinKey, "max": Bson::MaxKey,
            "scope": Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "g()".into(), scope: doc! { "x": 1_i32 } }),
            "ref": { "$ref": "c", "$id": 1_i32 },
        };
        check(&Bson::Document(document.clone()).into_canonical_extjson().to_string(), Ok(document.clone()));
        check(&Bson::Document(document.clone()).into_relaxed_extjson().to_string(), {
            let mut relaxed = document;
            relaxed.insert("l", 2_i32);
            Ok(relaxed)
        });
    }

    #[test]
    fn names_what_is_wrong() {
        check("{\"a\": }", Err((6, "expected value")));
        check("{\"a\": 01}", Err((6, "invalid number")));
        check("{\"a\": tru}", Err((6, "expected value")));
        check("{\"a\" 1}", Err((5, "expected `:`")));
        check("{\"a\": 1 \"b\": 2}", Err((8, "expected `,` or `}`")));
        check("{\"a\\u0000\": 1}", Err((10, "a key contains a zero byte")));
        check("{\"a\": \"\\ud800\"}", Err((13, "a string contains half of a surrogate pair")));
        check("{\"a\": \"\\ud800\\ue000\"}", Err((19, "a string contains half of a surrogate pair")));
        check("{\"a\": {\"$oid\": \"zz\"}}", Err((15, super::FORM)));
        check("{\"a\": {\"$date\": true}}", Err((6, super::FORM)));
        let deep = format!("{}{}", "{\"a\":".repeat(300), "}".repeat(300));
        let mut out = Vec::new();
        assert_eq!(
            convert(deep.as_bytes(), &mut out).map_err(|invalid| invalid.what),
            Err("values are nested more than 250 levels deep")
        );
    }

    #[test]
    fn keeps_repeated_keys() {
        let mut out = Vec::new();
        convert(br#"{"a": 1, "a": 2}"#, &mut out).unwrap();
        assert_eq!(out.len(), 4 + 7 + 7 + 1);
    }
}
