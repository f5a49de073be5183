//! The values of objects with `$` keys. The usual forms are written at once; any other object is written as it is, and
//! then replaced by its value (`extended`).
//!
//! Extends the parser. Knows the keys of the usual types only.

use super::{Parsed, Parser};
use crate::bson::Kind;
use crate::files::extended;
use crate::files::moment;
use crate::files::typed::{self, Typed};

impl<'t> Parser<'t> {
    /// An object, or the value that its `$` keys describe.
    pub(super) fn object_or_type(&mut self, depth: usize) -> Parsed<u8> {
        let (at, start) = (self.at, self.out.len());
        if let Some(key) = self.usual_key() {
            if let Some(kind) = self.usual(key) {
                return Ok(kind as u8);
            }
            self.at = at;
            self.out.truncate(start);
        }
        self.object(depth)?;
        let object = self.out.get(start..).unwrap_or_default();
        // The first key begins after the length and the tag.
        if object.get(5) != Some(&b'$') {
            return Ok(Kind::Object as u8);
        }
        match extended::typed(object) {
            Ok(None) => Ok(Kind::Object as u8),
            Ok(Some(found)) => Ok(self.replace(start, &found)),
            Err(what) => {
                self.at = at;
                Err(what)
            }
        }
    }

    /// Replaces what was written from `start` on.
    pub(super) fn replace(&mut self, start: usize, found: &Typed) -> u8 {
        self.out.truncate(start);
        self.out.extend_from_slice(&found.bytes);
        found.kind.tag()
    }

    /// The first key of the object that is next, if it is one of the usual types. Reads nothing.
    fn usual_key(&self) -> Option<&'t [u8]> {
        let rest = self.text.get(self.at + 1..)?;
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let key = rest.get(start..)?.strip_prefix(b"\"")?;
        if key.first() != Some(&b'$') {
            return None;
        }
        let key = key.get(..key.iter().position(|byte| *byte == b'"')?)?;
        const NAMES: [&[u8]; 6] =
            [b"$oid", b"$numberInt", b"$numberLong", b"$numberDouble", b"$numberDecimal", b"$date"];
        NAMES.contains(&key).then_some(key)
    }

    /// Writes the value of `{"$key": "text"}`. None if the object has another form.
    fn usual(&mut self, key: &[u8]) -> Option<Kind> {
        self.expect(b'{', "").ok()?;
        self.expect(b'"', "").ok()?;
        self.at += key.len() + 1;
        self.expect(b':', "").ok()?;
        self.skip_space().ok()?;
        let kind = if key == b"$date" && self.peek() == Some(b'{') {
            let long = self.usual_key().filter(|key| *key == b"$numberLong")?;
            self.usual(long)?;
            Kind::Date
        } else {
            self.expect(b'"', "").ok()?;
            let rest = self.text.get(self.at..)?;
            let end = rest.iter().position(|byte| *byte == b'"')?;
            let kind = self.put(key, std::str::from_utf8(rest.get(..end)?).ok()?)?;
            self.at += end + 1;
            kind
        };
        self.expect(b'}', "").ok()?;
        Some(kind)
    }

    fn put(&mut self, key: &[u8], text: &str) -> Option<Kind> {
        Some(match key {
            b"$oid" => {
                self.out.extend_from_slice(&typed::object_id(text)?);
                Kind::ObjectId
            }
            b"$numberInt" => {
                self.out.extend_from_slice(&i32::try_from(typed::integer(text)?).ok()?.to_le_bytes());
                Kind::Int32
            }
            b"$numberLong" => {
                self.out.extend_from_slice(&typed::integer(text)?.to_le_bytes());
                Kind::Int64
            }
            b"$numberDouble" => {
                self.out.extend_from_slice(&typed::double(text)?.to_le_bytes());
                Kind::Double
            }
            b"$numberDecimal" => {
                self.out.extend_from_slice(&typed::decimal(text)?);
                Kind::Decimal128
            }
            _ => {
                self.out.extend_from_slice(&moment::millis(text)?.to_le_bytes());
                Kind::Date
            }
        })
    }
}
