//! The hazards of Postgres (values that it cannot store), and how they are found in a JSON text.
//!
//! Pure. Knows no Arrow and no connection.

use crate::target::{Hazard, Replacement};

/// Why a value does not fit its column. Each comment ends with the value that `replace` publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostgresHazard {
    /// U+0000 in text or in a string of JSON. Without it.
    Nul,
    /// A date or timestamp before 4713 BC or beyond Postgres' last year. `-infinity`, `infinity`.
    YearRange,
    /// NaN or Infinity in `numeric`. NULL.
    NotFinite,
    /// NaN or Infinity within JSON. `null` in its place.
    NotFiniteInJson,
    /// Half of a UTF-16 surrogate pair, escaped in a string of JSON. U+FFFD.
    Surrogate,
    /// More digits than `numeric`, or the column's precision, allows. NULL.
    Digits,
    /// A number within JSON that is beyond `numeric`. `null` in its place.
    DigitsInJson,
    /// Digits behind the column's scale. Rounded.
    Scale,
    /// Beyond the column's integers. NULL.
    IntegerRange,
    /// A time of day where the column is a date. Without it.
    TimeOfDay,
    /// Text that should be a UUID. NULL.
    NotUuid,
    /// Printed in more characters than the column allows. NULL: half a number is another number.
    Width,
    /// Text that should be a time with its zone. NULL.
    NotTime,
    /// Not a label of the column's enum. NULL.
    NoLabel,
    /// More characters than the column allows. Cut.
    Length,
    /// JSON that is larger or deeper than `jsonb` allows. NULL.
    JsonLimit,
    /// A value or row of a gigabyte. NULL; a row has no nearest value.
    Size,
}

impl Hazard for PostgresHazard {
    fn text(self) -> &'static str {
        match self {
            Self::Nul => "the character U+0000",
            Self::YearRange => "a year that Postgres does not reach",
            Self::NotFinite | Self::NotFiniteInJson => "NaN or Infinity",
            Self::Surrogate => "half of a surrogate pair",
            Self::Digits => "more digits than the column holds",
            Self::DigitsInJson => "a number beyond `numeric`",
            Self::Scale => "more decimal places than the column holds",
            Self::IntegerRange => "beyond the range of the column's type",
            Self::TimeOfDay => "a time of day, which the column does not hold",
            Self::NotUuid => "not a UUID",
            Self::Width => "more characters than the column takes",
            Self::NotTime => "not a time with its zone",
            Self::NoLabel => "not a label of the column's type",
            Self::Length => "more characters than the column takes",
            Self::JsonLimit => "larger or more deeply nested than `jsonb` takes",
            Self::Size => "a gigabyte or more",
        }
    }

    fn replacement(self) -> Replacement {
        match self {
            Self::Nul => Replacement::Nearest("the text without it"),
            Self::YearRange => Replacement::Nearest("`infinity` or `-infinity`"),
            Self::Surrogate => Replacement::Nearest("U+FFFD in its place"),
            Self::NotFiniteInJson | Self::DigitsInJson => Replacement::Nearest("`null` in its place"),
            Self::Scale => Replacement::Nearest("rounded values"),
            Self::TimeOfDay => Replacement::Nearest("the date alone"),
            Self::Length => Replacement::Nearest("the text cut off"),
            Self::Size => Replacement::None,
            // (JSON that can be mended has another hazard.)
            _ => Replacement::Null,
        }
    }
}

/// `JENTRY_OFFLENMASK` in Postgres' `jsonb.h`: the maximum bytes of a string, array or object.
const JSON_BYTES_MAX: usize = 0x0fff_ffff;
/// Postgres 15 accepts 12,000 levels with its default `max_stack_depth` of 2 MB, but not 16,000. This is half of
/// 12,000.
const JSON_DEPTH_MAX: usize = 6_000;
/// `NUMERIC_WEIGHT_MAX` and `NUMERIC_DSCALE_MAX` in `numeric.c`: digits before and behind the point.
const WHOLE_DIGITS_MAX: i64 = 131_072;
const FRACTION_DIGITS_MAX: i64 = 16_383;
/// The bytes that `jsonb` stores for each value in addition to its own, and for a number in addition to its digits.
const JSON_ENTRY_BYTES: usize = 4;
const JSON_NUMBER_BYTES: usize = 8;

