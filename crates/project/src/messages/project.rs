//! The messages of the `project` stage.

use std::path::Path;

use elt_base::error::{Error, Place, listed, nearest};

pub(crate) fn profiles_missing(root: &Path) -> Error {
    Error::usage(format!("there is no `profiles.toml` or `dbt_project.yml` in `{}`", root.display()))
        .hint("run `elt init NAME` to create a project, or pass `--project-dir DIR` with the folder of an existing one")
}

pub(crate) fn not_utf8(path: &Path, offset: usize) -> Error {
    Error::usage(format!("`{}` is not UTF-8", path.display()))
        .because(format!("the byte at offset {offset} is not part of a valid character"))
        .hint("save the file as UTF-8 text")
}

pub(crate) fn path_not_utf8(path: &Path) -> Error {
    Error::usage(format!("the name of `{}` is not UTF-8", path.display()))
        .hint("rename the file: models, tests and seeds are named after their files")
}

pub(crate) fn malformed_toml(cause: &str, place: Place) -> Error {
    Error::usage("malformed TOML").at(place).because(lowercase_first(cause.trim_end_matches('\n')))
}

pub(crate) fn malformed_yaml(cause: &str, place: Place) -> Error {
    Error::usage("malformed YAML").at(place).because(lowercase_first(cause))
}

pub(crate) fn number_out_of_range(place: Place) -> Error {
    Error::usage("a number is out of range")
        .at(place)
        .hint("use a whole number of at most 64 bits; NaN is not a number here")
}

pub(crate) fn malformed_env_file(line: Option<usize>, cause: &dotenvy::Error) -> Error {
    let message = match line {
        Some(line) => format!("line {line} of `.env` is malformed"),
        None => "cannot read `.env`".to_owned(),
    };
    let error = Error::usage(message)
        .hint("write each line of `.env` as `NAME=value`, with quotes around a value that contains spaces");
    match cause {
        dotenvy::Error::Io(cause) => error.caused_by(cause),
        _ => error,
    }
}

pub(crate) fn wrong_kind(key: &str, expected: &str, found: &str, place: Place) -> Error {
    Error::usage(format!("`{key}` is {found}, not {expected}")).at(place.label(format!("expected {expected}")))
}

pub(crate) fn unknown_key(key: &str, of: &str, known: &[&str], place: Place) -> Error {
    let hint = match nearest(key, known.iter().copied()) {
        Some(near) => format!("there is a key `{near}`"),
        None => format!("the keys are {}", listed(known)),
    };
    Error::usage(format!("unknown key `{key}` in {of}")).at(place).hint(hint)
}

pub(crate) fn key_missing(key: &str, of: &str, place: Place) -> Error {
    Error::usage(format!("{of} has no `{key}`")).at(place)
}

pub(crate) fn unknown_kind_of(written: &str, of: &str, known: &[&str], place: Place) -> Error {
    let hint = match nearest(written, known.iter().copied()) {
        Some(near) => format!("there is a type `{near}`"),
        None => format!("the types are {}", listed(known)),
    };
    Error::usage(format!("unknown type `{written}` of {of}")).at(place).hint(hint)
}

pub(crate) fn no_targets(place: Place) -> Error {
    Error::usage("`profiles.toml` has no target").at(place).hint("add one, such as `[target.dev]`")
}

pub(crate) fn no_default_target(candidates: &[&str], place: Place) -> Error {
    Error::usage("no target is chosen").at(place).hint(format!(
        "pass `--target`, or set the default with `target` in `[project]`; the targets are {}",
        listed(candidates)
    ))
}

pub(crate) fn unknown_target(name: &str, candidates: &[&str], place: Option<Place>) -> Error {
    let near = nearest(name, candidates.iter().copied()).map(|near| format!("there is a target `{near}`"));
    Error::usage(format!("`profiles.toml` has no target `{name}`"))
        .at_maybe(place)
        .hint(near.unwrap_or_else(|| format!("the targets are {}", listed(candidates))))
}

