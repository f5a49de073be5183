//! The messages of a run as a whole: interruption, output, artifacts, and errors before the stages start.

use std::path::Path;

use elt_base::error::{Error, listed, nearest};
use elt_base::numbers::counted;
use elt_base::sql_error::{SqlError, our_manner, unknown_name};
use elt_base::wait::Silence;
use elt_project::{ExportProfile, Target};

/// stdout cannot be written.
pub(crate) fn output(cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::failed("cannot write the result").caused_by(cause)
}

/// A stop was requested, and something did not end by itself.
pub(crate) fn stopped(silence: Option<&Silence>) -> Error {
    let error = Error::failed("interrupted");
    let error = match silence {
        Some(Silence { server, step, time }) => {
            error.because(format!("{server} has not answered for {:.1} s ({step})", time.as_secs_f32()))
        }
        None => error.because("a step did not end by itself"),
    };
    error.hint("committed work is kept; run the same command again to continue")
}

pub(crate) fn silent(silence: &Silence, variable: &str) -> Error {
    let Silence { server, step, time } = silence;
    Error::failed(format!("{server} has not answered for {:.0} s ({step})", time.as_secs_f32()))
        .hint("committed work is kept; run the same command again to continue")
        .hint(format!("`{variable}` in the environment sets how many seconds a server may be silent"))
}

pub(crate) fn answer_timeout(variable: &str, text: &str) -> Error {
    Error::usage(format!("`{variable}` is `{text}`, which is not a number of seconds"))
        .hint(format!("`{variable}=600` ends the program if a server is silent for 10 minutes"))
}

pub(crate) fn artifact(path: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot write `{}`", path.display()))
        .caused_by(cause)
        .hint("the project's folder must be writable")
}

pub(crate) fn clean(path: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot remove `{}`", path.display())).caused_by(cause)
}

pub(crate) fn vars_malformed(cause: &str) -> Error {
    Error::usage("`--vars` is not an object").because(cause).hint("write `--vars '{as_of: 2024-06-30}'`, JSON or YAML")
}

pub(crate) fn args_malformed(cause: &str) -> Error {
    Error::usage("`--args` is not an object").because(cause).hint("write `--args '{days: 30}'`, JSON or YAML")
}

pub(crate) fn operation_commit(name: &str, error: &SqlError) -> Error {
    Error::failed(format!("the changes of macro `{name}` could not be committed: {}", our_manner(&error.message)))
}

/// A source that the models read, but that the target does not define.
/// A key of a source's table that only files have.
pub(crate) fn key_of_files(key: &str, source: &str, table: &str) -> Error {
    Error::usage(format!(
        "`{key}` of source table `{source}.{table}` is for files, but the target reads `{source}` from MongoDB"
    ))
    .hint(match key {
        "key" => "a document of MongoDB is identified by its `_id`; remove `key`".to_owned(),
        _ => format!("only CSV files have a `{key}`; remove it"),
    })
}

pub(crate) fn source_without_profile<'a>(
    source: &str,
    target: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Error {
    let near = nearest(source, known).map(|near| format!("target `{target}` has a source `{near}`"));
    let how = format!("add `[target.{target}.sources.{source}]` to profiles.toml with the place of the source");
    Error::usage(format!("target `{target}` does not define where source `{source}` is")).hint(near.unwrap_or(how))
}

pub(crate) fn pinned_type(column: &str, written: &str) -> Error {
    Error::usage(format!("column `{column}` has the type `{written}`, which a raw table cannot have")).hint(
        "the types are boolean, bigint, double, decimal(38,s), varchar, timestamptz, timestamp, date, time, blob, uuid, \
         json, struct(name type, ...), and type[] for lists",
    )
}

