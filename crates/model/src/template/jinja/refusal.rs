//! An error that our own functions raise inside a template.
//!
//! A message and a hint. Does not know the place.

use std::fmt;

use minijinja::{Error, ErrorKind};

/// An error that our own functions raise inside a template. Its message is shown unchanged.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub message: String,
    pub hint: Option<String>,
}

impl Refusal {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorKind::InvalidOperation, refusal.message.clone()).with_source(refusal)
    }
}
