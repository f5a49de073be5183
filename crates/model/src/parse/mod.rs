//! From the files of a project to drafts of nodes: each template is rendered once, to record what it refers to.
//!
//! Knows no other node by its number: what names mean is for `resolve`.

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

pub(crate) use parser::{CallSite, Draft, ProjectParser};
