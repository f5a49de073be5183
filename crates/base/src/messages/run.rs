//! The messages of a run as a whole: interruption, output, artifacts, and what stops it before its stages speak.

use crate::error::Error;

pub fn interrupted() -> Error {
    Error::failed("interrupted").hint("what was committed stays; the next run continues from there")
}
