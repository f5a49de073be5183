//! Converts numbers to columns that may be too narrow for them: exactly, or else reports the number.
//!
//! Pure, apart from Arrow's arrays. Knows no connection.

use std::str::FromStr;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type};

use super::hazard::PostgresHazard;
use super::numeric::{put_decimal, put_digits};
use super::put::{put_fixed, put_null};

/// The numbers of the input.
pub enum Number {
    Decimal {
        values: ScalarBuffer<i128>,
        precision: u8,
        scale: u8,
    },
    /// Integers beyond 64 bits, as text.
    Digits(StringArray),
    Double(Float64Array),
}

/// The type of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exact {
    /// An integer of so many bytes.
    Integer(u32),
    /// `numeric`, with precision and scale if the contract sets them.
    Numeric(Option<(u8, u8)>),
}

/// None: the column does not contain numbers.
pub fn numbers_of(array: &ArrayRef, is_text: bool) -> Option<Number> {
    let plain = |wanted: &DataType| {
        if array.data_type() == wanted { Some(array.clone()) } else { cast(array, wanted).ok() }
    };
    if is_text {
        return Some(Number::Digits(plain(&DataType::Utf8)?.as_string::<i32>().clone()));
    }
    let (precision, scale) = match array.data_type() {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => (*precision, *scale),
        DataType::Float32 | DataType::Float64 => {
            return Some(Number::Double(plain(&DataType::Float64)?.as_primitive::<Float64Type>().clone()));
        }
        data_type if data_type.is_integer() => (19, 0),
        _ => return None,
    };
    let array = plain(&DataType::Decimal128(if scale == 0 { 38 } else { precision }, scale))?;
    let values = array.as_primitive::<Decimal128Type>().values().clone();
    Some(Number::Decimal { values, precision, scale: u8::try_from(scale).ok()? })
}

impl Exact {
    /// Appends the number at `row`, which is not null.
    pub fn put(self, out: &mut Vec<u8>, numbers: &Number, row: usize, fault: &mut impl FnMut(PostgresHazard)) {
        let (value, scale) = match numbers {
            Number::Decimal { values, scale, .. } => (Some(values[row]), *scale),
            Number::Digits(values) => match i128::from_str(values.value(row)) {
                Ok(value) => (Some(value), 0),
                Err(_) if self == Self::Numeric(None) && put_digits(out, values.value(row)) => return,
                Err(_) => (None, 0),
            },
            Number::Double(values) => {
                let value = values.value(row);
                if !value.is_finite() {
                    fault(PostgresHazard::NotFinite);
                    return put_null(out);
                }
                decimal_of(value).map_or((None, 0), |(value, scale)| (Some(value), scale))
            }
        };
        let Some(value) = value else {
            fault(self.overflow());
            return put_null(out);
        };
        match self {
            Self::Numeric(None) => put_decimal(out, value, scale),
            Self::Numeric(Some((precision, to_scale))) => {
                let rescaled = rescale(value, scale, to_scale, fault);
                match rescaled.filter(|value| value.unsigned_abs() < power(precision)) {
                    Some(value) => put_decimal(out, value, to_scale),
                    None => {
                        fault(PostgresHazard::Digits);
                        put_null(out);
                    }
                }
            }
            Self::Integer(bytes) => match rescale(value, scale, 0, fault) {
                Some(value) => put_integer(out, value, bytes, fault),
                None => {
                    fault(PostgresHazard::IntegerRange);
                    put_null(out);
                }
            },
        }
    }

    fn overflow(self) -> PostgresHazard {
        match self {
            Self::Integer(_) => PostgresHazard::IntegerRange,
            Self::Numeric(_) => PostgresHazard::Digits,
        }
    }
}

/// Appends an integer with this many bytes, or reports that it does not fit.
pub fn put_integer(out: &mut Vec<u8>, value: i128, bytes: u32, fault: &mut impl FnMut(PostgresHazard)) {
    match bytes {
        2 if i16::try_from(value).is_ok() => put_fixed(out, (value as i16).to_be_bytes()),
        4 if i32::try_from(value).is_ok() => put_fixed(out, (value as i32).to_be_bytes()),
        8 if i64::try_from(value).is_ok() => put_fixed(out, (value as i64).to_be_bytes()),
        _ => {
            fault(PostgresHazard::IntegerRange);
            put_null(out);
        }
    }
}

fn power(digits: u8) -> u128 {
    10u128.checked_pow(u32::from(digits)).unwrap_or(u128::MAX)
}

/// The number with another count of decimal places: rounded half away from zero where digits are lost, which is
/// reported. None if it has no room in 128 bits.
fn rescale(value: i128, from: u8, to: u8, fault: &mut impl FnMut(PostgresHazard)) -> Option<i128> {
    if to >= from {
        return value.checked_mul(i128::try_from(power(to - from)).ok()?);
    }
    let unit = i128::try_from(power(from - to)).ok()?;
    let (quotient, rest) = (value / unit, value % unit);
    if rest == 0 {
        return Some(quotient);
    }
    fault(PostgresHazard::Scale);
    let is_up = rest.unsigned_abs() * 2 >= unit.unsigned_abs();
    Some(if is_up { quotient + value.signum() } else { quotient })
}

/// The shortest decimal that reads back as this double, as digits and their scale. None beyond 128 bits.
fn decimal_of(value: f64) -> Option<(i128, u8)> {
    let text = format!("{value}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let scale = u8::try_from(fraction.len()).ok()?;
    Some((i128::from_str(&format!("{whole}{fraction}")).ok()?, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: i128, from: u8, wanted: Exact, expected: Option<(i128, u8)>, hazards: &[PostgresHazard]) {
        let numbers = Number::Decimal { values: vec![value].into(), precision: 38, scale: from };
        let (mut out, mut found) = (Vec::new(), Vec::new());
        wanted.put(&mut out, &numbers, 0, &mut |hazard| found.push(hazard));
        let mut bytes = Vec::new();
        match (expected, wanted) {
            (None, _) => put_null(&mut bytes),
            (Some((value, _)), Exact::Integer(4)) => put_fixed(&mut bytes, (value as i32).to_be_bytes()),
            (Some((value, scale)), _) => put_decimal(&mut bytes, value, scale),
        }
        assert_eq!((out, found.as_slice()), (bytes, hazards));
    }

    #[test]
    fn narrows_exactly_or_says_so() {
        let numeric = Exact::Numeric(Some((5, 2)));
        check(1_2345, 4, numeric, Some((123, 2)), &[PostgresHazard::Scale]);
        check(-1_2350, 4, numeric, Some((-124, 2)), &[PostgresHazard::Scale]);
        check(1_2300, 4, numeric, Some((123, 2)), &[]);
        check(1_000, 0, numeric, None, &[PostgresHazard::Digits]);
        check(999, 0, numeric, Some((99_900, 2)), &[]);
        check(i128::MAX, 0, numeric, None, &[PostgresHazard::Digits]);
        check(30_000, 2, Exact::Integer(4), Some((300, 0)), &[]);
        check(i128::from(i32::MAX) + 1, 0, Exact::Integer(4), None, &[PostgresHazard::IntegerRange]);
    }

    #[test]
    fn doubles_are_their_shortest_decimals() {
        assert_eq!(decimal_of(0.1), Some((1, 1)));
        assert_eq!(decimal_of(-1234.5), Some((-12_345, 1)));
        assert_eq!(decimal_of(1e300), None);
    }
}
