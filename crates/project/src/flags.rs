//! dbt's `flags:`: the flags that have an effect here, and the flags that change a run's result in dbt but have no
//! effect here.
//!
//! Reads their shapes. Applies none of them.

use super::written::{Entry, Kept, Written, find};
use crate::messages;
use elt_base::error::Error;

/// Flags that have an effect.
const HEEDED: [&str; 3] = ["fail_fast", "skip_nodes_if_on_run_start_fails", "write_json"];
/// Flags that change a run's result in dbt. Other flags change how dbt works or how its output looks.
const UNHEEDED: [&str; 3] = ["indirect_selection", "warn_error", "warn_error_options"];

/// Reports values of the wrong kind.
pub(super) fn check(entries: &[Entry], keep: &mut Kept) {
    for key in HEEDED {
        if let Some(written) = flag(entries, key).filter(|written| !written.is_null()) {
            keep.keep(written.flag(key));
        }
    }
}

/// A warning for each flag that is set but has no effect.
pub(super) fn unheeded(entries: &[Entry]) -> Vec<Error> {
    let is_set = |written: &Written| written.flag("flags").unwrap_or(!written.is_null());
    let set = UNHEEDED.into_iter().filter_map(|key| Some((key, flag(entries, key)?)));
    set.filter(|(key, written)| is_set(written) && !(*key == "indirect_selection" && is_eager(written)))
        .map(|(key, written)| messages::not_used(&format!("flags.{key}"), written.place.clone()))
        .collect()
}

/// Whether the flag has the value that is the default here.
fn is_eager(written: &Written) -> bool {
    written.text("indirect_selection").is_ok_and(|text| text == "eager")
}

fn flag<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Written> {
    find(find(entries, "flags")?.table("flags").ok()?, key)
}
