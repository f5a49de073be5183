//! The messages about plain dbt projects: `dbt_project.yml`, `profiles.yml`, doc blocks, run hooks, unsupported
//! features.

use elt_base::error::{Error, Place};
use elt_base::sql_error::{SqlError, our_manner};

pub(crate) fn run_hook_failed(name: &str, error: &SqlError, place: Place) -> Error {
    Error::failed(format!("hook `{name}` failed: {}", our_manner(&error.message))).at(place)
}

/// `relation` as written in SQL.
pub(crate) fn no_such_table(source: &str, relation: &str, model: &str, seed: Option<&str>) -> Error {
    let hint = match seed {
        Some(seed) => format!("the seed `{seed}` creates it: run `elt seed --select {seed}`"),
        None => "no target loads this source, so its table must already exist; to read files \
                 instead, set `external_location`"
            .to_owned(),
    };
    Error::failed(format!("{model} reads source `{source}`, but {relation} does not exist in the warehouse")).hint(hint)
}
