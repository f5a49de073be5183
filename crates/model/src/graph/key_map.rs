//! The use of a map of surrogate keys in a template.
//!
//! A value.

/// A template's use of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMapUse {
    /// The map's name: `customer`.
    pub map: String,
    /// Whether the template gives ids to keys. Otherwise it only looks them up.
    pub fills: bool,
}
