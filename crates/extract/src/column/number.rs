//! Columns of numbers: BIGINT, which becomes DECIMAL(38,s) if a decimal128 needs it, DOUBLE and FLOAT.
//!
//! A column accepts a number of another type if it can store that number exactly. Knows no other column.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float32Array, Float64Array, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::bson::decimal::{Decimal, integer_digits, power, rescale, scale_needed};
use crate::bson::{Kind, Malformed, Value};
use crate::column::context::Context;
use crate::column::types::{SCALE_WRITTEN_MAX, exact_double};
use crate::column::values::{Slot, Stored, Values, taken};
use crate::from_text::{self, TextForm};
use elt_base::schema::{ColumnType, DECIMAL_PRECISION};

/// The digits before the point that are left when a DECIMAL's scale grows: those of any BIGINT, because earlier batches
/// and loads may contain such integers.
const INTEGER_DIGITS_KEPT: u32 = 19;

/// Exact numbers.
#[derive(Debug)]
pub struct Numbers {
    values: ExactNumbers,
    /// Whether the type must not change in any way.
    is_pinned: bool,
}

#[derive(Debug)]
enum ExactNumbers {
    Integers(Vec<i64>),
    Decimals(Decimals),
}

/// Values of DECIMAL(38, scale).
#[derive(Debug)]
struct Decimals {
    values: Vec<i128>,
    scale: u8,
    /// The greatest absolute value so far, at `scale`, over all batches.
    magnitude: u128,
}

impl Numbers {
    pub fn integers(is_pinned: bool) -> Self {
        Self { values: ExactNumbers::Integers(Vec::new()), is_pinned }
    }

    pub fn decimals(scale: u8, is_pinned: bool) -> Self {
        let decimals = Decimals { values: Vec::new(), scale: scale.min(DECIMAL_PRECISION), magnitude: 0 };
        Self { values: ExactNumbers::Decimals(decimals), is_pinned }
    }

    fn store_decimal(&mut self, value: Value<'_>) -> bool {
        let Decimal::Finite { coefficient, scale } = Decimal::from_bytes(value.decimal()) else { return false };
        let integers = match &mut self.values {
            ExactNumbers::Decimals(decimals) => return decimals.push(coefficient, scale, !self.is_pinned),
            ExactNumbers::Integers(integers) => integers,
        };
        let integer = rescale(coefficient, scale, 0).and_then(|integer| i64::try_from(integer).ok());
        match integer {
            // An integer needs no wider column.
            Some(integer) => integers.push(integer),
            None if self.is_pinned => return false,
            None => {
                let mut decimals = Decimals::of_integers(integers);
                if !decimals.push(coefficient, scale, true) {
                    return false;
                }
                self.values = ExactNumbers::Decimals(decimals);
            }
        }
        true
    }
}

impl Values for Numbers {
    fn column_type(&self) -> ColumnType {
        match &self.values {
            ExactNumbers::Integers(_) => ColumnType::BigInt,
            ExactNumbers::Decimals(decimals) => ColumnType::Decimal { scale: decimals.scale },
        }
    }

    fn data_type(&self) -> DataType {
        match &self.values {
            ExactNumbers::Integers(_) => DataType::Int64,
            ExactNumbers::Decimals(decimals) => DataType::Decimal128(DECIMAL_PRECISION, decimals.scale as i8),
        }
    }

    #[inline]
    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        let integer = match value.kind {
            Kind::Int32 | Kind::Int64 => Some(value.integer()),
            Kind::Decimal128 => return Ok(Stored::whole_if(self.store_decimal(value))),
            Kind::Double => exact_integer(value.double()),
            _ => None,
        };
        let Some(integer) = integer else { return Ok(Stored::Not) };
        Ok(match &mut self.values {
            ExactNumbers::Integers(integers) => {
                integers.push(integer);
                Stored::Whole
            }
            ExactNumbers::Decimals(decimals) => Stored::whole_if(decimals.push(i128::from(integer), 0, false)),
        })
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        match &mut self.values {
            ExactNumbers::Integers(integers) => match from_text::integer(text, form) {
                Some(integer) => integers.push(integer),
                None => return false,
            },
            ExactNumbers::Decimals(decimals) => match from_text::decimal(text, decimals.scale, form) {
                Some(value) => return decimals.push(value, i32::from(decimals.scale), false),
                None => return false,
            },
        }
        true
    }

    fn nulls(&mut self, count: usize) {
        match &mut self.values {
            ExactNumbers::Integers(integers) => integers.resize(integers.len() + count, 0),
            ExactNumbers::Decimals(decimals) => decimals.values.resize(decimals.values.len() + count, 0),
        }
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(match &mut self.values {
            ExactNumbers::Integers(integers) => Arc::new(Int64Array::try_new(taken(integers), nulls)?),
            ExactNumbers::Decimals(decimals) => Arc::new(
                Decimal128Array::try_new(taken(&mut decimals.values), nulls)?
                    .with_precision_and_scale(DECIMAL_PRECISION, decimals.scale as i8)?,
            ),
        })
    }
}

