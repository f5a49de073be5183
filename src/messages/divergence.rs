//! The messages about a target that differs from the last publication.

use elt_base::error::Error;

/// `differences`: one line per table.
pub(crate) fn export_diverged(differences: &[String]) -> Error {
    let mut error = Error::failed("the target was changed after elt's last publication, and `on_divergence` is `fail`");
    for difference in differences {
        error = error.because(difference);
    }
    error.hint("nothing was published; `elt export --heal` makes the target equal to the warehouse")
}

pub(crate) fn export_cannot_verify(called: &str) -> Error {
    Error::usage(format!("`--verify` cannot compare a {called} target with the warehouse"))
        .hint("`elt export --heal` publishes everything in full if the target is not at elt's last publication")
}

/// The differences that `--verify` found.
pub(crate) fn export_differs(differences: &[String]) -> Error {
    let mut error = Error::failed("the target differs from the warehouse");
    for difference in differences {
        error = error.because(difference);
    }
    error.hint("nothing was changed; `elt export --heal` makes the target equal to the warehouse")
}
