//! The result of reading a collection, apart from its batches: counts, columns, the greatest watermark.
//!
//! Pure values. Knows no driver, no file format and no model.

use serde::{Deserialize, Serialize};

use crate::census::Census;
use crate::schema::Column;

/// The result of one reading of a collection, beside its batches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Documents read.
    pub documents: u64,
    /// Bytes of those documents.
    pub bytes: u64,
    /// Values in `_elt_rescued`, because they did not fit their column.
    pub rescued: u64,
    /// Documents that could not be decoded.
    #[serde(default)]
    pub quarantined: u64,
    /// Documents that the source sent, but that are outside the window or do not match the filter.
    #[serde(default)]
    pub skipped: u64,
    /// The columns after the last batch, without `_id` and the `_elt_` columns. They include the columns of every
    /// batch.
    pub columns: Vec<Column>,
    /// The greatest watermark seen, as canonical Extended JSON; None if the load has no watermark or read no document.
    pub watermark: Option<String>,
    pub census: Census,
    /// The kind of `_id`s that have the plain form. None if no document was ever read.
    #[serde(default)]
    pub id_kind: Option<IdKind>,
}

/// The kind of most `_id`s of a collection when it was first loaded; these have a plain text form (see
/// `extract::bson::id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdKind {
    ObjectId,
    Text,
    Number,
    Uuid,
    Date,
    /// Any other kind: no `_id` has a plain form.
    Other,
}
