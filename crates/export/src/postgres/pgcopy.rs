//! Encodes Arrow batches as rows of Postgres' binary COPY, and sets aside rows that Postgres cannot store.
//!
//! Format: <https://www.postgresql.org/docs/current/sql-copy.html> ("Binary Format"). One growing buffer. Knows neither
//! a connection nor a driver.

use std::collections::HashMap;

use arrow::record_batch::RecordBatch;

use super::field::CopyField;
use super::hazard::PostgresHazard;
use super::quarantine::{Cause, Entry, ROWS_MAX, SetAside};
use super::values::Values;
use crate::target::{Faults, Hazard, Replacement, key_text};
use elt_project::OnHazard;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// How many bytes gather before they are sent.
const SEND_BYTES: usize = 256 * 1024;
/// `MaxAllocSize` in Postgres' `memutils.h`: what a row, and each value of it, may take.
const ROW_BYTES_MAX: usize = 0x3fff_ffff;

/// A column whose batch has an Arrow type that cannot become the column's Postgres type: an error of ours, not of the
/// data.
#[derive(Debug, PartialEq, Eq)]
pub struct BinaryMismatch {
    pub column: usize,
    pub arrow: String,
}

/// How many rows have each of some encoded keys.
pub type KeyCounts = HashMap<Vec<u8>, u64>;

/// Encodes batch after batch. A value with a hazard is counted and the nearest one written in its place; a row of which
/// a column's policy is quarantine is set aside. Whether faults may pass is the caller's to say, by `faults`.
pub struct BinaryEncoder {
    fields: Vec<CopyField>,
    buffer: Vec<u8>,
    faults: Faults<PostgresHazard>,
    set_aside: SetAside,
    /// Those encoded.
    rows: u64,
    /// Those seen.
    seen: u64,
    row_bytes_max: usize,
    /// Rows whose key was replaced: they are published if no other row has their key.
    held: Vec<HeldRow>,
    /// The keys of removed rows are no rows: none is held or kept.
    is_of_keys: bool,
}

/// A row that waits until the keys of all rows are known.
struct HeldRow {
    /// The one row.
    batch: RecordBatch,
    faulty: Vec<(usize, PostgresHazard)>,
    bytes: Vec<u8>,
    /// Its key's fields, encoded.
    key: Vec<u8>,
    /// Its key, for people.
    shown: String,
}

/// What becomes of a row with hazards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The nearest values are published.
    Published,
    /// It is quarantined.
    Aside,
    /// The keys of all rows decide.
    Held,
    /// It has no nearest row, and its column's policy is to fail.
    Refused,
}

impl BinaryEncoder {
    pub fn new(fields: Vec<CopyField>) -> Self {
        let mut buffer = Vec::with_capacity(SEND_BYTES + SEND_BYTES / 4);
        buffer.extend_from_slice(SIGNATURE);
        // No flags, no header extension.
        buffer.extend_from_slice(&[0; 8]);
        Self {
            fields,
            buffer,
            faults: Faults::default(),
            set_aside: SetAside::default(),
            rows: 0,
            seen: 0,
            row_bytes_max: ROW_BYTES_MAX,
            held: Vec::new(),
            is_of_keys: false,
        }
    }

    /// For the keys of removed rows.
    pub fn of_keys(fields: Vec<CopyField>) -> Self {
        Self { is_of_keys: true, ..Self::new(fields) }
    }

    #[cfg(test)]
    pub fn with_rows_of(fields: Vec<CopyField>, bytes_max: usize) -> Self {
        Self { row_bytes_max: bytes_max, ..Self::new(fields) }
    }

