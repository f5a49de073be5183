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
        Self::usage(format!("there is no DDL of {kind}")).hint("`--ddl` is for targets of type `postgres`")
    }
}