/// An export whose `select` matches nothing; `cause` is the error of the selector.
pub(crate) fn nothing_to_export(target: &str, export: &ExportProfile, cause: &Error) -> Error {
    let (called, select) = (export.called(), &export.select);
    let table = match &export.name {
        Some(name) => format!("`{name}` in `[[target.{target}.exports]]`"),
        None => format!("`[target.{target}.export]`"),
    };
    Error::usage(format!("the {called} of target `{target}` selects `{select}`, which matches no model"))
        .because(cause.message().to_owned())
        .hint(format!("change `select` of {table} in profiles.toml; its default is `path:models/marts`"))
}

pub(crate) fn unknown_export(name: &str, target: &Target) -> Error {
    let names: Vec<&str> = target.exports.iter().filter_map(|export| export.name.as_deref()).collect();
    let hint = match (nearest(name, names.iter().copied()), names.is_empty()) {
        (Some(near), _) => format!("there is an export `{near}`"),
        (None, false) => format!("the exports are {}", listed(&names)),
        (None, true) => format!("only an export in `[[target.{}.exports]]` has a name", target.name),
    };
    Error::usage(format!("target `{}` has no export `{name}`", target.name)).hint(hint)
}

/// A raw table that no load has created yet.
pub(crate) fn never_loaded(source: &str, reader: &str) -> Error {
    Error::failed(format!("`{source}` has never been loaded, and `{reader}` reads it"))
        .hint("`elt build` loads the collections and builds the models; `elt extract` only loads")
}

pub(crate) fn clone_onto_itself(target: &str) -> Error {
    Error::usage(format!("target `{target}` cannot be cloned onto itself")).hint(
        "`--from` is the target to copy from, and `--target` the target to copy to: \
         `elt clone --from prod --target dev`",
    )
}

pub(crate) fn clone_unreadable(path: &Path, cause: &SqlError) -> Error {
    Error::failed(format!("cannot read the warehouse `{}`", path.display()))
        .because(cause.message.clone())
        .hint("it cannot be copied while another process writes to it; wait until that process ends")
}

pub(crate) fn clone_failed(name: &str, cause: &SqlError) -> Error {
    Error::failed(format!("`{name}` cannot be copied")).because(cause.message.clone())
}

pub(crate) fn nothing_to_retry_from(path: &Path, cause: &std::io::Error) -> Error {
    Error::usage(format!("cannot read `{}`, which lists the nodes to retry", path.display()))
        .caused_by(cause)
        .hint("`elt build` and the other commands that run nodes write it; `--state` names another folder")
}

pub(crate) fn bad_artifact(path: &Path) -> Error {
    Error::usage(format!("`{}` is not a valid artifact", path.display()))
        .hint("it must be a JSON file that dbt or elt has written")
}

pub(crate) fn cannot_retry(which: &str) -> Error {
    Error::usage(format!("the last command was `{which}`, which cannot be retried"))
        .hint("`build`, `extract`, `run`, `seed`, `snapshot`, `test` and `export` can be retried")
}

/// `age`: `3 hours ago`; `limit`: `1 hour`.
///
/// `is_loaded`: whether `elt extract` loads the source.
pub(crate) fn source_stale(name: &str, age: &str, limit: &str, is_loaded: bool) -> Error {
    Error::failed(format!("source `{name}` is stale: last written {age}; the limit is {limit}"))
        .hint_maybe(is_loaded.then(|| format!("`elt extract --select source:{name}` loads it")))
}

pub(crate) fn freshness_failed(name: &str, error: &SqlError) -> Error {
    Error::failed(format!("cannot find the age of source `{name}`: {}", our_manner(&error.message)))
        .hint_maybe(candidates(error))
}

pub(crate) fn freshness_unknown(name: &str) -> Error {
    Error::failed(format!("the age of source `{name}` is unknown: it has never been loaded")).hint(format!(
        "`elt extract --select source:{name}` loads it; or set `loaded_at_field` to a column with the time of each row"
    ))
}

pub(crate) fn show_what() -> Error {
    Error::usage("nothing to show").hint("`--select NAME` shows a model, `--inline SQL` a query")
}

