//! What crosses from extraction to landing: typed batches, and what was counted while they were read.
//!
//! Pure values. Knows no driver, no file format and no model.

use std::collections::BTreeMap;

use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::schema::Column;

/// Some documents of one collection, decoded. `data` has `_id` (VARCHAR) first, then the columns known so far,
/// then `_elt_rescued` (JSON text, null where all fits). Later batches of a load may have more or wider columns.
#[derive(Debug, Clone)]
pub struct Batch {
    pub data: RecordBatch,
    /// The columns of `data` without `_id` and `_elt_rescued`, in order.
    pub columns: Vec<Column>,
    /// Bytes of the source's documents.
    pub bytes: u64,
}

/// What a reading gives, piece by piece.
#[derive(Debug, Clone)]
pub enum Output {
    Documents(Batch),
    Quarantined(Quarantined),
}

/// A document that cannot be decoded, or what should have been one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it begins: bytes from the start of the file's (decompressed) text; None for a server's.
    pub offset: Option<u64>,
    /// Its line, in a file of lines.
    pub line: Option<u64>,
    /// What is wrong with it; never a value.
    pub reason: String,
    /// None where they may not be kept, for a field that is masked or left out may be among them.
    pub bytes: Option<Vec<u8>>,
}

/// What one reading of a collection found, beside its batches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Documents read.
    pub documents: u64,
    /// Bytes of those documents.
    pub bytes: u64,
    /// Values that stand in `_elt_rescued`: those that did not fit their column.
    pub rescued: u64,
    /// Documents that could not be decoded.
    #[serde(default)]
    pub quarantined: u64,
    /// Documents that lay outside of the window or did not pass the filter, as far as the source gave them.
    #[serde(default)]
    pub skipped: u64,
    /// The columns after the last batch, without `_id` and the `_elt_` ones: at least those of every batch.
    pub columns: Vec<Column>,
    /// The greatest watermark seen, as canonical Extended JSON; None if the load has no watermark or saw no document.
    pub watermark: Option<String>,
    pub census: Census,
    /// Which `_id`s have the plain form; None if no document was ever seen.
    #[serde(default)]
    pub id_kind: Option<IdKind>,
}

/// What most `_id`s of a collection were when it was first loaded; these have a plain text form (see `extract::id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdKind {
    ObjectId,
    Text,
    Number,
    Uuid,
    Date,
    /// None of these: no `_id` has a plain form.
    Other,
}

/// Exact counts of the BSON types met at each path (see `path`), within values that are rescued or land as JSON too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census(pub BTreeMap<String, BTreeMap<String, Count>>);

/// How often a type was met at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub values: u64,
    /// How many of them were rescued.
    pub rescued: u64,
    /// The `_id` (text form) of the first document that had one; if any was rescued, of the first of those.
    pub example: String,
}

/// The censuses of some loads of a collection, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CensusSum {
    pub loads: u64,
    /// Documents read. One that several loads read counts as often.
    pub documents: u64,
    /// Values that stand in `_elt_rescued`.
    pub rescued: u64,
    pub census: Census,
}

/// What a collection's loads counted, and what the last one is compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Censuses {
    /// Of the loads that the raw table is made of: the last full one and those since.
    pub standing: CensusSum,
    /// Of the last load alone; None if it is the full one, and so `standing`.
    pub last: Option<CensusSum>,
    /// Of the loads before the last one, from the full one before it on; None if it is the first.
    pub before: Option<CensusSum>,
}

/// Which documents of a collection a reading covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Window {
    /// All of them.
    #[default]
    Full,
    /// Those whose `path` is at or after `from` (canonical Extended JSON), and those whose `path` is missing or of
    /// another type than `from`, for nothing says that they are old.
    Since { path: String, from: String },
}

/// A part of a collection, in the order of `_id` over all types: from `from` on, up to but without `to`. Both are
/// canonical Extended JSON; None is an open end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub from: Option<String>,
    pub to: Option<String>,
}

impl Range {
    /// The ranges between cuts that ascend: one more than there are cuts.
    pub fn between(cuts: &[String]) -> Vec<Self> {
        let starts = std::iter::once(None).chain(cuts.iter().cloned().map(Some));
        let ends = cuts.iter().cloned().map(Some).chain([None]);
        starts.zip(ends).map(|(from, to)| Self { from, to }).collect()
    }
}

/// How things stood at a source when a load began.
///
/// While a load reads, documents change: one that was read already may get a watermark below that of another that is
/// read later. So a load's watermark may not pass what was there when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// The source's clock, milliseconds since 1970.
    pub millis: i64,
    /// The greatest watermark, as canonical Extended JSON, where it is no time.
    pub greatest: Option<String>,
}
