//! The messages about a run as a whole.

use crate::error::Error;

pub fn interrupted() -> Error {
    Error::failed("interrupted").hint("committed work is kept; run the same command again to continue")
}
