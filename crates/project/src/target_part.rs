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
    /// An export, by its name.
    Export(Option<&'a str>),
}

/// The part that names a variable.
#[derive(Debug, Clone)]
pub(super) enum NamedPart {
    Source(String),
    Export(Option<String>),
}

impl NamedPart {
    pub(super) fn is(&self, part: TargetPart<'_>) -> bool {
        match (self, part) {
            (Self::Source(name), TargetPart::Source(other)) => name == other,
            (Self::Export(name), TargetPart::Export(other)) => name.as_deref() == other,
            _ => false,
        }
    }
}

/// An environment variable that a part of the target names and that is not set.
#[derive(Debug, Clone)]
pub struct MissingVariable {
    pub(super) part: NamedPart,
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
