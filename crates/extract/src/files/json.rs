//! Reads Extended JSON, or what the MongoDB shells print: one document on each line, documents one after the other, or
//! arrays of them, with or without commas between documents.
//!
//! The brackets show where a document begins and ends. So a file of any size is read in bounded memory, and an error
//! names the line of its document. A malformed document is quarantined, and reading continues after it. A file that
//! ends inside a document is an error.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::bson::DOCUMENT_BYTES_MAX;
use crate::decode::Fault;
use crate::files::json_bson;
use crate::files::taker::{Broken, Taker};
use crate::messages;
use elt_base::error::Result;

const BUFFER_BYTES: usize = 1 << 18;

/// The most bytes of one document's text. Canonical Extended JSON is longer than BSON.
const TEXT_BYTES_MAX: usize = 4 * DOCUMENT_BYTES_MAX;

pub fn documents(path: &Path, mut input: Box<dyn Read>, taker: &mut dyn Taker) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut texts = TextReader { path, cutter: Cutter::default(), bson: Vec::new(), taker };
    let mut is_cut = false;
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // The compressed file is incomplete.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                is_cut = true;
                break;
            }
            Err(error) => return Err(messages::source_file(path, &error)),
        };
        texts.take(buffer.get(..read).unwrap_or_default())?;
    }
    texts.end(is_cut)
}

/// The error in a file with one document on each line.
const CUT_LINE: &str = "the line ends inside a document";

/// The errors of a file that ends too early.
const IN_DOCUMENT: &str = "the file ends inside a document";
const IN_ARRAY: &str = "the file ends inside its array";
const IN_GZIP: &str = "the compressed file ends too early";

/// Passes the documents of a file to the taker.
struct TextReader<'t> {
    path: &'t Path,
    cutter: Cutter,
    bson: Vec<u8>,
    taker: &'t mut dyn Taker,
}

impl TextReader<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        // A broken document may have included the text of the next ones. That text is read again, before the text after
        // it.
        let mut waiting: Vec<(Cow<'_, [u8]>, usize)> = vec![(Cow::Borrowed(bytes), 0)];
        while let Some((chunk, at)) = waiting.last_mut() {
            let Some(rest) = chunk.get(*at..).filter(|rest| !rest.is_empty()) else {
                waiting.pop();
                continue;
            };
            let (used, cut) = self.cutter.feed(rest);
            *at += used;
            let again = match cut {
                Cut::More => None,
                Cut::Whole => self.whole()?,
                Cut::Broken(what) => {
                    // The line end that revealed the error is already counted.
                    let line = self.cutter.line - u64::from(self.cutter.text.last() == Some(&b'\n'));
                    self.broken(line, what)?
                }
            };
            if let Some(again) = again {
                waiting.push((Cow::Owned(again), 0));
            }
        }
        Ok(())
    }

    /// `is_cut` means that the compressed file is incomplete.
    fn end(&mut self, is_cut: bool) -> Result<()> {
        let mut is_told = false;
        while let Err(what) = self.cutter.end() {
            let line = self.cutter.start_line;
            let is_lost = what != IN_DOCUMENT && what != IN_ARRAY;
            if is_lost || (self.cutter.array == Array::None && cut_line(&self.cutter.text).is_some()) {
                if let Some(again) = self.broken(line, what)? {
                    self.take(&again)?;
                }
                continue;
            }
            self.cut_off(line, what)?;
            is_told = true;
            if self.cutter.array == Array::Open {
                // Its elements were read before the error.
                self.cutter.array = Array::Closed;
            }
        }
        if is_cut && !is_told { self.cut_off(self.cutter.line, IN_GZIP) } else { Ok(()) }
    }

    fn cut_off(&mut self, line: u64, what: &str) -> Result<()> {
        let cutter = &mut self.cutter;
        let text = std::mem::take(&mut cutter.text);
        let start = if text.is_empty() { cutter.at } else { cutter.start };
        cutter.restart();
        let broken = Broken { offset: start, line: Some(line), what: what.to_owned(), bytes: &text };
        self.taker.cut_off(broken, messages::truncated_json(self.path, line, what))
    }

    /// Converts the text of one document. Returns the text that must be read again.
    fn whole(&mut self) -> Result<Option<Vec<u8>>> {
        self.bson.clear();
        if let Err(invalid) = json_bson::convert(&self.cutter.text, &mut self.bson) {
            let before = self.cutter.text.get(..invalid.at).unwrap_or_default();
            let lines = before.iter().filter(|byte| **byte == b'\n').count() as u64;
            return self.broken(self.cutter.start_line + lines, &invalid.reason());
        }
        match self.taker.document(&self.bson) {
            Ok(()) => {
                self.cutter.text.clear();
                Ok(None)
            }
            Err(Fault::Malformed(malformed)) => self.broken(self.cutter.start_line, malformed.what),
            Err(Fault::Stopped(error)) => Err(error),
        }
    }

    /// Quarantines the text of a broken document, or only its first line if the next line begins another document.
    fn broken(&mut self, line: u64, what: &str) -> Result<Option<Vec<u8>>> {
        let cutter = &mut self.cutter;
        let mut text = std::mem::take(&mut cutter.text);
        let mut again = None;
        let (mut line, mut what) = (line, what);
        if cutter.array == Array::None
            && let Some(end) = cut_line(&text)
        {
            again = Some(text.split_off(end));
            (line, what) = (cutter.start_line, CUT_LINE);
        }
        let broken = Broken { offset: cutter.start, line: Some(line), what: what.to_owned(), bytes: &text };
        self.taker.broken(broken, messages::malformed_json(self.path, line, what))?;
        let cutter = &mut self.cutter;
        if let Some(again) = &again {
            // Restores the position before this text.
            cutter.at -= again.len() as u64;
            cutter.line -= again.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        cutter.restart();
        Ok(again)
    }
}

