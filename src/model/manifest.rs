//! The graph in the shape of dbt's `manifest.json` (schema v12), as far as this tool has what it speaks of.
//!
//! Gives a value; where it is written is not known here.

use serde_json::{Map, Value, json};

use super::node::{Graph, Node, NodeKind};

impl Graph {
    /// The manifest; `metadata` is the artifact's own header.
    pub fn manifest(&self, metadata: Value) -> Value {
        let (mut nodes, mut sources) = (Map::new(), Map::new());
        let (mut parents, mut children) = (Map::new(), Map::new());
        for node in self.nodes() {
            let entry = self.entry(node);
            match node.kind {
                NodeKind::Source => sources.insert(node.unique_id.clone(), entry),
                _ => nodes.insert(node.unique_id.clone(), entry),
            };
            let ids = |nodes: &mut dyn Iterator<Item = &Node>| -> Value {
                nodes.map(|node| Value::from(node.unique_id.clone())).collect()
            };
            parents.insert(node.unique_id.clone(), ids(&mut self.parents(node.id)));
            children.insert(node.unique_id.clone(), ids(&mut self.children(node.id)));
        }
        json!({
            "metadata": metadata,
            "nodes": nodes,
            "sources": sources,
            "macros": {},
            "docs": {},
            "exposures": {},
            "metrics": {},
            "groups": {},
            "selectors": {},
            "disabled": {},
            "parent_map": parents,
            "child_map": children,
            "group_map": {},
            "saved_queries": {},
            "semantic_models": {},
            "unit_tests": {},
        })
    }

    fn entry(&self, node: &Node) -> Value {
        let path = node.original_path().to_string_lossy();
        let columns: Map<String, Value> = node
            .columns
            .iter()
            .map(|column| {
                let value = json!({
                    "name": column.name,
                    "description": column.description,
                    "data_type": column.data_type,
                    "config": column.config,
                });
                (column.name.clone(), value)
            })
            .collect();
        let mut entry = json!({
            "unique_id": node.unique_id,
            "resource_type": node.kind.name(),
            "name": node.name,
            "package_name": self.project,
            "path": path.split_once('/').map_or(path.as_ref(), |(_, below)| below),
            "original_file_path": path,
            "fqn": node.fqn,
            "database": null,
            "schema": node.relation.schema,
            "description": node.description,
            "columns": columns,
            "config": node.raw_config,
            "tags": node.config.tags,
            "meta": node.config.meta,
        });
        let Some(object) = entry.as_object_mut() else { return entry };
        match node.kind {
            NodeKind::Source => {
                object.insert("source_name".into(), json!(node.source_name));
                object.insert("identifier".into(), json!(node.relation.identifier));
                object.insert("relation_name".into(), json!(node.relation.to_string()));
            }
            _ => {
                let config = object.get_mut("config").and_then(Value::as_object_mut);
                if let Some(config) = config {
                    config.entry("materialized").or_insert_with(|| node.config.materialized.name().into());
                    config.entry("enabled").or_insert_with(|| node.config.enabled.into());
                }
                let parents: Vec<&str> = self.parents(node.id).map(|parent| parent.unique_id.as_str()).collect();
                object.insert("alias".into(), json!(node.relation.identifier));
                object.insert("checksum".into(), json!({ "name": "sha256", "checksum": node.checksum }));
                object.insert("raw_code".into(), json!(node.raw_text()));
                object.insert("language".into(), json!("sql"));
                object.insert("relation_name".into(), json!(node.relation.to_string()));
                object.insert("depends_on".into(), json!({ "macros": [], "nodes": parents }));
            }
        }
        if let Some(test) = &node.test {
            let owner = test.owner.map(|owner| self.node(owner).unique_id.clone());
            object.insert("attached_node".into(), json!(owner));
            if let Some(generic) = &test.generic {
                object.insert("column_name".into(), json!(generic.column));
                object.insert(
                    "test_metadata".into(),
                    json!({ "name": generic.test, "kwargs": generic.arguments, "namespace": null }),
                );
            }
        }
        entry
    }
}
