//! The order of BSON values of all types, with an exact order of numbers.
//!
//! MongoDB manual, "Comparison/Sort Order", without a collation. Knows nothing of queries.

use std::cmp::Ordering;

use crate::bson::decimal::{Decimal, power};
use crate::bson::{Fields, Kind, Malformed, Value};
use crate::watermark;

/// The digits of the greatest decimal128. A double is rounded to as many digits before it is compared with a
/// decimal128.
const DIGITS: u32 = 34;

/// Values are compared by content only if their ranks are equal.
pub fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::MinKey => 0,
        Kind::Undefined => 1,
        Kind::Null => 2,
        Kind::Double | Kind::Int32 | Kind::Int64 | Kind::Decimal128 => 3,
        Kind::String | Kind::Symbol => 4,
        Kind::Object => 5,
        Kind::Array => 6,
        Kind::Binary => 7,
        Kind::ObjectId => 8,
        Kind::Boolean => 9,
        Kind::Date => 10,
        Kind::Timestamp => 11,
        Kind::Regex => 12,
        Kind::DbPointer => 13,
        Kind::Code => 14,
        Kind::CodeWithScope => 15,
        Kind::MaxKey => 16,
    }
}

/// A total order: NaN equals itself and is less than every number.
pub fn compare(a: Value<'_>, b: Value<'_>) -> Result<Ordering, Malformed> {
    let by_rank = rank(a.kind).cmp(&rank(b.kind));
    if by_rank.is_ne() {
        return Ok(by_rank);
    }
    Ok(match a.kind {
        Kind::Double | Kind::Int32 | Kind::Int64 | Kind::Decimal128
            if a.kind == Kind::Decimal128 || b.kind == Kind::Decimal128 =>
        {
            Number::of(a).cmp(&Number::of(b))
        }
        Kind::Object => compare_fields(a.fields()?, b.fields()?, true)?,
        Kind::Array => compare_fields(a.fields()?, b.fields()?, false)?,
        Kind::Binary | Kind::DbPointer => a.bytes.len().cmp(&b.bytes.len()).then_with(|| a.bytes.cmp(b.bytes)),
        Kind::Boolean => a.boolean().cmp(&b.boolean()),
        Kind::Regex => a.regex().cmp(&b.regex()),
        Kind::Code => a.text().cmp(b.text()),
        Kind::CodeWithScope => {
            let ((code_a, scope_a), (code_b, scope_b)) = (a.code_with_scope()?, b.code_with_scope()?);
            match code_a.cmp(code_b) {
                Ordering::Equal => compare_fields(scope_a.fields()?, scope_b.fields()?, true)?,
                unequal => unequal,
            }
        }
        // The other types can be watermarks, or have only one value.
        _ => watermark::compare(a, b).unwrap_or(Ordering::Equal),
    })
}

/// Compares field by field: rank, then key (if keys are names), then value. Recursion ends with the shallower value.
fn compare_fields(mut a: Fields<'_>, mut b: Fields<'_>, named: bool) -> Result<Ordering, Malformed> {
    loop {
        let (a, b) = match (a.next(&[])?, b.next(&[])?) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => return Ok(a.is_some().cmp(&b.is_some())),
        };
        let mut order = rank(a.value.kind).cmp(&rank(b.value.kind));
        if named {
            order = order.then_with(|| a.key.cmp(b.key));
        }
        if order.is_eq() {
            order = compare(a.value, b.value)?;
        }
        if order.is_ne() {
            return Ok(order);
        }
    }
}

pub fn is_nan(value: Value<'_>) -> bool {
    match value.kind {
        Kind::Double => value.double().is_nan(),
        Kind::Decimal128 => Number::of(value) == Number::Nan,
        _ => false,
    }
}

/// A number in the form of a decimal128. The variants and fields are in the order of comparison.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    Nan,
    NegativeInfinity,
    Finite {
        sign: i8,
        /// The exponent of the last of 34 digits, negated if the number is negative.
        exponent: i32,
        coefficient: i128,
    },
    Infinity,
}

