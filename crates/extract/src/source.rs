//! The trait that every source implements: its collections, their counts, and their documents as typed batches.
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

/// Receives the batches of a reading. An error ends the reading, which returns it.
pub type Sink<'s> = dyn FnMut(Output) -> Result<()> + 's;

/// How a source counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountMode {
    /// The documents that pass `options.filter`, one by one.
    Exact,
    /// The number that the source knows without reading the documents, for a collection without a filter.
    Estimate,
    /// The same, with a time limit. Some servers know the number, and others count the documents.
    AtHand(Duration),
}

/// A place with collections.
pub trait Source: Send + Sync {
    /// Names of all collections, sorted.
    fn collections(&self) -> Result<Vec<String>>;

    /// The number of documents in a collection. None if the source does not know it.
    fn count(&self, collection: &str, options: &CollectionOptions, mode: CountMode) -> Result<Option<u64>>;

    /// Looks at a collection before it is read: a sample for the columns' types, where to split it, and how far its
    /// watermark may go.
    fn survey(&self, question: &Question, hints: SurveyHints) -> Result<Survey>;

    /// Reads the window's documents within `range` into `sink`. Only a full window has a range that is not open.
    fn read(&self, question: &Question, plan: &ReadingPlan, range: &IdRange, sink: &mut Sink<'_>) -> Result<Reading>;

    /// The `_id` of every document that passes the filter, in the text form of a raw table of that kind. They are
    /// passed on in lists of bounded length without nulls. No other fields are read.
    fn ids(&self, question: &Question, id_kind: IdKind, sink: &mut dyn FnMut(StringArray) -> Result<()>) -> Result<()>;
}
