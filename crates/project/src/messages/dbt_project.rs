//! The messages about plain dbt projects: `dbt_project.yml`, `profiles.yml`, doc blocks, run hooks, and unsupported
//! features.

use std::path::Path;

use elt_base::error::{Error, Place, listed, nearest};

pub(crate) fn path_absolute(key: &str, path: &str, place: Place) -> Error {
    Error::usage(format!("`{key}` names the absolute path `{path}`"))
        .at(place)
        .hint("write the path relative to the project's root")
}

pub(crate) fn key_renamed(key: &str, now: &str, place: Place) -> Error {
    Error::usage(format!("unknown key `{key}` in `dbt_project.yml`"))
        .at(place)
        .hint(format!("use `{now}`, its name since dbt 1.0"))
}

pub(crate) fn two_projects(key: &str, place: Place) -> Error {
    Error::usage(format!("`{key}` conflicts with `dbt_project.yml`, which defines the project"))
        .at(place)
        .hint("move it to `dbt_project.yml`; `[project]` may contain only `target`, or may be absent")
}

/// A warning.
pub(crate) fn not_used(key: &str, place: Place) -> Error {
    Error::usage(format!("`{key}` has no effect in `elt`")).at(place)
}

pub(crate) fn unknown_profile(profile: &str, known: &[&str], place: Place) -> Error {
    let hint = match nearest(profile, known.iter().copied()) {
        Some(near) => format!("there is a profile `{near}`"),
        None => format!("the profiles are {}", listed(known)),
    };
    Error::usage(format!("`profiles.yml` has no profile `{profile}`")).at(place).hint(hint)
}

pub(crate) fn unknown_output(name: &str, profile: &str, known: &[&str], place: Place) -> Error {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("there is a target `{near}`"),
        None => format!("the targets are {}", listed(known)),
    };
    Error::usage(format!("profile `{profile}` has no target `{name}`")).at(place).hint(hint)
}

pub(crate) fn other_adapter(kind: &str, place: Place) -> Error {
    Error::usage(format!("the adapter `{kind}` is not supported"))
        .at(place)
        .hint("choose an output of type `duckdb`, because models are built in DuckDB")
}

pub(crate) fn not_supported_in_profile(key: &str, place: Place) -> Error {
    Error::usage(format!("`{key}` of an output is not supported"))
        .at(place)
        .hint("the warehouse is one local DuckDB file")
}

pub(crate) fn remote_warehouse(scheme: &str, place: Place) -> Error {
    Error::usage(format!("a warehouse at `{scheme}` is not supported"))
        .at(place)
        .hint("the warehouse is one local DuckDB file")
}

pub(crate) fn no_extension(name: &str, known: &[&str], place: Place) -> Error {
    Error::usage(format!("the extension `{name}` is not part of the DuckDB in this program"))
        .at(place)
        .hint(format!("the available extensions are {}", listed(known)))
}

pub(crate) fn utc_only(place: Place) -> Error {
    Error::usage("the time zone cannot be set").at(place).hint("remove the setting: every session runs in UTC")
}

pub(crate) fn doc_without_name(place: Place) -> Error {
    Error::usage("a doc block has no name").at(place).hint("begin a doc block with `{% docs name %}`")
}

pub(crate) fn doc_end_alone(place: Place) -> Error {
    Error::usage("`enddocs` does not end a doc block").at(place)
}

pub(crate) fn doc_without_end(place: Place) -> Error {
    Error::usage("a doc block has no end").at(place).hint("end it with `{% enddocs %}`")
}

pub(crate) fn python_model(place: Place) -> Error {
    Error::usage("Python models are not supported").at(place).hint("write the model as a `select` in a `.sql` file")
}

pub(crate) fn own_materialization(place: Place) -> Error {
    Error::usage("custom materializations are not supported")
        .at(place)
        .hint("use `view`, `table`, `incremental` or `ephemeral`")
}

pub(crate) fn packages(place: Place) -> Error {
    Error::usage("packages are not supported")
        .at(place)
        .hint("copy the macros you use into the project's `macros` folder")
}

pub(crate) fn package_folder(path: &Path) -> Error {
    Error::usage(format!("packages are not supported, but `{}` contains one", path.display()))
        .hint("copy the macros you use into the project's `macros` folder, and remove the package")
}
