//! Turns the files of a project into drafts of nodes. Renders each template once, to record its references.
//!
//! Does not know the numbers of other nodes: `resolve` finds the nodes that names mean.

mod analysis;
mod default_folder;
mod exposure;
mod generic_test;
mod naming;
mod parser;
mod run_hooks;
mod snapshot_file;
mod source_location;
#[cfg(test)]
mod tests;
mod unit_test;
mod unread_key;

pub(crate) use parser::{CallSite, Draft, ProjectParser};
