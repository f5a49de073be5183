//! The parts of a target that only some commands need, and the environment variables that such a part lacks.
//!
//! A command that does not use a part works without its variables.

use crate::messages;
use elt_base::error::{Error, Place};

/// A part of a target that only some commands need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetPart<'a> {
    /// A source, by its name.
    Source(&'a str),
    Export,
}

/// An environment variable that a part of the target names and that is not set.
#[derive(Debug, Clone)]
pub struct MissingVariable {
    /// The source; None for the export.
    pub(super) source: Option<String>,
    pub(super) name: String,
    pub(super) place: Place,
    /// The names of the variables that are set.
    pub(super) known: Vec<String>,
}

impl MissingVariable {
    pub(super) fn error(&self) -> Error {
        messages::unset_variable(&self.name, self.known.iter().map(String::as_str), self.place.clone())
    }
}
