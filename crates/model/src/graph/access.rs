//! The access level of a model: which nodes may read it.
//!
//! A value (<https://docs.getdbt.com/reference/resource-configs/access>); `resolve` enforces it.

/// The nodes that may `ref()` a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nodes of the same group.
    Private,
    /// All nodes of the project.
    Protected,
    Public,
}

impl Access {
    pub const NAMES: [&str; 3] = ["private", "protected", "public"];

    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Protected => "protected",
            Self::Public => "public",
        }
    }
}
