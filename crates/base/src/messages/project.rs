//! The messages of the `project` stage.

use std::path::Path;

use crate::error::Error;

pub fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::usage(format!("cannot read `{}`", path.display())).caused_by(cause)
}
