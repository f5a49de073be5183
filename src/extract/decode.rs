//! Turns a stream of raw documents into batches: a bounded sample first, then every document straight into columns.
//!
//! Knows nothing of where documents come from; a source pushes bytes and gets batches and, at the end, the reading.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::batch::{Batch, IdKind, Reading};
use crate::error::{Error, Result};
use crate::extract::Request;
use crate::extract::bson::{Fields, Malformed};
use crate::extract::builder::ColumnBuilder;
use crate::extract::columns::Columns;
use crate::extract::id;
use crate::extract::infer::{self, Shape};
use crate::extract::rescue::{Context, Path, Rescued};
use crate::extract::watermark::Tracker;
use crate::schema::{ColumnType, RESCUED};

/// Documents and bytes of the sample that types are inferred from.
const SAMPLE_DOCUMENTS_MAX: usize = 2_000;
const SAMPLE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Rows and source bytes of a batch.
const BATCH_ROWS_MAX: usize = 32_768;
const BATCH_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How often a stop is looked for, in documents.
const CANCEL_EVERY: u64 = 1_024;

pub type Sink<'s> = dyn FnMut(Batch) -> Result<()> + 's;

/// Why a document could not be taken in.
#[derive(Debug)]
pub enum Fault {
    /// The document breaks the format; the source knows where it stood.
    Malformed(Malformed),
    /// The sink failed, or a stop was asked for.
    Stopped(Error),
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Stopped(error)
    }
}

/// The reading of one collection.
#[derive(Debug)]
pub struct Decoder<'r> {
    request: &'r Request,
    /// Until the sample is complete.
    sample: Option<Sample>,
    columns: Columns,
    rescued_column: ColumnBuilder,
    rescued: Rescued,
    rows: usize,
    batch_bytes: u64,
    /// Documents of the source so far, those outside of the window too: what one without `_id` is known by.
    number: u64,
    documents: u64,
    bytes: u64,
    tracker: Option<Tracker>,
    /// The request's, else the sample's; None while there is no document.
    id_kind: Option<IdKind>,
}

#[derive(Debug, Default)]
struct Sample {
    shape: Shape,
    bytes: Vec<u8>,
    /// Where each document ends, and its number.
    ends: Vec<(usize, u64)>,
}

impl<'r> Decoder<'r> {
    pub fn new(request: &'r Request) -> Self {
        let id_kind = request.id_kind;
        Self {
            request,
            sample: Some(Sample::default()),
            columns: Columns::of_document(id_kind.unwrap_or(IdKind::Other)),
            id_kind,
            rescued_column: ColumnBuilder::of_type(&ColumnType::Json, true),
            rescued: Rescued::default(),
            rows: 0,
            batch_bytes: 0,
            number: 0,
            documents: 0,
            bytes: 0,
            tracker: request.watermark.as_deref().map(Tracker::new),
        }
    }

    /// Counts a document that lies outside of the window.
    pub fn skip(&mut self) {
        self.number += 1;
    }

    /// Takes a document in, and gives a batch to `sink` when one is full.
    pub fn push(&mut self, document: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        if self.documents.is_multiple_of(CANCEL_EVERY) {
            self.request.cancel.check()?;
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.see(document)?;
        }
        self.number += 1;
        match &mut self.sample {
            Some(sample) => {
                sample.shape.observe_document(document)?;
                sample.bytes.extend_from_slice(document);
                sample.ends.push((sample.bytes.len(), self.number));
                if sample.ends.len() >= SAMPLE_DOCUMENTS_MAX || sample.bytes.len() >= SAMPLE_BYTES_MAX {
                    self.close_sample(sink)?;
                }
            }
            None => self.decode(document, self.number, sink)?,
        }
        self.documents += 1;
        self.bytes += document.len() as u64;
        Ok(())
    }

    fn close_sample(&mut self, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let Some(sample) = self.sample.take() else { return Ok(()) };
        let seen = (!sample.ends.is_empty()).then(|| sample.shape.id_kind());
        self.id_kind = self.id_kind.or(seen);
        let id_kind = self.id_kind.unwrap_or(IdKind::Other);
        self.columns = infer::columns(&self.request.known, &self.request.pinned, id_kind, &sample.shape);
        let mut start = 0;
        for (end, number) in sample.ends {
            if let Some(document) = sample.bytes.get(start..end) {
                self.decode(document, number, sink)?;
            }
            start = end;
        }
        Ok(())
    }

    fn decode(&mut self, document: &[u8], number: u64, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let row = self.rows;
        let id_kind = self.id_kind.unwrap_or(IdKind::Other);
        let mut cx = Context { document, number, id_kind, rescued: &mut self.rescued };
        self.columns.append(row, Fields::new(document)?, &Path::DOCUMENT, &mut cx)?;
        if let Some(id) = self.columns.column(0).filter(|id| id.len() == row) {
            id.append_text(row, id::of_number(number, id_kind).as_bytes());
        }
        if let Some(text) = self.rescued.close() {
            self.rescued_column.append_text(row, text.as_bytes());
            self.rescued.clear();
        }
        self.rows += 1;
        self.batch_bytes += document.len() as u64;
        if self.rows >= BATCH_ROWS_MAX || self.batch_bytes >= BATCH_BYTES_MAX {
            self.flush(sink)?;
        }
        Ok(())
    }

    fn flush(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let bytes = std::mem::take(&mut self.batch_bytes);
        if rows == 0 {
            return Ok(());
        }
        let mut columns = self.columns.types();
        columns.remove(0);
        let mut fields = Vec::with_capacity(columns.len() + 2);
        let mut arrays = Vec::with_capacity(columns.len() + 2);
        for (name, column) in self.columns.named_mut() {
            fields.push(column.field(name));
            arrays.push(column.finish(rows).map_err(|error| Error::batch(&self.request.collection, &error))?);
        }
        self.columns.restart();
        fields.push(self.rescued_column.field(RESCUED));
        arrays.push(self.rescued_column.finish(rows).map_err(|error| Error::batch(&self.request.collection, &error))?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let data = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|error| Error::batch(&self.request.collection, &error))?;
        sink(Batch { data, columns, bytes })
    }

    /// Gives the last batch to `sink`, and says what was read.
    pub fn finish(mut self, sink: &mut Sink<'_>) -> Result<Reading> {
        self.close_sample(sink).map_err(|fault| match fault {
            Fault::Malformed(malformed) => {
                Error::malformed_document(&self.request.collection, malformed.offset, malformed.what)
            }
            Fault::Stopped(error) => error,
        })?;
        self.flush(sink)?;
        let mut columns = self.columns.types();
        columns.remove(0);
        let mut reading = Reading {
            documents: self.documents,
            bytes: self.bytes,
            rescued: self.rescued.total,
            columns,
            watermark: self.tracker.as_ref().and_then(Tracker::greatest),
            id_kind: self.id_kind,
            ..Reading::default()
        };
        self.columns.gather("", &mut reading.census);
        Ok(reading)
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
