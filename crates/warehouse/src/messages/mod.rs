//! The messages of this crate: every error that it raises, as a function each.
//!
//! Knows words only: no type of a stage and no I/O.

mod warehouse;

pub(crate) use warehouse::*;
