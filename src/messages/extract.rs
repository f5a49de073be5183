//! The messages of the `extract` stage.

use std::path::Path;
use std::time::Duration;

use elt_base::error::Error;
use elt_base::numbers::counted;

/// The consequence of a load whose counts do not agree.
pub(crate) const STRICT: &str =
    "because of `verify: strict` the raw table is unchanged; the next run reads the collection again";
pub(crate) const NOT_STRICT: &str = "documents that were inserted or deleted during the load can be the cause, or deleted \
                                     documents without `deletes: sweep`; `--full-refresh` reads all documents again, \
                                     and `verify: strict` makes this an error";

/// The counts of a load do not agree.
pub(crate) fn proof(name: &str, (least, most): (u64, u64), rows: u64, quarantined: u64) -> Error {
    let at_source = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    let aside = if quarantined > 0 { format!(" and {quarantined} are quarantined") } else { String::new() };
    Error::failed(format!("the source has {at_source} documents in `{name}`, but the raw table has {rows}{aside}"))
}

/// No document of a load could be decoded. `reasons` are the first ones, with their lines.
pub(crate) fn all_quarantined(name: &str, quarantined: u64, reasons: Vec<String>) -> Error {
    let count = counted(quarantined, "documents");
    let verb = if quarantined == 1 { "was" } else { "were" };
    reasons
        .into_iter()
        .fold(
            Error::failed(format!("no document of `{name}` can be decoded: {count} {verb} quarantined")),
            Error::because,
        )
        .hint(format!(
            "this load was not committed, and the raw table is unchanged; `elt quarantine {name}` lists the documents"
        ))
}

/// The connection to a source was lost, and the source is read again.
pub(crate) fn source_again(what: &str, wait: Duration, cause: &Error) -> Error {
    let mut error = Error::failed(format!(
        "the connection was lost while reading {what}; elt reads it again in {:.1} s",
        wait.as_secs_f64()
    ));
    for text in std::iter::once(cause.message()).chain(cause.causes().iter().map(String::as_str)) {
        error = error.because(text.to_owned());
    }
    error
}

/// The connection to a source was lost too often.
pub(crate) fn source_lost(what: &str, attempts: u32, cause: Error) -> Error {
    let mut error = Error::failed(format!(
        "the connection was lost while reading {what}, {attempts} times; elt does not try again"
    ));
    for text in std::iter::once(cause.message()).chain(cause.causes().iter().map(String::as_str)) {
        error = error.because(text.to_owned());
    }
    error.hint("this load was not committed; the next run continues after the ranges that are already on disk")
}

/// `what` says how the file differs from what was written.
pub(crate) fn damaged_segment(collection: &str, path: &Path, what: &str) -> Error {
    Error::failed(format!("a landed segment of `{collection}` is damaged: `{}`", path.display()))
        .because(what)
        .hint(format!("`elt extract --full-refresh --select source:{collection}` loads the collection again"))
}
