//! Decodes a decimal128 from its sixteen bytes: sign, coefficient and exponent, exactly and without a text.
//!
//! The format is IEEE 754-2008 decimal128 in the binary integer encoding, as bsonspec.org has it. Knows no column.

/// The digits of a DECIMAL column. Its greatest coefficient is 10^38 - 1.
pub const DIGITS_MAX: u32 = 38;

const COEFFICIENT_MAX: u128 = 10_u128.pow(34) - 1;

/// A decimal128, in a form for a DECIMAL column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    /// `coefficient` × 10^-`scale`; the scale may be negative.
    Finite { coefficient: i128, scale: i32 },
    /// NaN, infinity or a negative zero. A DECIMAL cannot store them.
    Special,
}

impl Decimal {
    #[inline]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let bits = u128::from_le_bytes(bytes);
        let negative = bits >> 127 == 1;
        let (coefficient, exponent) = if (bits >> 125) & 0b11 != 0b11 {
            (bits & ((1 << 113) - 1), ((bits >> 113) & 0x3fff) as i32)
        } else if (bits >> 123) & 0b1111 == 0b1111 {
            return Self::Special;
        } else {
            // This encoding has a coefficient of more than 34 digits. The standard defines its value as zero.
            (0, ((bits >> 111) & 0x3fff) as i32)
        };
        let coefficient = if coefficient > COEFFICIENT_MAX { 0 } else { coefficient as i128 };
        if negative && coefficient == 0 {
            return Self::Special;
        }
        Self::Finite { coefficient: if negative { -coefficient } else { coefficient }, scale: 6176 - exponent }
    }
}

/// The bytes of `coefficient` × 10^-`scale`. None if a decimal128 has not so many digits.
pub fn bytes(coefficient: i128, scale: u32) -> Option<[u8; 16]> {
    let exponent = 6176_u32.checked_sub(scale)?;
    let digits = coefficient.unsigned_abs();
    (digits <= COEFFICIENT_MAX)
        .then(|| (u128::from(coefficient < 0) << 127 | u128::from(exponent) << 113 | digits).to_le_bytes())
}

const POWERS: [i128; DIGITS_MAX as usize + 1] = {
    let mut powers = [1; DIGITS_MAX as usize + 1];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// 10^`exponent`, up to 10^38.
#[inline]
pub fn power(exponent: u32) -> Option<i128> {
    POWERS.get(exponent as usize).copied()
}

/// The number of digits before the point of `value` × 10^-`scale`.
pub fn integer_digits(value: i128, scale: u32) -> u32 {
    let digits = value.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1);
    digits.saturating_sub(scale)
}

/// The same number at another scale. None if it would lose digits or have more than 38.
#[inline]
pub fn rescale(coefficient: i128, from: i32, to: u32) -> Option<i128> {
    if coefficient == 0 {
        return Some(0);
    }
    let shift = to as i32 - from;
    let value = if shift >= 0 {
        coefficient.checked_mul(power(shift as u32)?)?
    } else {
        let divisor = power(shift.unsigned_abs())?;
        if coefficient % divisor != 0 {
            return None;
        }
        coefficient / divisor
    };
    (value.unsigned_abs() < 10_u128.pow(DIGITS_MAX)).then_some(value)
}

/// The scale that a DECIMAL needs for this number: the written one, without trailing zeros after `written_max` places.
pub fn scale_needed(mut coefficient: i128, mut scale: i32, written_max: i32) -> u32 {
    if coefficient == 0 {
        return if scale > written_max { 0 } else { scale.max(0) as u32 };
    }
    while scale > written_max && coefficient % 10 == 0 {
        coefficient /= 10;
        scale -= 1;
    }
    scale.max(0) as u32
}

#[cfg(test)]
mod tests {
    use super::{Decimal, bytes, integer_digits, rescale, scale_needed};

    #[track_caller]
    fn check(text: &str, expected: Decimal) {
        let value: bson::Decimal128 = text.parse().unwrap();
        assert_eq!(Decimal::from_bytes(value.bytes()), expected, "{text}");
    }

    #[test]
    fn decodes_exactly() {
        let finite = |coefficient, scale| Decimal::Finite { coefficient, scale };
        check("0", finite(0, 0));
        for (coefficient, scale) in [(0, 0), (-150, 2), (10_i128.pow(34) - 1, 38)] {
            assert_eq!(bytes(coefficient, scale).map(Decimal::from_bytes), Some(finite(coefficient, scale as i32)));
        }
        assert_eq!(bytes(10_i128.pow(34), 0), None);
        check("1.50", finite(150, 2));
        check("-1.50", finite(-150, 2));
        check("1E+3", finite(1, -3));
        check("9999999999999999999999999999999999", finite(10_i128.pow(34) - 1, 0));
        check("1E-6176", finite(1, 6176));
        check("-0", Decimal::Special);
        check("NaN", Decimal::Special);
        check("-Infinity", Decimal::Special);
        // The bits of a coefficient with more than 34 digits.
        let mut bytes = [0xff; 16];
        bytes[15] = 0x6c;
        assert_eq!(Decimal::from_bytes(bytes), finite(0, 6176 - 0x19ff));
    }

    #[test]
    fn rescales_only_without_loss() {
        assert_eq!(rescale(150, 2, 4), Some(15_000));
        assert_eq!(rescale(150, 2, 1), Some(15));
        assert_eq!(rescale(151, 2, 1), None);
        assert_eq!(rescale(1, -37, 0), Some(10_i128.pow(37)));
        assert_eq!(rescale(1, -38, 0), None);
        assert_eq!(rescale(1, -6000, 0), None);
        assert_eq!(rescale(0, 6176, 2), Some(0));
        assert_eq!(integer_digits(-12_345, 2), 3);
        assert_eq!(scale_needed(1_500, 3, 19), 3);
        assert_eq!(scale_needed(10_i128.pow(30), 30, 19), 19);
        assert_eq!(scale_needed(0, 6176, 19), 0);
    }
}
