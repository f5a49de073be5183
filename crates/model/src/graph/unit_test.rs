//! The given rows of a unit test, and the rows that it expects.
//!
//! Values; this module runs no test.

use std::sync::Arc;

use super::call::Call;
use super::id::NodeId;
use elt_base::error::{Place, SourceText};
use elt_project::{FixtureRow, OverrideProperties};

/// The given rows of a unit test, and the rows that it expects.
#[derive(Debug, Clone)]
pub struct UnitTest {
    pub model: NodeId,
    pub given: Vec<GivenInput>,
    pub expect: GivenRows,
    pub overrides: Arc<OverrideProperties>,
}

/// The rows of one input.
#[derive(Debug, Clone)]
pub struct GivenInput {
    /// The model itself for `this`.
    pub input: NodeId,
    /// As it is written: `ref('customers')`.
    pub written: String,
    pub place: Place,
    pub rows: GivenRows,
    pub(crate) call: Call,
}

#[derive(Debug, Clone)]
pub enum GivenRows {
    /// Values, cell by cell; each column once, in order of first mention.
    Cells { columns: Vec<(String, Place)>, rows: Vec<FixtureRow>, is_csv: bool },
    /// A query whose Jinja is not yet rendered.
    Sql { text: String, place: Place },
    /// A file that contains such a query.
    SqlFile(Arc<SourceText>),
    /// The rows of the seed's own file.
    OfSeed,
}

impl GivenRows {
    /// The place where they are written.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Cells { columns, .. } => columns.first().map(|(_, place)| place.clone()),
            Self::Sql { place, .. } => Some(place.clone()),
            Self::SqlFile(source) => Some(Place::line(source, 1)),
            Self::OfSeed => None,
        }
    }
}
