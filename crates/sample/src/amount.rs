//! Money as whole cents, and as Decimal128 with two digits.
//!
//! Knows BSON's decimal layout (binary integer significand: <https://www.mongodb.com/docs/manual/reference/bson-types/>
//! and IEEE 754-2008, section 3.5). Knows nothing of loans.

use bson::{Bson, Decimal128};

/// The exponent -2, biased by 6176, above the high half's 49 bits of coefficient.
const HIGH_TWO_DIGITS: u64 = (6176 - 2) << 49;

/// `cents` as a decimal with two digits after the point. Negative amounts do not occur, and become zero.
pub(super) fn decimal(cents: i64) -> Bson {
    let coefficient = u64::try_from(cents).unwrap_or(0);
    let mut bytes = [0; 16];
    let (low, high) = bytes.split_at_mut(8);
    low.copy_from_slice(&coefficient.to_le_bytes());
    high.copy_from_slice(&HIGH_TWO_DIGITS.to_le_bytes());
    Bson::Decimal128(Decimal128::from_bytes(bytes))
}

/// The cents of a value that `decimal` created. None for any other value.
pub(super) fn cents(value: &Bson) -> Option<i64> {
    let Bson::Decimal128(decimal) = value else { return None };
    let bytes = decimal.bytes();
    let (low, high) = bytes.split_at(8);
    let low = u64::from_le_bytes(low.try_into().ok()?);
    let high = u64::from_le_bytes(high.try_into().ok()?);
    (high == HIGH_TWO_DIGITS).then_some(low).and_then(|low| i64::try_from(low).ok())
}

/// The amount as in a form: `12,500.00`.
pub(super) fn grouped(cents: i64) -> String {
    let whole = (cents / 100).to_string();
    let mut text = String::with_capacity(whole.len() + whole.len() / 3 + 3);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text}.{:02}", cents % 100)
}

#[cfg(test)]
mod tests {
    use super::{cents, decimal, grouped};

    #[track_caller]
    fn check(amount: i64, expected: &str, expected_grouped: &str) {
        assert_eq!(decimal(amount).to_string(), expected);
        assert_eq!(cents(&decimal(amount)), Some(amount));
        assert_eq!(grouped(amount), expected_grouped);
    }

    #[test]
    fn writes_cents() {
        check(0, "0.00", "0.00");
        check(5, "0.05", "0.05");
        check(1_250_000, "12500.00", "12,500.00");
        check(12_345_678_901, "123456789.01", "123,456,789.01");
    }
}
