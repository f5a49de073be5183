//! The messages of this crate: one function for each error that it raises.
//!
//! Knows only words: no types of a stage, and no I/O.

mod dbt_project;
mod model;
mod unit_test;

pub(crate) use dbt_project::*;
pub use model::*;
pub(crate) use unit_test::*;
