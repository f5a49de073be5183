//! The messages of this crate: one function for each error that it raises.
//!
//! Knows only words: no types of a stage and no I/O.

mod extract;
mod land;

pub use extract::*;
pub(crate) use land::*;
