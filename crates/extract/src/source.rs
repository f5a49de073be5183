//! The trait that every source implements: what it has, how much, and its documents as typed batches.
//!
//! Knows no source.

use std::time::Duration;

use arrow::array::StringArray;

use crate::batch::Output;
use crate::options::CollectionOptions;
use crate::question::{Question, ReadingPlan, SurveyHints};
use crate::survey::Survey;
use crate::window::IdRange;
use elt_base::error::Result;
use elt_base::reading::{IdKind, Reading};

/// Takes the batches of a reading. An error ends the reading, which returns it.
pub type Sink<'s> = dyn FnMut(Output) -> Result<()> + 's;

/// How a source counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountMode {
    /// The documents that pass `options.filter`, one by one.
    Exact,
    /// The number that the source has without reading them, of a collection without a filter.
    Estimate,
    /// The same, if it takes no longer than that: some servers have it at hand, others count.
    AtHand(Duration),
}

/// A place that has collections.
pub trait Source: Send + Sync {
    /// Names of all collections, sorted.
    fn collections(&self) -> Result<Vec<String>>;

    /// The number of documents in a collection; None where the source does not know it.
    fn count(&self, collection: &str, options: &CollectionOptions, mode: CountMode) -> Result<Option<u64>>;

    /// Looks at a collection before it is read: a sample for the columns' types, where to split it, and how far its
    /// watermark may go.
    fn survey(&self, question: &Question, hints: SurveyHints) -> Result<Survey>;

    /// Reads the window's documents within `range` into `sink`. Only a full window has a range that is not open.
    fn read(&self, question: &Question, plan: &ReadingPlan, range: &IdRange, sink: &mut Sink<'_>) -> Result<Reading>;

    /// The `_id` of every document that passes the filter, in the text form that a raw table of that kind has, in lists of
    /// bounded length without nulls; reads nothing else.
    fn ids(&self, question: &Question, id_kind: IdKind, sink: &mut dyn FnMut(StringArray) -> Result<()>) -> Result<()>;
}
