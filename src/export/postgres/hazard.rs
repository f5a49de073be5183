//! What Postgres cannot hold, and how it is found in a JSON text.
//!
//! Pure. Knows no Arrow and no connection.

use std::sync::LazyLock;

use regex::Regex;

/// Why a value cannot stand in its column. Each is written as the nearest value that can: what `replace` publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hazard {
    /// U+0000 in text or in a string of JSON. Without it.
    Nul,
    /// A date or timestamp before 4713 BC or beyond Postgres' last year. `-infinity`, `infinity`.
    YearRange,
    /// NaN or Infinity in JSON or `numeric`. NULL.
    NotFinite,
    /// Half of a UTF-16 surrogate pair, escaped in a string of JSON. U+FFFD.
    Surrogate,
    /// More digits than `numeric`, or the column's precision, holds. NULL.
    Digits,
    /// Digits behind the column's scale. Rounded.
    Scale,
    /// Beyond the column's integers. NULL.
    IntegerRange,
    /// Text that should be a UUID. NULL.
    NotUuid,
    /// No label of the column's enum. NULL.
    NoLabel,
    /// More characters than the column takes. Cut.
    Length,
    /// JSON that is larger or deeper than `jsonb` holds. NULL.
    JsonLimit,
    /// A value or row of a gigabyte. NULL; a row has no nearest value.
    Size,
}

impl Hazard {
    /// Stands before the count of values: `the character U+0000: 3 values`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Nul => "the character U+0000",
            Self::YearRange => "a year that Postgres does not reach",
            Self::NotFinite => "NaN or Infinity",
            Self::Surrogate => "half of a surrogate pair",
            Self::Digits => "more digits than the column holds",
            Self::Scale => "more decimal places than the column holds",
            Self::IntegerRange => "beyond the range of the column's type",
            Self::NotUuid => "not a UUID",
            Self::NoLabel => "not a label of the column's type",
            Self::Length => "more characters than the column takes",
            Self::JsonLimit => "larger or more deeply nested than `jsonb` takes",
            Self::Size => "a gigabyte or more",
        }
    }

    /// What stands in place of such values where they are replaced.
    pub fn replacement(self) -> &'static str {
        match self {
            Self::Nul => "the text without it",
            Self::YearRange => "`infinity` or `-infinity`",
            Self::Surrogate => "U+FFFD in its place",
            Self::Scale => "rounded values",
            Self::Length => "the text cut off",
            _ => "NULL",
        }
    }
}

/// `JENTRY_OFFLENMASK` in Postgres' `jsonb.h`: what a string, array or object may take.
const JSON_BYTES_MAX: usize = 0x0fff_ffff;
/// Postgres 15 takes more than 10,000 levels with its default `max_stack_depth`, and fewer than 20,000.
const JSON_DEPTH_MAX: usize = 6_000;

/// Numbers that might be beyond `numeric`: a long exponent, or very many digits.
static LONG_NUMBER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[0-9.][eE][+-]?[0-9]{5,}|[0-9]{16000,}").ok());

/// What jsonb would refuse in a JSON text that DuckDB wrote: `\u0000` or half a surrogate pair in a string, NaN or
/// Infinity outside of one.
pub fn json_hazard(text: &str) -> Option<Hazard> {
    if text.len() > JSON_BYTES_MAX || text.len() > 2 * JSON_DEPTH_MAX && depth(text) > JSON_DEPTH_MAX {
        return Some(Hazard::JsonLimit);
    }
    if text.len() > 6 && LONG_NUMBER.as_ref().is_some_and(|number| is_outside_strings(text, number)) {
        return Some(Hazard::Digits);
    }
    let suspects = ["\\u0000", "\\ud", "\\uD", "NaN", "Infinity"];
    if !suspects.iter().any(|suspect| text.contains(suspect)) {
        return None;
    }
    let mut in_string = false;
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => match escaped_unit(tail) {
                Some(0) => return Some(Hazard::Nul),
                Some(0xdc00..=0xdfff) => return Some(Hazard::Surrogate),
                Some(0xd800..=0xdbff) => {
                    let low = tail.get(5..).and_then(|next| next.strip_prefix(b"\\")).and_then(escaped_unit);
                    if !matches!(low, Some(0xdc00..=0xdfff)) {
                        return Some(Hazard::Surrogate);
                    }
                    rest = tail.get(11..).unwrap_or_default();
                }
                _ => rest = tail.get(1..).unwrap_or_default(),
            },
            b'N' | b'I' if !in_string => return Some(Hazard::NotFinite),
            _ => {}
        }
    }
    None
}

/// The UTF-16 unit that `uXXXX`, behind a backslash, spells.
fn escaped_unit(text: &[u8]) -> Option<u16> {
    let hex = text.strip_prefix(b"u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// How deeply a JSON text nests.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether a pattern, which holds no quotes, matches outside of all strings.
fn is_outside_strings(text: &str, pattern: &Regex) -> bool {
    let is_inside = |at: usize| {
        let (mut in_string, mut is_escaped) = (false, false);
        for byte in text.as_bytes()[..at].iter() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = in_string,
                b'"' => in_string = !in_string,
                _ => {}
            }
        }
        in_string
    };
    // One look is enough for nearly all texts; a bound keeps strings full of such numbers from taking forever.
    pattern.find_iter(text).take(100).any(|found| !is_inside(found.start()))
}

/// A JSON text that `jsonb` takes in place of one with half surrogates or escaped NULs; None where there is none.
pub fn mend_json(text: &str, hazard: Hazard) -> Option<String> {
    if !matches!(hazard, Hazard::Nul | Hazard::Surrogate) {
        return None;
    }
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let tail = &escape[1..];
        let unit = escaped_unit(tail.as_bytes());
        let low = |tail: &str| tail.as_bytes().get(5..)?.strip_prefix(b"\\").and_then(escaped_unit);
        let length = match unit {
            Some(0) => 6,
            Some(0xd800..=0xdbff) if matches!(low(tail), Some(0xdc00..=0xdfff)) => {
                mended.push_str(&escape[..12]);
                12
            }
            Some(0xd800..=0xdfff) => {
                mended.push('\u{fffd}');
                6
            }
            _ => {
                let length = 1 + tail.chars().next().map_or(0, char::len_utf8);
                mended.push_str(&escape[..length]);
                length
            }
        };
        rest = &escape[length..];
    }
    mended.push_str(rest);
    json_hazard(&mended).is_none().then_some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mends_strings() {
        let check = |text: &str, expected: &str| {
            let hazard = json_hazard(text).expect("a hazard");
            assert_eq!(mend_json(text, hazard).as_deref(), Some(expected), "{text}");
        };
        check(r#"{"a\u0000\u0000":1}"#.replace("\\\\", "\\").as_str(), r#"{"a":1}"#);
        check(r#"["\ud83d x","\ud83d\ude00"]"#.replace("\\\\", "\\").as_str(), "[\"\u{fffd} x\",\"\\ud83d\\ude00\"]");
        assert_eq!(mend_json("[NaN]", Hazard::NotFinite), None);
    }

    #[test]
    fn finds_limits() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(json_hazard(&nested(JSON_DEPTH_MAX)), None);
        assert_eq!(json_hazard(&nested(JSON_DEPTH_MAX + 1)), Some(Hazard::JsonLimit));
        assert_eq!(json_hazard(r#"{"a": 1e200000}"#), Some(Hazard::Digits));
        assert_eq!(json_hazard(r#"{"a": "1e200000", "b": 1e300}"#), None);
    }
}
