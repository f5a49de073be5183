//! A regular expression with MongoDB's semantics (PCRE2 in UTF mode), executed by the `regex` crate.
//!
//! A pattern that means different things in the two is rewritten. Classes such as `\d` are ASCII. `$` also matches
//! before a last newline. `[`, `&&` and blanks within a class are literal. Patterns that the crate does not support
//! (look-around, back references, possessive quantifiers) are errors and are never approximated. Knows nothing of
//! queries.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

use regex::bytes::{Regex, RegexBuilder};

use crate::bson::{Kind, Value};

const UNSUPPORTED: &str = "a regular expression is invalid or not supported on files";

/// The meaning of PCRE's `$` without the option `m`, and of its `\Z`.
const END: &str = r"(?:\n?\z)";

/// A compiled pattern, and its text, which is compared with stored regular expressions.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    source: Box<str>,
    options: Box<str>,
}

impl Pattern {
    pub fn new(source: &str, options: &str) -> Result<Self, String> {
        if !options.chars().all(|option| "imsxu".contains(option)) {
            return Err("an option of a regular expression must be one of `imsx`".to_owned());
        }
        let has = |option| options.contains(option);
        let regex = RegexBuilder::new(&translate(source, has('m'), has('x')).ok_or(UNSUPPORTED)?)
            .case_insensitive(has('i'))
            .multi_line(has('m'))
            .dot_matches_new_line(has('s'))
            .ignore_whitespace(has('x'))
            .build()
            .map_err(|_| UNSUPPORTED)?;
        Ok(Self { regex, source: source.into(), options: options.into() })
    }

    pub fn holds(&self, value: Value<'_>) -> bool {
        match value.kind {
            Kind::String | Kind::Symbol => self.regex.is_match(value.text()),
            Kind::Regex => value.regex() == (self.source.as_bytes(), self.options.as_bytes()),
            _ => false,
        }
    }
}

/// Translates a pattern. None if the crate cannot express it.
fn translate(source: &str, multiline: bool, extended: bool) -> Option<String> {
    let multiline = multiline || sets_multiline(source);
    let mut out = String::with_capacity(source.len() + 16);
    let mut chars = source.chars().peekable();
    let mut after_quantifier = false;
    while let Some(char) = chars.next() {
        let mut quantifier = false;
        match char {
            '\\' => escape(&mut chars, &mut out)?,
            '[' => class(&mut chars, &mut out)?,
            '$' if !multiline => out.push_str(END),
            '(' => {
                out.push('(');
                if chars.next_if_eq(&'?').is_some() {
                    out.push('?');
                    // This is recursion in PCRE, but a flag in the crate.
                    if matches!(chars.peek(), Some('R' | 'u')) {
                        return None;
                    }
                }
            }
            '{' => match bounds(&chars) {
                Some(length) => {
                    out.push('{');
                    out.extend(chars.by_ref().take(length));
                    quantifier = true;
                }
                None => out.push_str("\\{"),
            },
            '+' if after_quantifier => return None,
            '?' if after_quantifier => out.push('?'),
            '*' | '+' | '?' => {
                out.push(char);
                quantifier = true;
            }
            '#' if extended => {
                // The characters of a comment have no meaning.
                while chars.next().is_some_and(|char| char != '\n') {}
            }
            _ => out.push(char),
        }
        after_quantifier = quantifier;
    }
    Some(out)
}

/// Whether a group sets the option `m` inside the pattern.
fn sets_multiline(source: &str) -> bool {
    source.split("(?").skip(1).any(|group| {
        group.chars().take_while(char::is_ascii_lowercase).any(|flag| flag == 'm')
            && group.trim_start_matches(|char: char| char.is_ascii_lowercase()).starts_with([')', ':', '-'])
    })
}

/// The length of `3}`, `3,}` or `3,5}`. A brace before any other text is literal.
fn bounds(chars: &Peekable<Chars<'_>>) -> Option<usize> {
    let inner: String = chars.clone().take_while(|char| *char != '}').collect();
    let (least, most) = inner.split_once(',').unwrap_or((&inner, ""));
    let closed = chars.clone().nth(inner.chars().count()) == Some('}');
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (closed && !least.is_empty() && digits(least) && digits(most)).then_some(inner.len() + 1)
}

fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Option<()> {
    let char = chars.next()?;
    match char {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        // Without regard to case, the crate's letters would also match two that are not ASCII.
        'w' => out.push_str("(?-i:[0-9A-Za-z_])"),
        'W' => out.push_str("(?-i:[^0-9A-Za-z_])"),
        's' => out.push_str(r"[\t\n\x0B\x0C\r\x20]"),
        'S' => out.push_str(r"[^\t\n\x0B\x0C\r\x20]"),
        'b' => out.push_str(r"(?-u:\b)"),
        'B' => out.push_str(r"(?-u:\B)"),
        'Z' => out.push_str(END),
        'e' => out.push_str(r"\x1B"),
        'Q' => {
            let literal: String = quoted(chars);
            out.push_str(&regex::escape(&literal));
        }
        _ => return plain_escape(char, out),
    }
    Some(())
}

/// The text between `\Q` and `\E`, or the end of the pattern.
fn quoted(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut literal = String::new();
    while let Some(char) = chars.next() {
        if char == '\\' && chars.next_if_eq(&'E').is_some() {
            break;
        }
        literal.push(char);
    }
    literal
}

