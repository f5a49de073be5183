//! What is said where a target is not what was last published.

use elt_base::error::Error;

/// `differences`: one line a table.
pub(crate) fn export_diverged(differences: &[String]) -> Error {
    let mut error = Error::failed("the target was changed since our last publication, and `on_divergence` is `fail`");
    for difference in differences {
        error = error.because(difference);
    }
    error.hint("nothing was published; `elt export --heal` brings the target to what the warehouse has")
}

pub(crate) fn export_cannot_verify(called: &str) -> Error {
    Error::usage(format!("`--verify` cannot compare a {called} target with the warehouse")).hint(
        "`elt export --heal` publishes everything in full where the target does not stand at our last publication",
    )
}

/// The answer of `--verify`.
pub(crate) fn export_differs(differences: &[String]) -> Error {
    let mut error = Error::failed("the target differs from the warehouse");
    for difference in differences {
        error = error.because(difference);
    }
    error.hint("nothing was changed; `elt export --heal` brings the target to what the warehouse has")
}
