//! The hazards of MySQL and MariaDB: values that a column cannot store.
//!
//! Knows no values.

use crate::target::{Hazard, Replacement};

/// Why a value does not fit its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MysqlHazard {
    Infinite,
    NotANumber,
    NotFiniteInJson,
    Year,
    /// Of a time: more digits of a second than the column has.
    Precision,
    Range,
    Length,
    /// Of a text, which can be cut.
    LongText,
    /// Of JSON or bytes, which cannot.
    LongValue,
}

impl Hazard for MysqlHazard {
    fn text(self) -> &'static str {
        match self {
            Self::Infinite => "Infinity",
            Self::NotANumber => "NaN",
            Self::NotFiniteInJson => "NaN or Infinity, which JSON does not have",
            Self::Year => "a year outside the range of the column",
            Self::Precision => "more digits of a second than the column holds",
            Self::Range => "beyond the range of the column's type",
            Self::Length => "longer than the column allows",
            Self::LongText | Self::LongValue => "longer than the server's `max_allowed_packet`",
        }
    }

    fn replacement(self) -> Replacement {
        match self {
            Self::Infinite | Self::Range => Replacement::Nearest("the nearest number"),
            Self::Year => Replacement::Nearest("the nearest date"),
            Self::Precision => Replacement::Nearest("rounded values"),
            Self::NotFiniteInJson => Replacement::Nearest("`null` in its place"),
            Self::Length => Replacement::Nearest("the value cut off"),
            Self::LongText => Replacement::Nearest("the text cut off"),
            Self::NotANumber | Self::LongValue => Replacement::Null,
        }
    }
}
