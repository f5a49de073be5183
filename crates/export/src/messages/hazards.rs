//! The messages about values that a target cannot store, and about contracts with types that are not possible.

use elt_base::error::Error;

pub(crate) fn export_too_many_aside(table: &str, rows: u64, max: usize) -> Error {
    Error::failed(format!("{rows} rows of `{table}` would be quarantined, which is more than the limit of {max}"))
        .hint("nothing was published; so many bad rows usually have one cause: correct the model's SQL or its contract")
}

/// `own` is the type that the relation's column is published as.
pub(crate) fn export_contract_type(table: &str, column: &str, written: &str, own: &str) -> Error {
    Error::usage(format!("column `{column}` of `{table}` is {own} and cannot be published as `{written}`"))
        .hint("cast the column in the model's SQL to a related type, which the contract can then narrow")
}

pub(crate) fn export_no_such_type(table: &str, column: &str, written: &str) -> Error {
    let error = |kind: &str| {
        Error::failed(format!("the database has no {kind}`{written}`, the type of column `{column}` of `{table}`"))
    };
    match written {
        "citext" => error("").hint("run `create extension citext` in the database"),
        _ => error("enum ")
            .hint("run `create type … as enum (…)` in the database; write the type with its schema if the schema is not on the search path"),
    }
}
