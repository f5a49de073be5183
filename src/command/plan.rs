//! `elt plan` and `elt export --ddl`: show how a publication would change the target's tables. Changes nothing.

use std::io::Write;

use serde_json::{Value, json};

use crate::messages;
use crate::report::Console;
use crate::report::table::{self, Output};
use crate::run::{PlannedExport, plan};
use elt_base::error::Result;
use elt_base::numbers::counted;
use elt_export::{PlannedStep, Publication, Table};
use elt_project::ExportProfile;

use super::workspace::Workspace;
use super::{BuildOptions, Common, PlanOptions, publication};

/// Of `--output json`.
const COLUMNS: [&str; 6] = ["table", "step", "is_destructive", "values", "is_waiting", "is_blocked"];

pub fn run(common: &Common, options: &PlanOptions, console: &Console) -> Result<bool> {
    let mut workspace = Workspace::open(common, console)?;
    workspace.keep_exports(&options.build.to)?;
    workspace.target().require(&workspace.target().export_parts().collect::<Vec<_>>())?;
    let (mut steps, mut tables) = (Vec::new(), 0);
    for (profile, publication) in publications(&workspace, &options.build, console)? {
        tables += publication.tables.len() as u64;
        let planned = elt_export::target(&profile.place).plan(&publication, profile.policy)?;
        steps.extend(planned.into_iter().map(|step| PlannedStep { table: profile.table(&step.table), ..step }));
    }
    if options.json {
        table::write_values(
            &mut table::stdout(),
            Output::Json,
            &COLUMNS,
            &steps.iter().map(values).collect::<Vec<_>>(),
        )?;
        return Ok(true);
    }
    let mut text = String::new();
    let mut last = None;
    for step in &steps {
        let PlannedStep { table, text: line, .. } = step;
        if last != Some(table) {
            text += &format!("{table}\n");
            last = Some(table);
        }
        text += &format!("  {line}{}\n", remark(step));
    }
    print(&text)?;
    let destructive = steps.iter().filter(|step| step.is_destructive).count() as u64;
    let count = steps.iter().filter(|step| !step.is_blocked && !step.is_waiting).count() as u64;
    if steps.iter().any(|step| step.is_blocked) {
        console.say("views block these steps, and elt never drops views; a publication fails until you drop the views or keep the types");
    } else if count == 0 {
        console.say(&format!("{}: no differences from the contracts", counted(tables, "tables")));
    } else if destructive > 0 {
        let of = match (destructive, count) {
            (1, 1) => "it loses data".to_owned(),
            (1, _) => "1 of them loses data".to_owned(),
            _ => format!("{destructive} of them lose data"),
        };
        console.say(&format!(
            "{}; {of}, and only `elt apply --allow-destructive` runs such steps",
            counted(count, "steps")
        ));
    } else {
        let them = if count == 1 { "it" } else { "them" };
        console.say(&format!("{}; `elt apply` runs {them}", counted(count, "steps")));
    }
    Ok(true)
}

fn values(step: &PlannedStep) -> Vec<Value> {
    let PlannedStep { table, text, is_destructive, values, is_waiting, is_blocked } = step.clone();
    vec![json!(table), json!(text), json!(is_destructive), json!(values), json!(is_waiting), json!(is_blocked)]
}

/// The remark at the end of a step's line.
fn remark(step: &PlannedStep) -> String {
    match (step.is_destructive, step.values) {
        (true, Some(values)) => format!("  (destructive: {})", counted(values, "values")),
        (true, None) => "  (destructive)".into(),
        (false, _) if step.is_waiting => "  (waits for that table)".into(),
        (false, _) if step.is_blocked => "  (blocked)".into(),
        (false, _) => String::new(),
    }
}

pub fn ddl(common: &Common, options: &BuildOptions, console: &Console) -> Result<bool> {
    let mut workspace = Workspace::open(common, console)?;
    workspace.keep_exports(&options.to)?;
    for (profile, publication) in publications(&workspace, options, console)? {
        let ddl = elt_export::target(&profile.place).ddl(&publication.tables)?;
        let heading = profile.name.as_ref().map_or(String::new(), |name| format!("-- export `{name}`\n"));
        print(&format!("{heading}{ddl}"))?;
    }
    Ok(true)
}

fn print(text: &str) -> Result<()> {
    table::stdout().write_all(text.as_bytes()).map_err(|cause| messages::output(&cause))
}

/// The publications of the selected models, in their present state in the warehouse.
fn publications<'w>(
    workspace: &'w Workspace,
    options: &BuildOptions,
    console: &Console,
) -> Result<Vec<(&'w ExportProfile, Publication)>> {
    let target = workspace.target();
    if target.exports.is_empty() {
        return Err(messages::no_export(&target.name));
    }
    let selected = workspace.select(&options.selection, console)?;
    let exports = plan::exports(&workspace.graph, &selected, target)?;
    let Some(warehouse) = workspace.warehouse_read_only()? else {
        return Err(messages::never_built(&workspace.project.profiles.name));
    };
    let session = warehouse.session()?;
    let publication = |export: PlannedExport| {
        let profile = &target.exports[export.index];
        let tables = publication::tables(&workspace.graph, &export.models, profile, &session)?;
        let tables: Vec<Table> = tables.into_iter().map(|published| published.table).collect();
        Ok((profile, Publication::new(&workspace.project.profiles.name, &target.name, tables)))
    };
    exports.into_iter().map(publication).collect()
}
