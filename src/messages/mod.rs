//! The messages of the commands and the run: one function per error.
//!
//! Knows only words: no types of the stages and no I/O.

mod collections;
mod contract;
mod dbt_project;
mod divergence;
mod extract;
mod file;
mod keys;
mod lineage;
mod model;
mod run;
mod unit_test;

pub(crate) use collections::*;
pub(crate) use contract::*;
pub(crate) use dbt_project::*;
pub(crate) use divergence::*;
pub(crate) use extract::*;
pub(crate) use file::*;
pub(crate) use keys::*;
pub(crate) use lineage::*;
pub(crate) use model::*;
pub(crate) use run::*;
pub(crate) use unit_test::*;