/// The first hazard for `jsonb` in a JSON text that DuckDB wrote: `\u0000` or half a surrogate pair in a string, NaN or
/// Infinity outside of a string, a number beyond `numeric`, or JSON that is too large or too deep.
///
/// One pass; strings, of which most texts consist, eight bytes at a time.
pub fn json_hazard(text: &str) -> Option<PostgresHazard> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut size) = (0, 0usize, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = match string_end(bytes, at + 1) {
                    Ok(end) => end,
                    Err(hazard) => return Some(hazard),
                };
                size += end - at + JSON_ENTRY_BYTES;
                at = end;
                continue;
            }
            b'[' | b'{' => {
                depth += 1;
                size += 2 * JSON_ENTRY_BYTES;
                if depth > JSON_DEPTH_MAX {
                    return Some(PostgresHazard::JsonLimit);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'0'..=b'9' => {
                let end = number_end(bytes, at);
                if end - at > 5 && !is_numeric(&bytes[at..end]) {
                    return Some(PostgresHazard::DigitsInJson);
                }
                size += JSON_ENTRY_BYTES + JSON_NUMBER_BYTES + (end - at) / 2;
                at = end;
                continue;
            }
            // As DuckDB writes them in a value, and as its JSON takes them.
            b'N' | b'I' | b'i' => return Some(PostgresHazard::NotFiniteInJson),
            b'n' if bytes.get(at + 1) == Some(&b'a') => return Some(PostgresHazard::NotFiniteInJson),
            b't' | b'f' | b'n' => {
                size += JSON_ENTRY_BYTES;
                // The rest of the word.
                at += 3;
            }
            _ => {}
        }
        at += 1;
    }
    (size > JSON_BYTES_MAX).then_some(PostgresHazard::JsonLimit)
}

/// The elements of a list in JSON text; None: it is no list.
pub fn json_elements(text: &str) -> Option<Vec<&str>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let bytes = inner.as_bytes();
    let (mut at, mut start, mut depth, mut elements) = (0, 0, 0usize, Vec::new());
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                elements.push(inner.get(start..at)?.trim());
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    let last = inner.get(start..)?.trim();
    if !(elements.is_empty() && last.is_empty()) {
        elements.push(last);
    }
    Some(elements)
}

