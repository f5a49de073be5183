//! Nodes as templates see them: `model`, `graph.nodes`, `graph.sources`, `graph.exposures`.
//!
//! The fields of dbt's manifest that templates read. No SQL is rendered for them.

use std::sync::Arc;

use minijinja::value::{Object, Serde, Value};
use serde_json::{Map, Value as Json, json};

use crate::graph::{Graph, Node, NodeKind, Relation, TimeBatch};
use elt_project::DocBlock;

/// A node in the form of dbt's manifest. `parents` are unique ids.
pub(crate) fn node_json((project, database): (&str, &str), node: &Node, parents: Vec<String>) -> Json {
    let columns: Map<String, Json> = node
        .columns
        .iter()
        .map(|column| {
            let shown = json!({
                "name": column.name,
                "description": column.description,
                "data_type": column.data_type,
                "meta": column.config.get("meta").cloned().unwrap_or_else(|| json!({})),
                "tags": column.config.get("tags").cloned().unwrap_or_else(|| json!([])),
            });
            (column.name.clone(), shown)
        })
        .collect();
    let path = node.original_path();
    let below: std::path::PathBuf = path.iter().skip(1).collect();
    let raw = |key: &str, empty: Json| node.raw_config.get(key).cloned().unwrap_or(empty);
    let mut shown = json!({
        "unique_id": node.unique_id,
        "name": node.name,
        "resource_type": node.kind.name(),
        "package_name": project,
        "database": database,
        "schema": node.relation.schema,
        "alias": node.relation.identifier,
        "identifier": node.relation.identifier,
        "relation_name": node.relation.to_string(),
        "path": below.to_string_lossy(),
        "original_file_path": path.to_string_lossy(),
        "fqn": node.fqn,
        "config": node.raw_config,
        "tags": raw("tags", json!([])),
        "meta": raw("meta", json!({})),
        "columns": columns,
        "description": node.description,
        "raw_code": node.raw_text(),
        "language": "sql",
        "checksum": {"name": "sha256", "checksum": node.checksum},
        "depends_on": {"nodes": parents, "macros": []},
    });
    if let (Some(source), Some(map)) = (&node.source_name, shown.as_object_mut()) {
        map.insert("source_name".into(), source.clone().into());
    }
    shown
}

/// Doc blocks in the form of dbt's manifest, by unique id.
pub(crate) fn docs(project: &str, blocks: &[DocBlock]) -> Map<String, Json> {
    let shown = |block: &DocBlock| {
        let path = &block.source.path;
        let below: std::path::PathBuf = path.iter().skip(1).collect();
        let unique_id = format!("doc.{project}.{}", block.name);
        let value = json!({
            "name": block.name,
            "resource_type": "doc",
            "package_name": project,
            "path": below.to_string_lossy(),
            "original_file_path": path.to_string_lossy(),
            "unique_id": unique_id,
            "block_contents": block.text,
        });
        (unique_id, value)
    };
    blocks.iter().map(shown).collect()
}

/// A node of the graph in the form of dbt's manifest.
pub(crate) fn json(graph: &Graph, node: &Node) -> Json {
    node_json((&graph.project, &graph.database), node, parents(graph, node))
}

/// `model`.
pub(crate) fn model(graph: &Graph, node: &Node, batch: Option<TimeBatch>) -> Value {
    let shown = Value::from(Serde(json(graph, node)));
    let size = node.config.batch.as_ref().map(|config| config.batch_size);
    let batch = match batch.zip(size) {
        Some((batch, size)) => Value::from_pairs([
            ("id", size.name(batch.start).replace('-', "")),
            ("event_time_start", TimeBatch::shown(batch.start)),
            ("event_time_end", TimeBatch::shown(batch.end)),
        ]),
        None => Value::from_object(NoBatch),
    };
    with_batch(shown, batch)
}

/// `model` while the project is parsed. No batch is built then.
pub(crate) fn outside_of_batches(model: Value) -> Value {
    with_batch(model, Value::from_object(NoBatch))
}

fn with_batch(model: Value, batch: Value) -> Value {
    minijinja::value::merge_maps([model, Value::from_pairs([("batch", batch)])])
}

/// `model.batch` if no batch is built. It is false, and all its parts are empty, for a template that does not check
/// first.
#[derive(Debug)]
struct NoBatch;

impl Object for NoBatch {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from(""))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }
}

fn parents(graph: &Graph, node: &Node) -> Vec<String> {
    node.parents.iter().map(|id| graph.node(*id).unique_id.clone()).collect()
}

/// `graph`.
pub(crate) fn graph(graph: &Graph) -> Value {
    let of = |is_wanted: &dyn Fn(NodeKind) -> bool| -> Json {
        let wanted = graph.nodes().filter(|node| is_wanted(node.kind));
        let shown = |node: &Node| (node.unique_id.clone(), json(graph, node));
        Json::Object(wanted.map(shown).collect())
    };
    let all = json!({
        "nodes": of(&|kind| !matches!(kind, NodeKind::Source | NodeKind::Exposure | NodeKind::UnitTest)),
        "sources": of(&|kind| kind == NodeKind::Source),
        "exposures": of(&|kind| kind == NodeKind::Exposure),
        "metrics": {},
        "groups": {},
    });
    Value::from(Serde(all))
}

/// `model` while the project is parsed, with the information about a file's node that is known by then.
pub(crate) fn parsed(
    names: (&str, &str),
    kind: NodeKind,
    file: &elt_project::ProjectFile,
    relation: &Relation,
    raw: &Map<String, Json>,
) -> Value {
    Value::from(Serde(parsed_json(names, kind, file, relation, raw)))
}

pub(crate) fn parsed_json(
    (project, database): (&str, &str),
    kind: NodeKind,
    file: &elt_project::ProjectFile,
    relation: &Relation,
    raw: &Map<String, Json>,
) -> Json {
    let path = &file.source.path;
    let below: std::path::PathBuf = path.iter().skip(1).collect();
    let fqn: Vec<&str> =
        [project].into_iter().chain(file.folders.iter().map(String::as_str)).chain([file.name.as_str()]).collect();
    let mut config = raw.clone();
    config.entry("materialized").or_insert_with(|| if kind == NodeKind::Test { "test" } else { "view" }.into());
    json!({
        "unique_id": format!("{kind}.{project}.{}", file.name),
        "name": file.name,
        "resource_type": kind.name(),
        "package_name": project,
        "database": database,
        "schema": relation.schema,
        "alias": relation.identifier,
        "path": below.to_string_lossy(),
        "original_file_path": path.to_string_lossy(),
        "fqn": fqn,
        "config": config,
        "tags": raw.get("tags").cloned().unwrap_or_else(|| json!([])),
        "meta": raw.get("meta").cloned().unwrap_or_else(|| json!({})),
        "columns": {},
        "description": "",
        "raw_code": file.source.text,
        "depends_on": {"nodes": [], "macros": []},
    })
}
