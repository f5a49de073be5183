//! A collection to load, and how it is loaded: the settings of a source's table, resolved against a target.
//!
//! Knows no model, and nothing of how the load runs.

use std::sync::Arc;
use std::time::Duration;

use elt_base::digest::sha256;
use elt_base::schema::Column;
use elt_extract::CollectionOptions;
use elt_model::Deletes;

/// A collection to load, and how.
#[derive(Debug, Clone)]
pub struct CollectionLoad {
    /// The source's name.
    pub source: String,
    /// The collection's own name.
    pub name: String,
    /// The raw table: DuckDB schema and name.
    pub schema: String,
    pub table: String,
    pub mode: LoadMode,
    /// What happens to rows whose documents are gone from the source.
    pub deletes: Deletes,
    pub pinned: Vec<Column>,
    pub options: Arc<CollectionOptions>,
    /// Whether counts that disagree fail the load.
    pub is_strict: bool,
    /// Whether an unfinished load may be continued: not where every reading sees the state at one moment.
    pub is_resumable: bool,
    /// A checksum of the source's settings, without its secrets.
    pub origin: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadMode {
    Full,
    Incremental { watermark: String, lookback: Duration },
}

impl CollectionLoad {
    /// Its name in messages.
    pub fn shown(&self) -> String {
        format!("{}.{}", self.source, self.name)
    }

    /// What a load depends on beside the documents. `known` are the raw table's columns.
    pub fn fingerprint(&self, known: &[Column]) -> String {
        let known = serde_json::to_string(&(known, &self.pinned)).unwrap_or_default();
        let watermark = self.mode.watermark().unwrap_or_default();
        sha256(&format!("{:?}", (&self.origin, self.options.fingerprint(), known, watermark)))
    }
}

impl LoadMode {
    pub fn watermark(&self) -> Option<&str> {
        match self {
            Self::Full => None,
            Self::Incremental { watermark, .. } => Some(watermark),
        }
    }
}
