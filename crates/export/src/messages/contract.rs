//! The messages about changed contracts.

use elt_base::error::Error;

/// `steps`: the steps that make the table match its contract, one line each.
pub(crate) fn export_contract_changed(table: &str, steps: &[String]) -> Error {
    let mut error =
        Error::failed(format!("table `{table}` differs from its contract, and `on_schema_change` is `fail`"));
    for step in steps {
        error = error.because(step);
    }
    error.hint("nothing was published; run `elt plan` to see all steps, and `elt apply` to run them")
}

/// `columns`: a line for each, with the views that read it.
pub(crate) fn export_views_in_the_way(table: &str, columns: &[String]) -> Error {
    let mut error = Error::failed(format!("table `{table}` cannot be altered to match its contract"));
    for column in columns {
        error = error.because(column);
    }
    error.hint("nothing was published, and elt never drops views; drop these views before `elt apply` and create them again after it, or keep the type with a cast in the model's SQL")
}

/// `step` adds the constraint; `count` rows violate it.
pub(crate) fn export_constraint_broken(table: &str, step: &str, count: i64) -> Error {
    let rows = if count == 1 { "1 row violates".to_owned() } else { format!("{count} rows violate") };
    Error::failed(format!("{rows} a constraint that the contract of `{table}` adds"))
        .because(step)
        .hint("nothing was published; add a data test to the model to see the rows")
}

/// `lines`: one line for each constraint, with the number of rows that violate it.
pub(crate) fn export_rows_break(table: &str, lines: &[String]) -> Error {
    let mut error = Error::failed(format!("rows of `{table}` violate its contract"));
    for line in lines {
        error = error.because(line);
    }
    error.hint("nothing was published; add a data test to the model to see the rows")
}

pub(crate) fn export_no_ddl(called: &str) -> Error {
    Error::usage(format!("`--ddl` prints nothing for a {called} target"))
        .hint("use it with a target of type `postgres`; a publication to any other target creates the tables itself")
}

pub(crate) fn export_no_plan(called: &str) -> Error {
    Error::usage(format!("`plan` and `apply` do not work with a {called} target"))
        .hint("use them with a target of type `postgres`; any other target follows the models at each publication")
}
