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

pub(crate) fn export_cannot_verify() -> Error {
    Error::usage(
        "`--verify` compares tables and collections of Postgres, MongoDB or a DuckDB file; this target cannot be compared with",
    )
    .hint(
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
