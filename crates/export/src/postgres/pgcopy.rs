//! Encodes Arrow batches as rows of Postgres' binary COPY, and sets aside rows that Postgres cannot store.
//!
//! Format: <https://www.postgresql.org/docs/current/sql-copy.html> ("Binary Format"). One growing buffer. Knows neither
//! a connection nor a driver.

use arrow::record_batch::RecordBatch;

use super::field::CopyField;
use super::hazard::PostgresHazard;
use super::values::Values;
use crate::target::{EncodedRow, Fate, Faults, KeyCounts, Screen, ScreenedColumn, SetAside};

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

/// Encodes batch after batch. A value with a hazard is counted and the nearest one written in its place; a row of which
/// a column's policy is quarantine is set aside. Whether faults may pass is the caller's to say, by `faults`.
pub struct BinaryEncoder {
    fields: Vec<CopyField>,
    buffer: Vec<u8>,
    screen: Screen<PostgresHazard>,
    /// Those encoded.
    rows: u64,
    /// Those seen.
    seen: u64,
    row_bytes_max: usize,
}

impl BinaryEncoder {
    pub fn new(fields: Vec<CopyField>) -> Self {
        let screen = Screen::new(screened(&fields));
        Self::with(fields, screen)
    }

    /// For the keys of removed rows.
    pub fn of_keys(fields: Vec<CopyField>) -> Self {
        let screen = Screen::of_keys(screened(&fields));
        Self::with(fields, screen)
    }

    fn with(fields: Vec<CopyField>, screen: Screen<PostgresHazard>) -> Self {
        let mut buffer = Vec::with_capacity(SEND_BYTES + SEND_BYTES / 4);
        buffer.extend_from_slice(SIGNATURE);
        // No flags, no header extension.
        buffer.extend_from_slice(&[0; 8]);
        Self { fields, buffer, screen, rows: 0, seen: 0, row_bytes_max: ROW_BYTES_MAX }
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
        self.screen.faults()
    }

    /// The rows that were left out.
    pub fn take_set_aside(&mut self) -> SetAside {
        self.screen.take_set_aside()
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
        let Self { fields, buffer, screen, .. } = self;
        let fate = screen.judge(batch, row, self.seen, faulty, || {
            let mut key = Vec::new();
            for (_, values) in fields.iter().zip(columns).filter(|(field, _)| field.is_key) {
                values.put(row, &mut key, &mut |_| ());
            }
            EncodedRow { bytes: buffer.split_off(start), key }
        });
        if fate != Fate::Published {
            self.buffer.truncate(start);
            self.rows -= 1;
        }
    }

    /// Whether rows wait for the keys of all rows.
    pub fn has_held(&self) -> bool {
        self.screen.has_held()
    }

    /// Counts the keys of a batch that has the key's columns alone, in the order of the fields.
    pub fn count_keys(&self, batch: &RecordBatch, counts: &mut KeyCounts) -> Result<(), BinaryMismatch> {
        if counts.is_empty() {
            *counts = self.screen.held_keys();
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
        let Self { buffer, screen, rows, .. } = self;
        screen.settle_held(counts, |bytes| {
            buffer.extend_from_slice(bytes);
            *rows += 1;
        });
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

fn screened(fields: &[CopyField]) -> Vec<ScreenedColumn> {
    let screened = |field: &CopyField| ScreenedColumn {
        on_hazard: field.on_hazard,
        is_key: field.is_key,
        not_null: field.not_null,
    };
    fields.iter().map(screened).collect()
}

/// The column with the most bytes in a row.
fn widest(batch: &RecordBatch, row: usize) -> usize {
    let bytes = |index: usize| batch.column(index).slice(row, 1).to_data().get_slice_memory_size().unwrap_or(0);
    (0..batch.num_columns()).max_by_key(|index| bytes(*index)).unwrap_or(0)
}

#[cfg(test)]
#[path = "pgcopy_tests.rs"]
mod tests;
