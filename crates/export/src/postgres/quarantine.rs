//! The quarantine table of one table in Postgres: `<table>_quarantine`, in the table's schema.
//!
//! Contains what is Postgres' own; the statements are shared among targets. Knows no publication.

use super::fit::ExistingPostgresTable;
use super::load_target::LoadTarget;
use super::names::qualified;
use super::statements::PostgresDialect;
use super::table::{PostgresColumn, PostgresTable};
use crate::postgres_type::PostgresType;
use crate::target::{QuarantineDialect, QuarantineTable, STAGED_ENTRY};
use elt_base::schema::quote;

impl QuarantineDialect for PostgresDialect {}

/// `staging` is the place of the table's staged entries.
pub fn of(table: &PostgresTable, staging: String) -> QuarantineTable {
    let typed = |column: &PostgresColumn| (column.name.clone(), column.postgres_type.to_string());
    QuarantineTable {
        dialect: &PostgresDialect,
        place: qualified(&table.schema, &table.beside),
        staging,
        key: table.key_columns().map(typed).collect(),
        columns: table.columns.iter().map(typed).collect(),
    }
}

/// Quarantined rows, on their way to their staging table. The key's columns are in the table's order, as in batches.
pub fn load_staging(staging: &str, table: &PostgresTable) -> LoadTarget {
    let keys = table.columns.iter().filter(|column| table.key.contains(&column.name));
    let keys: Vec<String> = keys.map(|column| format!("{}, ", quote(&column.name))).collect();
    let width = keys.len() + STAGED_ENTRY.len();
    let columns = format!("{}{}", keys.concat(), STAGED_ENTRY.join(", "));
    LoadTarget { place: staging.to_owned(), columns, width, freeze: false }
}

/// Whether an existing quarantine table has the columns of this one: the key's may change, and versions before had fewer.
pub fn fits(table: &PostgresTable, there: &ExistingPostgresTable) -> bool {
    // Types of the database's own have several names.
    let written = |name: &str| PostgresType::written(name).filter(|own| !matches!(own, PostgresType::Named(_)));
    let is_same = |there: &str, ours: &str| match (written(there), written(ours)) {
        (Some(there), Some(ours)) => there == ours,
        _ => true,
    };
    let columns = there.columns.iter().map(|column| (column.name.as_str(), column.type_name.as_str()));
    of(table, String::new()).fits(columns, is_same)
}