impl Decimals {
    /// The values of a BIGINT column that becomes a DECIMAL one.
    fn of_integers(values: &[i64]) -> Self {
        let magnitude = values.iter().map(|value| value.unsigned_abs()).max().unwrap_or_default();
        Self { values: values.iter().copied().map(i128::from).collect(), scale: 0, magnitude: u128::from(magnitude) }
    }

    /// Appends `coefficient` × 10^-`scale` if all its digits fit, at this scale or (if `may_grow`) a greater one.
    #[inline]
    fn push(&mut self, coefficient: i128, scale: i32, may_grow: bool) -> bool {
        let own = i32::from(self.scale);
        let fitting = if scale == own { Some(coefficient) } else { rescale(coefficient, scale, u32::from(self.scale)) };
        let value = match fitting {
            Some(value) => value,
            None if may_grow => {
                let needed = scale_needed(coefficient, scale, SCALE_WRITTEN_MAX);
                let Some(value) = rescale(coefficient, scale, needed) else { return false };
                if !self.grow(needed, integer_digits(value, needed)) {
                    return false;
                }
                value
            }
            None => return false,
        };
        self.magnitude = self.magnitude.max(value.unsigned_abs());
        self.values.push(value);
        true
    }

    fn grow(&mut self, needed: u32, digits: u32) -> bool {
        let own = u32::from(self.scale);
        let have = integer_digits(i128::try_from(self.magnitude).unwrap_or(i128::MAX), own);
        let kept = INTEGER_DIGITS_KEPT.max(have).max(digits);
        if needed <= own || needed + kept > u32::from(DECIMAL_PRECISION) {
            return false;
        }
        let Some(factor) = power(needed - own) else { return false };
        for value in &mut self.values {
            *value *= factor;
        }
        self.magnitude *= factor.unsigned_abs();
        self.scale = needed as u8;
        true
    }
}

#[derive(Debug, Default)]
pub struct Doubles(Vec<f64>);

impl Values for Doubles {
    fn column_type(&self) -> ColumnType {
        ColumnType::Double
    }

    fn data_type(&self) -> DataType {
        DataType::Float64
    }

    #[inline]
    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        let double = match value.kind {
            Kind::Double => Some(value.double()),
            Kind::Int32 | Kind::Int64 => exact_double(value.integer()),
            _ => None,
        };
        let Some(double) = double else { return Ok(Stored::Not) };
        self.0.push(double);
        Ok(Stored::Whole)
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::double(text, form).map(|double| self.0.push(double)).is_some()
    }

    fn nulls(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0.0);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(Float64Array::try_new(taken(&mut self.0), nulls)?))
    }
}

/// Numbers of 32 bits. A double fits if the shorter number prints the same digits.
#[derive(Debug, Default)]
pub struct Floats(Vec<f32>);

impl Floats {
    fn push(&mut self, double: f64) -> bool {
        let float = double as f32;
        let is_same = f64::from(float) == double || double.is_nan() || float.to_string() == double.to_string();
        if is_same {
            self.0.push(float);
        }
        is_same
    }
}

impl Values for Floats {
    fn column_type(&self) -> ColumnType {
        ColumnType::Float
    }

    fn data_type(&self) -> DataType {
        DataType::Float32
    }

    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        let double = match value.kind {
            Kind::Double => Some(value.double()),
            Kind::Int32 | Kind::Int64 => exact_double(value.integer()),
            _ => None,
        };
        Ok(Stored::whole_if(double.is_some_and(|double| self.push(double))))
    }

    fn store_text(&mut self, text: &str, form: TextForm) -> bool {
        from_text::double(text, form).is_some_and(|double| self.push(double))
    }

    fn nulls(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0.0);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(Float32Array::try_new(taken(&mut self.0), nulls)?))
    }
}

/// The integer that is exactly this double. None for a negative zero.
fn exact_integer(double: f64) -> Option<i64> {
    let whole =
        double.trunc() == double && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&double);
    (whole && !(double == 0.0 && double.is_sign_negative())).then_some(double as i64)
}
