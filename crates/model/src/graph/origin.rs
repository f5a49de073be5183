//! The origin of a source's table.
//!
//! A value; `parse` reads it from the source's configuration.

/// The origin of a source's table. Other nodes always have `Loaded`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// This tool loads it from a collection that the target names.
    #[default]
    Loaded,
    /// Another program creates it in the warehouse, where it may or may not exist.
    Standing,
    /// Files. Contains the SQL that replaces the table.
    External(String),
}
