//! The messages of the `extract` stage.

use std::time::Duration;

use elt_base::error::Error;

/// What becomes of a load whose proof does not hold.
pub(crate) const STRICT: &str = "`verify: strict` keeps the raw table as it was; the next run reads again";
pub(crate) const NOT_STRICT: &str = "documents that come and go while they are read may explain it, and deleted ones without `deletes: sweep`; \
                                     `--full-refresh` reads all again, and `verify: strict` makes it an error";

/// The proof of a load does not hold.
pub(crate) fn proof(name: &str, (least, most): (u64, u64), rows: u64, quarantined: u64) -> Error {
    let at_source = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    let aside = if quarantined > 0 { format!(" and {quarantined} are quarantined") } else { String::new() };
    Error::failed(format!("the source counts {at_source} documents of `{name}`, but the raw table has {rows}{aside}"))
}

/// Not one document of a load could be decoded.
pub(crate) fn all_quarantined(name: &str, quarantined: u64) -> Error {
    Error::failed(format!("not one document of `{name}` can be decoded: {quarantined} were set apart"))
        .hint("nothing of this load was committed, and the raw table is unchanged")
}

/// A source that was lost, and is tried again.
pub(crate) fn source_again(what: &str, wait: Duration, cause: &Error) -> Error {
    let mut error =
        Error::failed(format!("{what} was lost on the way; it is read again in {:.1} s", wait.as_secs_f64()));
    for text in std::iter::once(cause.message()).chain(cause.causes().iter().map(String::as_str)) {
        error = error.because(text.to_owned());
    }
    error
}

/// A source that stayed lost.
pub(crate) fn source_lost(what: &str, attempts: u32, cause: Error) -> Error {
    let mut error = Error::failed(format!("{what} was lost on the way {attempts} times; it is not tried again"));
    for text in std::iter::once(cause.message()).chain(cause.causes().iter().map(String::as_str)) {
        error = error.because(text.to_owned());
    }
    error.hint("nothing of this load was committed; the next run goes on with the ranges that landed, if it has any")
}
