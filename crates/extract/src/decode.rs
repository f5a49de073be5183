//! Turns a stream of raw documents into batches: a bounded sample first, then every document straight into columns.
//!
//! Does not know where documents come from. A source passes bytes, and receives batches and, at the end, the reading.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::batch::{Batch, Output, Quarantined};
use crate::bson::{self, Fields, Malformed};
use crate::column::builder::{ColumnBuilder, Columns};
use crate::column::context::Context;
use crate::from_text::TextForm;
use crate::key::DocumentKey;
use crate::messages;
use elt_base::error::{Error, Result};

use crate::column::infer;
use crate::column::rescue::{Forbidden, Rescued};
use crate::column::shape::Shape;
use crate::column::value_path::ValuePath;
use crate::column::values::Values;
use crate::options::OnMismatch;
use crate::question::{Question, ReadingPlan};
use crate::reshape::Reshape;
use crate::source::Sink;
use crate::survey::Sample;
use crate::watermark::Tracker;
use elt_base::reading::{IdKind, Reading};
use elt_base::schema::{BSON, Column, ColumnType, RESCUED};

/// The most rows, source bytes and cells of a batch.
const BATCH_ROWS_MAX: usize = 32_768;
const BATCH_BYTES_MAX: u64 = 16 * 1024 * 1024;
const BATCH_CELLS_MAX: usize = 4_000_000;

/// The number of documents between two checks for a stop.
const CANCEL_EVERY: u64 = 1_024;

/// The reason why a document was not accepted.
#[derive(Debug)]
pub enum Fault {
    /// The document violates the format. The source knows its place.
    Malformed(Malformed),
    /// The sink failed, or a stop was requested.
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

/// The reading of one collection, or of a range of it.
#[derive(Debug)]
pub struct Decoder<'r> {
    question: &'r Question,
    plan: &'r ReadingPlan,
    /// The sample, until it is complete. None from the start if the survey drew a sample.
    sample: Option<Sample>,
    columns: Columns,
    rescued_column: ColumnBuilder,
    rescued: Rescued,
    /// The raw documents, with `keep_bson`.
    bson_column: Option<ColumnBuilder>,
    reshape: Option<Reshape>,
    /// The rewritten document. Its memory is reused.
    reshaped: Vec<u8>,
    /// The text of a document's key. Its memory is reused, too.
    id_text: Vec<u8>,
    /// The text of the next document's key, if the file's reader knows it.
    key_text: Option<Vec<u8>>,
    rows: usize,
    batch_bytes: u64,
    /// The number of documents so far, including those outside the window. It is the `_id` of a document that has none.
    number: u64,
    documents: u64,
    bytes: u64,
    quarantined: u64,
    skipped: u64,
    tracker: Option<Tracker>,
    /// The kind of the plan, or else of the sample. None until there is a document.
    id_kind: Option<IdKind>,
}

impl<'r> Decoder<'r> {
    /// Fails if the options contradict each other.
    pub fn new(question: &'r Question, plan: &'r ReadingPlan) -> Result<Self> {
        let options = &question.options;
        let mut rescued = Rescued::default();
        rescued.forbidden = match &options.on_mismatch {
            OnMismatch::Rescue => None,
            OnMismatch::Fail => Some(Forbidden { paths: None, found: None }),
            OnMismatch::FailAt(paths) => Some(Forbidden { paths: Some(paths.clone()), found: None }),
        };
        let mut decoder = Self {
            question,
            plan,
            sample: None,
            columns: Columns::of_document(IdKind::Other, false),
            rescued_column: ColumnBuilder::of_type(&ColumnType::Json, true),
            rescued,
            bson_column: options.keep_bson.then(|| ColumnBuilder::of_type(&ColumnType::Blob, true)),
            reshape: question.reshape()?,
            reshaped: Vec::new(),
            id_text: Vec::new(),
            key_text: None,
            rows: 0,
            batch_bytes: 0,
            number: 0,
            documents: 0,
            bytes: 0,
            quarantined: 0,
            skipped: 0,
            tracker: question
                .watermark
                .as_deref()
                .map(|path| Tracker::new(path, plan.texts.as_ref().and_then(|texts| texts.watermark.clone()))),
            id_kind: plan.id_kind,
        };
        match plan.sample.get() {
            Some(shape) => decoder.begin(Some(shape)),
            None => decoder.sample = Some(Sample::default()),
        }
        Ok(decoder)
    }

