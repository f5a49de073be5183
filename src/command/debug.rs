//! `elt debug`: checks profiles.toml, the project, the warehouse, and the connections of the target. Changes nothing.

use crate::report::{Console, short};
use crate::run::plan;
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::numbers::counted;
use elt_project::TargetPart;
use elt_warehouse::Warehouse;

use super::Common;
use super::workspace::Workspace;

pub fn run(common: &Common, console: &Console, cancel: &Cancel) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    let target = workspace.target();
    let graph = &workspace.graph;
    console.say(&format!("project    `{}`: {}", graph.project, counted(graph.nodes().count() as u64, "nodes")));
    console.say(&format!("target     `{}`", target.name));
    let mut ok = true;
    let mut tell = |what: &str, outcome: Result<String>| match outcome {
        Ok(text) => console.say(&format!("{what:<10} {text}")),
        Err(error) => {
            ok = false;
            console.error(&error);
        }
    };
    tell("warehouse", warehouse(&workspace));
    for (name, profile) in &target.sources {
        cancel.check()?;
        let collections = target
            .require(&[TargetPart::Source(name)])
            .and_then(|()| elt_extract::open(name, profile))
            .and_then(|source| source.collections());
        tell("source", collections.map(|found| format!("`{name}`: {}", counted(found.len() as u64, "collections"))));
    }
    for (index, profile) in target.exports.iter().enumerate() {
        cancel.check()?;
        let is_complete = target.require(&[TargetPart::Export(profile.name.as_deref())]);
        let place = elt_export::target(&profile.place);
        let found = is_complete
            .and_then(|()| place.probe())
            .and_then(|found| may_publish(&workspace, index, &*place).map(|()| found));
        tell("export", found.map(|found| profile.table(&found)));
    }
    if target.exports.is_empty() {
        tell("export", Ok("none".into()));
    }
    Ok(ok)
}

/// An error that lists the rights which a publication needs and the target's user lacks.
fn may_publish(workspace: &Workspace, index: usize, place: &dyn elt_export::Target) -> Result<()> {
    let graph = &workspace.graph;
    let everything = graph.select(&[], &[])?;
    let exports = plan::exports(graph, &everything, workspace.target()).unwrap_or_default();
    let label = |id: elt_model::NodeId| {
        let node = graph.node(id);
        let contract = node.table_contract();
        let name = contract.table.unwrap_or_else(|| node.relation.identifier.clone());
        contract.schema.map_or(name.clone(), |schema| format!("{schema}.{name}"))
    };
    let models = exports.into_iter().filter(|export| export.index == index).flat_map(|export| export.models);
    let labels: Vec<String> = models.map(label).collect();
    let missing = place.missing_rights(&labels)?;
    match missing.is_empty() {
        true => Ok(()),
        false => Err(elt_export::messages::export_missing_rights(&place.place(), &missing)),
    }
}

fn warehouse(workspace: &Workspace) -> Result<String> {
    let path = short(&workspace.target().warehouse).display().to_string();
    Ok(match workspace.warehouse_read_only()? {
        None => format!("`{path}`: does not exist yet; the first build creates it"),
        Some(warehouse) => {
            let tables = version(&warehouse)?;
            format!("`{path}`: {tables}")
        }
    })
}

fn version(warehouse: &Warehouse) -> Result<String> {
    warehouse.check_version()?;
    let session = warehouse.session()?;
    let relations =
        session.count("select count(*) from duckdb_tables() where schema_name not like '\\_elt%' escape '\\'")?;
    Ok(format!("{}, DuckDB {}", counted(relations, "tables"), session.value("select version()")?.unwrap_or_default()))
}
