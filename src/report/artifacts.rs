//! The files of a run under `target/`: JSON in dbt's format, so that tools for dbt can read them.
//!
//! Knows their paths, and writes each file completely or not at all. The caller supplies the content.

use std::path::Path;

use serde_json::{Value, json};

use crate::messages;
use elt_base::error::Result;

/// dbt's `metadata` of an artifact. `kind` is `run-results/v6` or `manifest/v12`.
pub fn metadata(kind: &str, invocation_id: &str) -> Value {
    let mut metadata = json!({
        "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{kind}.json"),
        "dbt_version": "1.12.0",
        "generated_at": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        "invocation_id": invocation_id,
        "env": {},
    });
    if let Some(object) = metadata.as_object_mut().filter(|_| kind.starts_with("manifest/")) {
        object.insert("adapter_type".into(), "duckdb".into());
    }
    metadata
}

/// Writes an artifact completely or not at all.
pub fn write(path: &Path, value: &Value) -> Result<()> {
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let beside = path.with_extension(format!("json.{}.tmp", std::process::id()));
        std::fs::write(&beside, value.to_string())?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|cause| messages::artifact(path, &cause))
}

/// Reads an artifact; None if it does not exist.
pub fn read(path: &Path) -> Result<Option<Value>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(messages::state_unreadable(path, &cause.to_string())),
    };
    serde_json::from_slice(&text).map(Some).map_err(|cause| messages::state_unreadable(path, &cause.to_string()))
}
