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

/// The differences that `--verify` found. `has_conflicts`: some are rows of others with keys of the models.
pub(crate) fn export_differs(differences: &[String], has_conflicts: bool) -> Error {
    let mut error = Error::failed("the target differs from the warehouse");
    for difference in differences {
        error = error.because(difference);
    }
    error.hint(match has_conflicts {
        true => "nothing was changed; `elt export --adopt` also updates rows of others that have keys of the models",
        false => "nothing was changed; `elt export --heal` makes the target equal to the warehouse",
    })
}

/// `conflicts`: one line per table.
pub(crate) fn export_conflicts(conflicts: &[String]) -> Error {
    let mut error = Error::failed("the target has rows of others with keys that the models yield");
    for conflict in conflicts {
        error = error.because(conflict);
    }
    error.hint(
        "nothing was published; `elt export --adopt` updates these rows, which belong to elt from then on; \
         `on_conflict` under `export` can be `update` or `keep` for all publications",
    )
}

/// The rows of a table without a key are not known one by one, and the table has others than the `published` ones.
pub(crate) fn export_rows_without_key(table: &str, there: u64, published: u64) -> Error {
    let rows = |count| elt_base::numbers::counted(count, "rows");
    Error::failed(format!("`{table}` has {} and no key, and elt published {} to it", rows(there), rows(published)))
        .because("without a key a publication replaces all rows, and rows of others cannot be told from the model's")
        .hint(
            "nothing was published; give the model a `unique_key`, or set `rows: all` under `export` in its config if \
             all rows are the model's",
        )
}
