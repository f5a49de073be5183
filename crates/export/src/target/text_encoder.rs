//! Encodes Arrow batches as rows of text, for targets that load text: every value is text that the server converts
//! exactly.
//!
//! Knows no target: a `TextForm` writes the values, and what is around them.

use arrow::array::Array;
use arrow::record_batch::RecordBatch;

use super::faults::Hazard;
use super::screen::{EncodedRow, Fate, KeyCounts, RowsOf, Screen};
use super::set_aside::{ScreenedColumn, SetAside};
use crate::changes::Sink;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};

/// How a target writes rows.
pub trait TextForm {
    type Hazard: Hazard;

    /// Before a row, between its values, and behind it.
    fn frame(&self) -> [&'static [u8]; 3];

    fn null(&self) -> &'static [u8];

    /// Appends a value that is not null, or the nearest one that fits, and returns its hazard; `cell` is empty, and for
    /// this value's use. None: the array's type is not one that the column is encoded from.
    fn put(
        &self,
        column: usize,
        array: &dyn Array,
        row: usize,
        cell: &mut String,
        out: &mut Vec<u8>,
    ) -> Option<Option<Self::Hazard>>;

    /// The error for an array's type: one of ours, not of the data.
    fn mismatch(&self, column: usize, arrow: String) -> Error;
}

/// The rows that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Rows,
    /// The keys of removed rows.
    Keys,
    /// Entries of a quarantine: nobody asks what does not fit there.
    Entries,
}

/// Yields the batches of a query.
pub type Produce<'p> = dyn FnMut(RowsOf, &mut Sink<'_>) -> Result<()> + 'p;

/// Writes row after row. The nearest value is written in the place of one that does not fit; a row that is not published
/// is set aside. Whether faults may pass is the caller's to decide, by `screen`.
pub struct TextEncoder<F: TextForm> {
    form: F,
    width: usize,
    /// The key's columns.
    key: Vec<usize>,
    /// None for entries.
    screen: Option<Screen<F::Hazard>>,
    /// Those written.
    pub rows: u64,
    /// Those of the batches before.
    seen: u64,
    cell: String,
    faulty: Vec<(usize, F::Hazard)>,
}

impl<F: TextForm> TextEncoder<F> {
    pub fn new(form: F, columns: Vec<ScreenedColumn>, content: Content) -> Self {
        let key = (0..columns.len()).filter(|index| columns[*index].is_key).collect();
        let width = columns.len();
        let screen = match content {
            Content::Rows => Some(Screen::new(columns)),
            Content::Keys => Some(Screen::of_keys(columns)),
            Content::Entries => None,
        };
        Self { form, width, key, screen, rows: 0, seen: 0, cell: String::new(), faulty: Vec::new() }
    }

    /// What was found in the rows; None for entries.
    pub fn screen(&self) -> Option<&Screen<F::Hazard>> {
        self.screen.as_ref()
    }

    pub fn take_set_aside(&mut self) -> SetAside {
        self.screen.as_mut().map(Screen::take_set_aside).unwrap_or_default()
    }

    /// Appends all rows that `produce` yields; `after_row` is called behind each row that was written.
    pub fn encode(
        &mut self,
        out: &mut Vec<u8>,
        produce: &mut Produce<'_>,
        cancel: &Cancel,
        after_row: &mut dyn FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        produce(RowsOf::Copy, &mut |batch| {
            cancel.check()?;
            for row in 0..batch.num_rows() {
                if self.put_row(batch, row, out)? {
                    after_row(out)?;
                }
            }
            self.seen += batch.num_rows() as u64;
            Ok(())
        })?;
        let Some(mut counts) = self.screen.as_ref().filter(|screen| screen.has_held()).map(Screen::held_keys) else {
            return Ok(());
        };
        produce(RowsOf::AllKeys, &mut |batch| {
            cancel.check()?;
            self.count_keys(batch, &mut counts)
        })?;
        let (mut result, rows) = (Ok(()), &mut self.rows);
        if let Some(screen) = &mut self.screen {
            screen.settle_held(&counts, |bytes| {
                out.extend_from_slice(bytes);
                *rows += 1;
                if result.is_ok() {
                    result = after_row(out);
                }
            });
        }
        result
    }

    /// Appends one row; false if it is not published.
    fn put_row(&mut self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<bool> {
        let [open, between, close] = self.form.frame();
        let start = out.len();
        out.extend_from_slice(open);
        for index in 0..self.width {
            if index > 0 {
                out.extend_from_slice(between);
            }
            self.put_value(index, batch.column(index), row, out)?;
        }
        out.extend_from_slice(close);
        self.rows += 1;
        if self.faulty.is_empty() { Ok(true) } else { self.judge(batch, row, start, out) }
    }

    fn put_value(&mut self, column: usize, array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if array.is_null(row) {
            out.extend_from_slice(self.form.null());
            return Ok(());
        }
        self.cell.clear();
        match self.form.put(column, array, row, &mut self.cell, out) {
            Some(None) => Ok(()),
            Some(Some(hazard)) => {
                self.faulty.push((column, hazard));
                Ok(())
            }
            None => Err(self.form.mismatch(column, array.data_type().to_string())),
        }
    }

    #[cold]
    fn judge(&mut self, batch: &RecordBatch, row: usize, start: usize, out: &mut Vec<u8>) -> Result<bool> {
        let mut faulty = std::mem::take(&mut self.faulty);
        let key = self.key_of(batch, row, false)?;
        let Some(screen) = &mut self.screen else { return Ok(true) };
        let fate = screen.judge(batch, row, self.seen, &mut faulty, || EncodedRow { bytes: out.split_off(start), key });
        self.faulty = faulty;
        if fate != Fate::Published {
            out.truncate(start);
            self.rows -= 1;
        }
        Ok(fate == Fate::Published)
    }

    /// A row's key, encoded; `is_alone`: the batch has the key's columns alone, in the order of the columns.
    fn key_of(&mut self, batch: &RecordBatch, row: usize, is_alone: bool) -> Result<Vec<u8>> {
        let [_, between, _] = self.form.frame();
        let mut key = Vec::new();
        for position in 0..self.key.len() {
            let index = self.key[position];
            let at = if is_alone { position } else { index };
            self.put_value(index, batch.column(at), row, &mut key)?;
            key.extend_from_slice(between);
        }
        self.faulty.clear();
        Ok(key)
    }

    /// Counts the keys of a batch that has the key's columns alone, in the order of the columns.
    fn count_keys(&mut self, batch: &RecordBatch, counts: &mut KeyCounts) -> Result<()> {
        for row in 0..batch.num_rows() {
            let key = self.key_of(batch, row, true)?;
            if let Some(count) = counts.get_mut(&key) {
                *count += 1;
            }
        }
        Ok(())
    }
}
