//! Decimal numbers as text, and whether a double or a decimal128 holds one exactly.
//!
//! Pure. Knows no BSON beyond these two types.

use std::str::FromStr;

use bson::Decimal128;

/// The digits of a decimal128.
const DECIMAL_DIGITS: usize = 34;
/// So many digits always come back from a double.
const DOUBLE_DIGITS: usize = 15;

/// A number as its text spells it: `digits` × 10^`exponent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecimalNumber {
    is_negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    exponent: i64,
    /// The digits that the text has, its zeros too.
    written: usize,
}

impl DecimalNumber {
    /// Reads `-12.50`, `.5`, `1E-7`. None: it is no such number. (Decimal128's own reader takes `""` and `e100`, too.)
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                let figures = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                let is_number = !figures.is_empty() && figures.bytes().all(|byte| byte.is_ascii_digit());
                // An exponent beyond 64 bits is beyond all that follows, too.
                let limit = if exponent.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 };
                (
                    mantissa,
                    if is_number {
                        exponent.parse().unwrap_or(limit).clamp(i64::MIN / 4, i64::MAX / 4)
                    } else {
                        return None;
                    },
                )
            }
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        if whole.len() + fraction.len() == 0 || !all().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits: String = all().map(char::from).skip_while(|digit| *digit == '0').collect();
        let kept = digits.trim_end_matches('0');
        let dropped = digits.len() - kept.len();
        let exponent = if kept.is_empty() { 0 } else { exponent - fraction.len() as i64 + dropped as i64 };
        Some(Self { is_negative, digits: kept.to_owned(), exponent, written: digits.len() })
    }

    /// The double that this number is, if a double reads back as the same decimal.
    pub fn as_double(&self, text: &str) -> Option<f64> {
        let value: f64 = text.parse().ok()?;
        let is_plain =
            self.digits.len() <= DOUBLE_DIGITS && (-290..290).contains(&(self.exponent + self.digits.len() as i64));
        let is_same = || {
            let back = Self::parse(&format!("{value:e}"));
            back.is_some_and(|back| back.digits == self.digits && back.exponent == self.exponent)
        };
        (value.is_finite() && (is_plain || is_same())).then_some(value)
    }

    /// The decimal128 that this number is; None if it has more digits, or is beyond its range.
    pub fn as_decimal(&self, text: &str) -> Option<Decimal128> {
        if self.digits.len() > DECIMAL_DIGITS {
            return None;
        }
        // With its zeros, where there is room for them.
        let written = (self.written <= DECIMAL_DIGITS).then(|| Decimal128::from_str(text).ok()).flatten();
        written.or_else(|| {
            let sign = if self.is_negative { "-" } else { "" };
            let digits = if self.digits.is_empty() { "0" } else { &self.digits };
            Decimal128::from_str(&format!("{sign}{digits}E{}", self.exponent)).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, double: Option<f64>, decimal: Option<&str>) {
        let number = DecimalNumber::parse(text).expect("a number");
        assert_eq!(number.as_double(text), double, "{text}");
        assert_eq!(number.as_decimal(text).map(|found| found.to_string()).as_deref(), decimal, "{text}");
    }

    #[test]
    fn finds_what_holds_a_number() {
        check("0.1", Some(0.1), Some("0.1"));
        check("-12.50", Some(-12.5), Some("-12.50"));
        check("12345678901234567.89", None, Some("12345678901234567.89"));
        check("0.1234567890123456789", None, Some("0.1234567890123456789"));
        check("1.7976931348623157e308", Some(1.7976931348623157e308), Some("1.7976931348623157E+308"));
        check("1e400", None, Some("1E+400"));
        check("12345678901234567890123456789012345", None, None);
        check(&format!("1{}", "0".repeat(40)), Some(1e40), Some("1E+40"));
        check("0", Some(0.0), Some("0"));
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["", ".", "e100", "++1", "-", "1e", "1e+", "0x1", " 1", "1_000", "-+3", "1.2.3", "E01"] {
            assert_eq!(DecimalNumber::parse(text), None, "{text}");
        }
    }
}
