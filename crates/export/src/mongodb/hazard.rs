//! The hazards of MongoDB: values that a document cannot store.
//!
//! Knows no values.

use crate::target::{Hazard, Replacement};

/// Why a value cannot be published as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BsonHazard {
    /// It does not convert to the contract's type. NULL in its place.
    Conversion,
    /// More than 34 digits. NULL.
    Digits,
    /// More digits than a double holds. The nearest double.
    DoubleDigits,
    /// Finer than a millisecond. Cut.
    Precision,
    /// Beyond the dates that 64 bits of milliseconds hold, or infinite. NULL.
    YearRange,
    /// A name with U+0000 in it. The field is left out.
    FieldName,
    /// Deeper than 100 levels. NULL.
    Depth,
    /// A document over 16 MB, which has no nearest one.
    Size,
}

/// Receives the hazards of a value.
pub type Report<'a> = dyn FnMut(BsonHazard) + 'a;

impl Hazard for BsonHazard {
    fn text(self) -> &'static str {
        match self {
            Self::Conversion => "not of the column's type",
            Self::Digits => "more than 34 digits",
            Self::DoubleDigits => "more digits than a double holds",
            Self::Precision => "finer than a millisecond",
            Self::YearRange => "a date that BSON does not reach",
            Self::FieldName => "a field's name with U+0000",
            Self::Depth => "deeper than 100 levels",
            Self::Size => "documents over 16 MB",
        }
    }

    fn replacement(self) -> Replacement {
        match self {
            Self::Precision => Replacement::Nearest("whole milliseconds"),
            Self::DoubleDigits => Replacement::Nearest("the nearest double"),
            Self::FieldName => Replacement::Nearest("nothing"),
            Self::Size => Replacement::None,
            _ => Replacement::Null,
        }
    }

    fn is_of_column(self) -> bool {
        self != Self::Size
    }
}