/// The start of a text's second line, if that line begins a document: then the first document is broken.
fn cut_line(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|byte| *byte == b'\n')? + 1;
    text.get(end..)?.starts_with(b"{").then_some(end)
}

/// Whether a line between documents is a comment, with which programs number what the shell prints: `/* 1 */`.
fn is_comment(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    text.starts_with(b"//") || (text.starts_with(b"/*") && text.ends_with(b"*/"))
}

/// The result of feeding bytes.
enum Cut {
    More,
    /// `text` is a complete document.
    Whole,
    /// `text` cannot become a document.
    Broken(&'static str),
}

/// Finds the documents in a stream by the brackets that are outside strings.
#[derive(Debug)]
struct Cutter {
    text: Vec<u8>,
    /// The number of open brackets in the current document.
    depth: usize,
    /// The quote of the string that is open: `"`, or a shell's `'`, a backtick, or the `/` of a regular expression. 0 if
    /// none is.
    quote: u8,
    escaped: bool,
    /// Whether a class of a regular expression is open, in which a slash ends nothing.
    in_class: bool,
    /// The last byte outside strings that is not a space. A shell's string can only begin where a value can.
    last: u8,
    array: Array,
    line: u64,
    /// The number of bytes that were fed so far.
    at: u64,
    /// The line in which the current document begins.
    start_line: u64,
    start: u64,
    /// The reason why the text up to the end of the line is not part of a document.
    lost: Option<&'static str>,
}

/// Whether the file is one array, and the state of reading it.
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
            quote: 0,
            escaped: false,
            in_class: false,
            last: b'{',
            array: Array::Unknown,
            line: 1,
            at: 0,
            start_line: 1,
            start: 0,
            lost: None,
        }
    }
}

impl Cutter {
    /// Consumes bytes up to the end of a document, or up to an error. Returns their number.
    fn feed(&mut self, bytes: &[u8]) -> (usize, Cut) {
        for (index, &byte) in bytes.iter().enumerate() {
            let used = index + 1;
            self.at += 1;
            if let Some(what) = self.lost {
                if byte == b'\n' || (self.array == Array::Open && matches!(byte, b',' | b']')) {
                    self.lost = None;
                    // The text is reported before its end is counted.
                    self.at -= 1;
                    if is_comment(&self.text) {
                        self.text.clear();
                        return (index, Cut::More);
                    }
                    return (index, Cut::Broken(what));
                }
                self.text.push(byte);
            } else if self.depth == 0 {
                self.between(byte);
            } else {
                self.text.push(byte);
                if let Some(what) = self.within(byte) {
                    return (used, Cut::Broken(what));
                }
                if self.depth == 0 {
                    return (used, Cut::Whole);
                }
            }
            if self.text.len() > TEXT_BYTES_MAX {
                return (used, Cut::Broken("a document does not end"));
            }
        }
        (bytes.len(), Cut::More)
    }

