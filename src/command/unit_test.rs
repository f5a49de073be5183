//! `elt test` with only unit tests selected. Opens no warehouse for writing, so it never waits for another process.
//!
//! Reads the columns of the warehouse if it exists and can be read.

use serde_json::{Map, Value};

use crate::report::Console;
use crate::run::{Results, UnitTests, binder, run_unit_tests, summary};
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_model::{KnownColumns, NodeId, SelectedNodes};

use super::BuildOptions;
use super::run_results::write_artifacts;
use super::workspace::Workspace;

pub fn run(
    workspace: &Workspace,
    selected: &SelectedNodes,
    options: &BuildOptions,
    console: &Console,
    cancel: &Cancel,
    results: &Results,
    args: &Map<String, Value>,
) -> Result<bool> {
    let graph = &workspace.graph;
    let is_again = |id: &NodeId| {
        options.retries.as_ref().is_none_or(|previous| previous.undone.contains(&graph.node(*id).unique_id))
    };
    let tests: Vec<NodeId> = selected.iter().filter(is_again).collect();
    let (known, macros) = known(workspace);
    let unit_tests = results.stage("check", || UnitTests::prepare(graph, &tests, &known, &macros, cancel))?;
    results.stage("models", || {
        run_unit_tests(graph, &unit_tests, &tests, options.fail_fast, console, results, cancel);
    });
    write_artifacts(workspace, results, args)?;
    let ok = !results.any_failed();
    summary::show(console, results, workspace.target(), ok && !cancel.is_requested());
    if cancel.is_requested() {
        return Err(elt_base::messages::interrupted());
    }
    Ok(ok)
}

/// The columns of the warehouse's tables, and its macros. Empty if the warehouse does not exist or another process uses
/// it.
fn known(workspace: &Workspace) -> (KnownColumns, Vec<String>) {
    let read = || -> Result<(KnownColumns, Vec<String>)> {
        let Some(warehouse) = workspace.warehouse_read_only()? else { return Ok(Default::default()) };
        let session = warehouse.session()?;
        Ok((binder::known(&workspace.graph, &session)?, session.macros()?))
    };
    read().unwrap_or_default()
}
