//! Compiling: the SQL of one node, hook, macro or unit test, rendered from the resolved graph.
//!
//! Renders, but writes no statement that changes a relation. Runs nothing.

mod compiler;
mod operation;
mod unit_test;

pub use compiler::{Compile, Compiler};

pub(crate) use compiler::Standins;
