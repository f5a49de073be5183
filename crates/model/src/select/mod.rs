//! dbt's selectors, and the steps in which selected nodes are built.
//!
//! Knows the graph as values. Renders nothing.

mod earlier_artifacts;
mod method;
mod near;
mod pattern;
mod selection;
mod spec;
mod state;
mod steps;
#[cfg(test)]
mod tests;

pub use earlier_artifacts::EarlierArtifacts;
pub use selection::{SelectedNodes, SelectionRequest};
pub use spec::Indirect;
pub use steps::{BuildStep, Gate, Steps};
