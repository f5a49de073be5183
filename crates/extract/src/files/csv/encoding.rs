//! The encoding of a text file: found from its first bytes, and decoded to UTF-8 while the file is read.
//!
//! A byte order mark names the encoding, and is not part of the text. Without a mark, UTF-16 shows by the zero bytes of
//! its Latin letters. A file that is not UTF-8 throughout, and has no letter that is UTF-8 alone, is in Windows-1252,
//! which includes the printable characters of Latin-1. Knows nothing of CSV.

use std::io::{self, Read};

use crate::options::Encoding;

/// The bytes at a file's start that show its encoding.
const START_BYTES: usize = 4_096;

/// The bytes that are decoded at once.
const CHUNK_BYTES: usize = 1 << 16;

/// The characters of Windows-1252 from 0x80 to 0x9f. It leaves five of these bytes undefined; they are the control
/// characters of the same number (WHATWG Encoding, "index windows-1252").
const WINDOWS_1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}', '\u{2030}',
    '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}',
    '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}',
    '\u{17e}', '\u{178}',
];

/// A file as UTF-8, and its encoding.
pub struct DecodedFile {
    /// `Utf8` if the first bytes show no other.
    pub encoding: Encoding,
    /// Whether the setting or a byte order mark names it.
    pub is_certain: bool,
    pub text: Box<dyn Read>,
}

/// Decodes a file. `wanted` takes precedence over what the bytes show. Text that the encoding does not allow becomes bytes that are not
/// UTF-8, so that the reader of the text finds it.
pub fn decoded(mut input: Box<dyn Read>, wanted: Option<Encoding>) -> io::Result<DecodedFile> {
    let mut start = Vec::new();
    input.by_ref().take(START_BYTES as u64).read_to_end(&mut start)?;
    let (marked, mark) = match start.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => (Some(Encoding::Utf8), 3),
        [0xff, 0xfe, ..] => (Some(Encoding::Utf16Le), 2),
        [0xfe, 0xff, ..] => (Some(Encoding::Utf16Be), 2),
        _ => (None, 0),
    };
    let is_wide = |encoding: &Option<Encoding>| matches!(encoding, Some(Encoding::Utf16Le | Encoding::Utf16Be));
    // Both are UTF-16, and only the mark knows the order of bytes.
    let wanted = if is_wide(&wanted) && is_wide(&marked) { marked } else { wanted };
    let encoding = wanted.or(marked).unwrap_or_else(|| shown_by(&start));
    // In another encoding than that of the mark, the same bytes are text.
    let mark = if marked == Some(encoding) { mark } else { 0 };
    let rest = Box::new(io::Cursor::new(start.split_off(mark)).chain(input));
    Ok(DecodedFile {
        encoding,
        is_certain: wanted.or(marked).is_some(),
        text: if encoding == Encoding::Utf8 { rest } else { Box::new(Decoded::new(encoding, rest)) },
    })
}

/// The encoding of a text without a mark: zero bytes are in every second place of UTF-16, and hardly in other texts.
fn shown_by(start: &[u8]) -> Encoding {
    let zeros = |from: usize| start.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), start.len() / 2);
    // Most letters are Latin, and line ends and delimiters always are.
    if half > 0 && odd * 4 > half && even * 8 < odd {
        Encoding::Utf16Le
    } else if half > 0 && even * 4 > half && odd * 8 < even {
        Encoding::Utf16Be
    } else {
        Encoding::Utf8
    }
}

/// How often a text is UTF-8 beyond ASCII, and how often it is not UTF-8.
#[derive(Debug, Clone, Copy, Default)]
pub struct Utf8Count {
    letters: u64,
    invalid: u64,
}

impl Utf8Count {
    #[inline]
    pub fn see(&mut self, text: &[u8]) {
        if text.is_ascii() {
            return;
        }
        for chunk in text.utf8_chunks() {
            self.letters += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count() as u64;
            self.invalid += u64::from(!chunk.invalid().is_empty());
        }
    }

    /// The encoding of a file that its first bytes did not show. Single broken letters of a UTF-8 file do not make it
    /// Windows-1252.
    pub fn encoding(self) -> Encoding {
        if self.invalid > self.letters { Encoding::Windows1252 } else { Encoding::Utf8 }
    }
}

struct Decoded {
    encoding: Encoding,
    input: Box<dyn Read>,
    raw: Vec<u8>,
    /// The bytes of `raw` that are not decoded yet: part of a character.
    left: usize,
    text: Vec<u8>,
    at: usize,
}

impl Decoded {
    fn new(encoding: Encoding, input: Box<dyn Read>) -> Self {
        Self { encoding, input, raw: vec![0; CHUNK_BYTES], left: 0, text: Vec::new(), at: 0 }
    }