    /// Creates the columns from a sample.
    fn begin(&mut self, shape: Option<&Shape>) {
        let key = self.key();
        self.id_kind = self.id_kind.or(shape.map(|shape| shape.id_kind(key)));
        let none = Shape::default();
        let id_kind = self.id_kind.unwrap_or(IdKind::Other);
        // A column of elt's own, such as the raw document, does not come from a field.
        let known: Vec<Column> = self.plan.known.iter().filter(|column| column.name != BSON).cloned().collect();
        let shape = shape.unwrap_or(&none);
        self.columns = infer::columns(&known, &self.plan.pinned, id_kind, !key.is_id(), shape);
        if self.plan.texts.is_some() {
            for (name, column) in self.columns.named_mut() {
                let is_pinned = self.plan.pinned.iter().any(|pin| pin.name.eq_ignore_ascii_case(name));
                column.read_texts(if is_pinned { TextForm::Any } else { TextForm::Canonical });
            }
        }
    }

    /// What identifies a document.
    fn key(&self) -> DocumentKey<'r> {
        DocumentKey::new(&self.question.options.key)
    }

    /// The number of documents accepted so far.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Counts a document outside the window.
    pub fn skip(&mut self) {
        self.number += 1;
        self.skipped += 1;
    }

    /// Adds a document of a file of texts, with the text form of its key.
    pub fn push_keyed(&mut self, document: &[u8], key: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        let mut room = self.key_text.take().unwrap_or_default();
        room.clear();
        room.extend_from_slice(key);
        self.key_text = Some(room);
        self.push(document, sink)
    }

    /// Adds a document, and passes a batch to `sink` when it is full. If the document is malformed, nothing of it was
    /// added.
    pub fn push(&mut self, document: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        if self.documents.is_multiple_of(CANCEL_EVERY) {
            self.question.cancel.check()?;
        }
        bson::validate(document)?;
        if self.key_text.is_none() {
            self.key().require(document)?;
        }
        if self.question.options.needs_key && self.key().is_id() && bson::find(document, b"_id")?.is_none() {
            return Err(messages::key_missing(&self.question.collection).into());
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.see(document)?;
        }
        self.number += 1;
        self.documents += 1;
        self.bytes += document.len() as u64;
        match self.reshape.take() {
            None => self.take(document, sink),
            Some(reshape) => {
                let mut room = std::mem::take(&mut self.reshaped);
                let taken = match reshape.apply(document, &mut room) {
                    Ok(document) => self.take(document, sink),
                    Err(malformed) => Err(malformed.into()),
                };
                (self.reshaped, self.reshape) = (room, Some(reshape));
                taken
            }
        }
    }

    fn take(&mut self, document: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        match &mut self.sample {
            Some(sample) => {
                if !sample.push(document, self.number)? {
                    self.close_sample(sink)?;
                }
                Ok(())
            }
            None => self.decode(document, self.number, sink),
        }
    }

    /// Quarantines a document that cannot be decoded, or fails with `error` if the options require it. Its bytes are
    /// kept only if no field is masked or excluded.
    pub fn quarantine(&mut self, mut document: Quarantined, error: Error, sink: &mut Sink<'_>) -> Result<()> {
        if self.question.options.fail_on_malformed {
            return Err(error);
        }
        if self.question.options.reshapes() {
            document.bytes = None;
        }
        self.number += 1;
        self.quarantined += 1;
        sink(Output::Quarantined(document))
    }

    fn close_sample(&mut self, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let Some(sample) = self.sample.take() else { return Ok(()) };
        // Another range may have been faster. All ranges must have the same columns.
        let shape = (!sample.ends.is_empty()).then(|| self.plan.sample.get_or_init(|| sample.shape));
        self.begin(shape);
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
        let shared_types = &self.plan.shared_types;
        let weighs = self.plan.misfits.is_some();
        let key_text = self.key_text.take();
        let key = key_text.as_deref().map_or(self.key(), |text| self.key().with_text(text));
        let mut cx = Context { document, number, id_kind, shared_types, rescued: &mut self.rescued, key, weighs };
        self.columns.append(row, Fields::new(document)?, &ValuePath::DOCUMENT, &mut cx)?;
        if let Some(id) = self.columns.column(0).filter(|id| id.len() == row) {
            self.id_text.clear();
            key.push(&mut self.id_text, document, number, id_kind)?;
            id.append_bytes(row, &self.id_text);
        }
        if let Some(column) = &mut self.bson_column {
            column.append_bytes(row, document);
        }
        if let Some(text) = self.rescued.close() {
            self.rescued_column.append_bytes(row, text.as_bytes());
            self.rescued.clear();
            if let Some((path, kind)) = self.rescued.forbidden.as_mut().and_then(|forbidden| forbidden.found.take()) {
                let id = key.text(document, number, id_kind)?;
                return Err(messages::mismatch(&self.question.collection, &path, kind.name(), &id).into());
            }
        }
        self.key_text = key_text;
        self.rows += 1;
        self.batch_bytes += document.len() as u64;
        if self.rows >= BATCH_ROWS_MAX
            || self.batch_bytes >= BATCH_BYTES_MAX
            || self.rows * self.columns.len() >= BATCH_CELLS_MAX
        {
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
        let broken = |error| messages::batch(&self.question.collection, &error);
        let columns = self.column_list();
        let mut fields = Vec::with_capacity(columns.len() + 2);
        let mut arrays = Vec::with_capacity(columns.len() + 2);
        for (name, column) in self.columns.named_mut() {
            fields.push(column.field(name));
            arrays.push(column.finish(rows).map_err(broken)?);
        }
        self.columns.restart();
        let own = self.bson_column.iter_mut().map(|column| (BSON, column));
        for (name, column) in own.chain([(RESCUED, &mut self.rescued_column)]) {
            fields.push(column.field(name));
            arrays.push(column.finish(rows).map_err(broken)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let data =
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(broken)?;
        sink(Output::Documents(Batch { data, columns, bytes }))
    }

    /// The columns without `_id` and `_elt_rescued`, in a batch's order.
    fn column_list(&self) -> Vec<Column> {
        let mut columns = self.columns.types();
        columns.remove(0);
        columns.extend(self.bson_column.as_ref().map(|_| Column::new(BSON, ColumnType::Blob)));
        columns
    }

    /// Passes the last batch to `sink`, and returns the reading.
    pub fn finish(mut self, sink: &mut Sink<'_>) -> Result<Reading> {
        self.close_sample(sink).map_err(|fault| match fault {
            Fault::Malformed(malformed) => {
                messages::malformed_document(&self.question.collection, malformed.offset, malformed.what)
            }
            Fault::Stopped(error) => error,
        })?;
        self.flush(sink)?;
        let mut reading = Reading {
            documents: self.documents,
            bytes: self.bytes,
            rescued: self.rescued.total,
            quarantined: self.quarantined,
            skipped: self.skipped,
            columns: self.column_list(),
            watermark: self.tracker.as_ref().and_then(Tracker::greatest),
            id_kind: self.id_kind,
            ..Reading::default()
        };
        self.columns.gather("", &mut reading.census);
        if let Some(misfits) = &self.plan.misfits {
            let mut own = Vec::new();
            self.columns.weigh("", &mut own);
            misfits.add(own);
        }
        Ok(reading)
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
