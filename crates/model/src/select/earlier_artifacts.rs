//! The artifacts of an earlier run, as values.
//!
//! Opens no file.

use serde_json::Value;

/// The artifacts of an earlier run. Missing artifacts are None.
#[derive(Debug, Clone, Default)]
pub struct EarlierArtifacts {
    pub manifest: Option<Value>,
    pub run_results: Option<Value>,
    pub sources: Option<Value>,
    /// The present `sources.json`, which is compared with the earlier one.
    pub sources_now: Option<Value>,
}
