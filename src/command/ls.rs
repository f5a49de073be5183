//! `elt ls`: what a selection holds, one line each on stdout. Opens no warehouse.

use std::io::Write;

use serde_json::json;

use crate::error::{Error, Result};
use crate::model::{Node, NodeKind};
use crate::report::{Console, table};

use super::workspace::Workspace;
use super::{Common, LsOptions, LsOutput};

pub fn run(common: &Common, options: &LsOptions, console: &Console) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    let selected = workspace.select(&options.selection)?;
    let mut out = table::stdout();
    for id in selected.iter() {
        let node = workspace.graph.node(id);
        if !options.resource_types.is_empty() && !options.resource_types.iter().any(|kind| kind == node.kind.name()) {
            continue;
        }
        writeln!(out, "{}", line(&workspace, node, options.output)).map_err(|cause| Error::output(&cause))?;
    }
    Ok(true)
}

fn line(workspace: &Workspace, node: &Node, output: LsOutput) -> String {
    match output {
        LsOutput::Selector if node.kind == NodeKind::Source => {
            format!("source:{}.{}", workspace.graph.project, node.display_name())
        }
        LsOutput::Selector => node.fqn.join("."),
        LsOutput::Name => node.display_name(),
        LsOutput::Path => node.original_path().display().to_string(),
        LsOutput::Json => {
            let parents: Vec<&str> = workspace.graph.parents(node.id).map(|parent| parent.unique_id.as_str()).collect();
            json!({
                "name": node.name,
                "resource_type": node.kind.name(),
                "package_name": workspace.graph.project,
                "original_file_path": node.original_path(),
                "unique_id": node.unique_id,
                "source_name": node.source_name,
                "alias": node.relation.identifier,
                "schema": node.relation.schema,
                "config": node.raw_config,
                "tags": node.config.tags,
                "depends_on": { "nodes": parents },
            })
            .to_string()
        }
    }
}
