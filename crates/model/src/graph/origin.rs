//! What makes the table of a source.
//!
//! A value; `parse` reads it from the source's configuration.

/// What makes the table of a source; nothing else than `Loaded` means anything for other nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// This tool: a collection that the target names.
    #[default]
    Loaded,
    /// Someone else: it exists in the warehouse, or it does not.
    Standing,
    /// Files; the SQL that replaces the table.
    External(String),
}
