//! The messages of this crate: one function for each error that it raises.
//!
//! Knows only words: no types of a stage and no I/O.

mod project;
mod run;

pub use project::*;
pub use run::*;