    /// The rows that were encoded; those set aside are not among them.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn faults(&self) -> &Faults<PostgresHazard> {
        &self.faults
    }

    /// The rows that were left out.
    pub fn take_set_aside(&mut self) -> SetAside {
        std::mem::take(&mut self.set_aside)
    }

    /// Appends a batch's rows; `send` takes the buffer whenever it is full.
    pub fn encode<E>(
        &mut self,
        batch: &RecordBatch,
        mut send: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, BinaryMismatch> {
        let mut columns = Vec::with_capacity(self.fields.len());
        for (index, field) in self.fields.iter().enumerate() {
            let array = batch.columns().get(index);
            let values = array.and_then(|array| Values::of(array, &field.postgres_type, field.labels.as_ref()));
            let arrow = || array.map_or("missing".to_owned(), |array| array.data_type().to_string());
            columns.push(values.ok_or_else(|| BinaryMismatch { column: index, arrow: arrow() })?);
        }
        let width = (columns.len() as i16).to_be_bytes();
        let mut faulty: Vec<(usize, PostgresHazard)> = Vec::new();
        for row in 0..batch.num_rows() {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(&width);
            for (index, column) in columns.iter().enumerate() {
                column.put(row, &mut self.buffer, &mut |hazard| faulty.push((index, hazard)));
            }
            self.rows += 1;
            if !faulty.is_empty() || self.buffer.len() - start > self.row_bytes_max {
                self.judge(batch, row, start, &columns, &mut faulty);
            }
            if self.buffer.len() >= SEND_BYTES {
                if let Err(error) = send(&self.buffer) {
                    return Ok(Err(error));
                }
                self.buffer.clear();
            }
        }
        self.seen += batch.num_rows() as u64;
        Ok(Ok(()))
    }

    /// Counts a row's faults; takes the row back if it is to be set aside.
    #[cold]
    fn judge(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        start: usize,
        columns: &[Values],
        faulty: &mut Vec<(usize, PostgresHazard)>,
    ) {
        if self.buffer.len() - start > self.row_bytes_max {
            // No column is at fault alone; a row has no nearest row.
            faulty.push((widest(batch, row), PostgresHazard::Size));
        }
        // An array may have several values of one hazard.
        faulty.dedup();
        let key = self.fields.iter().enumerate().filter(|(_, field)| field.is_key).map(|(index, _)| index);
        let shown = key_text(batch, row, key, self.seen);
        let fate = self.fate(faulty);
        if fate == Fate::Held {
            let mut key = Vec::new();
            for (_, values) in self.fields.iter().zip(columns).filter(|(field, _)| field.is_key) {
                values.put(row, &mut key, &mut |_| ());
            }
            let bytes = self.buffer.split_off(start);
            let held = HeldRow { batch: batch.slice(row, 1), faulty: std::mem::take(faulty), bytes, key, shown };
            self.held.push(held);
        } else {
            self.settle(batch, row, fate, None, &shown, faulty);
        }
        if fate != Fate::Published {
            self.buffer.truncate(start);
            self.rows -= 1;
        }
        faulty.clear();
    }

    fn fate(&self, faulty: &[(usize, PostgresHazard)]) -> Fate {
        let policy = |column: usize| self.fields[column].on_hazard;
        let is_replaced = |column: usize| policy(column) == OnHazard::Replace;
        if faulty.iter().any(|(column, _)| policy(*column) == OnHazard::Quarantine) {
            return Fate::Aside;
        }
        let has_nothing = |(column, hazard): &(usize, PostgresHazard)| match hazard.replacement() {
            Replacement::Nearest(_) => false,
            Replacement::Null => self.fields[*column].not_null || self.fields[*column].is_key,
            Replacement::None => true,
        };
        if !self.is_of_keys && faulty.iter().any(|fault| is_replaced(fault.0) && has_nothing(fault)) {
            return Fate::Aside;
        }
        if faulty.iter().any(|(_, hazard)| hazard.replacement() == Replacement::None) {
            return Fate::Refused;
        }
        let of_key = |(column, _): &(usize, PostgresHazard)| self.fields[*column].is_key && is_replaced(*column);
        let has_room = self.held.len() < ROWS_MAX;
        match !self.is_of_keys && faulty.iter().any(of_key) {
            true if has_room => Fate::Held,
            true => Fate::Aside,
            false => Fate::Published,
        }
    }

    /// Counts the faults of a row whose fate is known, and keeps its original.
    fn settle(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        fate: Fate,
        cause: Option<Cause>,
        shown: &str,
        faulty: &[(usize, PostgresHazard)],
    ) {
        let is_aside = fate == Fate::Aside;
        for (column, hazard) in faulty {
            self.faults.add_as(*column, *hazard, is_aside, || shown.to_owned());
        }
        let is_kept = faulty.iter().any(|(column, _)| self.fields[*column].on_hazard == OnHazard::Replace);
        if is_aside || fate == Fate::Published && is_kept && !self.is_of_keys {
            let entry = Entry { batch, row, faulty, is_published: !is_aside, cause };
            self.set_aside.add(&entry, &self.fields);
        }
    }

    /// Whether rows wait for the keys of all rows.
    pub fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Counts the keys of a batch that has the key's columns alone, in the order of the fields.
    pub fn count_keys(&self, batch: &RecordBatch, counts: &mut KeyCounts) -> Result<(), BinaryMismatch> {
        if counts.is_empty() {
            counts.extend(self.held.iter().map(|held| (held.key.clone(), 0)));
        }
        let fields = self.fields.iter().filter(|field| field.is_key);
        let mut columns = Vec::new();
        for (index, (field, array)) in fields.zip(batch.columns()).enumerate() {
            let values = Values::of(array, &field.postgres_type, field.labels.as_ref());
            let arrow = array.data_type().to_string();
            columns.push(values.ok_or(BinaryMismatch { column: index, arrow })?);
        }
        let mut key = Vec::new();
        for row in 0..batch.num_rows() {
            key.clear();
            columns.iter().for_each(|values| values.put(row, &mut key, &mut |_| ()));
            if let Some(count) = counts.get_mut(&key) {
                *count += 1;
            }
        }
        Ok(())
    }

    /// Publishes the rows whose keys no other row has, and quarantines the others.
    pub fn settle_held(&mut self, counts: &KeyCounts) {
        for held in std::mem::take(&mut self.held) {
            let is_alone = counts.get(&held.key).is_some_and(|count| *count == 1);
            if is_alone {
                self.buffer.extend_from_slice(&held.bytes);
                self.rows += 1;
            }
            let fate = if is_alone { Fate::Published } else { Fate::Aside };
            self.settle(&held.batch, 0, fate, Some(Cause::Key), &held.shown, &held.faulty);
        }
    }

    /// The bytes that remain, with the trailer.
    pub fn finish(&mut self) -> &[u8] {
        self.buffer.extend_from_slice(&(-1i16).to_be_bytes());
        &self.buffer
    }
}

/// The fields of all rows in the bytes of a whole binary COPY, row by row; None for NULL. None: the bytes end too early.
pub fn fields_of(bytes: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let mut rest = bytes.get(SIGNATURE.len() + 8..)?;
    let mut fields = Vec::new();
    loop {
        let (width, after) = rest.split_first_chunk()?;
        rest = after;
        // The trailer has the width -1.
        let Ok(width) = u16::try_from(i16::from_be_bytes(*width)) else { return Some(fields) };
        for _ in 0..width {
            let (length, after) = rest.split_first_chunk()?;
            rest = after;
            fields.push(match usize::try_from(i32::from_be_bytes(*length)) {
                Ok(length) => {
                    let (field, after) = rest.split_at_checked(length)?;
                    rest = after;
                    Some(field)
                }
                Err(_) => None,
            });
        }
    }
}

/// The column with the most bytes in a row.
fn widest(batch: &RecordBatch, row: usize) -> usize {
    let bytes = |index: usize| batch.column(index).slice(row, 1).to_data().get_slice_memory_size().unwrap_or(0);
    (0..batch.num_columns()).max_by_key(|index| bytes(*index)).unwrap_or(0)
}

#[cfg(test)]
#[path = "pgcopy_tests.rs"]
mod tests;
