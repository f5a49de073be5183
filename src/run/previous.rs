//! The unfinished work of the last run, read from its `run_results.json`. It is dbt's file, or elt's with loads and
//! publications.
//!
//! Reads an artifact. Does not know how the work is run again.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::microbatch::BatchResults;
use crate::messages;
use elt_base::error::Result;

/// dbt's statuses that `retry` runs again.
const UNDONE: [&str; 5] = ["error", "fail", "skipped", "runtime error", "partial success"];

/// A run, as its artifact describes it.
#[derive(Debug, Clone, Default)]
pub struct Previous {
    /// `which`, `select`, `exclude` …
    pub args: Map<String, Value>,
    /// Nodes that failed or were skipped, by `unique_id`.
    pub undone: HashSet<String>,
    /// Collections that could not be loaded, by name.
    pub unloaded: HashSet<String>,
    /// Microbatch models with failed batches, by `unique_id`.
    pub batches: HashMap<String, BatchResults>,
    /// When the run started.
    pub started_at: Option<DateTime<Utc>>,
    /// Whether the run published tables, and published all of them.
    pub is_published: bool,
    /// Whether the run ended with an error that belongs to no single node, for example a failed publication.
    pub is_cut_short: bool,
}

impl Previous {
    /// Reads `run_results.json` in `folder`. Fails with exit code 2 if the file does not exist or is not a valid
    /// artifact.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("run_results.json");
        let text = std::fs::read_to_string(&path).map_err(|cause| messages::nothing_to_retry_from(&path, &cause))?;
        let artifact: Value = serde_json::from_str(&text).map_err(|_| messages::bad_artifact(&path))?;
        let (Some(args), Some(results)) = (artifact["args"].as_object(), artifact["results"].as_array()) else {
            return Err(messages::bad_artifact(&path));
        };
        let is_undone = |value: &&Value| value["status"].as_str().is_some_and(|status| UNDONE.contains(&status));
        let names = |list: &[Value], key: &str| -> HashSet<String> {
            let named = list.iter().filter(is_undone).filter_map(|value| value[key].as_str().map(str::to_owned));
            // As in dbt: the hooks of the run always run, and a failed hook alone is not work to retry.
            named.filter(|name| !name.starts_with("operation.")).collect()
        };
        let none = Vec::new();
        let loads = artifact["args"]["elt"]["loads"].as_array().unwrap_or(&none);
        let exports = artifact["args"]["elt"]["exports"].as_array().unwrap_or(&none);
        let batches = results.iter().filter_map(|result| {
            let batches = BatchResults::from_json(result.get("batch_results")?)?;
            // If all batches failed, the model is built from the start.
            let is_part = !batches.successful.is_empty() && !batches.failed.is_empty();
            is_part.then_some((result["unique_id"].as_str()?.to_owned(), batches))
        });
        let time = |value: &Value| value.as_str().and_then(elt_model::parse_time);
        let elapsed = artifact["elapsed_time"].as_f64().unwrap_or(0.0);
        let ended = time(&artifact["metadata"]["generated_at"]);
        Ok(Self {
            batches: batches.collect(),
            started_at: time(&artifact["metadata"]["invocation_started_at"])
                .or_else(|| Some(ended? - TimeDelta::milliseconds((elapsed * 1000.0) as i64))),
            args: args.clone(),
            undone: names(results, "unique_id"),
            unloaded: names(loads, "name"),
            is_cut_short: artifact["args"]["elt"]["is_cut_short"].as_bool().unwrap_or(false),
            is_published: !exports.is_empty() && !exports.iter().any(|export| is_undone(&export)),
        })
    }

    /// Whether no work is left.
    pub fn is_done(&self) -> bool {
        self.undone.is_empty() && self.unloaded.is_empty() && !self.is_cut_short
    }
}

#[cfg(test)]
mod tests {
    use super::Previous;

    #[test]
    fn what_is_left_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |text: &str, expected: Result<(usize, usize, bool), ()>| {
            std::fs::write(folder.path().join("run_results.json"), text).expect("written");
            let found = Previous::read(folder.path());
            let found = found.map(|found| (found.undone.len(), found.unloaded.len(), found.is_published));
            assert_eq!(found.map_err(drop), expected, "{text}");
        };
        check(
            r#"{"args": {"which": "build", "elt": {"loads": [{"name": "s.t", "status": "error"}], "exports": []}},
                "results": [{"unique_id": "a", "status": "success"}, {"unique_id": "b", "status": "skipped"},
                {"unique_id": "c", "status": "runtime error"}]}"#,
            Ok((2, 1, false)),
        );
        check(
            r#"{"args": {"elt": {"loads": [], "exports": [{"name": "a", "status": "success"}]}}, "results": []}"#,
            Ok((0, 0, true)),
        );
        check(r#"{"args": {}, "results": []}"#, Ok((0, 0, false)));
        check("{}", Err(()));
        check("no", Err(()));
    }
}
