//! The messages of the `export` stage.

use std::path::Path;
use std::time::Duration;

use crate::missing_right::MissingRight;
use elt_base::error::{Error, listed};

pub(crate) fn export_name_taken(name: &str, model: &str, other: &str) -> Error {
    Error::usage(format!("`{name}` is published by `{model}` and `{other}`")).hint(
        "a table's name must be unique, ignoring case; set `alias` in the config of one model to rename its table",
    )
}

/// `what` names the thing: "table `t`", "column `c` of `t`".
pub(crate) fn export_name_too_long(what: &str, bytes: usize) -> Error {
    Error::failed(format!("{what} has {bytes} bytes, but Postgres allows at most 63")).hint("use a shorter name")
}

pub(crate) fn export_check_without_expression(table: &str) -> Error {
    Error::usage(format!("a check constraint of `{table}` has no expression"))
        .hint("add an expression in Postgres SQL, such as `expression: \"amount > 0\"`")
}

pub(crate) fn export_column_count(table: &str, columns: usize, max: usize) -> Error {
    Error::failed(format!("`{table}` has {columns} columns, but Postgres allows 1 to {max}"))
}

pub(crate) fn export_no_postgres_type(table: &str, column: &str, duckdb_type: &str) -> Error {
    Error::failed(format!("column `{column}` of `{table}` is {duckdb_type}, which has no type in Postgres"))
        .hint("cast the column in the model's SQL, for example to VARCHAR")
}

pub(crate) fn export_two_primary_keys(table: &str) -> Error {
    Error::usage(format!("`{table}` has more than one primary key"))
        .hint("write a key of several columns as one constraint on the model, with `columns:`")
}

pub(crate) fn export_no_such_column(table: &str, column: &str, nearest: Option<&str>) -> Error {
    Error::usage(format!("`{table}` has no column `{column}`"))
        .hint_maybe(nearest.map(|near| format!("there is `{near}`")))
}

pub(crate) fn export_foreign_key_nowhere(table: &str) -> Error {
    Error::usage(format!("a foreign key of `{table}` does not name the model and columns that it references"))
        .hint("add `to: ref('model')` and `to_columns: [column]` to the constraint")
}

pub(crate) fn export_foreign_key_width(table: &str, to: &str, columns: usize, to_columns: usize) -> Error {
    Error::usage(format!("a foreign key of `{table}` has {columns} columns and points to {to_columns} of `{to}`"))
}

pub(crate) fn export_foreign_key_not_unique(table: &str, to: &str, columns: &[String]) -> Error {
    Error::usage(format!(
        "a foreign key of `{table}` points to `{to}` ({}), which is neither its primary key nor unique",
        listed(columns)
    ))
    .hint(format!("add a `primary_key` or `unique` constraint to `{to}`"))
}

/// `place` is the place that the lock protects (``schema `shop` ``); `holder` names who has the lock.
pub(crate) fn export_locked(place: &str, waited: Duration, holder: Option<&str>) -> Error {
    let holder = holder.map(|holder| format!(": {holder}")).unwrap_or_default();
    Error::failed(format!("another publication to {place} is under way (waited {} s){holder}", waited.as_secs()))
        .hint("that publication holds the lock until it ends; run the command again after that")
}

pub(crate) fn export_lock_lost(cause: impl Into<String>) -> Error {
    Error::failed("lost the connection that prevents a second publication at the same time; published nothing")
        .because(cause)
        .hint("run the command again")
}

/// The user of the target may not do what a publication does. Each right has its statement.
pub fn export_missing_rights(place: &str, missing: &[MissingRight]) -> Error {
    let mut error = Error::failed(format!("the target's user lacks rights that a publication to {place} needs"));
    for right in missing {
        error = error.because(right.what.clone());
    }
    for right in missing.iter().filter(|right| !right.grant.is_empty()) {
        error = error.hint(format!("an administrator can run `{}`", right.grant));
    }
    error
}

pub(crate) fn export_no_own_schema(cause: impl Into<String>) -> Error {
    Error::failed("cannot create schema `_elt`, which stores the record of publications")
        .because(cause)
        .hint("`elt debug` lists the rights that are missing, with the statements that grant them")
}

