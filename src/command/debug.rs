//! `elt debug`: checks profiles.toml, the project, the warehouse, and the connections of the target. Changes nothing.

use crate::report::{Console, short};
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
    match &target.export {
        Some(profile) => {
            let is_complete = target.require(&[TargetPart::Export]);
            tell("export", is_complete.and_then(|()| elt_export::target(&profile.place).probe()));
        }
        None => tell("export", Ok("none".into())),
    }
    Ok(ok)
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
