//! The rows that are not published to a table but stored in its quarantine table, `<table>_quarantine`.
//!
//! Collects the rows as batches, and writes the SQL of the quarantine table. Knows no connection.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::field::CopyField;
use super::hazard::PostgresHazard;
use super::names::{names, qualified};
use super::table::PostgresTable;
use crate::target::Hazard;
use elt_base::schema::{literal, quote};
use elt_project::OnHazard;

/// More rows than this are not quarantined, because so many bad rows usually have one cause.
pub const ROWS_MAX: usize = 100_000;
/// The maximum stored length of a row's text; the warehouse has the complete row.
const ROW_TEXT_BYTES_MAX: usize = 1 << 20;

/// The columns of the quarantine table after the key's columns.
const COLUMNS: [(&str, &str); 5] = [
    ("_elt_column", "text not null"),
    ("_elt_hazard", "text not null"),
    ("_elt_row", "jsonb not null"),
    ("_elt_publication", "uuid not null"),
    ("_elt_quarantined_at", "timestamptz not null default now()"),
];

/// The quarantined rows.
#[derive(Default)]
pub struct SetAside {
    /// The key's columns, one row each (NULL if the key itself has a hazard), then column, hazard and row.
    batches: Vec<RecordBatch>,
    /// Only the key's columns, of rows whose key has no hazard.
    keys: Vec<RecordBatch>,
    pub rows: u64,
}

impl SetAside {
    /// Adds one row with its faults.
    pub fn add(&mut self, batch: &RecordBatch, row: usize, faulty: &[(usize, PostgresHazard)], fields: &[CopyField]) {
        self.rows += 1;
        if self.batches.len() >= ROWS_MAX {
            return;
        }
        let schema = batch.schema();
        let index = UInt32Array::from(vec![row as u32]);
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        let mut is_key_whole = true;
        for (position, _) in fields.iter().enumerate().filter(|(_, field)| field.is_key) {
            let array = batch.column(position);
            let is_bad = faulty.iter().any(|(column, _)| *column == position);
            is_key_whole &= !is_bad;
            let kept = if is_bad { None } else { take(array, &index, None).ok() };
            let kept = kept.unwrap_or_else(|| new_null_array(array.data_type(), 1));
            columns.push((schema.field(position).name().clone(), kept));
        }
        if is_key_whole && !columns.is_empty() {
            self.keys.extend(RecordBatch::try_from_iter_with_nullable(
                columns.iter().map(|(name, array)| (name, array.clone(), true)),
            ));
        }
        let cause =
            faulty.iter().find(|(column, _)| fields[*column].on_hazard == OnHazard::Quarantine).or(faulty.first());
        let (column, hazard) =
            cause.map_or(("", ""), |(column, hazard)| (schema.field(*column).name().as_str(), hazard.text()));
        let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        columns.push(("_elt_column".into(), text(column)));
        columns.push(("_elt_hazard".into(), text(hazard)));
        columns.push(("_elt_row".into(), text(&written(batch, row))));
        self.batches.extend(RecordBatch::try_from_iter_with_nullable(
            columns.iter().map(|(name, array)| (name, array.clone(), true)),
        ));
    }

    /// The rows for the staging table of `create_staging`.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The keys that must not remain in the table.
    pub fn keys(&self) -> &[RecordBatch] {
        &self.keys
    }
}

/// A row as JSON: each value as a text that `jsonb` accepts.
fn written(batch: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::new();
    let mut object = serde_json::Map::new();
    let mut room = ROW_TEXT_BYTES_MAX;
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let value = if array.is_null(row) {
            serde_json::Value::Null
        } else {
            let text = ArrayFormatter::try_new(array, &options).map(|format| format.value(row).to_string());
            let mut text = text.unwrap_or_default().replace('\0', "\\u0000");
            let mut end = text.len().min(room);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            room -= end;
            text.into()
        };
        object.insert(field.name().clone(), value);
    }
    serde_json::Value::Object(object).to_string()
}

fn place(table: &PostgresTable) -> String {
    qualified(&table.schema, &table.beside)
}

/// A staging table for quarantined rows.
pub fn create_staging(staging: &str, table: &PostgresTable) -> String {
    let keys = table.key_columns().map(|column| format!("{} {}, ", quote(&column.name), column.postgres_type));
    format!(
        "create unlogged table {staging} ({}_elt_column text, _elt_hazard text, _elt_row jsonb)",
        keys.collect::<String>()
    )
}

/// The key's columns in the table's order, as batches have them.
pub fn copy_staging(staging: &str, table: &PostgresTable) -> String {
    let keys = table.columns.iter().filter(|column| table.key.contains(&column.name));
    let keys = keys.map(|column| format!("{}, ", quote(&column.name)));
    format!(
        "copy {staging} ({}_elt_column, _elt_hazard, _elt_row) from stdin (format binary)",
        keys.collect::<String>()
    )
}

/// Creates the quarantine table.
pub fn create(table: &PostgresTable) -> String {
    let keys = table.key_columns().map(|column| format!("{} {}", quote(&column.name), column.postgres_type));
    let ours = COLUMNS.iter().map(|(name, sql)| format!("{name} {sql}"));
    format!("create table if not exists {} ({})", place(table), keys.chain(ours).collect::<Vec<_>>().join(", "))
}

/// Forgets the entries of all rows, or of those that are staged by key in `staged`.
pub fn forget(table: &PostgresTable, staged: Option<&str>) -> String {
    match staged {
        Some(staged) if !table.key.is_empty() => {
            let on = table.key.iter().map(|name| format!("q.{0} = s.{0}", quote(name))).collect::<Vec<_>>();
            format!("delete from {} as q using {staged} as s where {}", place(table), on.join(" and "))
        }
        _ => format!("delete from {}", place(table)),
    }
}

/// Inserts the quarantined rows.
pub fn enter(table: &PostgresTable, staging: &str, publication: &str) -> String {
    let keys = if table.key.is_empty() { String::new() } else { format!("{}, ", names(&table.key)) };
    format!(
        "insert into {} ({keys}_elt_column, _elt_hazard, _elt_row, _elt_publication) \
         select {keys}_elt_column, _elt_hazard, _elt_row, {}::uuid from {staging}",
        place(table),
        literal(publication)
    )
}
