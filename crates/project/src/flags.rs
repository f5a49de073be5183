//! dbt's `flags:`: those that mean something here, and those that would change what a run comes to and do not.
//!
//! Reads their shapes; acts on none of them.

use super::written::{Entry, Kept, Written, find};
use crate::messages;
use elt_base::error::Error;

/// Those that are heeded.
const HEEDED: [&str; 3] = ["fail_fast", "skip_nodes_if_on_run_start_fails", "write_json"];
/// Those that would make a run come to something else in dbt. Others change how dbt works or how its lines look.
const UNHEEDED: [&str; 3] = ["indirect_selection", "warn_error", "warn_error_options"];

/// Reports values of the wrong kind.
pub(super) fn check(entries: &[Entry], keep: &mut Kept) {
    for key in HEEDED {
        if let Some(written) = flag(entries, key).filter(|written| !written.is_null()) {
            keep.keep(written.flag(key));
        }
    }
}

/// A warning for each that is set, and heeded by nothing.
pub(super) fn unheeded(entries: &[Entry]) -> Vec<Error> {
    let is_set = |written: &Written| written.flag("flags").unwrap_or(!written.is_null());
    let set = UNHEEDED.into_iter().filter_map(|key| Some((key, flag(entries, key)?)));
    set.filter(|(key, written)| is_set(written) && !(*key == "indirect_selection" && is_eager(written)))
        .map(|(key, written)| messages::not_used(&format!("flags.{key}"), written.place.clone()))
        .collect()
}

/// What is selected here without being asked.
fn is_eager(written: &Written) -> bool {
    written.text("indirect_selection").is_ok_and(|text| text == "eager")
}

fn flag<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Written> {
    find(find(entries, "flags")?.table("flags").ok()?, key)
}
