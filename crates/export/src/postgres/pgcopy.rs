//! Encodes Arrow batches as rows of Postgres' binary COPY, and sets aside what Postgres could not hold.
//!
//! Format: <https://www.postgresql.org/docs/current/sql-copy.html> ("Binary Format"). One growing buffer. Knows neither a
//! connection nor a driver.

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::hazard::Hazard;
use super::quarantine::SetAside;
use super::values::{Labels, Values};
use crate::postgres_type::PostgresType;
use elt_project::OnHazard;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// How many bytes gather before they are sent.
const SEND_BYTES: usize = 256 * 1024;
/// `MaxAllocSize` in Postgres' `memutils.h`: what a row, and each value of it, may take.
const ROW_BYTES_MAX: usize = 0x3fff_ffff;
/// How many keys of faulty rows are remembered a column and hazard.
const KEYS_SHOWN: usize = 5;

/// A column to encode.
#[derive(Debug, Clone)]
pub struct Field {
    pub postgres_type: PostgresType,
    pub on_hazard: OnHazard,
    pub is_key: bool,
    /// Of a type that is an enum, where they are known.
    pub labels: Option<Labels>,
}

impl Field {
    /// One whose hazards nobody expects.
    pub fn plain(postgres_type: PostgresType) -> Self {
        Self { postgres_type, on_hazard: OnHazard::Fail, is_key: false, labels: None }
    }
}

/// How many values of one column have one hazard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column's index.
    pub column: usize,
    pub hazard: Hazard,
    pub values: u64,
    /// The keys of some of the rows; of a table without key their numbers, from 1.
    pub keys: Vec<String>,
}

/// A column whose batch has an Arrow type that cannot become the column's Postgres type: an error of ours, not of the data.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub column: usize,
    pub arrow: String,
}

/// Encodes batch after batch. A value with a hazard is counted and the nearest one written in its place; a row of which
/// a column's policy is quarantine is set aside. Whether faults may pass is the caller's to say, by `faults`.
pub struct Encoder {
    fields: Vec<Field>,
    buffer: Vec<u8>,
    faults: Vec<Fault>,
    set_aside: SetAside,
    /// Those encoded.
    rows: u64,
    /// Those seen.
    seen: u64,
    row_bytes_max: usize,
}

impl Encoder {
    pub fn new(fields: Vec<Field>) -> Self {
        let mut buffer = Vec::with_capacity(SEND_BYTES + SEND_BYTES / 4);
        buffer.extend_from_slice(SIGNATURE);
        // No flags, no header extension.
        buffer.extend_from_slice(&[0; 8]);
        Self {
            fields,
            buffer,
            faults: Vec::new(),
            set_aside: SetAside::default(),
            rows: 0,
            seen: 0,
            row_bytes_max: ROW_BYTES_MAX,
        }
    }

    #[cfg(test)]
    pub fn with_rows_of(fields: Vec<Field>, bytes_max: usize) -> Self {
        Self { row_bytes_max: bytes_max, ..Self::new(fields) }
    }

    /// The rows that were encoded; those set aside are not among them.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// By column, then hazard.
    pub fn faults(&self) -> &[Fault] {
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
    ) -> Result<Result<(), E>, Mismatch> {
        let mut columns = Vec::with_capacity(self.fields.len());
        for (index, field) in self.fields.iter().enumerate() {
            let array = batch.columns().get(index);
            let values = array.and_then(|array| Values::of(array, &field.postgres_type, field.labels.as_ref()));
            let arrow = || array.map_or("missing".to_owned(), |array| array.data_type().to_string());
            columns.push(values.ok_or_else(|| Mismatch { column: index, arrow: arrow() })?);
        }
        let width = (columns.len() as i16).to_be_bytes();
        let mut faulty: Vec<(usize, Hazard)> = Vec::new();
        for row in 0..batch.num_rows() {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(&width);
            for (index, column) in columns.iter().enumerate() {
                column.put(row, &mut self.buffer, &mut |hazard| faulty.push((index, hazard)));
            }
            self.rows += 1;
            if !faulty.is_empty() || self.buffer.len() - start > self.row_bytes_max {
                self.judge(batch, row, start, &mut faulty);
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
    fn judge(&mut self, batch: &RecordBatch, row: usize, start: usize, faulty: &mut Vec<(usize, Hazard)>) {
        if self.buffer.len() - start > self.row_bytes_max {
            // No column is at fault alone; a row has no nearest row.
            faulty.push((widest(batch, row), Hazard::Size));
        }
        // An array may have several values of one hazard.
        faulty.dedup();
        let key = self.key(batch, row);
        for (column, hazard) in faulty.iter().copied() {
            let at = self.faults.binary_search_by_key(&(column, hazard), |fault| (fault.column, fault.hazard));
            let fault = match at {
                Ok(at) => &mut self.faults[at],
                Err(at) => {
                    self.faults.insert(at, Fault { column, hazard, values: 0, keys: Vec::new() });
                    &mut self.faults[at]
                }
            };
            fault.values += 1;
            if fault.keys.len() < KEYS_SHOWN {
                fault.keys.push(key.clone());
            }
        }
        let is_aside = faulty.iter().any(|(column, _)| self.fields[*column].on_hazard == OnHazard::Quarantine);
        let is_too_large = faulty.iter().any(|(_, hazard)| *hazard == Hazard::Size);
        if is_aside {
            self.set_aside.add(batch, row, faulty, &self.fields);
        }
        if is_aside || is_too_large {
            self.buffer.truncate(start);
            self.rows -= 1;
        }
        faulty.clear();
    }

    /// The key as a person reads it: `17`, or `(17, a)`; without one the row's number.
    fn key(&self, batch: &RecordBatch, row: usize) -> String {
        let options = FormatOptions::new().with_null("NULL");
        let keys = self.fields.iter().zip(batch.columns()).filter(|(field, _)| field.is_key).map(|(_, array)| {
            let text = ArrayFormatter::try_new(array, &options).map(|format| format.value(row).to_string());
            let text = text.unwrap_or_default().replace('\0', "");
            text.chars().take(100).collect::<String>()
        });
        let keys: Vec<String> = keys.collect();
        match keys.as_slice() {
            [] => format!("row {}", self.seen + row as u64 + 1),
            [one] => one.clone(),
            several => format!("({})", several.join(", ")),
        }
    }

    /// The bytes that remain, with the trailer.
    pub fn finish(&mut self) -> &[u8] {
        self.buffer.extend_from_slice(&(-1i16).to_be_bytes());
        &self.buffer
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
