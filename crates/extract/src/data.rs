//! The storage of one column: a vector for each column type, with room for nulls but no notion of them.
//!
//! Knows of BSON the names of its types. Turns into Arrow arrays; nested storage is turned by the builder that owns it.

use arrow::array::{ArrayRef, BinaryArray, BooleanBufferBuilder, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;

use crate::bson::Kind;
use crate::builder::ColumnBuilder;
use crate::columns::Columns;
use crate::decimal::{integer_digits, power, rescale, scale_needed};
use elt_base::batch::IdKind;
use elt_base::schema::{ColumnType, DECIMAL_PRECISION};

/// Digits before the point that stay free when a DECIMAL's scale grows: those of any BIGINT, for earlier batches and
/// loads may hold them.
const INTEGER_DIGITS_KEPT: u32 = 19;

/// Places after the point that a DECIMAL gets for trailing zeros alone.
pub const SCALE_WRITTEN_MAX: i32 = 19;

#[derive(Debug)]
pub enum Data {
    /// No value yet.
    Untyped,
    Boolean(BooleanBufferBuilder),
    BigInt(Vec<i64>),
    Double(Vec<f64>),
    Decimal(Decimals),
    /// Strings, symbols, code; objectIds as hex; decimal128 that no DECIMAL holds.
    Text(Bytes, TextOf),
    /// The `_id`, and which kind of it is plain.
    Id(Bytes, IdKind),
    Json(Bytes),
    /// Binaries of one subtype.
    Blob(Bytes, u8),
    Uuid(Vec<u8>),
    /// Microseconds since 1970; with a time zone (UTC) or without.
    Instant {
        micros: Vec<i64>,
        zoned: bool,
    },
    Date(Vec<i32>),
    Time(Vec<i64>),
    Struct {
        columns: Columns,
        of: StructOf,
    },
    List {
        offsets: Vec<i32>,
        items: usize,
        element: Box<ColumnBuilder>,
    },
}

/// What the texts of a VARCHAR were in the source. One of another origin stands in the column all the same, and in
/// `_elt_rescued` as what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOf {
    String,
    ObjectId,
    Symbol,
    Code,
    /// Canonical text of decimal128; integers' digits too. Takes no other text, for these are numbers.
    Decimal,
}

impl TextOf {
    #[inline]
    pub fn kind(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::String => Self::String,
            Kind::ObjectId => Self::ObjectId,
            Kind::Symbol => Self::Symbol,
            Kind::Code => Self::Code,
            _ => return None,
        })
    }

    pub fn column_type(self) -> ColumnType {
        match self {
            Self::String => ColumnType::Varchar,
            Self::ObjectId => ColumnType::ObjectId,
            Self::Symbol => ColumnType::Symbol,
            Self::Code => ColumnType::Code,
            Self::Decimal => ColumnType::DecimalText,
        }
    }
}

/// What a STRUCT was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructOf {
    Object,
    /// STRUCT(t, i).
    Timestamp,
    /// STRUCT(pattern, options).
    Regex,
}

/// Texts or bytes of varying length, end to end.
#[derive(Debug)]
pub struct Bytes {
    pub bytes: Vec<u8>,
    offsets: Vec<i32>,
}

impl Default for Bytes {
    fn default() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0] }
    }
}

impl Bytes {
    /// Ends the value whose bytes were appended. A batch's bound keeps the offsets far below 2 GiB.
    #[inline]
    pub fn end(&mut self) {
        self.offsets.push(self.bytes.len() as i32);
    }

    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.end();
    }

    fn nulls(&mut self, count: usize) {
        self.offsets.resize(self.offsets.len() + count, self.bytes.len() as i32);
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let next =
            Self { bytes: Vec::with_capacity(self.bytes.len()), offsets: Vec::with_capacity(self.offsets.len()) };
        let Self { bytes, offsets } = std::mem::replace(self, next);
        self.offsets.push(0);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes))
    }

    pub fn texts(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(std::sync::Arc::new(self.strings(nulls)?))
    }

    pub fn strings(&mut self, nulls: Option<NullBuffer>) -> Result<StringArray, ArrowError> {
        let (offsets, bytes) = self.take();
        StringArray::try_new(offsets, bytes, nulls)
    }

    pub fn blobs(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let (offsets, bytes) = self.take();
        Ok(std::sync::Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?))
    }
}