/// Behind the closing quote of a string whose content begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, PostgresHazard> {
    loop {
        while let Some(chunk) = bytes.get(at..at + 8).and_then(|chunk| <[u8; 8]>::try_from(chunk).ok()) {
            let word = u64::from_le_bytes(chunk);
            match zero_bytes(word ^ (ONES * u64::from(b'"'))) | zero_bytes(word ^ (ONES * u64::from(b'\\'))) {
                0 => at += 8,
                found => {
                    at += found.trailing_zeros() as usize / 8;
                    break;
                }
            }
        }
        match bytes.get(at) {
            None => return Ok(at),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => {
                let tail = bytes.get(at + 1..).unwrap_or_default();
                at += match escaped_unit(tail) {
                    Some(0) => return Err(PostgresHazard::Nul),
                    Some(0xdc00..=0xdfff) => return Err(PostgresHazard::Surrogate),
                    Some(0xd800..=0xdbff) => {
                        let low = tail.get(5..).and_then(|next| next.strip_prefix(b"\\")).and_then(escaped_unit);
                        if !matches!(low, Some(0xdc00..=0xdfff)) {
                            return Err(PostgresHazard::Surrogate);
                        }
                        12
                    }
                    Some(_) => 6,
                    None => 2,
                };
            }
            Some(_) => at += 1,
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// A word whose lowest set bit is in the lowest zero byte of `word`; 0 where it has none.
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

fn number_end(bytes: &[u8], at: usize) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    bytes[at..].iter().position(|byte| !is_part(byte)).map_or(bytes.len(), |length| at + length)
}

/// Whether `numeric` can store a number of JSON, given without its sign.
fn is_numeric(number: &[u8]) -> bool {
    let exponent_at = number.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = number.split_at(exponent_at.unwrap_or(number.len()));
    let exponent = match exponent.get(1..).map(|digits| std::str::from_utf8(digits).map(str::parse::<i64>)) {
        None => 0,
        Some(Ok(Ok(exponent))) => exponent,
        Some(_) => return false,
    };
    let whole = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let fraction = mantissa.len().saturating_sub(whole + 1);
    let is_zero = mantissa.iter().all(|byte| matches!(byte, b'0' | b'.'));
    // Lengths fit: a text has less than 2 GB.
    let fits_whole = is_zero || (whole as i64).saturating_add(exponent) <= WHOLE_DIGITS_MAX;
    fits_whole && (fraction as i64).saturating_sub(exponent) <= FRACTION_DIGITS_MAX
}

/// The UTF-16 unit that `uXXXX`, behind a backslash, spells.
fn escaped_unit(text: &[u8]) -> Option<u16> {
    let hex = text.strip_prefix(b"u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// The JSON text that replaces one with hazards, and that `jsonb` accepts: without escaped NULs, with U+FFFD for halves
/// of surrogate pairs, and `null` for numbers that it cannot store. Reports what it replaced. None if there is no such
/// text.
pub fn mend_json(text: &str, fault: &mut impl FnMut(PostgresHazard)) -> Option<String> {
    let bytes = text.as_bytes();
    let mut mended = String::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    let mut found: Vec<PostgresHazard> = Vec::new();
    let mut in_string = false;
    while let Some(byte) = bytes.get(at) {
        let (length, replacement, hazard) = match byte {
            b'"' => {
                in_string = !in_string;
                at += 1;
                continue;
            }
            b'\\' if in_string => {
                let tail = bytes.get(at + 1..).unwrap_or_default();
                let low = || tail.get(5..)?.strip_prefix(b"\\").and_then(escaped_unit);
                match escaped_unit(tail) {
                    Some(0) => (6, "", PostgresHazard::Nul),
                    Some(0xd800..=0xdbff) if matches!(low(), Some(0xdc00..=0xdfff)) => {
                        at += 12;
                        continue;
                    }
                    Some(0xd800..=0xdfff) => (6, "\u{fffd}", PostgresHazard::Surrogate),
                    Some(_) => {
                        at += 6;
                        continue;
                    }
                    None => {
                        at += 2;
                        continue;
                    }
                }
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' if !in_string => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
                let length = bytes[at..].iter().position(|byte| !is_part(byte)).unwrap_or(bytes.len() - at);
                let token = &text[at..at + length];
                let unsigned = token.strip_prefix('-').unwrap_or(token);
                match unsigned.as_bytes().first() {
                    Some(b'0'..=b'9') if is_numeric(unsigned.as_bytes()) => {
                        at += length;
                        continue;
                    }
                    Some(b'0'..=b'9') => (length, "null", PostgresHazard::DigitsInJson),
                    _ if matches!(token, "null" | "true" | "false") => {
                        at += length;
                        continue;
                    }
                    _ => (length, "null", PostgresHazard::NotFiniteInJson),
                }
            }
            _ => {
                at += 1;
                continue;
            }
        };
        mended.push_str(&text[copied..at]);
        mended.push_str(replacement);
        at += length;
        copied = at;
        if !found.contains(&hazard) {
            found.push(hazard);
        }
    }
    mended.push_str(&text[copied..]);
    match json_hazard(&mended) {
        None => {
            found.into_iter().for_each(fault);
            Some(mended)
        }
        Some(hazard) => {
            fault(hazard);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mends_strings() {
        let check = |text: &str, expected: &str| {
            assert!(json_hazard(text).is_some());
            assert_eq!(mend_json(text, &mut |_| ()).as_deref(), Some(expected), "{text}");
        };
        check(r#"{"a\u0000\u0000":1}"#.replace("\\\\", "\\").as_str(), r#"{"a":1}"#);
        check(r#"["\ud83d x","\ud83d\ude00"]"#.replace("\\\\", "\\").as_str(), "[\"\u{fffd} x\",\"\\ud83d\\ude00\"]");
        check(
            r#"{"a": [NaN, 1, -Infinity, {"b": -inf}], "NaN": "-Infinity \" NaN", "c": 1e200000, "d": nan, "t": true}"#,
            r#"{"a": [null, 1, null, {"b": null}], "NaN": "-Infinity \" NaN", "c": null, "d": null, "t": true}"#,
        );
        let mut found = Vec::new();
        let mended = mend_json("[\"\\u0000\", NaN, Infinity]", &mut |hazard| found.push(hazard));
        assert_eq!(mended.as_deref(), Some("[\"\", null, null]"));
        assert_eq!(found, [PostgresHazard::Nul, PostgresHazard::NotFiniteInJson]);
        let deep = "[".repeat(JSON_DEPTH_MAX + 1);
        assert_eq!(mend_json(&deep, &mut |_| ()), None);
    }

    #[test]
    fn splits_lists() {
        assert_eq!(
            json_elements(r#"[{"a": [1, 2]}, null, "x,\"]", 1.5]"#),
            Some(vec![r#"{"a": [1, 2]}"#, "null", r#""x,\"]""#, "1.5"])
        );
        assert_eq!(json_elements("[]"), Some(vec![]));
        assert_eq!(json_elements("{}"), None);
    }

    #[test]
    fn finds_limits() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(json_hazard(&nested(JSON_DEPTH_MAX)), None);
        assert_eq!(json_hazard(&nested(JSON_DEPTH_MAX + 1)), Some(PostgresHazard::JsonLimit));
        // As Postgres 15 judges each of them.
        for (number, is_held) in [
            ("1e131071", true),
            ("1e131072", false),
            ("-1e-16383", true),
            ("1e-16384", false),
            ("0.0e131072", true),
            ("0e-99999", false),
            ("1e99999999999999999999", false),
            ("\"1e200000\"", true),
        ] {
            let found = json_hazard(&format!("{{\"a\": [{number}]}}"));
            assert_eq!(found, (!is_held).then_some(PostgresHazard::DigitsInJson), "{number}");
        }
        assert_eq!(json_hazard(&"1".repeat(131_073)), Some(PostgresHazard::DigitsInJson));
        assert_eq!(json_hazard(&format!("[{}]", "1,".repeat(JSON_BYTES_MAX / 12))), Some(PostgresHazard::JsonLimit));
    }

    #[test]
    fn reads_strings_wherever_they_end() {
        for length in 0..20 {
            let plain = "x".repeat(length);
            assert_eq!(json_hazard(&format!("[\"{plain}\", \"NaN\"]")), None);
            assert_eq!(json_hazard(&format!("[\"{plain}\", NaN]")), Some(PostgresHazard::NotFiniteInJson));
            assert_eq!(
                json_hazard(&format!("[\"{plain}\\\"NaN\\\\\", -Infinity]")),
                Some(PostgresHazard::NotFiniteInJson)
            );
            assert_eq!(json_hazard(&format!("[\"{plain}\\u0000\"]")), Some(PostgresHazard::Nul));
            assert_eq!(json_hazard(&format!("[\"{plain}é\\\\u0000\"]")), None);
        }
    }
}
