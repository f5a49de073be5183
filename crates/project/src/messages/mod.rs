//! The messages of this crate: one function for each error that it raises.
//!
//! Knows only words: no types of a stage, and no I/O.

mod dbt_project;
mod file;
mod project;
mod unit_test;

pub(crate) use dbt_project::*;
pub use file::*;
pub(crate) use project::*;
pub(crate) use unit_test::*;
