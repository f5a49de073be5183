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

/// What one reading of a collection found, beside its batches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Documents read.
    pub documents: u64,
    /// Bytes of those documents.
    pub bytes: u64,
    /// Values that did not fit their column and stand in `_elt_rescued`.
    pub rescued: u64,
    /// The columns after the last batch, without `_id` and the `_elt_` ones: at least those of every batch.
    pub columns: Vec<Column>,
    /// The greatest watermark seen, as canonical Extended JSON; None if the load has no watermark or saw no document.
    pub watermark: Option<String>,
    pub census: Census,
    /// Documents the source said it had (MongoDB: an estimate; files: None).
    pub expected: Option<u64>,
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

/// Exact counts of the BSON types met at each path. Array elements stand under `path[]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census(pub BTreeMap<String, BTreeMap<String, Count>>);

/// How often a type was met at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub values: u64,
    /// How many of them were rescued.
    pub rescued: u64,
    /// The `_id` (text form) of the first document that had one.
    pub example: String,
}

/// Which documents of a collection a reading covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// All of them.
    Full,
    /// Those whose `path` is at or after `from` (canonical Extended JSON), and those whose `path` is missing or of
    /// another type than `from`, for nothing says that they are old.
    Since { path: String, from: String },
}
