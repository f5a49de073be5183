//! What is said of values that a target cannot hold, and of contracts that ask for types that cannot be.

use elt_base::error::Error;

pub(crate) fn export_too_many_aside(table: &str, rows: u64, max: usize) -> Error {
    Error::failed(format!("{rows} rows of `{table}` would go to quarantine, more than {max}"))
        .hint("nothing was published; so many bad rows are one error in the model's SQL, or its contract")
}

/// `own` is what the relation's type is published as.
pub(crate) fn export_contract_type(table: &str, column: &str, written: &str, own: &str) -> Error {
    Error::usage(format!("column `{column}` of `{table}` is {own} and cannot be published as `{written}`"))
        .hint("a cast in the model's SQL brings it to the type's family; the contract can narrow it from there")
}

pub(crate) fn export_no_such_type(table: &str, column: &str, written: &str) -> Error {
    let error = |kind: &str| {
        Error::failed(format!("the database has no {kind}`{written}`, the type of column `{column}` of `{table}`"))
    };
    match written {
        "citext" => error("").hint("`create extension citext` makes it"),
        _ => error("enum ")
            .hint("`create type … as enum (…)` makes it; with its schema, where that is not on the search path"),
    }
}
