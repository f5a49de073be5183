//! Turns drafts into the graph: resolves names, checks access, and finds cycles.
//!
//! Reads no file and runs nothing.

mod access;
mod graph;
mod key_maps;
mod relations;
mod unit_test;
