//! The messages of the `export` stage, each one a constructor.

use std::path::Path;
use std::time::Duration;

use super::Error;

impl Error {
    pub fn export_name_taken(name: &str, model: &str, other: &str) -> Self {
        Self::usage(format!("`{name}` is published by `{model}` and `{other}`"))
            .hint("a table's name is unique without regard to case; `alias` in one model's config gives it another")
    }

    /// `what` names the thing: "table `t`", "column `c` of `t`".
    pub fn export_name_too_long(what: &str, bytes: usize) -> Self {
        Self::failed(format!("{what} has {bytes} bytes, Postgres keeps only 63")).hint("a shorter name fits")
    }

    pub fn export_check_without_expression(table: &str) -> Self {
        Self::usage(format!("a check constraint of `{table}` has no expression"))
            .hint("`expression: \"amount > 0\"` says what holds, in Postgres' SQL")
    }

    pub fn export_column_count(table: &str, columns: usize, max: usize) -> Self {
        Self::failed(format!("`{table}` has {columns} columns, Postgres takes from 1 to {max}"))
    }

    pub fn export_no_postgres_type(table: &str, column: &str, duckdb_type: &str) -> Self {
        Self::failed(format!("column `{column}` of `{table}` is {duckdb_type}, which has no type in Postgres"))
            .hint("a cast in the model's SQL, to VARCHAR for example, gives it one")
    }

    pub fn export_two_primary_keys(table: &str) -> Self {
        Self::usage(format!("`{table}` has more than one primary key"))
            .hint("a key of several columns is one constraint on the model, with `columns:`")
    }

    pub fn export_no_such_column(table: &str, column: &str, nearest: Option<&str>) -> Self {
        Self::usage(format!("`{table}` has no column `{column}`"))
            .hint_maybe(nearest.map(|near| format!("there is `{near}`")))
    }

    pub fn export_foreign_key_nowhere(table: &str) -> Self {
        Self::usage(format!("a foreign key of `{table}` does not say where it points"))
            .hint("`to: ref('model')` and `to_columns: [column]` say it")
    }

    pub fn export_foreign_key_width(table: &str, to: &str, columns: usize, to_columns: usize) -> Self {
        Self::usage(format!("a foreign key of `{table}` has {columns} columns and points to {to_columns} of `{to}`"))
    }

    pub fn export_foreign_key_not_unique(table: &str, to: &str, columns: &[String]) -> Self {
        Self::usage(format!(
            "a foreign key of `{table}` points to `{to}` ({}), which is neither its primary key nor unique",
            ticked(columns)
        ))
        .hint(format!("a `primary_key` or `unique` constraint on `{to}` allows it"))
    }

    /// Rows that cannot be merged by key.
    pub fn export_bad_key(table: &str, key: &[String], null_keys: u64, duplicates: u64) -> Self {
        let mut what = Vec::new();
        if null_keys > 0 {
            what.push(format!("{} without it", rows(null_keys)));
        }
        if duplicates > 0 {
            what.push(format!("at least {} too many with the same", rows(duplicates)));
        }
        Self::failed(format!("`{table}` cannot be published by its key ({}): {}", ticked(key), what.join(", ")))
            .hint("`unique` and `not_null` tests on the key show the rows")
    }

    pub fn export_uri(message: impl Into<String>) -> Self {
        Self::usage("the Postgres URI of the target cannot be read").because(message)
    }

    pub fn export_ssl_mode(mode: &str) -> Self {
        Self::usage(format!("unknown sslmode `{mode}` in the Postgres URI of the target"))
            .hint("`disable`, `prefer`, `require`, `verify-ca` and `verify-full` are known")
    }

    pub fn export_root_certificates(path: &str, cause: impl Into<String>) -> Self {
        Self::usage(format!("cannot read certificates from `{path}` (`sslrootcert`)")).because(cause)
    }

    pub fn export_unreachable(server: &str, tried: Duration, cause: impl Into<String>) -> Self {
        Self::failed(format!("cannot reach Postgres at `{server}` (tried for {:.1} s)", tried.as_secs_f32()))
            .because(cause)
    }

    pub fn export_refused(server: &str, cause: impl Into<String>) -> Self {
        Self::failed(format!("cannot connect to Postgres at `{server}`")).because(cause)
    }

