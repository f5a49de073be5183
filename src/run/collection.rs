//! A collection to load, and its settings: those of a source's table, resolved against a target.
//!
//! Knows neither the models nor how the load runs.

use std::sync::Arc;
use std::time::Duration;

use elt_base::digest::sha256;
use elt_base::schema::Column;
use elt_extract::CollectionOptions;
use elt_model::Deletes;

/// A collection to load, with its settings.
#[derive(Debug, Clone)]
pub struct CollectionLoad {
    /// The source's name.
    pub source: String,
    /// The collection's own name.
    pub name: String,
    /// The name of the source's table in YAML: `source.table`.
    pub label: String,
    /// The raw table: DuckDB schema and name.
    pub schema: String,
    pub table: String,
    pub mode: LoadMode,
    /// The handling of rows whose documents were deleted at the source.
    pub deletes: Deletes,
    /// The most rows, in percent, that may be gone.
    pub sweep_limit: f64,
    pub pinned: Vec<Column>,
    pub options: Arc<CollectionOptions>,
    /// Whether the load fails if the counts do not agree.
    pub is_strict: bool,
    /// Whether an unfinished load may be continued. It may not if every read sees a snapshot of one moment.
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

    /// Everything that a load depends on apart from the documents. `known` are the columns of the raw table.
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
