//! Turns drafts into the graph: resolves names, checks access, and finds cycles.
//!
//! Reads no file and runs nothing.

mod access;
mod graph;
mod unit_test;
