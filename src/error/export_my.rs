//! The messages of the MySQL and MariaDB target, each one a constructor.

use std::time::Duration;

use super::{Error, Place};

impl Error {
    pub fn mysql_uri(cause: impl Into<String>) -> Self {
        Self::usage("the MySQL URI of the target cannot be read")
            .because(cause)
            .hint("`mysql://user:password@host:port/database`, with `?ssl-mode=` and `&ssl-ca=` if need be")
    }

    pub fn mysql_ssl_mode(mode: &str) -> Self {
        Self::usage(format!("unknown ssl-mode `{mode}` in the MySQL URI of the target"))
            .hint("`disabled`, `preferred`, `required`, `verify_ca` and `verify_identity` are known")
    }

    pub fn mysql_unreachable(server: &str, tried: Duration, cause: impl Into<String>) -> Self {
        Self::failed(format!("cannot reach MySQL at `{server}` (tried for {:.1} s)", tried.as_secs_f32()))
            .because(cause)
    }

    pub fn mysql_refused(server: &str, cause: impl Into<String>) -> Self {
        Self::failed(format!("cannot connect to MySQL at `{server}`")).because(cause)
    }

    /// `holder` names connection, user and client of who holds the lock.
    pub fn mysql_locked(database: &str, waited: Duration, holder: &str) -> Self {
        Self::failed(format!(
            "another publication to database `{database}` is under way (waited {} s): {holder}",
            waited.as_secs()
        ))
        .hint("it holds the lock until it ends; the next run publishes then")
    }

    /// `during` says what was done; `cause` holds no row's values.
    pub fn mysql(during: &str, table: Option<&str>, cause: impl Into<String>) -> Self {
        let on = table.map(|table| format!(" `{table}`")).unwrap_or_default();
        Self::failed(format!("MySQL failed while {during}{on}"))
            .because(cause)
            .hint("nothing was published; no row of the target was changed")
    }

    pub fn mysql_outcome_unknown(server: &str, id: &str, cause: impl Into<String>) -> Self {
        Self::failed(format!("the connection to MySQL at `{server}` was lost during the commit of publication `{id}`"))
            .because(cause)
            .hint("whether it was published is unknown; the next run finds out by its id and goes on from there")
    }

    /// `what` names the thing: "table `t`", "column `c` of `t`".
    pub fn mysql_name_too_long(what: &str, characters: usize) -> Self {
        Self::failed(format!("{what} has {characters} characters, MySQL takes 64")).hint("a shorter name fits")
    }

    pub fn mysql_column_count(table: &str, columns: usize, max: usize) -> Self {
        Self::failed(format!("`{table}` has {columns} columns, InnoDB takes from 1 to {max}"))
    }

    pub fn mysql_key_too_long(table: &str, bytes: usize, max: usize) -> Self {
        Self::failed(format!("a key of `{table}` has up to {bytes} bytes, InnoDB takes {max}"))
            .hint("`config: {export: {type: varchar(100)}}` on its text columns makes it shorter")
    }

    pub fn mysql_no_type(table: &str, column: &str, duckdb_type: &str) -> Self {
        Self::failed(format!("column `{column}` of `{table}` is {duckdb_type}, which has no type in MySQL"))
            .hint("a cast in the model's SQL, to VARCHAR for example, gives it one")
    }

    pub fn mysql_bad_type(table: &str, column: &str, written: &str, ours: &str, place: Option<Place>) -> Self {
        Self::usage(format!("column `{column}` of `{table}` cannot be `{written}` in MySQL"))
            .at_maybe(place)
            .hint(format!("it is `{ours}` unless `export.type` gives a type that takes the same values"))
    }

    pub fn mysql_no_quarantine(table: &str, column: &str) -> Self {
        Self::usage(format!("column `{column}` of `{table}` asks for `quarantine`, which a MySQL target does not have"))
            .hint("`on_hazard` can be `fail` or `replace` there")
    }

    pub fn mysql_index_method(table: &str, method: &str) -> Self {
        Self::usage(format!("an index of `{table}` is to be `{method}`, which MySQL does not have"))
            .hint("`btree`, `hash` and `fulltext` are known")
    }

    /// Every difference of one table that does not fit, column by column. `is_ours`: a publication made it.
    pub fn mysql_does_not_fit(table: &str, is_ours: bool, differences: &[String]) -> Self {
        let mut error = Self::failed(format!("table `{table}` does not fit what is published to it"));
        for difference in differences {
            error = error.because(difference);
        }
        error.hint(if is_ours {
            "nothing was changed; elt made this table: once dropped, the next publication makes it anew"
        } else {
            "nothing was changed; either side can be adapted: a cast in the model's SQL, or `alter table`"
        })
    }

    /// `steps`: one line each, for a profile that does not allow them unasked.
    pub fn mysql_contract_changed(table: &str, steps: &[String]) -> Self {
        let mut error = Self::failed(format!("table `{table}` is not what its contract says, and may not be altered"));
        for step in steps {
            error = error.because(step);
        }
        error.hint("nothing was changed; `on_schema_change = \"apply\"` in the profile allows these steps")
    }

    /// `hazards`: one line for each column and what it has, with its count and a few keys.
    pub fn mysql_hazards(table: &str, hazards: &[String]) -> Self {
        let mut error = Self::failed(format!("`{table}` holds values that its columns in MySQL cannot hold"));
        for hazard in hazards {
            error = error.because(hazard);
        }
        error.hint("nothing was published; the model's SQL can replace them, or `on_hazard: replace`")
    }

    pub fn mysql_batch_type(table: &str, column: &str, arrow: &str, wanted: &str) -> Self {
        Self::failed(format!("column `{column}` of `{table}` came as {arrow}, which is not {wanted}"))
    }

    pub fn mysql_orphans(table: &str, columns: &str, to: &str) -> Self {
        Self::failed(format!("rows of `{table}` ({columns}) point to rows that `{to}` does not have"))
            .hint("nothing was published; a `relationships` test shows the rows")
    }
}