pub(crate) fn show_one(names: &[&str]) -> Error {
    let found = if names.is_empty() { "no model".into() } else { counted(names.len() as u64, "models") };
    Error::usage(format!("`elt show` shows one model, but the selection contains {found}"))
        .hint_maybe((!names.is_empty()).then(|| format!("the selection contains {}", names.join(", "))))
}

pub(crate) fn no_warehouse(path: &Path) -> Error {
    Error::failed(format!("the warehouse `{}` does not exist yet", path.display())).hint("`elt build` makes it")
}

/// A collection that exists in no known source. `known`: all names that the user could have meant.
pub(crate) fn table_unknown<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let near = nearest(written, known).map(|near| format!("did you mean `{near}`?"));
    let how = "`elt ls --resource-type source` lists the sources' tables, and `elt schema` lists the loaded ones";
    Error::usage(format!("no source has a table `{written}`")).hint(near.unwrap_or_else(|| how.into()))
}

/// A table's name without its source, if several sources have a table with this name.
pub(crate) fn collection_of_several(written: &str, names: &[String]) -> Error {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    Error::usage(format!("`{written}` is a table of several sources"))
        .hint(format!("write one of {}", names.join(", ")))
}

pub(crate) fn nothing_loaded() -> Error {
    Error::failed("no collection has been loaded yet")
        .hint("`elt build` loads the collections and builds the models; `elt extract` only loads")
}

pub(crate) fn never_built(name: &str) -> Error {
    Error::failed(format!("`{name}` has never been built"))
        .hint(format!("`elt build --select {name}` builds and publishes it"))
}

/// The inputs of a node that the warehouse does not contain; None if none is missing. `reader`: ``model `x` ``;
/// `sources` and `relations` have the names that people use.
pub(crate) fn unmet(reader: &str, sources: &[String], relations: &[String]) -> Option<Error> {
    let names: Vec<_> = relations.iter().chain(sources).map(|name| format!("`{name}`")).collect();
    let verb = match names.len() {
        0 => return None,
        1 => "has",
        _ => "have",
    };
    let loads = sources.iter().map(|name| format!("source:{name}"));
    let selectors: Vec<_> = relations.iter().cloned().chain(loads).collect();
    let (command, what, past) =
        if relations.is_empty() { ("extract", "loads", "loaded") } else { ("build", "builds", "built") };
    let error = Error::failed(format!("{reader} reads {}, which {verb} never been {past}", names.join(", ")));
    Some(error.hint(format!("`elt {command} --select {}` {what} the missing inputs", selectors.join(" "))))
}

/// A seed's file without a header.
pub(crate) fn seed_empty(name: &str) -> Error {
    Error::failed(format!("seed `{name}` is empty")).hint("its first line must contain the names of the columns")
}

/// `shown`: ``model `x` ``, ``data test `x` ``, or "the query".
pub(crate) fn show_failed(shown: &str, error: &SqlError) -> Error {
    Error::failed(format!("{shown} failed: {}", our_manner(&error.message))).hint_maybe(candidates(error))
}

pub(crate) fn model_failed(name: &str, error: &SqlError) -> Error {
    Error::failed(format!("model `{name}` failed: {}", our_manner(&error.message))).hint_maybe(candidates(error))
}

/// The rows whose values in a column a cast could not convert. `ids`: their key, and the first of them.
pub(crate) fn uncast_rows(count: u64, table: &str, column: &str, (key, ids): (&str, &[String])) -> String {
    let ids = match ids {
        [] => String::new(),
        ids => format!(" (`{key}` {}{})", ids.join(", "), if count > ids.len() as u64 { ", …" } else { "" }),
    };
    let have = if count == 1 { "has" } else { "have" };
    format!("{} of `{table}` {have} such a value in `{column}`{ids}", counted(count, "rows"))
}

pub(crate) fn object_id_to_uuid() -> String {
    "an ObjectId is no UUID: `md5(_id)::uuid` computes one from it, the same in each build".into()
}

