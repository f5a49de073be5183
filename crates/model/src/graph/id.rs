//! A node's number in its graph.
//!
//! A value. Only the graph knows which node it identifies.

/// A node's position in its graph. It is valid only in the graph that returned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