impl Number {
    fn of(value: Value<'_>) -> Self {
        match value.kind {
            Kind::Decimal128 => match Decimal::from_bytes(value.decimal()) {
                Decimal::Finite { coefficient, scale } => Self::finite(coefficient, -scale),
                Decimal::Special => Self::special(u128::from_le_bytes(value.decimal())),
            },
            Kind::Double => Self::of_double(value.double()),
            _ => Self::finite(i128::from(value.integer()), 0),
        }
    }

    /// The five bits after the sign distinguish infinity from NaN. The remaining case is a negative zero.
    fn special(bits: u128) -> Self {
        match (bits >> 122) & 0b1_1111 {
            0b1_1111 => Self::Nan,
            0b1_1110 if bits >> 127 == 1 => Self::NegativeInfinity,
            0b1_1110 => Self::Infinity,
            _ => Self::finite(0, 0),
        }
    }

    fn of_double(double: f64) -> Self {
        if double.is_nan() {
            return Self::Nan;
        }
        if double.is_infinite() {
            return if double > 0.0 { Self::Infinity } else { Self::NegativeInfinity };
        }
        let text = format!("{double:.33e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let coefficient = mantissa.replace('.', "").parse().unwrap_or(0);
        Self::finite(coefficient, exponent.parse().unwrap_or(0) - 33)
    }

    /// `coefficient` × 10^`exponent`, with at most 34 digits.
    fn finite(coefficient: i128, exponent: i32) -> Self {
        let sign = coefficient.signum() as i8;
        let Some(log) = coefficient.unsigned_abs().checked_ilog10() else {
            return Self::Finite { sign, exponent: 0, coefficient };
        };
        let missing = DIGITS.saturating_sub(log + 1);
        let coefficient = coefficient.saturating_mul(power(missing).unwrap_or(1));
        Self::Finite { sign, exponent: (exponent - missing as i32) * i32::from(sign), coefficient }
    }
}

/// A number without its fraction, if the result is an int64.
pub fn truncate(value: Value<'_>) -> Option<i64> {
    match value.kind {
        Kind::Int32 | Kind::Int64 => Some(value.integer()),
        Kind::Double => {
            let whole = value.double().trunc();
            // Both bounds are doubles. The upper bound is the first double that is too great.
            (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole).then_some(whole as i64)
        }
        Kind::Decimal128 => match Decimal::from_bytes(value.decimal()) {
            Decimal::Finite { coefficient: 0, .. } => Some(0),
            Decimal::Finite { coefficient, scale } if scale > 0 => {
                // After 38 places, none of the 34 digits is left.
                let whole = power(scale.unsigned_abs()).map_or(0, |divisor| coefficient / divisor);
                i64::try_from(whole).ok()
            }
            Decimal::Finite { coefficient, scale } => {
                i64::try_from(coefficient.checked_mul(power(scale.unsigned_abs())?)?).ok()
            }
            Decimal::Special => match Number::of(value) {
                Number::Finite { .. } => Some(0),
                _ => None,
            },
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use bson::{Bson, doc};

    use super::{compare, truncate};
    use crate::bson::find;

    fn bytes(value: &Bson) -> Vec<u8> {
        doc! { "v": value.clone() }.to_vec().unwrap()
    }

    fn decimal(text: &str) -> Bson {
        Bson::Decimal128(text.parse().unwrap())
    }

    #[track_caller]
    fn check(a: impl Into<Bson>, b: impl Into<Bson>, expected: Ordering) {
        let (a, b) = (bytes(&a.into()), bytes(&b.into()));
        let (a, b) = (find(&a, b"v").unwrap().unwrap(), find(&b, b"v").unwrap().unwrap());
        assert_eq!(compare(a, b).unwrap(), expected);
        assert_eq!(compare(b, a).unwrap(), expected.reverse());
    }

    #[test]
    fn numbers_compare_exactly_across_types() {
        check(1_i32, 1.0, Ordering::Equal);
        check(1_i64, decimal("1.000"), Ordering::Equal);
        check(0.5, decimal("0.50"), Ordering::Equal);
        // The double nearest to 0.1 is greater than 0.1.
        check(0.1, decimal("0.1"), Ordering::Greater);
        check(i64::MAX, i64::MAX as f64, Ordering::Less);
        check(i64::MAX, decimal("9223372036854775807"), Ordering::Equal);
        check(decimal("1E+6000"), f64::MAX, Ordering::Greater);
        check(decimal("1E+6000"), f64::INFINITY, Ordering::Less);
        check(decimal("1E-6000"), 0_i32, Ordering::Greater);
        check(decimal("-1E-6000"), -f64::MIN_POSITIVE, Ordering::Greater);
        check(decimal("-20"), decimal("-3"), Ordering::Less);
        check(decimal("-0"), -0.0, Ordering::Equal);
        check(decimal("NaN"), f64::NAN, Ordering::Equal);
        check(decimal("NaN"), f64::NEG_INFINITY, Ordering::Less);
        check(decimal("-Infinity"), f64::MIN, Ordering::Less);
    }

    #[test]
    fn ranks_come_before_contents() {
        let ascending = [
            Bson::MinKey,
            Bson::Undefined,
            Bson::Null,
            9_i32.into(),
            "a".into(),
            doc! { "a": 1 }.into(),
            Bson::Array(vec![]),
            Bson::Binary(bson::Binary { subtype: 0.into(), bytes: vec![9, 9] }),
            Bson::Binary(bson::Binary { subtype: 0.into(), bytes: vec![1, 1, 1] }),
            Bson::ObjectId(bson::oid::ObjectId::from_bytes([1; 12])),
            false.into(),
            true.into(),
            Bson::DateTime(bson::DateTime::from_millis(-1)),
            Bson::Timestamp(bson::Timestamp { time: 1, increment: 0 }),
            Bson::JavaScriptCode("f".into()),
            Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "f".into(), scope: doc! {} }),
            Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "f".into(), scope: doc! { "a": 1 } }),
            Bson::MaxKey,
        ];
        for (index, value) in ascending.iter().enumerate() {
            check(value.clone(), value.clone(), Ordering::Equal);
            for greater in &ascending[index + 1..] {
                check(value.clone(), greater.clone(), Ordering::Less);
            }
        }
    }

    #[test]
    fn documents_compare_field_by_field() {
        check(doc! { "a": 1, "b": 2 }, doc! { "b": 2, "a": 1 }, Ordering::Less);
        check(doc! { "b": 1 }, doc! { "a": "x" }, Ordering::Less);
        check(doc! { "a": 1 }, doc! { "a": 1.0, "b": 0 }, Ordering::Less);
        check(vec![1, 2], vec![1, 3], Ordering::Less);
        check(vec![1, 2], vec![2], Ordering::Less);
    }

    #[test]
    fn truncates_towards_zero() {
        let truncated = |value: Bson| truncate(find(&bytes(&value), b"v").unwrap().unwrap());
        assert_eq!(truncated((-7.9).into()), Some(-7));
        assert_eq!(truncated(1e19.into()), None);
        assert_eq!(truncated(f64::NAN.into()), None);
        assert_eq!(truncated(decimal("-12.99")), Some(-12));
        assert_eq!(truncated(decimal("1E+3")), Some(1000));
        assert_eq!(truncated(decimal("1E+30")), None);
        assert_eq!(truncated(decimal("1E-6000")), Some(0));
        assert_eq!(truncated(decimal("0E+6000")), Some(0));
        assert_eq!(truncated(decimal("-0")), Some(0));
        assert_eq!(truncated("7".into()), None);
    }
}
