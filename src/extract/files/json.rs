//! Extended JSON v2, canonical or relaxed: one document a line, or one after the other, or the elements of one array.
//!
//! Documents are cut out of the stream by their brackets, so that a file of any size is read in bounded memory and an
//! error names the line of its document.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::extract::bson::DOCUMENT_BYTES_MAX;
use crate::extract::files::{Each, json_bson, placed};

const BUFFER_BYTES: usize = 1 << 18;

/// Bytes of one document's text, at most: canonical Extended JSON is longer than BSON.
const TEXT_BYTES_MAX: usize = 4 * DOCUMENT_BYTES_MAX;

pub fn documents(path: &Path, mut input: Box<dyn Read>, each: &mut Each<'_>) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut cutter = Cutter::default();
    let mut bson = Vec::new();
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::source_file(path, &error)),
        };
        let mut rest = buffer.get(..read).unwrap_or_default();
        while !rest.is_empty() {
            let (used, whole) = cutter.feed(rest).map_err(|what| Error::malformed_json(path, cutter.line, what))?;
            rest = rest.get(used..).unwrap_or_default();
            if whole {
                bson.clear();
                convert(path, &cutter, &mut bson)?;
                each(&bson).map_err(|fault| {
                    placed(fault, |malformed| Error::malformed_json(path, cutter.start_line, malformed.what))
                })?;
                cutter.text.clear();
            }
        }
    }
    cutter.end().map_err(|what| Error::malformed_json(path, cutter.start_line, what))
}

/// Of one document a line.
const CUT_LINE: &str = "the line ends within a document";

/// One document's text as BSON bytes.
fn convert(path: &Path, cutter: &Cutter, bson: &mut Vec<u8>) -> Result<()> {
    json_bson::convert(&cutter.text, bson).map_err(|invalid| {
        if cutter.is_cut_line() {
            return Error::malformed_json(path, cutter.start_line, CUT_LINE);
        }
        let before = cutter.text.get(..invalid.at).unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count() as u64;
        Error::malformed_json(path, cutter.start_line + lines, invalid.what)
    })
}

/// Cuts documents out of a stream, by brackets outside of strings.
#[derive(Debug)]
struct Cutter {
    text: Vec<u8>,
    /// Open brackets within the document.
    depth: usize,
    in_string: bool,
    escaped: bool,
    array: Array,
    line: u64,
    /// Where the document at hand begins.
    start_line: u64,
}

/// Whether the file is one array, and how far it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Array {
    Unknown,
    None,
    Open,
    Closed,
}

impl Default for Cutter {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            depth: 0,
            in_string: false,
            escaped: false,
            array: Array::Unknown,
            line: 1,
            start_line: 1,
        }
    }
}

impl Cutter {
    /// Takes bytes up to the end of a document, and says how many and whether `text` is whole.
    fn feed(&mut self, bytes: &[u8]) -> Result<(usize, bool), &'static str> {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.depth == 0 {
                self.between(byte)?;
                continue;
            }
            self.text.push(byte);
            if self.in_string {
                match byte {
                    b'\n' => return Err("a line ends within a string"),
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                b'\n' => {
                    self.line += 1;
                    if self.text.len() > TEXT_BYTES_MAX {
                        return Err(self.too_long());
                    }
                }
                _ => {}
            }
            if self.depth == 0 {
                return Ok((index + 1, true));
            }
        }
        if self.text.len() > TEXT_BYTES_MAX {
            return Err(self.too_long());
        }
        Ok((bytes.len(), false))
    }

    fn between(&mut self, byte: u8) -> Result<(), &'static str> {
        match (byte, self.array) {
            (b'\n', _) => self.line += 1,
            (b' ' | b'\t' | b'\r', _) => {}
            // A byte order mark before anything else.
            (0xef | 0xbb | 0xbf, Array::Unknown) => {}
            (b'[', Array::Unknown) => self.array = Array::Open,
            (b',', Array::Open) => {}
            (b']', Array::Open) => self.array = Array::Closed,
            (_, Array::Closed) => return Err("text after the array's end"),
            (b'{', _) => {
                if self.array == Array::Unknown {
                    self.array = Array::None;
                }
                self.start_line = self.line;
                self.depth = 1;
                self.text.push(byte);
            }
            _ => return Err("a document begins with `{`"),
        }
        Ok(())
    }

    fn too_long(&mut self) -> &'static str {
        self.line = self.start_line;
        if self.is_cut_line() { CUT_LINE } else { "a document without an end" }
    }

    /// Whether the document at hand should have ended with its line: the next line begins another.
    fn is_cut_line(&self) -> bool {
        let next = self.text.iter().position(|byte| *byte == b'\n').and_then(|end| self.text.get(end + 1..));
        self.array == Array::None && next.is_some_and(|next| next.starts_with(b"{"))
    }

    fn end(&self) -> Result<(), &'static str> {
        if self.depth > 0 {
            return Err(if self.is_cut_line() { CUT_LINE } else { "the file ends within a document" });
        }
        if self.array == Array::Open { Err("the file ends within its array") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::documents;
    use std::path::Path;

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], &str>) {
        let mut found = Vec::new();
        let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        let result = documents(Path::new("loans.json"), input, &mut |document| {
            found.push(bson::Document::from_reader(document).unwrap().to_string());
            Ok(())
        });
        let found: Vec<_> = found.iter().map(String::as_str).collect();
        let result = result.as_ref().map(|()| found.as_slice()).map_err(|error| error.message());
        assert_eq!(result, expected);
    }

    #[test]
    fn reads_lines_arrays_and_pretty_texts() {
        let two: &[&str] = &[r#"{ "a": 1 }"#, r#"{ "b": "}{"" }"#];
        check("{\"a\": 1}\n\n{\"b\": \"}{\\\"\"}\n", Ok(two));
        check("[{\"a\": {\"$numberInt\": \"1\"}},\n {\"b\": \"}{\\\"\"}]", Ok(two));
        check("{\n  \"a\": 1\n}\n{\n  \"b\": \"}{\\\"\"\n}", Ok(two));
        check("", Ok(&[]));
        check("[]", Ok(&[]));
    }

    #[test]
    fn names_the_line() {
        check("{\"a\": 1}\n{\"a\": }\n", Err("`loans.json` line 2 is not valid Extended JSON: expected value"));
        check(
            "{\"a\": 1}\nnonsense\n",
            Err("`loans.json` line 2 is not valid Extended JSON: a document begins with `{`"),
        );
        check(
            "{\"a\": 1}\n{\"a\": \"x\n",
            Err("`loans.json` line 2 is not valid Extended JSON: a line ends within a string"),
        );
        check(
            "{\"a\": 1}\n{\"a\": 1",
            Err("`loans.json` line 2 is not valid Extended JSON: the file ends within a document"),
        );
        let cut = Err("`loans.json` line 2 is not valid Extended JSON: the line ends within a document");
        check("{\"a\": 1}\n{\"a\": \n{\"a\": 3}\n", cut);
        check("{\"a\": 1}\n{\"a\": [1}\n{\"a\": 3}}\n{\"a\": 4}\n", cut);
        check("[{\"a\": 1}", Err("`loans.json` line 1 is not valid Extended JSON: the file ends within its array"));
        check(
            "{\"a\": {\"$oid\": \"zz\"}}",
            Err(
                "`loans.json` line 1 is not valid Extended JSON: a `$` key whose value does not have the form of its type",
            ),
        );
    }
}
