//! Checking: binds every query in an empty database before anything runs.
//!
//! Knows a database only as the trait `Binder`.

mod checker;
mod missing;

pub use checker::{Checked, bind, bound_ephemeral, check};
