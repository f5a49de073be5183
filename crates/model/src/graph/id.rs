//! A node's number in its graph.
//!
//! A value; which node it is, only the graph knows.

/// A node's place in its graph; valid for the graph that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
