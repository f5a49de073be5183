//! The messages of the MySQL and MariaDB target.

use elt_base::error::{Error, Place};

/// `during` names the step; `cause` contains no row values.
pub(crate) fn mysql(during: &str, table: Option<&str>, cause: impl Into<String>) -> Error {
    let on = table.map(|table| format!(" `{table}`")).unwrap_or_default();
    Error::failed(format!("MySQL failed while {during}{on}"))
        .because(cause)
        .hint("nothing was published; no row of the target was changed")
}

/// `what` names the thing: "table `t`", "column `c` of `t`".
pub(crate) fn mysql_name_too_long(what: &str, characters: usize) -> Error {
    Error::failed(format!("{what} has {characters} characters, but MySQL allows at most 64")).hint("use a shorter name")
}

pub(crate) fn mysql_name_ends_with_blank(what: &str) -> Error {
    Error::failed(format!("{what} ends with a blank, which MySQL does not allow")).hint("use a name without it")
}

pub(crate) fn mysql_columns_alike(table: &str, one: &str, other: &str) -> Error {
    Error::failed(format!(
        "columns `{one}` and `{other}` of `{table}` are one name to MySQL, which ignores letter case and accents"
    ))
    .hint("rename one of them in the model's SQL")
}

pub(crate) fn mysql_column_count(table: &str, columns: usize, max: usize) -> Error {
    Error::failed(format!("`{table}` has {columns} columns, but InnoDB allows 1 to {max}"))
}

pub(crate) fn mysql_key_too_long(table: &str, bytes: usize, max: usize) -> Error {
    Error::failed(format!("a key of `{table}` has up to {bytes} bytes, but InnoDB allows at most {max}"))
        .hint("set `config: {export: {type: varchar(100)}}` on its text columns to shorten the key")
}

pub(crate) fn mysql_no_type(table: &str, column: &str, duckdb_type: &str) -> Error {
    Error::failed(format!("column `{column}` of `{table}` is {duckdb_type}, which has no type in MySQL"))
        .hint("cast the column in the model's SQL, for example to VARCHAR")
}

pub(crate) fn mysql_bad_type(table: &str, column: &str, written: &str, ours: &str, place: Option<Place>) -> Error {
    Error::usage(format!("column `{column}` of `{table}` cannot be `{written}` in MySQL"))
        .at_maybe(place)
        .hint(format!("remove `export.type` to publish it as `{ours}`, or set a type that accepts the same values"))
}

pub(crate) fn mysql_index_method(table: &str, method: &str) -> Error {
    Error::usage(format!("an index of `{table}` has the method `{method}`, which MySQL does not support"))
        .hint("use `btree`, `hash` or `fulltext`")
}

/// Every difference of one table that does not fit, column by column. `is_ours`: a publication made it.
pub(crate) fn mysql_does_not_fit(table: &str, is_ours: bool, differences: &[String]) -> Error {
    let mut error = Error::failed(format!("table `{table}` does not fit what is published to it"));
    for difference in differences {
        error = error.because(difference);
    }
    error.hint(if is_ours {
        "nothing was changed; elt created this table: drop it, and the next publication creates it again"
    } else {
        super::export::table_of_others_hint(differences)
    })
}

/// `steps`: one line each, for a profile that does not allow them unasked.
pub(crate) fn mysql_contract_changed(table: &str, steps: &[String]) -> Error {
    let mut error =
        Error::failed(format!("table `{table}` differs from its contract, and the profile does not allow altering it"));
    for step in steps {
        error = error.because(step);
    }
    error.hint("nothing was changed; set `on_schema_change = \"apply\"` in the profile to allow these steps")
}

pub(crate) fn mysql_batch_type(table: &str, column: &str, arrow: &str, wanted: &str) -> Error {
    Error::failed(format!("column `{column}` of `{table}` arrived as {arrow}, which is not {wanted}"))
}

pub(crate) fn mysql_orphans(table: &str, columns: &str, to: &str) -> Error {
    Error::failed(format!("rows of `{table}` ({columns}) point to rows that `{to}` does not have"))
        .hint("nothing was published; add a `relationships` test to see the rows")
}