/// The target schema does not exist, and this role is not allowed to create it.
pub(crate) fn export_no_schema(schema: &str, role: &str, database: &str) -> Error {
    Error::failed(format!("schema `{schema}` does not exist, and role `{role}` is not allowed to create it")).hint(
        format!(
            "run `grant create on database \"{database}\" to \"{role}\"`, or ask an administrator to run \
         `create schema \"{schema}\" authorization \"{role}\"`"
        ),
    )
}

/// Every difference of one table that does not fit, column by column. `is_ours`: a publication made it.
pub(crate) fn export_table_does_not_fit(schema: &str, table: &str, is_ours: bool, differences: &[String]) -> Error {
    let mut error = Error::failed(format!("table `{schema}.{table}` does not fit what is published to it"));
    for difference in differences {
        error = error.because(difference);
    }
    error.hint(if is_ours {
        "nothing was changed; run `elt plan` to see all steps, and `elt apply --allow-destructive` to run also the steps that may lose data; a view that reads such a column must be dropped before, and `elt plan` names it"
    } else {
        table_of_others_hint(differences)
    })
}

/// The next step where a table of others does not fit.
pub(super) fn table_of_others_hint(differences: &[String]) -> &'static str {
    let all = |part: &str| differences.iter().all(|difference| difference.contains(part));
    if all("key: no primary key") {
        "nothing was changed; create the unique index in the target, or give the model a key that has one there"
    } else if all(": generated always in the target") {
        "nothing was changed; the target computes these columns: leave them out of the model"
    } else {
        "nothing was changed; add a cast to the model's SQL (an incremental model keeps its column's type until a build with `--full-refresh`), or run `alter table` in the target"
    }
}

pub(crate) fn export_batch_type(table: &str, column: &str, arrow: &str, postgres: &str) -> Error {
    Error::failed(format!("column `{column}` of `{table}` arrived as {arrow}, which is not {postgres}"))
}

/// `called` is the target's name; `hazards`: one line for each column and hazard, with the count and a few keys.
pub(crate) fn export_hazards(table: &str, called: &str, can_quarantine: bool, hazards: &[String]) -> Error {
    let mut error = Error::failed(format!("`{table}` contains values that {called} cannot store"));
    for hazard in hazards {
        error = error.because(hazard);
    }
    let policies = if can_quarantine { "`on_hazard: replace` or `quarantine`" } else { "`on_hazard: replace`" };
    error
        .hint(format!("nothing was published; correct the values in the model's SQL, or set {policies} on the column"))
        .of_values()
}

/// An index with an expression, `where` or `include`, and a target with the name `called` that has none.
pub(crate) fn export_index_of_postgres(table: &str, columns: &[String], called: &str) -> Error {
    Error::usage(format!(
        "the index on {} of `{table}` has an expression, `where` or `include`, which a {called} target does not support",
        listed(columns)
    ))
    .hint("list plain columns in `columns`, and leave out `where` and `include`")
}

/// `during` names the step: `staging`, `merging`, `adding a foreign key`; `cause` contains no row values.
pub(crate) fn export_postgres(during: &str, table: Option<&str>, cause: impl Into<String>) -> Error {
    let on = table.map(|table| format!(" `{table}`")).unwrap_or_default();
    Error::failed(format!("Postgres failed while {during}{on}"))
        .because(cause)
        .hint("nothing was published, and the target did not change")
}

pub(crate) fn export_outcome_unknown(called: &str, server: &str, id: &str, cause: impl Into<String>) -> Error {
    Error::failed(format!("the connection to {called} at `{server}` was lost during the commit of publication `{id}`"))
        .because(cause)
        .hint("it is unknown whether it was published; run the command again: it looks for this id in the target and continues from there")
}

pub(crate) fn export_not_planned(table: &str) -> Error {
    Error::failed(format!("`{table}` is not a table of this publication"))
}

/// A publication is all tables or none: if one table cannot be staged, no table is published.
pub(crate) fn export_incomplete() -> Error {
    Error::failed("nothing was published because a table could not be staged")
}

pub(crate) fn export_file(doing: &str, path: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot {doing} `{}`", path.display())).caused_by(cause)
}

pub(crate) fn export_record(path: &Path, cause: impl Into<String>) -> Error {
    Error::failed(format!("cannot read the record of the last publication, `{}`", path.display()))
        .because(cause)
        .hint("delete the file to publish everything again")
}

pub(crate) fn export_file_name(table: &str) -> Error {
    Error::usage(format!("`{table}` cannot be a file name"))
        .hint("set `alias` in the model's config to rename the relation")
}
