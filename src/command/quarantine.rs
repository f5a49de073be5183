//! `elt quarantine`: lists documents that could not be decoded, writes their bytes, or loads them again.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::messages;
use crate::report::Console;
use crate::report::table::{self, Output};
use crate::run::{Extraction, LoadExtent, Results, quarantine, summary};
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::numbers::counted;
use elt_extract::land::{self, Landing, QuarantineEntry};
use elt_warehouse::Session;

use super::collections::{self, Named};
use super::workspace::Workspace;
use super::{Common, QuarantineAction, QuarantineOptions};

const COLUMNS: [&str; 7] = ["collection", "number", "load_id", "offset", "line", "reason", "bytes"];

pub fn run(common: &Common, options: &QuarantineOptions, console: &Console, cancel: &Cancel) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    match &options.action {
        QuarantineAction::List(output) => list(&workspace, &options.collections, *output, console),
        QuarantineAction::Show { number, out } => {
            show(&workspace, &options.collections, *number, out.as_deref(), console)
        }
        QuarantineAction::Retry => retry(&workspace, &options.collections, console, cancel),
    }
}

/// The loaded collections, each with its quarantined documents. A collection whose only load was refused is one of them.
fn found<'g>(
    workspace: &'g Workspace,
    session: &Session,
    names: &[String],
) -> Result<Vec<(Named<'g>, Vec<QuarantineEntry>)>> {
    let landing = Landing::new(&workspace.target().landing);
    let mut found = Vec::new();
    let mut loaded = Vec::new();
    for one in collections::all(&workspace.graph, session.last_loads()?) {
        let refused = match one.collection().filter(|_| one.last.is_none()) {
            Some((source, collection)) => landing.refused(source, collection)?,
            None => None,
        };
        match refused {
            Some(refused) => found.push((one, land::quarantined(&refused)?)),
            None => loaded.push(one),
        }
    }
    let is_refused = |name: &String| found.iter().any(|(one, _)| one.is_called(name));
    let others: Vec<String> = names.iter().filter(|name| !is_refused(name)).cloned().collect();
    if names.is_empty() || !others.is_empty() {
        for (one, last) in collections::loaded(loaded, &others)? {
            found.push((one, quarantine::listed(session, &landing, &last.source, &last.collection)?));
        }
    }
    found.retain(|(one, _)| names.is_empty() || names.iter().any(|name| one.is_called(name)));
    found.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    Ok(found)
}

fn list(workspace: &Workspace, names: &[String], output: Output, console: &Console) -> Result<bool> {
    let session = workspace.session_read_only()?;
    let found = found(workspace, &session, names)?;
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for (one, entries) in &found {
        for (index, entry) in entries.iter().enumerate() {
            rows.push(vec![
                one.name.clone().into(),
                (index + 1).into(),
                entry.load_id.clone().into(),
                entry.offset.into(),
                entry.line.into(),
                entry.reason.clone().into(),
                entry.size.into(),
            ]);
        }
    }
    if !rows.is_empty() || output != Output::Table {
        table::write_values(&mut table::stdout(), output, &COLUMNS, &rows)?;
    }
    let of = found.iter().filter(|(_, entries)| !entries.is_empty()).map(|(one, _)| one.name.as_str());
    console.say(&match of.clone().next() {
        None => "nothing is quarantined".to_owned(),
        Some(first) => format!(
            "{} of {} quarantined; `elt quarantine {first} --show 1` prints the bytes of the first, and \
             `elt quarantine --retry` loads their collections again",
            counted(rows.len() as u64, "documents"),
            counted(of.count() as u64, "collections"),
        ),
    });
    Ok(true)
}

/// Writes the bytes of one document to a file or to stdout.
fn show(workspace: &Workspace, names: &[String], number: u64, out: Option<&Path>, console: &Console) -> Result<bool> {
    let [_] = names else { return Err(messages::quarantine_show_one()) };
    let session = workspace.session_read_only()?;
    let found = found(workspace, &session, names)?;
    let Some((one, entries)) = found.first() else { return Err(messages::quarantine_show_one()) };
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let Some(entry) = index.and_then(|index| entries.get(index)) else {
        return Err(messages::quarantine_number(&one.name, number, entries.len() as u64));
    };
    let bytes = entry.bytes()?.ok_or_else(|| messages::quarantine_without_bytes(&one.name))?;
    match out {
        Some(path) => {
            fs::write(path, &bytes).map_err(|cause| messages::quarantine_out(path, &cause))?;
            console.say(&format!("{} written to `{}`", counted(bytes.len() as u64, "bytes"), path.display()));
        }
        None => {
            let mut out = table::stdout();
            out.write_all(&bytes).and_then(|()| out.flush()).map_err(|cause| messages::output(&cause))?;
        }
    }
    Ok(true)
}

/// Loads the collections with quarantined documents again, and prints how many documents are still quarantined.
fn retry(workspace: &Workspace, names: &[String], console: &Console, cancel: &Cancel) -> Result<bool> {
    let warehouse = workspace.warehouse_there()?;
    let session = warehouse.session()?;
    let mut before = found(workspace, &session, names)?;
    before.retain(|(_, entries)| !entries.is_empty());
    if before.is_empty() {
        console.say("nothing is quarantined");
        return Ok(true);
    }
    let loads: Vec<_> = before.iter().filter_map(|(one, _)| one.node.map(|node| node.id)).collect();
    let results = Results::default();
    let extraction = Extraction {
        graph: &workspace.graph,
        target: workspace.target(),
        warehouse: &warehouse,
        console,
        results: &results,
        cancel,
        extent: LoadExtent::Whole,
        fail_fast: false,
        threads: workspace.target().threads,
    };
    results.stage("extract", || extraction.run(&loads))?;
    cancel.check()?;
    let called: Vec<String> = before.iter().map(|(one, _)| one.name.clone()).collect();
    let mut is_mended = true;
    for ((one, was), (_, now)) in before.iter().zip(found(workspace, &session, &called)?) {
        is_mended &= now.is_empty();
        let verb = if was.len() == 1 { "was" } else { "were" };
        let was = format!("{} {verb}", counted(was.len() as u64, "documents"));
        let left = match now.len() {
            0 => "none are now".to_owned(),
            1 => "1 still is".to_owned(),
            many => format!("{many} still are"),
        };
        let elsewhere =
            if one.node.is_none() { "; the project no longer contains it, so it was not loaded" } else { "" };
        console.say(&format!("`{}`: {was} quarantined, {left}{elsewhere}", one.name));
    }
    let is_done = is_mended && !results.any_failed();
    summary::show(console, &results, workspace.target(), is_done);
    Ok(is_done)
}