/// An escape with the same meaning inside and outside a class.
fn plain_escape(char: char, out: &mut String) -> Option<()> {
    match char {
        // These have another meaning in PCRE, or none.
        'v' | 'u' | 'U' => return None,
        '<' | '>' => out.push(char),
        _ if char.is_ascii() => out.extend(['\\', char]),
        _ => out.push(char),
    }
    Some(())
}

/// The rest of a class after its opening bracket.
fn class(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Option<()> {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    if chars.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
    loop {
        match chars.next()? {
            ']' => break,
            '\\' => class_escape(chars, out)?,
            '[' if chars.peek() == Some(&':') => {
                out.push('[');
                loop {
                    let char = chars.next()?;
                    out.push(char);
                    if char == ']' {
                        break;
                    }
                }
            }
            '-' if chars.next_if_eq(&'-').is_some() => out.push_str("-\\-"),
            char @ ('[' | '&' | '~') => out.extend(['\\', char]),
            char if char.is_whitespace() || char == '#' => {
                // Writing into a `String` cannot fail.
                let _ = write!(out, "\\x{{{:X}}}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push(']');
    Some(())
}

fn class_escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Option<()> {
    let char = chars.next()?;
    match char {
        'd' => out.push_str("0-9"),
        'D' => out.push_str("[^0-9]"),
        'w' => out.push_str("0-9A-Za-z_"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        's' => out.push_str(r"\t\n\x0B\x0C\r\x20"),
        'S' => out.push_str(r"[^\t\n\x0B\x0C\r\x20]"),
        'b' => out.push_str(r"\x08"),
        'e' => out.push_str(r"\x1B"),
        'Q' => return None,
        _ => return plain_escape(char, out),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::Pattern;
    use crate::bson::find;

    /// The texts of `texts` that match.
    #[track_caller]
    fn check(source: &str, options: &str, texts: &[&str], expected: &[&str]) {
        let pattern = Pattern::new(source, options).unwrap();
        let matches = |text: &&str| {
            let document = doc! { "v": *text }.to_vec().unwrap();
            pattern.holds(find(&document, b"v").unwrap().unwrap())
        };
        let matching: Vec<&str> = texts.iter().copied().filter(matches).collect();
        assert_eq!(matching, expected, "{source}");
    }

    #[test]
    fn reads_what_pcre_reads() {
        check("^ab+$", "", &["abb", "abb\n", "abb\n\n", "xab"], &["abb", "abb\n"]);
        check("^b$", "m", &["a\nb\nc", "ab"], &["a\nb\nc"]);
        check("(?m)^b$", "", &["a\nb\nc", "ab"], &["a\nb\nc"]);
        check("É", "i", &["é", "e"], &["é"]);
        check("a.c", "", &["a\nc", "aéc"], &["aéc"]);
        check("a.c", "s", &["a\nc"], &["a\nc"]);
        check("a b # [ no class", "x", &["ab", "a b"], &["ab"]);
        check("[a b]x", "x", &[" x", "cx"], &[" x"]);
        check(r"^\w+$", "", &["abc_1", "é"], &["abc_1"]);
        check(r"^\d$", "", &["7", "\u{663}"], &["7"]);
        check(r"^[\d\s]+$", "", &["7 7", "x"], &["7 7"]);
        check(r"^[^\W]$", "", &["a", "-"], &["a"]);
        check(r"\bcar\b", "", &["a car.", "scar"], &["a car."]);
        check(r"^[[&&]+$", "", &["[&", "a"], &["[&"]);
        check("^[]a]+$", "", &["]a", "b"], &["]a"]);
        check("^[[:alpha:]]+$", "", &["ab", "1"], &["ab"]);
        check("^a{2}$", "", &["aa", "a"], &["aa"]);
        check("^a{2,}?$", "", &["aaa", "a"], &["aaa"]);
        check("a{x}", "", &["a{x}"], &["a{x}"]);
        check(r"\Qa.b\E+", "", &["a.bb", "axb"], &["a.bb"]);
        check(r"a\/b\-\<", "", &["a/b-<"], &["a/b-<"]);
        check("(?<year>[0-9]{4})-(?i:X)", "", &["2024-x"], &["2024-x"]);
    }

    #[test]
    fn refuses_what_the_crate_cannot_do() {
        for source in ["(?=a)", "(?<!a)b", r"(a)\1", "a++", "(?R)", "(", "[a", r"\v", r"\uFFFF", "a\\"] {
            let error = Pattern::new(source, "").unwrap_err();
            assert_eq!(error, "a regular expression is invalid or not supported on files", "{source}");
        }
        assert_eq!(Pattern::new("a", "g").unwrap_err(), "an option of a regular expression must be one of `imsx`");
    }

    #[test]
    fn a_stored_regular_expression_equals_the_same_text() {
        let text = |text: &str| bson::raw::CString::try_from(text).unwrap();
        let document = doc! { "v": bson::Regex { pattern: text("^a$"), options: text("i") } }.to_vec().unwrap();
        let value = find(&document, b"v").unwrap().unwrap();
        assert!(Pattern::new("^a$", "i").unwrap().holds(value));
        assert!(!Pattern::new("^a$", "").unwrap().holds(value));
    }
}
