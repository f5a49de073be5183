//! The project's macros as entries of the manifest.
//!
//! Finds calls in the text of the templates. Renders nothing.

use serde_json::{Map, Value, json};

use crate::graph::Graph;

impl Graph {
    pub(super) fn macro_entries(&self) -> Map<String, Value> {
        let now = chrono::Utc::now().timestamp_micros() as f64 / 1e6;
        let docs = json!({ "show": true, "node_color": null });
        let entries = self.blocks().into_iter().map(|block| {
            let unique_id = self.macro_id(&block.name);
            let calls: Vec<String> = self.calls(block.text).into_iter().filter(|id| *id != unique_id).collect();
            let entry = json!({
                "name": block.name,
                "resource_type": "macro",
                "package_name": self.project,
                "path": block.path,
                "original_file_path": block.path,
                "unique_id": unique_id,
                "macro_sql": block.text,
                "depends_on": { "macros": calls },
                "description": "",
                "meta": {},
                "docs": docs,
                "config": { "meta": {}, "docs": docs },
                "patch_path": null,
                "arguments": [],
                "created_at": now,
                "supported_languages": null,
            });
            (unique_id, entry)
        });
        entries.collect()
    }
}