    fn within(&mut self, byte: u8) -> Option<&'static str> {
        if self.quote != 0 {
            match byte {
                b'\n' => {
                    self.line += 1;
                    return Some("the line ends inside a string");
                }
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'[' if self.quote == b'/' => self.in_class = true,
                b']' if self.quote == b'/' => self.in_class = false,
                _ if byte == self.quote && !self.in_class => (self.quote, self.last) = (0, byte),
                _ => {}
            }
            return None;
        }
        match byte {
            b'"' => self.quote = byte,
            b'\'' | b'`' | b'/' if matches!(self.last, b'{' | b'[' | b'(' | b',' | b':' | b'+') => self.quote = byte,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            b'\n' => {
                self.line += 1;
                return None;
            }
            b' ' | b'\t' | b'\r' => return None,
            _ => {}
        }
        self.last = byte;
        None
    }

    /// Forgets the current document.
    fn restart(&mut self) {
        (self.depth, self.quote, self.escaped, self.in_class) = (0, 0, false, false);
    }

    fn between(&mut self, byte: u8) {
        let lost = match (byte, self.array) {
            (b'\n', _) => {
                self.line += 1;
                return;
            }
            (b' ' | b'\t' | b'\r', _) => return,
            // A byte order mark at the start of the file.
            (0xef | 0xbb | 0xbf, Array::Unknown) => return,
            // Arrays may follow each other.
            (b'[', Array::Unknown | Array::Closed) => {
                self.array = Array::Open;
                return;
            }
            (b',', Array::Open | Array::Closed | Array::None) => return,
            (b']', Array::Open) => {
                self.array = Array::Closed;
                return;
            }
            (_, Array::Closed) => Some("there is text after the end of the array"),
            (b'{', _) => None,
            _ => Some("a document must begin with `{`"),
        };
        (self.start_line, self.start) = (self.line, self.at - 1);
        self.text.push(byte);
        self.lost = lost;
        if lost.is_none() {
            if self.array == Array::Unknown {
                self.array = Array::None;
            }
            (self.depth, self.last) = (1, b'{');
        }
    }

    fn end(&mut self) -> Result<(), &'static str> {
        if let Some(what) = self.lost.take() {
            if !is_comment(&self.text) {
                return Err(what);
            }
            self.text.clear();
        }
        match (self.depth > 0, self.array) {
            (true, _) => Err(IN_DOCUMENT),
            (_, Array::Open) => Err(IN_ARRAY),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::documents;
    use crate::decode::Fault;
    use crate::files::taker::{Broken, Taker};
    use elt_base::error::{Error, Result};

    /// The documents, and the broken texts as `offset line what: text`.
    #[derive(Default)]
    struct Taken {
        documents: Vec<String>,
        broken: Vec<String>,
        fails: bool,
    }

    impl Taker for Taken {
        fn document(&mut self, document: &[u8]) -> Result<(), Fault> {
            self.documents.push(bson::Document::from_reader(document).unwrap().to_string());
            Ok(())
        }

        fn broken(&mut self, broken: Broken<'_>, error: Error) -> Result<()> {
            let Broken { offset, line, what, bytes } = broken;
            self.broken.push(format!("{offset} {} {what}: {}", line.unwrap(), String::from_utf8_lossy(bytes)));
            if self.fails { Err(error) } else { Ok(()) }
        }

        fn cut_off(&mut self, broken: Broken<'_>, error: Error) -> Result<()> {
            self.broken(broken, error)
        }
    }

    fn take(text: &str, taken: &mut Taken) -> Result<()> {
        documents(Path::new("loans.json"), Box::new(std::io::Cursor::new(text.as_bytes().to_vec())), taken)
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], &str>) {
        let mut taken = Taken { fails: true, ..Taken::default() };
        let result = take(text, &mut taken);
        let found: Vec<_> = taken.documents.iter().map(String::as_str).collect();
        let result = result.as_ref().map(|()| found.as_slice()).map_err(|error| error.message());
        assert_eq!(result, expected);
    }

    #[track_caller]
    fn check_broken(text: &str, documents: &[&str], broken: &[&str]) {
        let mut taken = Taken::default();
        take(text, &mut taken).unwrap();
        assert_eq!(
            (taken.documents, taken.broken),
            (
                documents.iter().map(|text| (*text).to_owned()).collect(),
                broken.iter().map(|text| (*text).to_owned()).collect()
            )
        );
    }

    #[test]
    fn reads_on_behind_what_is_broken() {
        let two = [r#"{ "a": 1 }"#, r#"{ "a": 4 }"#];
        check_broken("{\"a\": 1}\nnonsense {\n{\"a\": 4}\n", &two, &["9 2 a document must begin with `{`: nonsense {"]);
        check_broken(
            "{\"a\": 1}\n{\"a\": \n{\"a\": [2\n{\"a\": 4}\n",
            &two,
            &["9 2 the line ends inside a document: {\"a\": \n", "16 3 the line ends inside a document: {\"a\": [2\n"],
        );
        check_broken(
            "{\"a\": 1}\n{\"a\": \"x\n{\"a\": 4}",
            &two,
            &["9 2 the line ends inside a string: {\"a\": \"x\n"],
        );
        check_broken("[{\"a\": 1}, {\"a\": }, {\"a\": 4}]", &two, &["11 1 at `a`: expected value: {\"a\": }"]);
        check_broken(
            "[{\"a\": 1}, 7, {\"a\": 4}, x]",
            &two,
            &["11 1 a document must begin with `{`: 7", "24 1 a document must begin with `{`: x"],
        );
        check_broken("[{\"a\": 1}, {\"a\": 4}", &two, &["19 1 the file ends inside its array: "]);
        check_broken("{\"a\": 1}\n{\"a\": 4}\n{\"a\":", &two, &["18 3 the file ends inside a document: {\"a\":"]);
        check_broken("{\"a\": 1}\n{\"a\": 4}\nend", &two, &["18 3 a document must begin with `{`: end"]);
    }

    #[test]
    fn reads_lines_arrays_and_pretty_texts() {
        let two: &[&str] = &[r#"{ "a": 1 }"#, r#"{ "b": "}{"" }"#];
        check("{\"a\": 1}\n\n{\"b\": \"}{\\\"\"}\n", Ok(two));
        check("[{\"a\": {\"$numberInt\": \"1\"}},\n {\"b\": \"}{\\\"\"}]", Ok(two));
        check("{\n  \"a\": 1\n}\n{\n  \"b\": \"}{\\\"\"\n}", Ok(two));
        check("{\"a\": 1},\n{\"b\": \"}{\\\"\"},\n", Ok(two));
        check("[{\"a\": 1}]\n[{\"b\": \"}{\\\"\"}]\n", Ok(two));
        check("[{\"a\": 1}],\n[{\"b\": \"}{\\\"\"},]\n", Ok(two));
        check("/* 1 */\n{\"a\": 1}\n\n/* 2 */\n{\"b\": \"}{\\\"\"}\n// end", Ok(two));
        check("", Ok(&[]));
        check("[]", Ok(&[]));
    }

    #[test]
    fn finds_the_ends_of_shell_texts() {
        check("{a: '}\\'{'}\n{a: 4}\n", Ok(&[r#"{ "a": "}'{" }"#, r#"{ "a": 4 }"#]));
        check("[{a: `'}\"`}, {a: 4}]", Ok(&[r#"{ "a": "'}"" }"#, r#"{ "a": 4 }"#]));
        check("{a: /}\\/[/}\"]/i}\n{a: 4}", Ok(&[r#"{ "a": /}\/[/}"]/i }"#, r#"{ "a": 4 }"#]));
        // An apostrophe elsewhere begins no string.
        check_broken("{\"a\": it's}\n{\"a\": 4}", &[r#"{ "a": 4 }"#], &["0 1 at `a`: expected value: {\"a\": it's}"]);
    }

    #[test]
    fn names_the_line() {
        check(
            "{\"a\": 1}\n{\"a\": }\n",
            Err("line 2 of `loans.json` is not valid Extended JSON: at `a`: expected value"),
        );
        check(
            "{\"a\": 1}\nnonsense\n",
            Err("line 2 of `loans.json` is not valid Extended JSON: a document must begin with `{`"),
        );
        check(
            "{\"a\": 1}\n{\"a\": \"x\n",
            Err("line 2 of `loans.json` is not valid Extended JSON: the line ends inside a string"),
        );
        check(
            "{\"a\": 1}\n{\"a\": 1",
            Err("line 2 of `loans.json` is not valid Extended JSON: the file ends inside a document"),
        );
        let cut = Err("line 2 of `loans.json` is not valid Extended JSON: the line ends inside a document");
        check("{\"a\": 1}\n{\"a\": \n{\"a\": 3}\n", cut);
        check("{\"a\": 1}\n{\"a\": [1}\n{\"a\": 3}}\n{\"a\": 4}\n", cut);
        check("[{\"a\": 1}", Err("line 1 of `loans.json` is not valid Extended JSON: the file ends inside its array"));
        check(
            "{\"a\": {\"$oid\": \"zz\"}}",
            Err(
                "line 1 of `loans.json` is not valid Extended JSON: at `a`: `$oid` must be a text of 24 hexadecimal digits",
            ),
        );
    }
}
