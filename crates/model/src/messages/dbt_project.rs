//! The messages about plain dbt projects: `dbt_project.yml`, `profiles.yml`, doc blocks, run hooks, and unsupported
//! features.

use elt_base::error::{Error, Place};

/// A warning.
pub(crate) fn unused_folder(path: &str, place: Place) -> Error {
    Error::usage(format!("`{path}` has no effect because the project has no node in that folder")).at(place)
}

/// `what`: ``source table `raw.orders` ``.
pub(crate) fn other_database(what: &str, database: &str, own: &str, place: Place) -> Error {
    Error::usage(format!("{what} is in database `{database}`, which is not the warehouse"))
        .at(place)
        .hint(format!("the only database is the warehouse, `{own}`; remove `database`"))
}

pub(crate) fn source_plugin(source: &str, place: Place) -> Error {
    Error::usage(format!("`plugin` of source table `{source}` is not supported"))
        .at(place)
        .hint("use `external_location` to read files, or declare the source under a target's `sources` in profiles.toml to load it")
}

pub(crate) fn bad_location(source: &str, reason: &str, place: Place) -> Error {
    Error::usage(format!("`external_location` of source table `{source}` {reason}"))
        .at(place)
        .hint("it can contain `{name}`, `{identifier}`, `{schema}`, `{database}` and keys of `meta`")
}
