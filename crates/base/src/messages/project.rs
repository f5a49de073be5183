//! The messages about the files of a project.

use std::path::Path;

use crate::error::Error;

pub fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::usage(format!("cannot read `{}`", path.display())).caused_by(cause)
}
