//! The messages of the `model` stage.

use elt_base::error::{Error, Place, listed, nearest};
use elt_base::numbers::counted;
use elt_base::sql_error::{our_manner, unknown_name};

/// `owner`: ``model `x` ``.
pub(crate) fn template(owner: &str, reason: &str) -> Error {
    Error::usage(format!("{owner} cannot be rendered: {reason}"))
}

/// The template engine panicked.
pub(crate) fn engine_failed(panic: &str) -> String {
    format!("the template engine failed in an expression: {panic}")
}

pub(crate) fn unknown_macro<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let error = Error::usage(format!("the project has no macro `{name}`"));
    match did_you_mean(name, known) {
        Some(near) => error.hint(near),
        None => error.hint("`run-operation` calls a macro from the project's macro folders"),
    }
}

pub(crate) fn empty_sql(owner: &str, place: Place) -> Error {
    Error::usage(format!("{owner} renders to empty SQL")).at(place).hint("write a `select`, or set `enabled: false`")
}

/// `complaint` continues the sentence "a snapshot …".
pub(crate) fn snapshot_tag(complaint: &str, place: Place) -> Error {
    Error::usage(format!("a snapshot {complaint}"))
        .at(place)
        .hint("write a snapshot as `{% snapshot name %} … {% endsnapshot %}`")
}

pub(crate) fn snapshot_twice(name: &str, place: Place, block: Place) -> Error {
    Error::usage(format!("snapshot `{name}` has both a `relation:` and a block"))
        .at(place)
        .at(block.label("the block"))
        .hint("keep only one of them: each defines what the snapshot reads")
}

pub(crate) fn bad_macro_file(path: &str, reason: &str) -> Error {
    Error::usage(format!("macro file `{path}` cannot be read: {reason}"))
}

pub(crate) fn duplicate_macro(name: &str, other: &str, place: Place) -> Error {
    Error::usage(format!("macro `{name}` exists twice")).at(place).hint(format!("the other one is in `{other}`"))
}

pub(crate) fn duplicate_name(kind: &str, name: &str, place: Place, other: Place) -> Error {
    Error::usage(format!("two nodes are called `{name}`, so `ref('{name}')` could mean either"))
        .at(place.label(format!("this {kind}")))
        .at(other.label("and this one"))
        .hint("rename one of the files")
}

pub(crate) fn duplicate_source(name: &str, place: Place, other: Place) -> Error {
    Error::usage(format!("source table `{name}` is declared twice")).at(place).at(other.label("first declared here"))
}

pub(crate) fn duplicate_test(name: &str, place: Place, other: Place) -> Error {
    Error::usage(format!("test `{name}` is declared twice")).at(place).at(other.label("first declared here"))
}

/// `relation`: the relation's name in SQL. The names are those that messages show.
pub(crate) fn duplicate_relation(
    relation: &str,
    (name, place): (&str, Place),
    (other, other_place): (&str, Place),
) -> Error {
    Error::usage(format!("`{name}` and `{other}` would both be built as the relation {relation}"))
        .because("DuckDB or a file system treats names as equal that differ only in letter case or Unicode form")
        .at(place)
        .at(other_place.label("the other one"))
        .hint("set a different `alias` or `schema` for one of them")
}

/// Two singular tests, by name, whose failing rows would be stored in one relation.
pub(crate) fn duplicate_test_file(name: &str, other: &str, place: Place, other_place: Place) -> Error {
    Error::usage(format!("the names of the tests `{name}` and `{other}` differ only in letter case or Unicode form"))
        .because("DuckDB or a file system treats such names as equal")
        .at(place)
        .at(other_place.label("the other one"))
        .hint("rename one of the files")
}

/// Two tables of a source that name the same collection.
pub(crate) fn collection_of_two_tables(collection: &str, place: Place, other: Place) -> Error {
    Error::usage(format!("two tables of YAML read the collection `{collection}`, which has only one raw table"))
        .at(place)
        .at(other.label("first declared here"))
        .hint("keep one of the two entries; models can read it any number of times")
}

/// `owner`: ``model `x` ``.
pub(crate) fn reserved_schema(owner: &str, schema: &str, place: Place) -> Error {
    Error::usage(format!("{owner} cannot be in the schema `{schema}`, which elt uses itself"))
        .at(place)
        .hint("set another `schema`")
}

/// `owner`: ``model `x` ``.
pub(crate) fn unknown_ref<'a>(
    owner: &str,
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    place: Option<Place>,
) -> Error {
    Error::usage(format!("{owner} refers to `{name}`, which does not exist"))
        .at_maybe(place)
        .hint_maybe(did_you_mean(name, candidates))
}

