//! The messages of this crate: one function for each error that it raises.
//!
//! Knows words only: no type of a stage and no I/O.

mod contract;
mod export;
mod file;
mod hazards;
mod keys;
mod mongodb;
mod mysql;
mod relation_key;
mod rows;

pub(crate) use contract::*;
pub use export::*;
pub(crate) use file::*;
pub(crate) use hazards::*;
pub(crate) use keys::*;
pub(crate) use mongodb::*;
pub(crate) use mysql::*;
pub(crate) use relation_key::*;
pub(crate) use rows::*;
