//! The messages of the `extract` stage.

use std::time::Duration;

use elt_base::error::Error;

/// What becomes of a load whose proof does not hold.
pub(crate) const STRICT: &str = "because of `verify: strict` the raw table is unchanged; the next run reads the collection again";
pub(crate) const NOT_STRICT: &str = "documents that were inserted or deleted during the load can be the cause, or deleted documents without `deletes: sweep`; `--full-refresh` reads all documents again, and `verify: strict` makes this an error";

/// The proof of a load does not hold.
pub(crate) fn proof(name: &str, (least, most): (u64, u64), rows: u64, quarantined: u64) -> Error {
    let at_source = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    let aside = if quarantined > 0 { format!(" and {quarantined} are quarantined") } else { String::new() };
    Error::failed(format!("the source has {at_source} documents in `{name}`, but the raw table has {rows}{aside}"))
}

/// Not one document of a load could be decoded.
pub(crate) fn all_quarantined(name: &str, quarantined: u64) -> Error {
    Error::failed(format!("no document of `{name}` can be decoded: {quarantined} were quarantined"))
        .hint("this load was not committed, and the raw table is unchanged")
}

/// A source that was lost, and is tried again.
pub(crate) fn source_again(what: &str, wait: Duration, cause: &Error) -> Error {
    let mut error =
        Error::failed(format!("the connection was lost while reading {what}; elt reads it again in {:.1} s", wait.as_secs_f64()));
    for text in std::iter::once(cause.message()).chain(cause.causes().iter().map(String::as_str)) {
        error = error.because(text.to_owned());
    }
    error
}

/// A source that stayed lost.
pub(crate) fn source_lost(what: &str, attempts: u32, cause: Error) -> Error {
    let mut error = Error::failed(format!("the connection was lost while reading {what}, {attempts} times; elt does not try again"));
    for text in std::iter::once(cause.message()).chain(cause.causes().iter().map(String::as_str)) {
        error = error.because(text.to_owned());
    }
    error.hint("this load was not committed; the next run continues after the ranges that are already on disk")
}
