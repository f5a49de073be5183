//! The documents of a collection to read: a window by watermark, a range of `_id`s, and the limit of the watermark.
//!
//! Pure values. Knows no driver.

use serde::{Deserialize, Serialize};

/// The documents of a collection that a reading covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Window {
    /// All documents.
    #[default]
    Full,
    /// Documents whose `path` is at or after `from` (canonical Extended JSON), and documents whose `path` is missing or
    /// has another type than `from`, because these may be new.
    Since { path: String, from: String },
}

/// A part of a collection, in the order of `_id` over all types. It begins at `from`, and ends before `to`. Both are
/// canonical Extended JSON. None is an open end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    pub from: Option<String>,
    pub to: Option<String>,
}

impl IdRange {
    /// The ranges between ascending cuts. There is one more range than cuts.
    pub fn between(cuts: &[String]) -> Vec<Self> {
        let starts = std::iter::once(None).chain(cuts.iter().cloned().map(Some));
        let ends = cuts.iter().cloned().map(Some).chain([None]);
        starts.zip(ends).map(|(from, to)| Self { from, to }).collect()
    }
}

/// The state of a source when a load began.
///
/// While a load reads, documents change: one that was read already may get a watermark below that of another that is
/// read later. So a load's watermark may not be greater than the values that existed when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// The source's clock, in milliseconds since 1970.
    pub millis: i64,
    /// The greatest watermark, as canonical Extended JSON, where it is not a time.
    pub greatest: Option<String>,
}