pub(crate) fn disabled_ref(owner: &str, name: &str, place: Option<Place>) -> Error {
    Error::usage(format!("{owner} refers to `{name}`, which is disabled"))
        .at_maybe(place)
        .hint(format!("set `enabled: true` for `{name}`, or disable the nodes that read it"))
}

pub(crate) fn test_of_disabled(test: &str, name: &str, place: Place) -> Error {
    Error::usage(format!("test `{test}` does not run because `{name}` is disabled")).at(place)
}

pub(crate) fn unknown_source(
    owner: &str,
    source: &str,
    table: &str,
    known: &[(String, String)],
    place: Option<Place>,
) -> Error {
    let tables: Vec<&str> = known.iter().filter(|(name, _)| name == source).map(|(_, table)| table.as_str()).collect();
    let (what, hint) = if tables.is_empty() {
        let near = nearest(source, known.iter().map(|(name, _)| name.as_str()));
        let hint = near.map_or_else(
            || format!("declare it under `sources:` in a YAML file below `models/`, with a table `{table}`"),
            |near| format!("did you mean `{near}`?"),
        );
        (format!("source `{source}`, which does not exist"), hint)
    } else {
        let hint = did_you_mean(table, tables)
            .unwrap_or_else(|| format!("declare it under the `tables:` of source `{source}`"));
        (format!("table `{table}` of source `{source}`, which is not declared"), hint)
    };
    Error::usage(format!("{owner} refers to {what}")).at_maybe(place).hint(hint)
}

/// `path`: the names of the cycle, such as `a`, `b`, `a`.
pub(crate) fn cycle(path: &[String], places: Vec<Place>) -> Error {
    let mut error = Error::usage(format!("models refer to each other in a circle: {}", path.join(" -> ")));
    for place in places {
        error = error.at(place);
    }
    error
}

pub(crate) fn bad_config(owner: &str, key: &str, complaint: &str, place: Option<Place>) -> Error {
    Error::usage(format!("`{key}` of {owner} {complaint}")).at_maybe(place)
}

/// A key that neither elt nor a macro reads.
pub(crate) fn unread_config(owner: &str, key: &str, hint: Option<&str>) -> Error {
    const OWN: &str = "keys of your own belong under `meta`";
    let error = Error::usage(format!("{} of {owner} has no effect", unread_config_start(key)));
    error.hint_maybe(hint.map(str::to_owned)).hint(OWN)
}

/// How the message about a key begins.
pub(crate) fn unread_config_start(key: &str) -> String {
    format!("`{key}`")
}

pub(crate) fn unknown_property<'a>(
    kind: &str,
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    place: Place,
) -> Error {
    Error::usage(format!("{kind} `{name}` has properties in YAML, but no file"))
        .at(place)
        .hint_maybe(did_you_mean(name, candidates))
}

pub(crate) fn doubled_properties(kind: &str, name: &str, place: Place, first: Place) -> Error {
    Error::usage(format!("{kind} `{name}` has two entries in YAML"))
        .at(place)
        .at(first.label("the first one"))
        .hint("merge them into one entry")
}

pub(crate) fn unknown_test<'a>(
    test: &str,
    owner: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    place: Place,
) -> Error {
    let known: Vec<String> = candidates.into_iter().map(str::to_owned).collect();
    let hint = did_you_mean(test, known.iter().map(String::as_str))
        .unwrap_or_else(|| format!("the known tests are {}", listed(&known)));
    Error::usage(format!("{owner} is tested with `{test}`, which does not exist")).at(place).hint(hint)
}

pub(crate) fn bad_test_argument(test: &str, complaint: &str, place: Place) -> Error {
    Error::usage(format!("test `{test}` {complaint}")).at(place)
}

pub(crate) fn unknown_group(owner: &str, group: &str, known: &[&str], place: Place) -> Error {
    let names: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
    let hint = did_you_mean(group, known.iter().copied()).unwrap_or_else(|| match names.as_slice() {
        [] => "declare it under `groups:` in a YAML file below `models/`".into(),
        names => format!("the groups are {}", listed(names)),
    });
    Error::usage(format!("{owner} belongs to the group `{group}`, which does not exist")).at(place).hint(hint)
}

pub(crate) fn bad_access(owner: &str, value: &str, place: Place) -> Error {
    Error::usage(format!("`access` of {owner} cannot be `{value}`"))
        .at(place)
        .hint("it accepts `private`, `protected`, `public`")
}

