//! The messages of the `model` stage.

use elt_base::error::{Error, Place, listed};
use elt_base::numbers::counted;

pub(crate) fn not_a_snapshot(name: &str) -> Error {
    Error::usage(format!("`{name}` is not a snapshot"))
}

pub(crate) fn snapshot_is_a_view(name: &str) -> Error {
    Error::failed(format!("snapshot `{name}` cannot store its history, because a view has the name of its table"))
        .hint("drop the view, or give the snapshot another `alias` or `schema`")
}

/// `column`: one of the snapshot's additional columns.
pub(crate) fn snapshot_without_column(name: &str, column: &str) -> Error {
    Error::failed(format!("the table of snapshot `{name}` has no column `{column}`"))
        .because("the snapshot was started with other settings of `snapshot_meta_column_names` or `hard_deletes`")
        .hint("add the column to the table, or restore the earlier settings of the snapshot")
}

pub(crate) fn snapshot_null_keys(name: &str, key: &[String], rows: u64) -> Error {
    Error::failed(format!(
        "snapshot `{name}` has {} with NULL in its `unique_key` {}",
        counted(rows, "rows"),
        listed(key)
    ))
    .hint("filter these rows out in the query, or choose a key that is never NULL")
}

pub(crate) fn variant_stored(model: &str, columns: &[String]) -> Error {
    let (are, them) = if columns.len() == 1 { ("is", "it") } else { ("are", "them") };
    Error::failed(format!(
        "{} of `{model}` {are} VARIANT, which a table of the warehouse cannot store",
        listed(columns)
    ))
    .hint(format!(
        "cast {them} to JSON in the model's SQL (`…::json`), or set `materialized: view`: views publish a VARIANT"
    ))
}

pub(crate) fn state_unreadable(path: &std::path::Path, reason: &str) -> Error {
    Error::usage(format!("cannot read the state in `{}`: {reason}", path.display()))
}

pub(crate) fn contract_orphans(model: &str, columns: &[String], to: &str, rows: u64, place: Place) -> Error {
    let rows = counted(rows, "rows");
    Error::failed(format!(
        "`{model}` breaks its contract: {rows} with a {} that does not exist in `{to}`",
        listed(columns)
    ))
    .at(place)
}
