//! `elt retry`: the last command again, with what failed or was skipped in it and nothing else.
//!
//! Reads `run_results.json`; everything else is that command's own way.

use std::path::PathBuf;

use serde_json::Value;

use crate::messages;
use crate::report::Console;
use crate::run::Previous;
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_model::{Indirect, NodeKind};

use super::{BuildOptions, Common, RetryOptions, Selection, scope_of};

pub fn run(common: &Common, options: &RetryOptions, console: &Console, cancel: &Cancel) -> Result<bool> {
    let folder = match &options.state {
        Some(folder) => folder.clone(),
        None => super::workspace::artifacts_folder(common),
    };
    let mut previous = Previous::read(&folder)?;
    let which = previous.args.get("which").and_then(Value::as_str).unwrap_or_default().to_owned();
    let texts = |key: &str| -> Vec<String> {
        let list = previous.args.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let flag = |key: &str| previous.args.get(key).and_then(Value::as_bool).unwrap_or(false);
    let text = |key: &str| previous.args.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut event_times = (text("event_time_start"), text("event_time_end"));
    if options.event_times != (None, None) {
        event_times = options.event_times.clone();
    }
    let is_other = options.full_refresh || options.event_times != (None, None);
    let kinds = texts("resource_types");
    let build = BuildOptions {
        event_times,
        selection: Selection {
            select: texts("select"),
            exclude: texts("exclude"),
            selector: text("selector"),
            indirect: text("indirect_selection").and_then(|word| Indirect::named(&word)).unwrap_or_default(),
            kinds: NodeKind::ALL.into_iter().filter(|kind| kinds.iter().any(|name| name == kind.name())).collect(),
            state: text("state").map(PathBuf::from),
        },
        full_refresh: options.full_refresh || flag("full_refresh"),
        fail_fast: options.fail_fast || flag("fail_fast"),
        no_gate: flag("no_gate"),
        store_failures: flag("store_failures"),
        ..BuildOptions::default()
    };
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
        // Other batches than those of before.
        previous.batches.clear();
    }
    super::build::run(&common, &BuildOptions { retries: Some(previous), ..build }, scope, console, cancel)
}