/// Values of DECIMAL(38, scale).
#[derive(Debug)]
pub struct Decimals {
    pub values: Vec<i128>,
    pub scale: u8,
    /// The greatest absolute value so far, at `scale`, over all batches.
    magnitude: u128,
}

impl Decimals {
    pub fn new(scale: u8) -> Self {
        Self { values: Vec::new(), scale: scale.min(DECIMAL_PRECISION), magnitude: 0 }
    }

    /// What a BIGINT column becomes.
    pub fn of_integers(values: &[i64]) -> Self {
        let magnitude = values.iter().map(|value| value.unsigned_abs()).max().unwrap_or_default();
        Self { values: values.iter().copied().map(i128::from).collect(), scale: 0, magnitude: u128::from(magnitude) }
    }

    /// Appends `coefficient` × 10^-`scale` if all its digits fit, at this scale or (if `may_grow`) a greater one.
    #[inline]
    pub fn push(&mut self, coefficient: i128, scale: i32, may_grow: bool) -> bool {
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

impl Data {
    /// Room for `count` nulls at the end.
    pub fn nulls(&mut self, count: usize) {
        match self {
            Self::Untyped | Self::Struct { .. } => {}
            Self::Boolean(bits) => bits.append_n(count, false),
            Self::BigInt(values) | Self::Instant { micros: values, .. } | Self::Time(values) => {
                values.resize(values.len() + count, 0);
            }
            Self::Double(values) => values.resize(values.len() + count, 0.0),
            Self::Decimal(decimals) => decimals.values.resize(decimals.values.len() + count, 0),
            Self::Text(bytes, _) | Self::Id(bytes, _) | Self::Json(bytes) | Self::Blob(bytes, _) => bytes.nulls(count),
            Self::Uuid(bytes) => bytes.resize(bytes.len() + 16 * count, 0),
            Self::Date(days) => days.resize(days.len() + count, 0),
            Self::List { offsets, items, .. } => offsets.resize(offsets.len() + count, *items as i32),
        }
    }

    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::Untyped => ColumnType::Null,
            Self::Boolean(_) => ColumnType::Boolean,
            Self::BigInt(_) => ColumnType::BigInt,
            Self::Double(_) => ColumnType::Double,
            Self::Decimal(decimals) => ColumnType::Decimal { scale: decimals.scale },
            Self::Text(_, of) => of.column_type(),
            Self::Id(..) => ColumnType::Varchar,
            Self::Json(_) => ColumnType::Json,
            Self::Blob(_, 0) => ColumnType::Blob,
            Self::Blob(_, subtype) => ColumnType::Binary { subtype: *subtype },
            Self::Uuid(_) => ColumnType::Uuid,
            Self::Instant { zoned: true, .. } => ColumnType::TimestampTz,
            Self::Instant { zoned: false, .. } => ColumnType::Timestamp,
            Self::Date(_) => ColumnType::Date,
            Self::Time(_) => ColumnType::Time,
            Self::Struct { of: StructOf::Timestamp, .. } => ColumnType::BsonTimestamp,
            Self::Struct { of: StructOf::Regex, .. } => ColumnType::Regex,
            // Another part of the load met an object here, this one none yet.
            Self::Struct { columns, .. } if columns.is_empty() => ColumnType::Null,
            Self::Struct { columns, .. } => ColumnType::Struct(columns.types()),
            Self::List { element, .. } => ColumnType::List(Box::new(element.column_type())),
        }
    }
}
