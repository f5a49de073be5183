//! Cuts a CSV text into records and fields, in bounded memory.
//!
//! The format is RFC 4180: fields may be in quotes, and a quote within them is doubled. A quote within a field that does
//! not begin with one is a character like others. Lines end with LF or CRLF, or with CR where the first line does. A
//! line that violates the format is returned as broken, and reading continues after it: what follows an open quote is
//! read again line by line. Knows nothing of columns or encodings.

use std::io::{ErrorKind, Read};

use memchr::{memchr, memchr_iter, memchr2};

const BUFFER_BYTES: usize = 1 << 18;

/// The most bytes of one record.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// A field within its record's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Field {
    pub from: usize,
    pub to: usize,
    pub is_quoted: bool,
    /// Whether it contains doubled quotes.
    pub is_doubled: bool,
}

/// A part of the text. Its bytes are those of `Records::bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// A record. Its fields are in the list that was passed.
    Record,
    /// A line that is not a record.
    Broken(&'static str),
    End,
}

pub struct Records {
    input: Box<dyn Read>,
    delimiter: u8,
    quote: Option<u8>,
    /// The byte that ends a line: LF, or CR.
    newline: u8,
    buffer: Vec<u8>,
    /// The piece that was returned last, and the end of what is read.
    start: usize,
    length: usize,
    end: usize,
    is_at_end: bool,
    /// The bytes from the piece's start to the next piece's, and those in between that were not kept.
    used: usize,
    forgotten: u64,
    lines: u64,
    /// The piece's line, from 1, and its offset in the text.
    pub line: u64,
    pub offset: u64,
}

/// Why a record could not be cut.
enum Stop {
    Broken(&'static str),
    TooLong,
    Failed(std::io::Error),
}

const OPEN_QUOTE: &str = "a quote is not closed";
const TEXT_AFTER_QUOTE: &str = "text follows a closing quote";
const TOO_LONG: &str = "the line is longer than 16 MiB; only its start is kept";

impl Records {
    pub fn new(input: Box<dyn Read>, delimiter: u8, quote: Option<u8>, newline: u8) -> Self {
        Self {
            input,
            delimiter,
            quote,
            newline,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            length: 0,
            end: 0,
            is_at_end: false,
            used: 0,
            forgotten: 0,
            lines: 0,
            line: 1,
            offset: 0,
        }
    }

    /// The bytes of the last piece, without its line end.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.start + self.length).unwrap_or_default()
    }

