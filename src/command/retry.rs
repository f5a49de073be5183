//! `elt retry`: runs the last command again, only for the nodes that failed or were skipped.
//!
//! Reads `run_results.json`, and then calls that command.

use serde_json::Value;

use crate::messages;
use crate::report::Console;
use crate::run::Previous;
use elt_base::cancel::Cancel;
use elt_base::error::Result;

use super::options::scope_of;
use super::{BuildOptions, Common, EventTimes, RetryOptions};

pub fn run(common: &Common, options: &RetryOptions, console: &Console, cancel: &Cancel) -> Result<bool> {
    let folder = match &options.state {
        Some(folder) => folder.clone(),
        None => super::workspace::artifacts_folder(common),
    };
    let mut previous = Previous::read(&folder)?;
    let which = previous.args.get("which").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text = |key: &str| previous.args.get(key).and_then(Value::as_str).map(str::to_owned);
    let path = folder.join("run_results.json");
    let mut build = BuildOptions::read_back(&previous.args).map_err(|_| messages::bad_artifact(&path))?;
    let is_other = options.full_refresh || options.event_times != EventTimes::default();
    if options.event_times != EventTimes::default() {
        build.event_times = options.event_times.clone();
    }
    build.full_refresh |= options.full_refresh;
    build.fail_fast |= options.fail_fast;
    let target = text("target");
    let Some(scope) = scope_of(&which, &build) else {
        return Err(messages::cannot_retry(&which));
    };
    if previous.is_done() {
        console.say(&format!("nothing to retry: nothing failed in the last `elt {which}`"));
        return Ok(true);
    }
    let mut common = common.clone();
    common.target = common.target.or(target);
    common.vars = common.vars.or_else(|| Some(previous.args.get("vars").filter(|vars| vars.is_object())?.to_string()));
    if is_other {
        // The user chose other batches than in the previous run.
        previous.batches.clear();
    }
    super::build::run(&common, &BuildOptions { retries: Some(previous), ..build }, scope, console, cancel)
}
