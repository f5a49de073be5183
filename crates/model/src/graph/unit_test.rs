//! What a unit test gives its model, and what it expects.
//!
//! Values; nothing here runs a test.

use std::sync::Arc;

use super::call::Call;
use super::id::NodeId;
use elt_base::error::{Place, SourceText};
use elt_project::{FixtureRow, OverrideProperties};

/// What a unit test gives its model, and what it expects of it.
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
    /// A query, Jinja not yet rendered.
    Sql { text: String, place: Place },
    /// A file that is such a query.
    SqlFile(Arc<SourceText>),
    /// Those of the seed's own file.
    OfSeed,
}

impl GivenRows {
    /// Where they are written.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Cells { columns, .. } => columns.first().map(|(_, place)| place.clone()),
            Self::Sql { place, .. } => Some(place.clone()),
            Self::SqlFile(source) => Some(Place::line(source, 1)),
            Self::OfSeed => None,
        }
    }
}
