//! The messages of this crate: every error that it raises, as a function each.
//!
//! Knows words only: no type of a stage and no I/O.

mod dbt_project;
mod file;
mod project;
mod unit_test;

pub(crate) use dbt_project::*;
pub use file::*;
pub(crate) use project::*;
pub(crate) use unit_test::*;