pub(crate) fn public_ephemeral(owner: &str, place: Place) -> Error {
    Error::usage(format!(
        "`access` of {owner} cannot be `public` because the model is ephemeral, so it has no relation to read"
    ))
    .at(place)
    .hint("materialize the model as a view or table, or set `access: protected`")
}

pub(crate) fn private_ref(owner: &str, name: &str, group: Option<&str>, place: Option<Place>) -> Error {
    let whose = match group {
        Some(group) => format!("private to the group `{group}`"),
        None => "private and not in any group".into(),
    };
    let hint = match group {
        Some(group) => format!("put {owner} into the group `{group}`, or set `access: protected` on `{name}`"),
        None => format!("give `{name}` a `group`, or make it `protected`"),
    };
    Error::usage(format!("{owner} refers to `{name}`, which is {whose}")).at_maybe(place).hint(hint)
}

pub(crate) fn exposure_reads_nothing(exposure: &str, place: Place) -> Error {
    Error::usage(format!("`depends_on` of exposure `{exposure}` does not name a node of this project"))
        .at(place)
        .hint("write each entry as `ref('model')` or `source('source', 'table')`")
}

pub(crate) fn bad_selector(spec: &str, complaint: &str) -> Error {
    Error::usage(format!("selector `{spec}` {complaint}"))
}

pub(crate) fn unknown_method(spec: &str, method: &str, known: &[&str]) -> Error {
    let names: Vec<String> = known.iter().map(|name| format!("{name}:")).collect();
    Error::usage(format!("selector `{spec}` uses the method `{method}:`, which does not exist"))
        .hint_maybe(did_you_mean(method, known.iter().copied()))
        .hint(format!("the known methods are {}", listed(&names)))
}

pub(crate) fn bad_selector_value(spec: &str, value: &str, known: &[&str]) -> Error {
    let names: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
    Error::usage(format!("selector `{spec}` cannot have `{value}`")).hint(format!("it accepts {}", listed(&names)))
}

pub(crate) fn selector_missing(name: &str, near: Option<&str>, known: &[&str]) -> Error {
    let names: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
    let hint = match (near, names.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "define selectors in `selectors.yml` in the project's root".into(),
        (None, names) => format!("the selectors are {}", listed(names)),
    };
    Error::usage(format!("selector `{name}` is not defined")).hint(hint)
}

pub(crate) fn bad_indirect(word: &str) -> Error {
    Error::usage(format!("`indirect_selection` cannot be `{word}`"))
        .hint("it accepts `eager`, `cautious`, `buildable`, `empty`")
}

/// `what`: `manifest.json`.
pub(crate) fn no_state(spec: &str, what: &str) -> Error {
    Error::usage(format!("selector `{spec}` compares with an earlier state, but {what} was not found"))
        .hint("pass `--state DIR` with the folder that contains it, such as a copy of an earlier run's `target/`")
}

/// An empty shell variable must not select everything.
pub(crate) fn empty_selector() -> Error {
    Error::usage("`--select` is empty").hint("omit `--select` to select everything")
}

pub(crate) fn all_excluded(spec: &str, exclude: &str) -> Error {
    let spec = if spec.is_empty() { "the project" } else { spec };
    Error::usage(format!("`--exclude {exclude}` excludes all of `{spec}`"))
}

pub(crate) fn nothing_selected(spec: &str, near: &[String]) -> Error {
    let error = Error::usage(format!("`{spec}` selects nothing"));
    if near.is_empty() {
        error.hint("`elt ls` lists what can be selected")
    } else {
        error.hint(format!("did you mean {}?", listed(near)))
    }
}

/// An error of DuckDB in the SQL of a model or test. `owner`: ``model `x` ``; `candidates`: names that DuckDB knows.
/// `places`: the place of the error, then the calls of the macros that wrote the SQL.
pub(crate) fn sql(owner: &str, message: &str, candidates: &[String], places: Vec<Place>) -> Error {
    const SIGNATURES_MAX: usize = 4;
    if let Some(call) = mismatched_call(&our_manner(message)) {
        let takes = (!candidates.is_empty()).then(|| {
            let more = candidates.len().saturating_sub(SIGNATURES_MAX);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            format!("DuckDB has {}{more}", listed(&candidates[..candidates.len().min(SIGNATURES_MAX)]))
        });
        return Error::failed(format!("{owner}: no function accepts `{call}`")).at_all(places).hint_maybe(takes);
    }
    let (message, hint) = sql_said(message, candidates);
    Error::failed(format!("{owner}: {message}")).at_all(places).hint_maybe(hint)
}

/// The text that a template passes to `exceptions.warn`.
pub(crate) fn template_warning(text: &str, place: Option<Place>) -> Error {
    Error::failed(text.trim()).at_maybe(place)
}