pub(crate) fn unset_variable<'a>(name: &str, known: impl Iterator<Item = &'a str>, place: Place) -> Error {
    // Only typing errors count as near, because the environment contains many short names.
    let near = nearest(name, known).filter(|near| strsim::damerau_levenshtein(name, near) <= 2);
    Error::usage(format!("the environment variable `{name}` is not set"))
        .at(place)
        .hint_maybe(near.map(|near| format!("there is a variable `{near}`")))
        .hint(format!(
            "set it with `export {name}=...` or with a line `{name}=...` in `.env`; `${{{name}:-...}}` sets a default"
        ))
}

pub(crate) fn bad_variable(place: Place) -> Error {
    Error::usage("`${` does not begin a variable").at(place).hint("write `${NAME}` or `${NAME:-default}`")
}

pub(crate) fn not_supported_yet(what: &str, place: Place) -> Error {
    Error::usage(format!("`{what}` is not supported yet")).at(place)
}

pub(crate) fn defined_twice(what: &str, name: &str, first: Place, second: Place) -> Error {
    Error::usage(format!("{what} `{name}` is described twice"))
        .at(second.label("again here"))
        .at(first.label("first here"))
        .hint("merge them into one entry")
}

pub(crate) fn same_name(what: &str, name: &str, first: &Path, second: &Path) -> Error {
    Error::usage(format!("two {what} are named `{name}`"))
        .because(format!("`{}` and `{}`", first.display(), second.display()))
        .hint("rename one of the files: a model or seed is named after its file, not after its folder")
}

pub(crate) fn bad_data_test(place: Place) -> Error {
    Error::usage("an entry of `data_tests` must be a name, or one name with its arguments")
        .at(place)
        .hint("write `- unique`, or `- accepted_values:` with `arguments:` indented below it")
}

pub(crate) fn unknown_constraint(written: &str, known: &[&str], place: Place) -> Error {
    unknown_kind_of(written, "constraint", known, place)
}

/// The template engine panicked.
pub(crate) fn engine_failed(panic: &str) -> String {
    format!("the template engine failed in an expression: {panic}")
}

pub(crate) fn jinja_in_yaml(cause: &str, place: Place) -> Error {
    Error::usage("cannot render this value")
        .at(place)
        .because(cause)
        .hint("only `var`, `env_var` and `target` are available here")
}

pub(crate) fn bad_exposure_name(name: &str, place: Place) -> Error {
    Error::usage(format!("`{name}` is not a valid exposure name"))
        .at(place)
        .hint("use letters, digits and `_`; put other text in `label`")
}

pub(crate) fn owner_unnamed(of: &str, place: Place) -> Error {
    Error::usage(format!("the owner of {of} has neither `name` nor `email`")).at(place)
}

pub(crate) fn two_defaults(first: &str, second: &str, place: Place) -> Error {
    Error::usage(format!("both `{first}` and `{second}` are the default selector")).at(place)
}

pub(crate) fn set_not_alone(place: Place) -> Error {
    Error::usage("`union` or `intersection` must be the only key of a selector's definition")
        .at(place)
        .hint("write `exclude` as an item of its list")
}

pub(crate) fn two_excludes(place: Place) -> Error {
    Error::usage("a `union` or `intersection` can have only one `exclude`")
        .at(place)
        .hint("list all exclusions in one `exclude`")
}

pub(crate) fn bad_definition(place: Place) -> Error {
    Error::usage("this is not a valid selector definition")
        .at(place)
        .hint("write a text, a `method` with a `value`, a `union` or an `intersection`")
}

pub(crate) fn bad_version(place: Place) -> Error {
    Error::usage("`version` must be 2").at(place)
}

pub(crate) fn bad_project_name(name: &str) -> Error {
    Error::usage(format!("`{name}` is not a valid project name"))
        .hint("begin the name with a letter and continue with letters, digits, `_` and `-`, at most 63 characters")
}

pub(crate) fn folder_not_empty(path: &Path) -> Error {
    Error::usage(format!("`{}` exists and is not empty", path.display()))
        .hint("choose a new or empty folder for the project")
}

pub(crate) fn cannot_write(path: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot write `{}`", path.display())).caused_by(cause)
}

/// Messages of other libraries begin with a capital letter. Ours do not.
fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// `written` is the part of an argument that cannot be replaced, such as `${MONGODB_URI}`.
pub(crate) fn unset_in_argument(written: &str) -> Error {
    Error::usage(format!("`{written}` has no value"))
        .hint("set the variable in the environment or in `.env`; `${NAME:-value}` has a default value")
}
