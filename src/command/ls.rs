//! `elt ls`: prints the selected nodes to stdout, one per line, in dbt's formats and order. Opens no warehouse.

use std::io::Write;

use serde_json::{Map, Value};

use crate::messages;
use crate::report::{Console, table};
use elt_base::error::Result;
use elt_model::{Graph, Node, NodeKind};

use super::workspace::Workspace;
use super::{Common, LsOptions, LsOutput};

/// The JSON of a node for `--output json`, as in dbt.
const KEYS: [&str; 10] = [
    "alias",
    "name",
    "package_name",
    "depends_on",
    "tags",
    "config",
    "resource_type",
    "source_name",
    "original_file_path",
    "unique_id",
];

pub fn run(common: &Common, options: &LsOptions, console: &Console) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    let graph = &workspace.graph;
    let selected = workspace.select(&options.selection, console)?;
    let mut nodes: Vec<&Node> = selected.iter().map(|id| graph.node(id)).collect();
    nodes.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
    let mut out = table::stdout();
    for node in nodes {
        writeln!(out, "{}", line(graph, node, options)).map_err(|cause| messages::output(&cause))?;
    }
    Ok(true)
}

fn line(graph: &Graph, node: &Node, options: &LsOptions) -> String {
    match options.output {
        LsOutput::Selector => match node.kind {
            NodeKind::Source | NodeKind::Exposure | NodeKind::UnitTest => {
                format!("{}:{}.{}", node.kind, graph.project, node.display_name())
            }
            _ => node.fqn.join("."),
        },
        LsOutput::Name => node.display_name(),
        LsOutput::Path => node.original_path().display().to_string(),
        LsOutput::Json => json(&graph.entry(node, None), &options.output_keys).to_string(),
    }
}

/// The chosen keys of an entry. A dotted key selects a nested value, and is omitted if the value does not exist.
fn json(entry: &Value, keys: &[String]) -> Value {
    let mut object = Map::new();
    let Some(all) = entry.as_object() else { return Value::Null };
    if keys.is_empty() {
        object.extend(all.iter().filter(|(key, _)| KEYS.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())));
    }
    for key in keys {
        let mut value = Some(entry);
        for part in key.split('.') {
            value = value.and_then(|value| value.get(part));
        }
        let is_shown = |value: &&Value| !key.contains('.') || !value.is_null();
        if let Some(value) = value.filter(is_shown) {
            object.insert(key.clone(), value.clone());
        }
    }
    Value::Object(object)
}