    /// `holder` names process, program and client of who holds the lock.
    pub fn export_locked(schema: &str, waited: Duration, holder: &str) -> Self {
        Self::failed(format!(
            "another publication to schema `{schema}` is under way (waited {} s): {holder}",
            waited.as_secs()
        ))
        .hint("it holds the lock until it ends; the next run publishes then")
    }

    pub fn export_no_own_schema(cause: impl Into<String>) -> Self {
        Self::failed("cannot create schema `_elt`, which holds the record of publications")
            .because(cause)
            .hint(
                "`grant create on database … to …` allows it, or an administrator runs `create schema _elt authorization …`",
            )
    }

    /// A target schema that is not there and that this role may not create.
    pub fn export_no_schema(schema: &str, role: &str, database: &str) -> Self {
        Self::failed(format!("schema `{schema}` is not there, and role `{role}` may not create it")).hint(format!(
            "`grant create on database \"{database}\" to \"{role}\"` allows it, or an administrator runs \
             `create schema \"{schema}\" authorization \"{role}\"`"
        ))
    }

    /// Every difference of one table that does not fit, column by column. `is_ours`: a publication made it.
    pub fn export_table_does_not_fit(schema: &str, table: &str, is_ours: bool, differences: &[String]) -> Self {
        let mut error = Self::failed(format!("table `{schema}.{table}` does not fit what is published to it"));
        for difference in differences {
            error = error.because(difference);
        }
        error.hint(if is_ours {
            "nothing was changed; `elt plan` shows all steps, and `elt apply --allow-destructive` takes those too that may lose data"
        } else {
            "nothing was changed; either side can be adapted: a cast in the model's SQL, or `alter table`"
        })
    }

    pub fn export_batch_type(table: &str, column: &str, arrow: &str, postgres: &str) -> Self {
        Self::failed(format!("column `{column}` of `{table}` came as {arrow}, which is not {postgres}"))
    }

    /// `hazards`: one line for each column and what it has, with its count.
    pub fn export_hazards(table: &str, hazards: &[String]) -> Self {
        let mut error = Self::failed(format!("`{table}` holds values that Postgres cannot hold"));
        for hazard in hazards {
            error = error.because(hazard);
        }
        error.hint("nothing was published; the model's SQL can mend them, or `on_hazard: replace` or `quarantine` on the column")
    }

    /// `during` says what was done: `staging`, `merging`, `adding a foreign key`; `cause` holds no row's values.
    pub fn export_postgres(during: &str, table: Option<&str>, cause: impl Into<String>) -> Self {
        let on = table.map(|table| format!(" `{table}`")).unwrap_or_default();
        Self::failed(format!("Postgres failed while {during}{on}"))
            .because(cause)
            .hint("nothing was published; the target is as it was")
    }

    pub fn export_outcome_unknown(server: &str, id: &str, cause: impl Into<String>) -> Self {
        Self::failed(format!(
            "the connection to Postgres at `{server}` was lost during the commit of publication `{id}`"
        ))
        .because(cause)
        .hint("whether it was published is unknown; the next run finds out by its id and goes on from there")
    }

    pub fn export_not_planned(table: &str) -> Self {
        Self::failed(format!("`{table}` is no table of this publication"))
    }

    /// A publication is all tables or none: one that failed to be staged keeps the others back.
    pub fn export_incomplete() -> Self {
        Self::failed("nothing was published, for a table could not be staged")
    }

    pub fn export_file(doing: &str, path: &Path, cause: &std::io::Error) -> Self {
        Self::failed(format!("cannot {doing} `{}`", path.display())).caused_by(cause)
    }

    pub fn export_record(path: &Path, cause: impl Into<String>) -> Self {
        Self::failed(format!("cannot read the record of the last publication, `{}`", path.display()))
            .because(cause)
            .hint("without the file everything is published anew")
    }

    pub fn export_file_name(table: &str) -> Self {
        Self::usage(format!("`{table}` cannot be the name of a file"))
            .hint("`alias` in the model's config gives the relation another name")
    }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".into() } else { format!("{count} rows") }
}

fn ticked(names: &[String]) -> String {
    let ticked: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    ticked.join(", ")
}
