//! Finds the constraints of a contract that the rows of a new table violate, and counts the rows for each.
//!
//! Runs after Postgres rejected a row, because Postgres names only the first row's constraint and the staging table.
//! Changes nothing.

use elt_connect::postgres::PostgresClient;

use super::copy::{self, RowsOf};
use super::index_sql::is_plain;
use super::loading::Loading;
use super::names::names;
use super::statements::{self, PostgresDialect};
use super::table::PostgresTable;
use crate::changes::Changes;
use crate::difference::{KEYS_SHOWN, shown_keys};
use crate::target::Dialect as _;
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::schema::quote;

/// A line for each violated constraint, with the count of rows. The rows are staged at `place` again, without any
/// constraint, in a transaction that is rolled back.
pub fn lines(
    client: &mut PostgresClient,
    place: &str,
    table: &PostgresTable,
    cancel: &Cancel,
    changes: &mut dyn Changes,
) -> Result<Vec<String>> {
    let mut loading = Loading::new(client, &table.name);
    loading.statement("staging", "begin");
    loading.statement("staging", statements::create_rows(place, table));
    let columns: Vec<_> = table.columns.iter().collect();
    let rows = loading.rows(statements::load(place, &columns, false));
    copy::copy(rows, table, &columns, false, cancel, |of, sink| match of {
        RowsOf::Copy => changes.rows(sink),
        RowsOf::AllKeys => changes.keys(sink),
    })?;
    let mut lines = Vec::new();
    for (what, query, keys) in questions(table, place) {
        cancel.check()?;
        let count = loading.ask(&query)?.text().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        if count > 0 {
            let mut shown = Vec::new();
            if let Some(keys) = keys.filter(|_| !table.key.is_empty()) {
                shown = loading.ask(&keys)?.rows.into_iter().flatten().flatten().collect();
            }
            let shown = shown_keys(&table.key, &shown, count);
            lines.push(format!("{what}: {count} row{}{shown}", if count == 1 { "" } else { "s" }));
        }
    }
    loading.ask("rollback")?;
    Ok(lines)
}

/// The constraints of a contract on a table's own rows, each with the query that counts the rows that violate it, and,
/// for unique values, the query of some of the rows' keys.
fn questions(table: &PostgresTable, place: &str) -> Vec<(String, String, Option<String>)> {
    let mut questions = Vec::new();
    for column in table.columns.iter().filter(|column| column.not_null) {
        let query = format!("select count(*) from {place} where {} is null", quote(&column.name));
        questions.push((format!("column `{}` contains NULL, but is declared not null", column.name), query, None));
    }
    for check in &table.checks {
        let what = match &check.name {
            Some(name) => format!("check `{name}` ({})", check.expression),
            None => format!("check ({})", check.expression),
        };
        questions.push((what, format!("select count(*) from {place} where not ({})", check.expression), None));
    }
    let unique = table.unique.iter().map(|unique| &unique.columns);
    let indexed =
        table.indexes.iter().filter(|index| index.unique && is_plain(table, index)).map(|index| &index.columns);
    for columns in std::iter::once(&table.key).chain(unique).chain(indexed).filter(|columns| !columns.is_empty()) {
        let named: Vec<_> = columns.iter().map(|name| format!("`{name}`")).collect();
        let key: Vec<_> = table.key.iter().map(|name| quote(name)).collect();
        let columns_sql = names(columns);
        let keys = format!(
            "select {} from {place} where ({columns_sql}) in \
             (select {columns_sql} from {place} group by {columns_sql} having count(*) > 1) order by {} limit {KEYS_SHOWN}",
            PostgresDialect.key_text(&key),
            columns_sql
        );
        questions.push((
            format!("{} not unique", named.join(", ")),
            super::migration::twins(place, columns),
            Some(keys),
        ));
    }
    questions
}
