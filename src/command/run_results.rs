//! `run_results.json` of a command that runs stages: its options, and where it is written.
//!
//! Knows the shape of the options; results and manifest bring their own.

use serde_json::{Map, Value};

use crate::report::artifacts;
use crate::run::{Results, Scope};
use elt_base::error::Result;
use elt_project::Target;

use super::workspace::{self, Workspace};
use super::{BuildOptions, Common};

/// The options of the run, under dbt's names. `retry` uses them again.
pub(super) fn args(common: &Common, options: &BuildOptions, scope: Scope, target: &Target) -> Map<String, Value> {
    let mut args = options.recorded();
    args.insert("which".into(), scope.name.into());
    args.insert("target".into(), target.name.clone().into());
    let vars = workspace::vars(common.vars.as_deref()).unwrap_or_default();
    args.insert("vars".into(), vars.into());
    args
}

pub(super) fn write_artifacts(workspace: &Workspace, results: &Results, args: &Map<String, Value>) -> Result<()> {
    if workspace.project.profiles.flags.get("write_json").is_some_and(|flag| flag == false) {
        return Ok(());
    }
    let folder = workspace.artifacts();
    let invocation = workspace.invocation();
    workspace.write_manifest(&invocation, &results.compiled())?;
    let results = results.artifact(artifacts::metadata("run-results/v6", &invocation), args);
    artifacts::write(&folder.join("run_results.json"), &results)
}
