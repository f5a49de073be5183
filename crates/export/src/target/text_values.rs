//! The texts of values, for targets that load text, and the nearest values that fit.
//!
//! Pure. Knows no target.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};

/// A time in nanoseconds.
pub struct Nanos {
    pub nanos: i128,
    /// It is infinite: before all times (-1) or behind them (1).
    pub end: i8,
}

pub fn nanos_of(array: &dyn Array, row: usize) -> Option<Nanos> {
    let (value, unit) = match array.data_type() {
        DataType::Time64(TimeUnit::Microsecond) => (array.as_primitive::<Time64MicrosecondType>().value(row), 1_000),
        DataType::Time64(_) => (array.as_primitive::<Time64NanosecondType>().value(row), 1),
        DataType::Timestamp(TimeUnit::Second, _) => {
            (array.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => (array.as_primitive::<TimestampNanosecondType>().value(row), 1),
        _ => return None,
    };
    // DuckDB's infinities are the ends of the range.
    let end = i8::from(value == i64::MAX) - i8::from(value <= -i64::MAX);
    Some(Nanos { nanos: i128::from(value) * unit, end })
}

/// Rounds to so many digits of a second, half away from zero; true if nothing was lost.
pub fn rounded_nanos(nanos: i128, digits: u32) -> (i128, bool) {
    let unit = 10i128.pow(9 - digits.min(9));
    let rest = nanos % unit;
    let down = nanos - rest;
    let near = if rest.abs() * 2 >= unit { down + unit * rest.signum() } else { down };
    (near, rest == 0)
}

/// A decimal's digits.
pub fn decimal_digits(value: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The nearest integer of so many bits to a number; None: the number is one.
pub fn nearest_integer(text: &str, bits: u32, unsigned: bool) -> Option<String> {
    let half = 1i128 << (bits - 1);
    let (least, most) = if unsigned { (0, 2 * half - 1) } else { (-half, half - 1) };
    let fits = text.parse::<i128>().is_ok_and(|value| value >= least && value <= most);
    (!fits).then(|| if text.starts_with('-') { least } else { most }.to_string())
}

/// The nearest decimal of so many digits to a number; None: it has no more digits before the point.
pub fn nearest_decimal(text: &str, precision: u8, scale: u8) -> Option<String> {
    let whole = text.trim_start_matches('-').split('.').next().unwrap_or_default().trim_start_matches('0');
    let room = usize::from(precision - scale);
    if whole.len() <= room {
        return None;
    }
    let most = format!("{}.{}", "9".repeat(room.max(1)), "9".repeat(usize::from(scale)));
    let sign = if text.starts_with('-') { "-" } else { "" };
    Some(format!("{sign}{}", most.trim_end_matches('.')))
}

/// Whether NaN or Infinity is outside of strings, however it is spelled.
pub fn has_no_json_number(text: &str) -> bool {
    let (mut in_string, mut is_escaped) = (false, false);
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'i' if !in_string => return true,
            b'n' if !in_string && bytes.get(at + 1) == Some(&b'a') => return true,
            _ => {}
        }
    }
    false
}

/// JSON text with `null` for each NaN and Infinity.
pub fn without_odd_numbers(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut mended = String::with_capacity(text.len());
    let (mut at, mut copied, mut in_string) = (0, 0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'a'..=b'z' | b'A'..=b'Z' if !in_string => {
                let rest = &bytes[at..];
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
                let end = at + rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                let token = &text[at..end];
                let is_number = token.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
                if !is_number && !matches!(token, "null" | "true" | "false") {
                    mended.push_str(&text[copied..at]);
                    mended.push_str("null");
                    copied = end;
                }
                at = end;
                continue;
            }
            // `1e5` has a letter that begins no word.
            b'0'..=b'9' if !in_string => {
                let rest = &bytes[at..];
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
                at += rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    mended.push_str(&text[copied..]);
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_odd_numbers_alone() {
        assert_eq!(
            without_odd_numbers(r#"{"a": [NaN, -1, 1e5, -inf], "b\"": "NaN \" -Infinity", "c": true, "d": null}"#),
            r#"{"a": [null, -1, 1e5, null], "b\"": "NaN \" -Infinity", "c": true, "d": null}"#
        );
    }

    #[test]
    fn finds_the_nearest_number() {
        assert_eq!(nearest_integer("-300", 8, false).as_deref(), Some("-128"));
        assert_eq!(nearest_integer("18446744073709551615", 64, true), None);
        assert_eq!(nearest_decimal("-123.5", 4, 2).as_deref(), Some("-99.99"));
        assert_eq!(nearest_decimal("-12.50", 4, 2), None);
        assert_eq!(decimal_digits(-5, 3), "-0.005");
        assert_eq!(rounded_nanos(1_500_000_000, 0), (2_000_000_000, false));
    }
}