/// Adds the name of the failed batch of a microbatch model.
pub(crate) fn in_batch(error: Error, model: &str, batch: &str) -> Error {
    error.hint(format!("batch {batch} of `{model}` failed; `elt retry` builds only the failed batches"))
}

/// `flag`: `--event-time-start` or `--event-time-end`.
pub(crate) fn bad_event_time(flag: &str, written: &str) -> Error {
    Error::usage(format!("`{flag}` has the invalid value `{written}`"))
        .hint("write a time in UTC, such as `2024-01-31` or `2024-01-31T13:00:00`")
}

pub(crate) fn event_time_alone(given: &str, missing: &str) -> Error {
    Error::usage(format!("`{given}` is set, but `{missing}` is missing")).hint("a time range needs both")
}

pub(crate) fn event_times_reversed() -> Error {
    Error::usage("`--event-time-start` is not before `--event-time-end`")
}

pub(crate) fn seed_failed(name: &str, error: &SqlError) -> Error {
    Error::failed(format!("seed `{name}` cannot be read: {}", error.message)).hint(
        "a seed is UTF-8 text, each line with as many fields as the header; `delimiter` and `column_types` configure it",
    )
}

pub(crate) fn test_broken(name: &str, error: &SqlError) -> Error {
    Error::failed(format!("data test `{name}` cannot be run: {}", our_manner(&error.message)))
        .hint_maybe(candidates(error))
}

/// `owner` is the model that is rolled back, and `stored` the relation with the stored failing rows.
pub(crate) fn test_failed(name: &str, failures: u64, owner: Option<&str>, stored: Option<&str>) -> Error {
    let error = Error::failed(format!("data test `{name}` failed: {}", counted(failures, "rows")));
    if let Some(stored) = stored {
        let error = error.hint(format!("the failing rows are stored in {stored}"));
        return error.hint_maybe(owner.map(|owner| format!("`{owner}` is rolled back to its last good data")));
    }
    match owner {
        Some(owner) => error.hint(format!("`{owner}` is rolled back to its last good data")).hint(
            "set `store_failures: true` on the test to store the failing rows of the next build in the \
             schema that ends in `_dbt_test__audit`",
        ),
        None => error.hint(format!("`elt show --select {name}` shows the rows")),
    }
}

pub(crate) fn header_failed(name: &str, error: &SqlError) -> Error {
    Error::failed(format!("the SQL header of `{name}` failed: {}", our_manner(&error.message)))
        .hint_maybe(candidates(error))
}

pub(crate) fn hook_failed(name: &str, error: &SqlError) -> Error {
    Error::failed(format!("a hook of `{name}` failed: {}", our_manner(&error.message))).hint_maybe(candidates(error))
}

/// The nearest of DuckDB's candidates as a hint. DuckDB also offers distant ones.
fn candidates(error: &SqlError) -> Option<String> {
    let message = our_manner(&error.message);
    let near = nearest(unknown_name(&message)?, error.candidates.iter().map(String::as_str))?;
    Some(format!("did you mean `{near}`?"))
}

/// `ELT_LOG` with a text that names no parts and levels.
pub(crate) fn log_details(written: &str, cause: &dyn std::error::Error) -> Error {
    Error::usage(format!("`ELT_LOG` cannot be `{written}`: {cause}"))
        .hint("it takes parts with levels, such as `elt_export=debug,elt_connect=info`; levels are error, warn, info and debug")
}

/// Adds to an error about memory the table that was staged, and the setting that helps.
pub(crate) fn export_memory(error: Error, table: &str) -> Error {
    let is_about = |text: &str| text.contains("failed to allocate") || text.contains("Out of Memory");
    match error.causes().iter().any(|cause| is_about(cause)) || is_about(error.message()) {
        true => error
            .because(format!("`{table}` was compared with what was published last"))
            .hint("`memory_limit = \"4GB\"` under `[target.…]` in profiles.toml gives DuckDB more memory"),
        false => error,
    }
}
