//! A bare JSON number as a value that holds all its digits.
//!
//! JSON (RFC 8259, section 6) does not limit the digits of a number. An integer of 64 bits is one. Any other number is
//! a double if the double prints the same number. Else it is a decimal128, and if that has too few digits, too, a text.
//! Pure: knows nothing of the document around it.

/// The most significant digits of a double that every decimal number keeps (IEEE 754 binary64).
const DOUBLE_DIGITS: usize = 15;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JsonNumber {
    Integer(i64),
    Double(f64),
    /// The bytes of a decimal128.
    Decimal([u8; 16]),
    /// No numeric type of BSON holds it.
    Text,
}

impl JsonNumber {
    /// `text` has the form of a JSON number. None if it does not.
    pub fn of(text: &str) -> Option<Self> {
        let is_whole = !text.contains(['.', 'e', 'E']);
        if is_whole
            && text != "-0"
            && let Ok(integer) = text.parse()
        {
            return Some(Self::Integer(integer));
        }
        let double: f64 = text.parse().ok()?;
        // A whole number beyond 64 bits is no double, so that all such numbers of a field have one type.
        if (!is_whole || double == 0.0) && holds(double, text) {
            return Some(Self::Double(double));
        }
        Some(text.parse::<bson::Decimal128>().map_or(Self::Text, |decimal| Self::Decimal(decimal.bytes())))
    }
}

/// Whether the double prints the number, or is exactly it.
fn holds(double: f64, text: &str) -> bool {
    let digits = text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).filter(u8::is_ascii_digit).count();
    if double.is_normal() && digits <= DOUBLE_DIGITS {
        return true;
    }
    let parts = parts(text);
    if double == 0.0 || !double.is_finite() {
        return double == 0.0 && parts.is_some_and(|(digits, _)| digits.is_empty());
    }
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    parts == self::parts(&format!("{double:e}")) || format!("{double:.places$}") == text
}

/// The significant digits of a number without zeros around them, and the power of ten of the last one.
fn parts(text: &str) -> Option<(String, i64)> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, places) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{places}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len();
    Some((significant.to_owned(), exponent - places.len() as i64 + zeros as i64))
}

#[cfg(test)]
mod tests {
    use super::JsonNumber;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = match JsonNumber::of(text).unwrap() {
            JsonNumber::Integer(integer) => format!("integer {integer}"),
            JsonNumber::Double(double) => format!("double {double:?}"),
            JsonNumber::Decimal(bytes) => format!("decimal {}", bson::Decimal128::from_bytes(bytes)),
            JsonNumber::Text => "text".to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn no_digit_is_lost() {
        check("0", "integer 0");
        check("-9223372036854775808", "integer -9223372036854775808");
        check("18446744073709551615", "decimal 18446744073709551615");
        check(&"9".repeat(34), &format!("decimal {}", "9".repeat(34)));
        check(&"9".repeat(50), "text");
        check("-0", "double -0.0");
        check("-0.0", "double -0.0");
        check("0.000", "double 0.0");
        check("1.5", "double 1.5");
        check("1.10", "double 1.1");
        check("1e3", "double 1000.0");
        check("0.1", "double 0.1");
        check("0.30000000000000004", "double 0.30000000000000004");
        check("0.1234567890123456789", "decimal 0.1234567890123456789");
        check("12345678901234567.89", "decimal 12345678901234567.89");
        check("0.1000000000000000055511151231257827021181583404541015625", "double 0.1");
        check("0.123456789012345678901234567890123456789", "text");
        check("1e400", "decimal 1E+400");
        check("-1E-400", "decimal -1E-400");
        check("4.9e-324", "decimal 4.9E-324");
        check("5e-324", "double 5e-324");
        check("1.7976931348623157e308", "double 1.7976931348623157e308");
        check("1e7000", "text");
        check("1e-7000", "text");
    }
}
