//! Finds the constraints of a contract that the rows of a new table violate, and counts the rows for each.
//!
//! Runs after Postgres rejected a row, because Postgres names only the first row's constraint and the staging table.
//! Changes nothing.

use postgres::Client;

use super::copy::{self, RowsOf, describe};
use super::index_sql::is_plain;
use super::statements;
use super::table::PostgresTable;
use crate::changes::Changes;
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::schema::quote;

/// A line for each violated constraint, with the count of rows. The rows are staged at `place` again, without any
/// constraint, in a transaction that is rolled back.
pub fn lines(
    client: &mut Client,
    place: &str,
    table: &PostgresTable,
    cancel: &Cancel,
    changes: &mut dyn Changes,
) -> Result<Vec<String>> {
    let failed = |error: postgres::Error| messages::export_postgres("staging", Some(&table.name), describe(&error));
    let mut transaction = client.transaction().map_err(failed)?;
    transaction.batch_execute(&statements::create_rows(place, table)).map_err(failed)?;
    let columns: Vec<_> = table.columns.iter().collect();
    let statement = statements::copy_rows(place, table, false);
    copy::copy(&mut transaction, &statement, table, &columns, false, cancel, |of, sink| match of {
        RowsOf::Copy => changes.rows(sink),
        RowsOf::AllKeys => changes.keys(sink),
    })?;
    let mut lines = Vec::new();
    for (what, query) in questions(table, place) {
        cancel.check()?;
        let count: i64 = transaction.query_one(&query, &[]).map_err(failed)?.get(0);
        if count > 0 {
            lines.push(format!("{what}: {count} row{}", if count == 1 { "" } else { "s" }));
        }
    }
    Ok(lines)
}

/// The constraints of a contract on a table's own rows, each with the query that counts the rows that violate it.
fn questions(table: &PostgresTable, place: &str) -> Vec<(String, String)> {
    let mut questions = Vec::new();
    for column in table.columns.iter().filter(|column| column.not_null) {
        let query = format!("select count(*) from {place} where {} is null", quote(&column.name));
        questions.push((format!("column `{}` contains NULL, but is declared not null", column.name), query));
    }
    for check in &table.checks {
        let what = match &check.name {
            Some(name) => format!("check `{name}` ({})", check.expression),
            None => format!("check ({})", check.expression),
        };
        questions.push((what, format!("select count(*) from {place} where not ({})", check.expression)));
    }
    let unique = table.unique.iter().map(|unique| &unique.columns);
    let indexed =
        table.indexes.iter().filter(|index| index.unique && is_plain(table, index)).map(|index| &index.columns);
    for columns in std::iter::once(&table.key).chain(unique).chain(indexed).filter(|columns| !columns.is_empty()) {
        let named: Vec<_> = columns.iter().map(|name| format!("`{name}`")).collect();
        questions.push((format!("{} not unique", named.join(", ")), super::migration::twins(place, columns)));
    }
    questions
}
