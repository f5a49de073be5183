//! The manifest of a load: what landed, in which files, and how the raw table takes it.
//!
//! Pure values. Knows nothing of files: `extract::land` writes and reads them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::reading::Reading;
use crate::schema::Column;

/// How a load relates to the raw table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// Replaces the raw table.
    Full,
    /// Merges into it by `_id`.
    Incremental,
    /// Merges into it by `_id` too, but read every document: all quarantined documents are its own.
    Whole,
}

impl LoadKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Whole => "whole",
        }
    }

    /// Whether the raw table is the load and nothing else.
    pub fn replaces(self) -> bool {
        self == Self::Full
    }
}

/// One finished load on disk: everything the warehouse needs to take it in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The manifest's format; this is 1.
    pub version: u32,
    pub load_id: String,
    pub source: String,
    pub collection: String,
    pub mode: LoadKind,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub finished_at: String,
    pub segments: Vec<Segment>,
    /// Files of documents that could not be decoded: `offset`, `line`, `reason`, `bytes`.
    #[serde(default)]
    pub quarantine: Vec<String>,
    pub reading: Reading,
    /// The folder, not stored: set on reading.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// One Parquet file of a load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Segment {
    /// Its file name within the load's folder.
    pub file: String,
    pub rows: u64,
    pub bytes: u64,
    /// Its columns without `_id` and `_elt_rescued`; the load's may be more or wider.
    pub columns: Vec<Column>,
}
