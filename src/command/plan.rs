//! `elt plan` and `elt export --ddl`: what a publication would make of the target's tables. Changes nothing.

use std::io::Write;

use crate::error::{Error, Result};
use crate::export::{self, PlannedStep, Publication, Table};
use crate::model::NodeId;
use crate::project::ExportProfile;
use crate::report::{Console, counted, table};
use crate::run::plan;

use super::workspace::Workspace;
use super::{BuildOptions, Common, publication};

pub fn run(common: &Common, options: &BuildOptions, console: &Console) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    let (profile, publication) = publication_of(&workspace, options, console)?;
    let steps = export::plan(profile, &publication)?;
    let mut text = String::new();
    let mut last = None;
    for PlannedStep { table, text: step, is_destructive } in &steps {
        if last != Some(table) {
            text += &format!("{table}\n");
            last = Some(table);
        }
        text += &format!("  {step}{}\n", if *is_destructive { "  (destructive)" } else { "" });
    }
    print(&text)?;
    let destructive = steps.iter().filter(|step| step.is_destructive).count() as u64;
    if steps.is_empty() {
        console.say(&format!("{} as their contracts say", counted(publication.tables.len() as u64, "tables")));
    } else if destructive > 0 {
        let of = if destructive == 1 {
            "1 of them loses data".to_owned()
        } else {
            format!("{destructive} of them lose data")
        };
        console.say(&format!(
            "{}; {of}, and only `elt apply --allow-destructive` takes such",
            counted(steps.len() as u64, "steps")
        ));
    } else {
        console.say(&format!("{}; `elt apply` takes them", counted(steps.len() as u64, "steps")));
    }
    Ok(true)
}

pub fn ddl(common: &Common, options: &BuildOptions, console: &Console) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    let (profile, publication) = publication_of(&workspace, options, console)?;
    print(&export::ddl(profile, &publication)?)?;
    Ok(true)
}

fn print(text: &str) -> Result<()> {
    table::stdout().write_all(text.as_bytes()).map_err(|cause| Error::output(&cause))
}

/// What would be published of the selected models, as they stand in the warehouse.
fn publication_of<'w>(
    workspace: &'w Workspace,
    options: &BuildOptions,
    console: &Console,
) -> Result<(&'w ExportProfile, Publication)> {
    let target = workspace.target();
    let Some(profile) = &target.export else { return Err(Error::no_export(&target.name)) };
    let selected = workspace.select(&options.selection, console)?;
    let exports: Vec<NodeId> = plan::exports(&workspace.graph, &selected, target)?;
    let Some(warehouse) = workspace.warehouse_read_only()? else {
        return Err(Error::never_built(&workspace.project.profiles.name));
    };
    let session = warehouse.session()?;
    let tables = publication::tables(&workspace.graph, &exports, profile, &session)?;
    let tables: Vec<Table> = tables.into_iter().map(|published| published.table).collect();
    Ok((profile, Publication::new(&workspace.project.profiles.name, &target.name, tables)))
}
