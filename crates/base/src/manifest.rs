//! The manifest of a load: the documents that landed, their files, and how the load changes the raw table.
//!
//! Pure values. Knows nothing of files: `extract::land` writes and reads manifests.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::reading::Reading;
use crate::schema::Column;

/// How a load changes the raw table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// The load replaces the raw table.
    Full,
    /// The load is merged into the raw table by `_id`.
    Incremental,
    /// The load is merged by `_id`, too, but it read every document, so that it has all quarantined documents.
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

    /// Whether the raw table contains this load and nothing else.
    pub fn replaces(self) -> bool {
        self == Self::Full
    }
}

/// One finished load on disk: everything that the warehouse needs to load it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the manifest's format, which is 1.
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
    /// The folder. It is not stored, but set when the manifest is read.
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
    /// The CRC-32 of the file's bytes. None: an earlier version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
    /// The file's columns without `_id` and `_elt_rescued`. The load may have more columns, or wider ones.
    pub columns: Vec<Column>,
}
