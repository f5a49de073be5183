//! The messages of this crate: one function for each error that it raises.
//!
//! Knows only words: no types of a stage and no I/O.

mod export;
mod extract;
mod mysql;

pub use export::*;
pub use extract::*;
pub use mysql::*;
