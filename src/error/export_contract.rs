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
