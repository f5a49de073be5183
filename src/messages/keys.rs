//! The messages about surrogate keys.

use std::path::Path;

use elt_base::error::{Error, nearest};
use elt_base::numbers::counted;
use elt_base::sql_error::SqlError;

pub(crate) fn keys_failed(during: &str, cause: &SqlError) -> Error {
    Error::failed(format!("{during} failed")).because(cause.message.clone())
}

/// `is_uuid`: whether the model asks for UUIDs now.
pub(crate) fn key_map_of_other_type(map: &str, is_uuid: bool) -> Error {
    let (old, new) = if is_uuid { ("integers", "uuid") } else { ("UUIDs", "integer") };
    Error::failed(format!("the key map `{map}` contains {old}, but the model asks for the type `{new}`"))
        .hint("ids never change; use another map name to start a new map")
}

/// `maps`: the maps, each with the number of ids that the target's ids replaced.
pub(crate) fn keys_gave_way(maps: &[(String, String)]) -> Error {
    let mut error =
        Error::failed("another machine has published different ids for natural keys that already have ids here");
    for (map, count) in maps {
        error = error.because(format!("`{map}`: {count} ids were replaced by the target's ids"));
    }
    error.hint("`elt build --full-refresh` rebuilds the models that contain the replaced ids")
}

/// A map that a template only reads. `filled`: the maps that templates fill.
pub(crate) fn key_map_empty<'a>(map: &str, filled: impl IntoIterator<Item = &'a str>) -> Error {
    let near = nearest(map, filled).map(|near| format!("did you mean `{near}`?"));
    let how = format!("pass `from=` to `elt.surrogate_key` in one model, or run `elt keys import {map} FILE.csv`");
    Error::failed(format!("the key map `{map}` has no ids, and no model fills it")).hint(near.unwrap_or(how))
}

/// `lines`: what is wrong, with the numbers of rows.
pub(crate) fn keys_not_imported(map: &str, file: &Path, lines: Vec<String>) -> Error {
    let mut error =
        Error::failed(format!("the ids in `{}` cannot be imported into the key map `{map}`", file.display()));
    for line in lines {
        error = error.because(line);
    }
    error.hint("no id was imported; rows are counted from 1, without the header")
}

pub(crate) fn key_file_unreadable(file: &Path, reason: &str) -> Error {
    Error::usage(format!("cannot read `{}`", file.display()))
        .because(reason)
        .hint("write a CSV file with a header: the columns of the natural key, and the column `id`")
}

/// `columns`: those of the file. `id`: the column that should hold the ids.
pub(crate) fn key_file_without_id(file: &Path, id: &str, columns: &[String]) -> Error {
    let near = nearest(id, columns.iter().map(String::as_str)).map(|near| format!("`--id {near}` uses `{near}`"));
    Error::usage(format!("`{}` has no column `{id}`", file.display()))
        .hint(near.unwrap_or_else(|| "`--id COLUMN` names the column that holds the ids".into()))
}

pub(crate) fn key_file_without_key(file: &Path, id: &str) -> Error {
    Error::usage(format!("`{}` has no column but `{id}`", file.display()))
        .hint("the other columns are the natural key, in the order in which `elt.surrogate_key` names them")
}

/// `rows`: the numbers of some of the rows. `count`: of all of them.
pub(crate) fn key_rows(what: &str, rows: &str, count: u64) -> String {
    format!("{} {what}: {rows}", counted(count, "rows"))
}
