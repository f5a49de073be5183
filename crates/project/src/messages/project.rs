//! The messages of the `project` stage.

use std::path::Path;

use elt_base::error::{Error, Place, nearest};

pub(crate) fn profiles_missing(root: &Path) -> Error {
    Error::usage(format!("no `profiles.toml` or `dbt_project.yml` in `{}`", root.display()))
        .hint("`elt init NAME` makes a project; `--project-dir` says where one is")
}

pub(crate) fn not_utf8(path: &Path, offset: usize) -> Error {
    Error::usage(format!("`{}` is not UTF-8", path.display()))
        .because(format!("the byte at offset {offset} is no part of a character"))
        .hint("files of a project are read as UTF-8 text")
}

pub(crate) fn path_not_utf8(path: &Path) -> Error {
    Error::usage(format!("the name of `{}` is not UTF-8", path.display()))
        .hint("models, tests and seeds are named after their files")
}

pub(crate) fn malformed_toml(cause: &str, place: Place) -> Error {
    Error::usage("malformed TOML").at(place).because(lowercase_first(cause.trim_end_matches('\n')))
}

pub(crate) fn malformed_yaml(cause: &str, place: Place) -> Error {
    Error::usage("malformed YAML").at(place).because(lowercase_first(cause))
}

pub(crate) fn number_out_of_range(place: Place) -> Error {
    Error::usage("a number is out of range").at(place).hint("whole numbers have 64 bits, and NaN is none")
}

pub(crate) fn malformed_env_file(line: Option<usize>, cause: &dotenvy::Error) -> Error {
    let message = match line {
        Some(line) => format!("line {line} of `.env` is malformed"),
        None => "cannot read `.env`".to_owned(),
    };
    let error =
        Error::usage(message).hint("a line of `.env` is `NAME=value`, with quotes around a value that holds spaces");
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
        None => format!("the keys are {}", quoted(known)),
    };
    Error::usage(format!("unknown key `{key}` in {of}")).at(place).hint(hint)
}

pub(crate) fn key_missing(key: &str, of: &str, place: Place) -> Error {
    Error::usage(format!("{of} has no `{key}`")).at(place)
}

pub(crate) fn unknown_kind_of(written: &str, of: &str, known: &[&str], place: Place) -> Error {
    let hint = match nearest(written, known.iter().copied()) {
        Some(near) => format!("there is a type `{near}`"),
        None => format!("the types are {}", quoted(known)),
    };
    Error::usage(format!("unknown type `{written}` of {of}")).at(place).hint(hint)
}

pub(crate) fn no_targets(place: Place) -> Error {
    Error::usage("`profiles.toml` has no target").at(place).hint("`[target.dev]` begins one")
}

pub(crate) fn no_default_target(candidates: &[&str], place: Place) -> Error {
    Error::usage("no target is chosen").at(place).hint(format!(
        "`--target` chooses one, and `target` in `[project]` the default; the targets are {}",
        quoted(candidates)
    ))
}

pub(crate) fn unknown_target(name: &str, candidates: &[&str], place: Option<Place>) -> Error {
    let near = nearest(name, candidates.iter().copied()).map(|near| format!("there is a target `{near}`"));
    Error::usage(format!("no target `{name}` in `profiles.toml`"))
        .at_maybe(place)
        .hint(near.unwrap_or_else(|| format!("the targets are {}", quoted(candidates))))
}

pub(crate) fn unset_variable<'a>(name: &str, known: impl Iterator<Item = &'a str>, place: Place) -> Error {
    // Near means a slip of the keys: the environment is full of short names.
    let near = nearest(name, known).filter(|near| strsim::damerau_levenshtein(name, near) <= 2);
    Error::usage(format!("the environment variable `{name}` is not set"))
        .at(place)
        .hint_maybe(near.map(|near| format!("there is a variable `{near}`")))
        .hint(format!(
            "`export {name}=...`, or a line `{name}=...` in `.env`, sets it; `${{{name}:-...}}` gives a default"
        ))
}

pub(crate) fn bad_variable(place: Place) -> Error {
    Error::usage("`${` begins no variable").at(place).hint("the forms are `${NAME}` and `${NAME:-default}`")
}

pub(crate) fn not_supported_yet(what: &str, place: Place) -> Error {
    Error::usage(format!("`{what}` is not supported yet")).at(place)
}

pub(crate) fn defined_twice(what: &str, name: &str, first: Place, second: Place) -> Error {
    Error::usage(format!("{what} `{name}` is described twice"))
        .at(second.label("again here"))
        .at(first.label("first here"))
        .hint("one entry holds everything that is said of it")
}

pub(crate) fn same_name(what: &str, name: &str, first: &Path, second: &Path) -> Error {
    Error::usage(format!("two {what} are named `{name}`"))
        .because(format!("`{}` and `{}`", first.display(), second.display()))
        .hint("a model or seed is named after its file, whatever folder that is in")
}

pub(crate) fn bad_data_test(place: Place) -> Error {
    Error::usage("an entry of `data_tests` is a name, or one name with its arguments")
        .at(place)
        .hint("such as `- unique`, or `- accepted_values:` with `arguments:` below it, further in")
}

pub(crate) fn unknown_constraint(written: &str, known: &[&str], place: Place) -> Error {
    unknown_kind_of(written, "constraint", known, place)
}

pub(crate) fn jinja_in_yaml(cause: &str, place: Place) -> Error {
    Error::usage("cannot render this value")
        .at(place)
        .because(cause)
        .hint("`var`, `env_var` and `target` are known here")
}

pub(crate) fn bad_exposure_name(name: &str, place: Place) -> Error {
    Error::usage(format!("`{name}` is no name of an exposure"))
        .at(place)
        .hint("it takes letters, digits and `_`; `label` says the rest")
}

pub(crate) fn owner_unnamed(of: &str, place: Place) -> Error {
    Error::usage(format!("the owner of {of} has neither `name` nor `email`")).at(place)
}

pub(crate) fn two_defaults(first: &str, second: &str, place: Place) -> Error {
    Error::usage(format!("both `{first}` and `{second}` are the default selector")).at(place)
}

pub(crate) fn set_not_alone(place: Place) -> Error {
    Error::usage("`union` and `intersection` stand alone in a selector's definition")
        .at(place)
        .hint("`exclude` is an item of their list")
}

pub(crate) fn two_excludes(place: Place) -> Error {
    Error::usage("a `union` or `intersection` has one `exclude`").at(place).hint("its list holds them all")
}

pub(crate) fn bad_definition(place: Place) -> Error {
    Error::usage("this selects nothing that can be read")
        .at(place)
        .hint("a definition is a text, `method` with `value`, a `union` or an `intersection`")
}

pub(crate) fn bad_version(place: Place) -> Error {
    Error::usage("`version` is 2").at(place)
}

pub(crate) fn bad_project_name(name: &str) -> Error {
    Error::usage(format!("`{name}` is no project name"))
        .hint("a name begins with a letter and goes on with letters, digits, `_` and `-`, 63 at most")
}

pub(crate) fn folder_not_empty(path: &Path) -> Error {
    Error::usage(format!("`{}` exists and is not empty", path.display())).hint("a new project gets a folder of its own")
}

pub(crate) fn cannot_write(path: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot write `{}`", path.display())).caused_by(cause)
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Other libraries begin a sentence; ours do not.
fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