/// A warning.
pub(crate) fn unfiltered_batches(model: &str, place: Place) -> Error {
    Error::usage(format!(
        "microbatch model `{model}` does not read any input that has an `event_time`, so each batch reads all rows"
    ))
    .at(place)
    .hint("configure `event_time` on the models, seeds or sources that it reads")
}

pub(crate) fn contract_without_columns(model: &str, place: Place) -> Error {
    Error::usage(format!("the contract of `{model}` is enforced, but does not list any columns"))
        .at(place)
        .hint("list all columns in YAML, each with its `data_type`")
}

pub(crate) fn contract_without_types(model: &str, columns: &[String], places: Vec<Place>) -> Error {
    let error = Error::usage(format!("the contract of `{model}` has no `data_type` for {}", listed(columns)));
    places.into_iter().fold(error, Error::at)
}

pub(crate) fn contract_unknown_type(model: &str, column: &str, written: &str, place: Place) -> Error {
    Error::usage(format!(
        "the contract of `{model}` declares `{column}` as `{written}`, a type that DuckDB does not know"
    ))
    .at(place)
}

/// `table`: the columns that differ, as an aligned table.
pub(crate) fn contract_broken(model: &str, columns: usize, table: String, place: Place) -> Error {
    let columns = counted(columns as u64, "columns");
    Error::failed(format!("`{model}` breaks its contract in {columns}"))
        .at(place)
        .picture(table)
        .hint("change the query or the contract")
}

pub(crate) fn schema_changed(model: &str, changes: &[String]) -> Error {
    Error::failed(format!("the columns of `{model}` changed: {}", changes.join(", ")))
        .hint("run it with `--full-refresh`, or set `on_schema_change` to `append_new_columns` or `sync_all_columns`")
}

/// `shown`: some of the keys, as `Key::duplicates` returns them.
pub fn duplicate_keys(model: &str, key: &[String], keys: u64, shown: &str) -> Error {
    Error::failed(format!("the new rows of `{model}` have {} more than once in {}", counted(keys, "keys"), listed(key)))
        .because(format!("for example {shown}"))
        .hint("choose a `unique_key` that identifies one row, or keep one row per key in the query")
}

/// `shown`: some of the keys, as `Incremental::doubled` returns them.
pub(crate) fn doubled_keys(model: &str, key: &[String], keys: u64, shown: &str) -> Error {
    Error::failed(format!(
        "`{model}` holds {} of the new rows more than once in {}",
        counted(keys, "keys"),
        listed(key)
    ))
    .because(format!("for example {shown}"))
    .hint("one new row would replace several rows; run with `--full-refresh` to rebuild the table with each key once")
}

pub(crate) fn key_not_in_query(key: &str, model: &str, column: &str, columns: &[String]) -> Error {
    Error::failed(format!("`{key}` of model `{model}` names `{column}`, which is not a column of the query"))
        .hint_maybe(did_you_mean(column, columns.iter().map(String::as_str)))
}

pub(crate) fn schema_change_refused(model: &str, column: &str, complaint: &str) -> Error {
    Error::failed(format!("column `{column}` of `{model}` {complaint}")).hint("run it with `--full-refresh`")
}

fn did_you_mean<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, candidates).map(|near| format!("did you mean `{near}`?"))
}

/// The call that matches no function, with the types of its arguments: `upper(BIGINT)`.
fn mismatched_call(message: &str) -> Option<&str> {
    message.strip_prefix("no function matches the given name and argument types '")?.split("'. ").next()
}

/// DuckDB's message in our style, and the name that was probably meant. `candidates`: names that DuckDB knows.
pub(crate) fn sql_said(message: &str, candidates: &[String]) -> (String, Option<String>) {
    const SHOWN_MAX: usize = 8;
    let message = our_manner(message);
    let written = unknown_name(&message);
    let near = written.and_then(|name| nearest(name, candidates.iter().map(String::as_str)));
    let is_column = message.contains("column");
    let hint = match (near, candidates) {
        (Some(near), _) => Some(format!("did you mean `{near}`?")),
        (None, []) => None,
        (None, known) if is_column => {
            Some(format!("the known columns are {}", listed(&known[..known.len().min(SHOWN_MAX)])))
        }
        // The nearest of all tables is often quite different.
        (None, _) => None,
    };
    (message, hint)
}

/// A hint for an error about a column.
pub(crate) fn collection_is_empty(collection: &str) -> String {
    format!(
        "`{collection}` is empty: no document has been loaded from it, so none of its fields is known; \
         add the columns with a `data_type` to its YAML, or build again when it holds documents"
    )
}
