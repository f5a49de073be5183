//! Copies relations from another warehouse file.
//!
//! Knows files, schemas and names. Does not know the purpose of a relation.

use std::path::Path;

use super::session::Session;
use elt_base::schema::{literal, quote};
use elt_base::sql_error::SqlError;

/// The name of the other file's database within this program.
const OTHER: &str = "elt_cloned";

impl Session {
    /// Attaches another warehouse file for reading, until `detach_other`.
    pub fn attach_other(&self, path: &Path) -> Result<(), SqlError> {
        self.execute(&format!("attach {} as {OTHER} (read_only)", literal(&path.to_string_lossy())))
    }

    pub fn detach_other(&self) -> Result<(), SqlError> {
        self.execute(&format!("detach {OTHER}"))
    }

    /// Whether the other file has a table or view with this name.
    pub fn is_in_other(&self, schema: &str, name: &str) -> Result<bool, SqlError> {
        let (schema, name) = (literal(schema), literal(name));
        let found = |function: &str, column: &str| {
            format!(
                "select 1 from {function}() where database_name = '{OTHER}' and lower(schema_name) = lower({schema}) \
                 and lower({column}) = lower({name})"
            )
        };
        let sql = format!("{} union all {}", found("duckdb_tables", "table_name"), found("duckdb_views", "view_name"));
        Ok(!self.rows(&sql)?.is_empty())
    }

    /// Replaces the table `to` of this warehouse by the rows of the other file's relation. Returns their number.
    pub fn copy_from_other(&self, schema: &str, name: &str, to: &str) -> Result<u64, SqlError> {
        self.execute(&format!("create or replace table {to} as from {OTHER}.{}.{}", quote(schema), quote(name)))?;
        self.count(&format!("select count(*) from {to}"))
    }
}
