//! The rows with values that a target cannot store, as entries of a quarantine table.
//!
//! Collects the rows as batches. Knows no target and no connection.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::record_batch::RecordBatch;

use super::faults::Hazard;
use super::value_text::value_text;
use crate::changes::FRESH;
use crate::messages;
use elt_base::error::Result;
use elt_project::OnHazard;

/// More rows than this are not quarantined, because so many bad rows usually have one cause.
pub const SET_ASIDE_MAX: usize = 100_000;
/// The maximum stored length of a row's text; the warehouse has the complete row.
const ROW_TEXT_BYTES_MAX: usize = 1 << 20;

/// The columns of staged entries, after the key's columns.
pub const STAGED_ENTRY: [&str; 5] = ["_elt_column", "_elt_hazard", "_elt_row", "_elt_published", "_elt_cause"];

/// Why an entry depends on other rows: as long as there is one, its table is published in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its key was replaced, or cannot be stored: the keys of all rows decide what is published.
    Key,
    /// It references a row that is quarantined.
    Reference,
}

impl Cause {
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Reference => "reference",
        }
    }
}

/// A column whose values are screened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScreenedColumn {
    pub on_hazard: OnHazard,
    pub is_key: bool,
    pub not_null: bool,
}

/// A row with values that the target cannot store, and what became of it.
pub struct Entry<'a, H> {
    pub batch: &'a RecordBatch,
    pub row: usize,
    pub faulty: &'a [(usize, H)],
    /// The row is in the table, with other values.
    pub is_published: bool,
    pub cause: Option<Cause>,
}

/// The entries of one table.
#[derive(Default)]
pub struct SetAside {
    /// The key's columns, one row each (NULL if the key itself has a hazard), then those of `STAGED_ENTRY`.
    batches: Vec<RecordBatch>,
    /// Only the key's columns, of rows whose key has no hazard.
    keys: Vec<RecordBatch>,
    /// The rows that are not in the table.
    pub rows: u64,
    /// The rows that are, with other values.
    pub replaced: u64,
}

impl SetAside {
    /// Adds one row with its faults.
    pub fn add<H: Hazard>(&mut self, entry: &Entry<'_, H>, columns: &[ScreenedColumn]) {
        let Entry { batch, row, faulty, is_published, cause } = *entry;
        *(if is_published { &mut self.replaced } else { &mut self.rows }) += 1;
        if self.batches.len() >= SET_ASIDE_MAX {
            return;
        }
        let schema = batch.schema();
        let index = UInt32Array::from(vec![row as u32]);
        let mut arrays: Vec<(String, ArrayRef)> = Vec::new();
        let mut is_key_whole = true;
        for (position, _) in columns.iter().enumerate().filter(|(_, column)| column.is_key) {
            let array = batch.column(position);
            let is_bad = faulty.iter().any(|(column, hazard)| hazard.is_of_column() && *column == position);
            is_key_whole &= !is_bad;
            let kept = if is_bad && !is_published { None } else { take(array, &index, None).ok() };
            let kept = kept.unwrap_or_else(|| new_null_array(array.data_type(), 1));
            arrays.push((schema.field(position).name().clone(), kept));
        }
        if is_key_whole && !is_published && !arrays.is_empty() {
            self.keys.extend(batch_of(&arrays));
        }
        let worst =
            faulty.iter().find(|(column, _)| columns[*column].on_hazard == OnHazard::Quarantine).or(faulty.first());
        let (column, hazard) =
            worst.map_or(("", ""), |(column, hazard)| (schema.field(*column).name().as_str(), hazard.text()));
        let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        let own: [ArrayRef; 5] = [
            text(column),
            text(hazard),
            text(&row_text(batch, row)),
            Arc::new(BooleanArray::from(vec![is_published])),
            Arc::new(StringArray::from(vec![cause.map(Cause::word)])),
        ];
        arrays.extend(STAGED_ENTRY.iter().map(|name| (*name).to_owned()).zip(own));
        self.batches.extend(batch_of(&arrays));
    }

    /// The entries, for the table of staged entries.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The keys that must not remain in the table, with the key's columns in this order.
    pub fn keys(&self, key: &[String]) -> Vec<RecordBatch> {
        let in_order = |batch: &RecordBatch| {
            let columns = key.iter().filter_map(|name| batch.schema().index_of(name).ok()).collect::<Vec<_>>();
            batch.project(&columns).ok()
        };
        self.keys.iter().filter_map(in_order).collect()
    }

    /// The number of entries.
    pub fn entries(&self) -> u64 {
        self.batches.len() as u64
    }

    /// Adds a note if not all originals are kept.
    ///
    /// # Errors
    /// Too many rows are not published.
    pub fn check(&self, table: &str, beside: &str, notes: &mut Vec<String>) -> Result<()> {
        check_set_aside(self.rows, self.replaced, table, beside, notes)
    }
}

/// The same, of so many rows that are not published, and so many that are, with other values.
pub fn check_set_aside(rows: u64, replaced: u64, table: &str, beside: &str, notes: &mut Vec<String>) -> Result<()> {
    if rows > SET_ASIDE_MAX as u64 {
        return Err(messages::export_too_many_aside(table, rows, SET_ASIDE_MAX));
    }
    if rows + replaced > SET_ASIDE_MAX as u64 {
        notes.push(format!("`{table}`: the first {SET_ASIDE_MAX} original rows are in `{beside}`"));
    }
    Ok(())
}

fn batch_of(arrays: &[(String, ArrayRef)]) -> Option<RecordBatch> {
    RecordBatch::try_from_iter_with_nullable(arrays.iter().map(|(name, array)| (name, array.clone(), true))).ok()
}

/// A row as JSON: each value as a text that JSON of every target accepts.
fn row_text(batch: &RecordBatch, row: usize) -> String {
    let mut object = serde_json::Map::new();
    let mut room = ROW_TEXT_BYTES_MAX;
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()).filter(|(field, _)| field.name() != FRESH)
    {
        let value = if array.is_null(row) {
            serde_json::Value::Null
        } else {
            let mut text = value_text(array, row).replace('\0', "\\u0000");
            text.truncate(text.floor_char_boundary(room));
            room -= text.len();
            text.into()
        };
        object.insert(field.name().clone(), value);
    }
    serde_json::Value::Object(object).to_string()
}