    /// Decodes the next bytes. False at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.text.clear();
        self.at = 0;
        let mut have = self.left;
        while have < self.raw.len() {
            match self.input.read(self.raw.get_mut(have..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => have += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let is_end = have < self.raw.len();
        let used = self.decode(have, is_end);
        self.raw.copy_within(used..have, 0);
        self.left = have - used;
        Ok(!self.text.is_empty())
    }

    /// Decodes the first `have` bytes, and returns how many it used.
    fn decode(&mut self, have: usize, is_end: bool) -> usize {
        let Self { encoding, raw, text, .. } = self;
        let raw = raw.get(..have).unwrap_or_default();
        match encoding {
            Encoding::Utf8 => text.extend_from_slice(raw),
            Encoding::Latin1 | Encoding::Windows1252 => {
                for byte in raw {
                    let letter = match byte {
                        0x80..=0x9f if *encoding == Encoding::Windows1252 => WINDOWS_1252[usize::from(byte - 0x80)],
                        byte => char::from(*byte),
                    };
                    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            Encoding::Utf16Le | Encoding::Utf16Be => return decode_utf16(raw, *encoding, is_end, text),
        }
        have
    }
}

fn decode_utf16(raw: &[u8], encoding: Encoding, is_end: bool, text: &mut Vec<u8>) -> usize {
    let unit = |at: usize| {
        let pair = raw.get(at..at + 2)?.try_into().ok()?;
        Some(if encoding == Encoding::Utf16Le { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let mut at = 0;
    while let Some(first) = unit(at) {
        let second = if (0xd800..0xdc00).contains(&first) { unit(at + 2) } else { None };
        if (0xd800..0xdc00).contains(&first) && second.is_none() && !is_end {
            // The other half is not read yet.
            return at;
        }
        let units = std::iter::once(first).chain(second);
        match char::decode_utf16(units).next() {
            Some(Ok(letter)) => {
                text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                at += letter.len_utf16() * 2;
            }
            _ => {
                // Half of a character alone: three bytes that are not UTF-8.
                let half = first;
                text.extend_from_slice(&[0xed, 0x80 | (half >> 6 & 0x3f) as u8, 0x80 | (half & 0x3f) as u8]);
                at += 2;
            }
        }
    }
    if is_end && at < raw.len() {
        text.push(0xff);
        at = raw.len();
    }
    at
}

impl Read for Decoded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.text.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.len().min(out.len());
        for (to, from) in out.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::{Encoding, Utf8Count, decoded};

    #[track_caller]
    fn check(bytes: &[u8], wanted: Option<Encoding>, encoding: Encoding, expected: &[u8]) {
        let mut found = decoded(Box::new(Cursor::new(bytes.to_vec())), wanted).unwrap();
        let mut text = Vec::new();
        found.text.read_to_end(&mut text).unwrap();
        assert_eq!((found.encoding, text.as_slice()), (encoding, expected));
    }

    fn utf16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        mark.then_some(0xfeff).into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn finds_and_decodes() {
        check(b"a,b\n", None, Encoding::Utf8, b"a,b\n");
        check(b"\xef\xbb\xbfa\n", None, Encoding::Utf8, b"a\n");
        let text = "id,name\n1,Zoë 😀\n".repeat(9_000);
        for mark in [true, false] {
            check(&utf16(&text, mark, u16::to_le_bytes), None, Encoding::Utf16Le, text.as_bytes());
            check(&utf16(&text, mark, u16::to_be_bytes), None, Encoding::Utf16Be, text.as_bytes());
        }
        check(b"a\xe9\x80", Some(Encoding::Windows1252), Encoding::Windows1252, "aé€".as_bytes());
        check(b"a\xe9\x80", Some(Encoding::Latin1), Encoding::Latin1, "aé\u{80}".as_bytes());
        check(b"a\0\x3d\xd8", Some(Encoding::Utf16Le), Encoding::Utf16Le, b"a\xed\xa0\xbd");
        check(b"a\0b", Some(Encoding::Utf16Le), Encoding::Utf16Le, b"a\xff");
        check(b"", None, Encoding::Utf8, b"");
    }

    #[test]
    fn counts_decide_between_utf_8_and_windows_1252() {
        #[track_caller]
        fn check(text: &[u8], expected: Encoding) {
            let mut count = Utf8Count::default();
            count.see(text);
            assert_eq!(count.encoding(), expected);
        }
        check(b"plain", Encoding::Utf8);
        check("Zoë".as_bytes(), Encoding::Utf8);
        check(b"Zo\xeb, Andr\xe9", Encoding::Windows1252);
        check(b"Zo\xc3\xab, Andr\xe9", Encoding::Utf8);
    }
}
