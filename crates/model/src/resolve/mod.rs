//! From drafts to the graph: what each name means, who may read whom, and circles.
//!
//! Reads no file and runs nothing.

mod access;
mod graph;
mod unit_test;
