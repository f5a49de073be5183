//! What is said of contracts that changed.

use super::Error;

impl Error {
    /// `steps` bring the table to its contract, one line each.
    pub fn export_contract_changed(table: &str, steps: &[String]) -> Self {
        let mut error =
            Self::failed(format!("table `{table}` is not what its contract says, and `on_schema_change` is `fail`"));
        for step in steps {
            error = error.because(step);
        }
        error.hint("nothing was published; `elt plan` shows all steps, `elt apply` takes them")
    }

    /// `columns`: a line for each, with the views that read it.
    pub fn export_views_in_the_way(table: &str, columns: &[String]) -> Self {
        let mut error = Self::failed(format!("table `{table}` cannot become what its contract says"));
        for column in columns {
            error = error.because(column);
        }
        error.hint("nothing was published; views are never dropped here: drop and make them again around `elt apply`, or keep the type by a cast in the model's SQL")
    }

    /// `step` adds the constraint; `count` rows do not hold to it.
    pub fn export_constraint_broken(table: &str, step: &str, count: i64) -> Self {
        let rows = if count == 1 { "1 row does".to_owned() } else { format!("{count} rows do") };
        Self::failed(format!("{rows} not hold to what the contract of `{table}` adds"))
            .because(step)
            .hint("nothing was published; a data test on the model shows the rows")
    }

    /// `lines`: a constraint each, with how many rows it does not hold for.
    pub fn export_rows_break(table: &str, lines: &[String]) -> Self {
        let mut error = Self::failed(format!("rows of `{table}` do not hold to its contract"));
        for line in lines {
            error = error.because(line);
        }
        error.hint("nothing was published; a data test on the model shows the rows")
    }

    pub fn export_no_ddl(kind: &str) -> Self {
        Self::usage(format!("`--ddl` prints nothing for an export of type `{kind}`"))
            .hint("it is for the type `postgres`; other targets make their tables as they are published to")
    }

    pub fn export_no_plan(kind: &str) -> Self {
        Self::usage(format!("there is nothing to plan for an export of type `{kind}`")).hint(
            "`plan` and `apply` are for the type `postgres`; other targets follow the models as they are published to",
        )
    }

    pub fn no_export(target: &str) -> Self {
        Self::usage(format!("target `{target}` publishes nothing"))
            .hint(format!("`[target.{target}.export]` in profiles.toml says where to"))
    }
}
