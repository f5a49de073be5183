//! The graph in the shape of dbt's `manifest.json`, schema v12 (<https://schemas.getdbt.com/dbt/manifest/v12.json>).
//!
//! Returns a value and writes no file. The caller compiles nodes. This module compiles only the ephemeral models that
//! those nodes contain.

mod config;
mod entry;
mod macro_calls;
mod macros;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use crate::compile::{Compile, Compiler};
use crate::graph::{Materialized, Node, NodeKind, cte_name};

/// The SQL of nodes that were compiled, by unique id.
pub type CompiledSql = HashMap<String, String>;

impl Compiler {
    /// The manifest. `metadata` is the artifact's own header.
    pub fn manifest(&self, metadata: Value, compiled: &CompiledSql) -> Value {
        let mut maps: [Map<String, Value>; 4] = Default::default();
        let (mut parents, mut children) = (Map::new(), Map::new());
        let mut groups: BTreeMap<&str, Vec<&str>> =
            self.groups.iter().map(|group| (group.name.as_str(), Vec::new())).collect();
        let [nodes, sources, exposures, unit_tests] = &mut maps;
        for node in self.nodes() {
            let map = match node.kind {
                NodeKind::Source => &mut *sources,
                NodeKind::Exposure => &mut *exposures,
                NodeKind::UnitTest => &mut *unit_tests,
                _ => &mut *nodes,
            };
            let sql = compiled.get(&node.unique_id);
            let mut entry = self.entry(node, sql);
            if let Some(ctes) = entry.get_mut("extra_ctes").filter(|_| sql.is_some()) {
                *ctes = self.extra_ctes(node);
            }
            map.insert(node.unique_id.clone(), entry);
            parents.insert(node.unique_id.clone(), sorted_ids(&mut self.parents(node.id)));
            children.insert(node.unique_id.clone(), sorted_ids(&mut self.children(node.id)));
            if let Some(members) = self.group_of(node).and_then(|group| groups.get_mut(group)) {
                members.push(&node.unique_id);
            }
        }
        let mut disabled: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for node in &self.disabled {
            disabled.entry(&node.unique_id).or_default().push(self.entry(node, None));
        }
        let selectors: Map<String, Value> =
            self.selectors.iter().map(|selector| (selector.name.clone(), selector.to_json())).collect();
        let mut metadata = metadata;
        if let Some(object) = metadata.as_object_mut() {
            object.insert("project_name".into(), self.project.clone().into());
            object.insert("project_id".into(), elt_base::digest::md5(&self.project).into());
            object.insert(
                "quoting".into(),
                json!({ "database": true, "schema": true, "identifier": true, "column": null }),
            );
        }
        let [nodes, sources, exposures, unit_tests] = maps;
        json!({
            "metadata": metadata,
            "nodes": nodes,
            "sources": sources,
            "macros": self.macro_entries(),
            "docs": self.docs,
            "exposures": exposures,
            "metrics": {},
            "groups": self.group_entries(),
            "selectors": selectors,
            "disabled": disabled,
            "parent_map": parents,
            "child_map": children,
            "group_map": groups,
            "saved_queries": {},
            "semantic_models": {},
            "unit_tests": unit_tests,
            "functions": {},
        })
    }

    /// The ephemeral models that a node's SQL contains.
    fn extra_ctes(&self, node: &Node) -> Value {
        let (mut ctes, mut seen) = (Vec::new(), Vec::new());
        let mut open: Vec<&Node> = self.parents(node.id).collect();
        while let Some(parent) = open.pop() {
            if parent.config.materialized != Materialized::Ephemeral || seen.contains(&parent.id) {
                continue;
            }
            seen.push(parent.id);
            let Ok(compiled) = self.compile(parent, &Compile::default()) else { continue };
            let sql = format!(" {} as (\n{}\n)", cte_name(&parent.name), compiled.sql.trim());
            ctes.push(json!({ "id": parent.unique_id, "sql": sql }));
            open.extend(self.parents(parent.id));
        }
        ctes.into()
    }

    /// The group of a node. A generic test is in the group of the node that it tests.
    fn group_of<'a>(&'a self, node: &'a Node) -> Option<&'a str> {
        let owner = node.test.as_ref().filter(|test| test.generic.is_some()).and_then(|test| test.owner);
        node.group().or_else(|| self.node(owner?).group())
    }

    fn group_entries(&self) -> Map<String, Value> {
        let entries = self.groups.iter().map(|group| {
            let unique_id = format!("group.{}.{}", self.project, group.name);
            let path = group.place.source.path.to_string_lossy();
            let entry = json!({
                "name": group.name,
                "resource_type": "group",
                "package_name": self.project,
                "path": below(&path),
                "original_file_path": path,
                "unique_id": unique_id,
                "owner": group.owner.to_json(),
                "description": group.description,
                "config": { "meta": group.config.get("meta").cloned().unwrap_or_else(|| json!({})) },
            });
            (unique_id, entry)
        });
        entries.collect()
    }
}

fn sorted_ids(nodes: &mut dyn Iterator<Item = &Node>) -> Value {
    let mut ids: Vec<&str> = nodes.map(|node| node.unique_id.as_str()).collect();
    ids.sort_unstable();
    ids.into()
}

/// A path without its top folder.
fn below(path: &str) -> &str {
    path.split_once('/').map_or(path, |(_, below)| below)
}
