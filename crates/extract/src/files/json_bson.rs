//! Converts one document of Extended JSON, or as the MongoDB shells print it, to BSON bytes in one pass.
//!
//! Repeated keys are kept in order. Numbers keep all their digits (`json_number`). An object with `$` keys becomes the
//! value that they describe (`types`), and so does a shell's function (`words`). Knows no files.

mod types;
mod words;

use crate::bson::{DEPTH_MAX, Kind};
use crate::files::json_number::JsonNumber;
use elt_base::path::push_key;

/// The error, its byte offset in the text, and the path of its value.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid {
    pub at: usize,
    pub what: &'static str,
    /// Empty if the error is not within a field.
    pub path: String,
}

/// The most bytes of an error's path.
const PATH_BYTES_MAX: usize = 200;

impl Invalid {
    /// The error with its path.
    pub fn reason(&self) -> String {
        if self.path.is_empty() {
            return self.what.to_owned();
        }
        let end = self.path.floor_char_boundary(PATH_BYTES_MAX);
        let (shown, cut) = self.path.split_at(end);
        format!("at `{shown}{}`: {}", if cut.is_empty() { "" } else { "…" }, self.what)
    }
}

/// Appends the document to `out`.
pub fn convert(text: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
    let mut parser = Parser { text, at: 0, out, failed: Vec::new() };
    let result = parser.skip_space().and_then(|()| parser.object(0)).and_then(|()| {
        parser.skip_space()?;
        if parser.at == text.len() { Ok(()) } else { Err("there is text after the end of the document") }
    });
    result.map_err(|what| {
        let mut path = String::new();
        for step in parser.failed.iter().rev() {
            match step {
                FailedStep::Key(key) => push_key(&mut path, key),
                FailedStep::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        Invalid { at: parser.at.min(text.len()), what, path }
    })
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    out: &'t mut Vec<u8>,
    /// After an error, the steps to its value, the innermost first.
    failed: Vec<FailedStep>,
}

enum FailedStep {
    Key(String),
    Index(usize),
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
            self.key()?;
            let end = self.out.len();
            if self.out.get(tag + 1..).unwrap_or_default().contains(&0) {
                return Err("a key contains a zero byte");
            }
            self.out.push(0);
            self.expect(b':', "expected `:`")?;
            if let Err(what) = self.tagged_value(tag, depth) {
                let key = self.out.get(tag + 1..end).unwrap_or_default();
                self.failed.push(FailedStep::Key(String::from_utf8_lossy(key).into_owned()));
                return Err(what);
            }
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

    /// An array, or the arguments of a function. The bracket that opens it was read.
    fn elements(&mut self, end: u8, depth: usize) -> Parsed<()> {
        let start = self.open(depth)?;
        self.skip_space()?;
        if self.peek() == Some(end) {
            self.at += 1;
            return self.close(start);
        }
        for index in 0_usize.. {
            let tag = self.out.len();
            self.out.push(0);
            self.out.extend_from_slice(index.to_string().as_bytes());
            self.out.push(0);
            if let Err(what) = self.tagged_value(tag, depth) {
                if end == b']' {
                    self.failed.push(FailedStep::Index(index));
                }
                return Err(what);
            }
            self.skip_space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => {
                    self.at += 1;
                    break;
                }
                _ if end == b']' => return Err("expected `,` or `]`"),
                _ => return Err("expected `,` or `)`"),
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

    /// Writes a value, and returns the tag of its type.
    fn value(&mut self, depth: usize) -> Parsed<u8> {
        let kind = match self.peek() {
            Some(b'{') => return self.object_or_type(depth + 1),
            Some(b'[') => {
                self.at += 1;
                self.elements(b']', depth + 1)?;
                Kind::Array
            }
            Some(quote @ (b'"' | b'\'' | b'`')) => {
                let start = self.out.len();
                self.out.extend_from_slice(&[0; 4]);
                self.quoted(quote)?;
                self.out.push(0);
                let length = i32::try_from(self.out.len() - start - 4).map_err(|_| "a string is longer than 2 GiB")?;
                if let Some(prefix) = self.out.get_mut(start..start + 4) {
                    prefix.copy_from_slice(&length.to_le_bytes());
                }
                Kind::String
            }
            Some(b'-' | b'0'..=b'9') if !self.is_odd_number() => return self.number(),
            Some(b't') if self.word("true") => {
                self.out.push(1);
                Kind::Boolean
            }
            Some(b'f') if self.word("false") => {
                self.out.push(0);
                Kind::Boolean
            }
            Some(b'n') if self.word("null") => Kind::Null,
            _ => return self.of_shell(depth),
        };
        Ok(kind as u8)
    }

    /// Whether the word is next. If it is, it was read.
    fn word(&mut self, word: &str) -> bool {
        let is_next = self.text.get(self.at..).unwrap_or_default().starts_with(word.as_bytes());
        self.at += if is_next { word.len() } else { 0 };
        is_next
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

    /// A key, without its quotes. The shells leave them out if the key is a name.
    fn key(&mut self) -> Parsed<()> {
        self.skip_space()?;
        if let Some(quote @ (b'"' | b'\'' | b'`')) = self.peek() {
            return self.quoted(quote);
        }
        let name = self.name();
        let is_digits = name.bytes().all(|byte| byte.is_ascii_digit());
        // Of numbers, only those that JavaScript keeps as they are written.
        let is_number = is_digits && (name == "0" || !name.starts_with('0')) && name.len() <= 15;
        if name.is_empty() || name.contains('.') || (name.as_bytes()[0].is_ascii_digit() && !is_number) {
            return Err("expected a key");
        }
        self.out.extend_from_slice(name.as_bytes());
        self.at += name.len();
        Ok(())
    }

    /// The name that is next, or an empty text. Does not read it.
    fn name(&self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | 0x80..);
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        rest.get(..length).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// A string (RFC 8259, section 7), appended as UTF-8 without its quotes. mongosh breaks a long one into several with
    /// a `+` between them.
    fn quoted(&mut self, quote: u8) -> Parsed<()> {
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = match quote {
                b'"' => rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)),
                _ => rest.iter().position(|byte| *byte == quote || matches!(byte, b'\\' | 0..=0x1f)),
            };
            let plain = plain.ok_or("a string does not end")?;
            let (part, _) = rest.split_at(plain);
            if std::str::from_utf8(part).is_err() {
                return Err("a string is not UTF-8");
            }
            self.out.extend_from_slice(part);
            self.at += plain + 1;
            match rest.get(plain) {
                Some(b'\\') => self.escape()?,
                Some(byte) if *byte != quote => return Err("a string contains a control character"),
                _ if self.text.get(self.at..).unwrap_or_default().starts_with(b" +") => {
                    self.at += 2;
                    self.skip_space()?;
                    match self.peek() {
                        Some(next @ (b'"' | b'\'' | b'`')) => return self.quoted(next),
                        _ => return Err("expected a string"),
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn escape(&mut self) -> Parsed<()> {
        let byte = self.peek().ok_or("a string does not end")?;
        self.at += 1;
        let plain = match byte {
            b'"' | b'\\' | b'/' | b'\'' | b'`' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            // The next two are JavaScript's.
            b'v' => 0x0b,
            b'x' => {
                let letter = char::from_u32(self.hex_digits(2)?).ok_or("invalid escape")?;
                self.out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            b'u' => {
                let unit = self.hex_digits(4)?;
                let code = match unit {
                    0xd800..0xdc00 if self.text.get(self.at..self.at + 2) == Some(b"\\u") => {
                        self.at += 2;
                        let low = self.hex_digits(4)?;
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

    fn hex_digits(&mut self, count: usize) -> Parsed<u32> {
        let digits = self.text.get(self.at..self.at + count).and_then(|digits| std::str::from_utf8(digits).ok());
        self.at += count;
        digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or("invalid escape")
    }
}

#[cfg(test)]
mod tests;