    /// The next record or broken line.
    pub fn next(&mut self, fields: &mut Vec<Field>) -> std::io::Result<Piece> {
        self.line += self.lines;
        self.offset += self.used as u64 + self.forgotten;
        self.start += self.used;
        (self.used, self.forgotten, self.lines, self.length) = (0, 0, 0, 0);
        fields.clear();
        if self.start >= self.end && !self.fill()? {
            return Ok(Piece::End);
        }
        match self.record(fields) {
            Ok(()) => Ok(Piece::Record),
            Err(Stop::Broken(what)) => self.broken_line(what),
            Err(Stop::TooLong) => self.broken_line(OPEN_QUOTE),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn record(&mut self, fields: &mut Vec<Field>) -> Result<(), Stop> {
        let mut at = 0;
        let mut breaks = 0;
        loop {
            let mut field = Field { from: at, to: at, is_quoted: false, is_doubled: false };
            if let Some(quote) = self.quote
                && self.byte(at)? == Some(quote)
            {
                (field.is_quoted, field.from) = (true, at + 1);
                let mut from = at + 1;
                loop {
                    let Some(found) = self.find(from, |rest| memchr(quote, rest))? else {
                        return Err(Stop::Broken(OPEN_QUOTE));
                    };
                    if self.byte(found + 1)? == Some(quote) {
                        field.is_doubled = true;
                        from = found + 2;
                    } else {
                        (field.to, at) = (found, found + 1);
                        break;
                    }
                }
                let text = self.buffer.get(self.start + field.from..self.start + field.to).unwrap_or_default();
                breaks += memchr_iter(self.newline, text).count() as u64;
            } else {
                let (delimiter, newline) = (self.delimiter, self.newline);
                let found = self.find(at, |rest| memchr2(delimiter, newline, rest))?;
                at = found.unwrap_or(self.end - self.start);
                field.to = at;
            }
            let next = self.byte(at)?;
            if next == Some(self.delimiter) {
                fields.push(field);
                at += 1;
                continue;
            }
            let mut end = at;
            if self.newline == b'\n' {
                if !field.is_quoted
                    && field.to > field.from
                    && self.byte(field.to - 1)? == Some(b'\r')
                    && next.is_some()
                {
                    field.to -= 1;
                } else if field.is_quoted && next == Some(b'\r') && self.byte(at + 1)? == Some(b'\n') {
                    end += 1;
                }
            }
            match self.byte(end)? {
                Some(byte) if byte == self.newline => (self.used, self.lines) = (end + 1, breaks + 1),
                None => (self.used, self.lines) = (end, breaks + 1),
                // Over several lines, the quote that closed is probably one that should have opened.
                Some(_) => return Err(Stop::Broken(if breaks > 0 { OPEN_QUOTE } else { TEXT_AFTER_QUOTE })),
            }
            fields.push(field);
            self.length = if field.is_quoted { at } else { field.to };
            return Ok(());
        }
    }

    /// The first line of what is not a record.
    fn broken_line(&mut self, what: &'static str) -> std::io::Result<Piece> {
        let newline = self.newline;
        self.lines = 1;
        match self.find(0, |rest| memchr(newline, rest)) {
            Ok(Some(found)) => (self.length, self.used) = (found, found + 1),
            Ok(None) => (self.length, self.used) = (self.end - self.start, self.end - self.start),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::TooLong | Stop::Broken(_)) => {
                // Only the start of the line is kept. Its rest is read and forgotten.
                self.length = RECORD_BYTES_MAX;
                loop {
                    let from = self.start + self.length;
                    let rest = self.buffer.get(from..self.end).unwrap_or_default();
                    if let Some(found) = memchr(newline, rest) {
                        self.buffer.copy_within(from + found + 1..self.end, from);
                        self.end -= found + 1;
                        self.forgotten += found as u64 + 1;
                        break;
                    }
                    self.forgotten += rest.len() as u64;
                    self.end = from;
                    if !self.fill()? {
                        break;
                    }
                }
                self.used = self.length;
                return Ok(Piece::Broken(TOO_LONG));
            }
        }
        if newline == b'\n' && self.bytes().last() == Some(&b'\r') {
            self.length -= 1;
        }
        Ok(Piece::Broken(what))
    }

    /// The byte at an offset from the piece's start. None at the end of the text.
    #[inline]
    fn byte(&mut self, at: usize) -> Result<Option<u8>, Stop> {
        while self.start + at >= self.end {
            if !self.more()? {
                return Ok(None);
            }
        }
        Ok(self.buffer.get(self.start + at).copied())
    }

    /// The first place from `at` on that `search` finds, from the piece's start.
    #[inline]
    fn find(&mut self, at: usize, search: impl Fn(&[u8]) -> Option<usize>) -> Result<Option<usize>, Stop> {
        let mut from = at;
        loop {
            let rest = self.buffer.get(self.start + from..self.end).unwrap_or_default();
            if let Some(found) = search(rest) {
                return Ok(Some(from + found));
            }
            from = (self.end - self.start).max(from);
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Reads more of the current record.
    fn more(&mut self) -> Result<bool, Stop> {
        if self.end - self.start >= RECORD_BYTES_MAX {
            return Err(Stop::TooLong);
        }
        self.fill().map_err(Stop::Failed)
    }

    /// Reads more bytes. False at the end of the text.
    fn fill(&mut self) -> std::io::Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.input.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(read) => {
                    self.end += read;
                    self.is_at_end = read == 0;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The text of a field, in `room` if it has doubled quotes.
#[inline]
pub fn text_of<'t>(record: &'t [u8], field: Field, quote: Option<u8>, room: &'t mut Vec<u8>) -> &'t [u8] {
    let text = record.get(field.from..field.to).unwrap_or_default();
    let Some(quote) = quote.filter(|_| field.is_doubled) else { return text };
    room.clear();
    let mut is_second = false;
    for byte in text {
        is_second = *byte == quote && !is_second;
        if !is_second {
            room.push(*byte);
        }
    }
    room
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::{Piece, Records, text_of};

    /// Returns one byte at a time.
    struct Slow(Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let most = out.len().min(1);
            self.0.read(&mut out[..most])
        }
    }

    fn pieces(input: Box<dyn Read>, newline: u8) -> Vec<String> {
        let mut records = Records::new(input, b',', Some(b'"'), newline);
        let (mut fields, mut found, mut room) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let piece = records.next(&mut fields).unwrap();
            let line = records.line;
            match piece {
                Piece::End => return found,
                Piece::Broken(what) => {
                    found.push(format!("{line} {what}: {}", String::from_utf8_lossy(records.bytes())));
                }
                Piece::Record => {
                    let texts: Vec<_> = fields
                        .iter()
                        .map(|field| {
                            let text = text_of(records.bytes(), *field, Some(b'"'), &mut room);
                            let text = String::from_utf8_lossy(text).into_owned();
                            if field.is_quoted { format!("<{text}>") } else { text }
                        })
                        .collect();
                    found.push(format!("{line} {}", texts.join("|")));
                }
            }
        }
    }

    #[track_caller]
    fn check(text: &str, newline: u8, expected: &[&str]) {
        let bytes = text.as_bytes().to_vec();
        assert_eq!(pieces(Box::new(Cursor::new(bytes.clone())), newline), expected);
        assert_eq!(pieces(Box::new(Slow(Cursor::new(bytes))), newline), expected);
    }

    #[test]
    fn cuts_records() {
        check(
            "a,b\r\n1,\"x,\"\"y\"\"\r\nz\"\r\n,\"\"\n\n2,",
            b'\n',
            &["1 a|b", "2 1|<x,\"y\"\r\nz>", "4 |<>", "5 ", "6 2|"],
        );
        check("a\rb\r", b'\r', &["1 a", "2 b"]);
        check("a\rb,5\" c\n", b'\n', &["1 a\rb|5\" c"]);
        check("a,\"b\"", b'\n', &["1 a|<b>"]);
        check("a,\r\n\"b\"\r\n", b'\n', &["1 a|", "2 <b>"]);
        check("", b'\n', &[]);
    }

    #[test]
    fn goes_on_after_broken_lines() {
        check("1,\"a\n2,b\n", b'\n', &["1 a quote is not closed: 1,\"a", "2 2|b"]);
        check("1,\"a\n2,\"b\"\n3,c", b'\n', &["1 a quote is not closed: 1,\"a", "2 2|<b>", "3 3|c"]);
        check("1,\"a\"x\r\n2,b\r\n", b'\n', &["1 text follows a closing quote: 1,\"a\"x", "2 2|b"]);
    }

    #[test]
    fn a_long_line_is_not_kept() {
        let mut text = b"1,2\n".to_vec();
        text.resize(40 << 20, b'x');
        text.extend_from_slice(b"\n3,4\n");
        let found = pieces(Box::new(Cursor::new(text)), b'\n');
        assert_eq!(found.len(), 3);
        assert!(found[1].starts_with("2 the line is longer than 16 MiB; only its start is kept: xxx"));
        assert_eq!(found[2], "3 3|4");
    }
}
