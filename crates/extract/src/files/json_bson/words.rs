//! The values that only the MongoDB shells write: words, functions, regular expressions, odd numbers.
//!
//! Extends the parser. `shell` knows the functions.

use super::{Parsed, Parser};
use crate::bson::Kind;
use crate::files::shell;
use crate::files::typed::{self, Typed};

impl Parser<'_> {
    /// Whether the number that is next is a shell's: hexadecimal, or a name with a sign.
    pub(super) fn is_odd_number(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let digits = rest.strip_prefix(b"-").unwrap_or(rest);
        matches!(digits, [b'0', b'x' | b'X', ..] | [b'I' | b'N', ..])
    }

    /// A value as only the shells write it: a word, a function, a regular expression, an odd number.
    pub(super) fn of_shell(&mut self, depth: usize) -> Parsed<u8> {
        let (at, start) = (self.at, self.out.len());
        if self.peek() == Some(b'/') {
            return self.regex();
        }
        let sign = self.peek().filter(|byte| matches!(byte, b'-' | b'+'));
        self.at += usize::from(sign.is_some());
        let mut name = self.name();
        if sign.is_some() || name.starts_with(|first: char| first.is_ascii_digit()) {
            self.at += name.len();
            return self.odd_number(at).inspect_err(|_| self.at = at);
        }
        if name == "new" {
            self.at += name.len();
            self.skip_space()?;
            name = self.name();
        }
        self.at += name.len();
        let end = self.at;
        self.skip_space()?;
        if !name.is_empty() && self.peek() == Some(b'(') {
            self.at += 1;
            self.elements(b')', depth + 1)?;
            let arguments = self.out.get(start..).unwrap_or_default();
            return match shell::call(name, arguments) {
                Ok(found) => Ok(self.replace(start, &found)),
                Err(what) => {
                    self.at = at;
                    Err(what)
                }
            };
        }
        self.at = end;
        match shell::word(name) {
            Some(found) => Ok(self.replace(start, &found)),
            None => {
                self.at = at;
                Err("expected value")
            }
        }
    }

    /// The number that was read from `at` on.
    fn odd_number(&mut self, at: usize) -> Parsed<u8> {
        let text = self.text.get(at..self.at).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
        if text.contains(['x', 'X']) {
            return typed::integer(text).map(|integer| self.integer(integer)).ok_or("invalid number");
        }
        match text {
            "+Infinity" | "-Infinity" | "-NaN" => {
                let double = typed::double(text).unwrap_or(f64::NAN);
                self.out.extend_from_slice(&double.to_le_bytes());
                Ok(Kind::Double as u8)
            }
            _ => Err("invalid number"),
        }
    }

    /// `/pattern/options`, as JavaScript writes it: within a class, `[…]`, a slash ends nothing.
    fn regex(&mut self) -> Parsed<u8> {
        const ENDLESS: &str = "a regular expression does not end";
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let (mut escaped, mut in_class) = (false, false);
        let end = rest.iter().position(|byte| {
            let is_end = *byte == b'\n' || (*byte == b'/' && !escaped && !in_class);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'[' => in_class = true,
                b']' => in_class = false,
                _ => {}
            }
            is_end
        });
        let end = end.filter(|end| *end > 0 && rest.get(*end) == Some(&b'/')).ok_or(ENDLESS)?;
        let (pattern, rest) = rest.split_at(end);
        let options = rest.get(1..).unwrap_or_default();
        let length = options.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(options.len());
        let options = options.get(..length).unwrap_or_default();
        if std::str::from_utf8(pattern).is_err() {
            return Err("a regular expression is not UTF-8");
        }
        let found = Typed::regex(pattern, options).ok_or(ENDLESS)?;
        self.at += end + 2 + length;
        let start = self.out.len();
        Ok(self.replace(start, &found))
    }
}
