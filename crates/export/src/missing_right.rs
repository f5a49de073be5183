//! A right that a publication needs and the user of the target lacks.
//!
//! A value. Knows no target.

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRight {
    /// `this role may not …`
    pub what: String,
    /// The statement of an administrator that grants it. Empty: it is not known.
    pub grant: String,
}
