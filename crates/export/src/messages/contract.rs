//! What is said of contracts that changed.

use elt_base::error::Error;

/// `steps` bring the table to its contract, one line each.
pub(crate) fn export_contract_changed(table: &str, steps: &[String]) -> Error {
    let mut error =
        Error::failed(format!("table `{table}` is not what its contract says, and `on_schema_change` is `fail`"));
    for step in steps {
        error = error.because(step);
    }
    error.hint("nothing was published; `elt plan` shows all steps, `elt apply` takes them")
}

/// `columns`: a line for each, with the views that read it.
pub(crate) fn export_views_in_the_way(table: &str, columns: &[String]) -> Error {
    let mut error = Error::failed(format!("table `{table}` cannot become what its contract says"));
    for column in columns {
        error = error.because(column);
    }
    error.hint("nothing was published; views are never dropped here: drop and make them again around `elt apply`, or keep the type by a cast in the model's SQL")
}

/// `step` adds the constraint; `count` rows do not hold to it.
pub(crate) fn export_constraint_broken(table: &str, step: &str, count: i64) -> Error {
    let rows = if count == 1 { "1 row does".to_owned() } else { format!("{count} rows do") };
    Error::failed(format!("{rows} not hold to what the contract of `{table}` adds"))
        .because(step)
        .hint("nothing was published; a data test on the model shows the rows")
}

/// `lines`: a constraint each, with how many rows it does not hold for.
pub(crate) fn export_rows_break(table: &str, lines: &[String]) -> Error {
    let mut error = Error::failed(format!("rows of `{table}` do not hold to its contract"));
    for line in lines {
        error = error.because(line);
    }
    error.hint("nothing was published; a data test on the model shows the rows")
}

pub(crate) fn export_no_ddl(called: &str) -> Error {
    Error::usage(format!("`--ddl` prints nothing for a {called} target"))
        .hint("it is for the type `postgres`; other targets make their tables when they are published to")
}

pub(crate) fn export_no_plan(called: &str) -> Error {
    Error::usage(format!("there is nothing to plan for a {called} target")).hint(
        "`plan` and `apply` are for the type `postgres`; other targets follow the models when they are published to",
    )
}
