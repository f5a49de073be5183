//! Documents that could not be decoded, as a Parquet file beside a load's segments: their places, reasons and bytes.
//!
//! Columns: `offset` (UBIGINT, bytes from the start of the file's text, NULL for a server's), `line` (UBIGINT),
//! `reason` (VARCHAR), `bytes` (BLOB). Knows nothing of what the bytes should have been.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{BinaryBuilder, RecordBatch, StringBuilder, UInt64Builder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;

use crate::batch::Quarantined;
use crate::messages;
use elt_base::error::{Error, Result};

/// The most documents and bytes that wait to be written.
const WAITING_MAX: usize = 1_000;
const WAITING_BYTES_MAX: usize = 16 << 20;

/// The bytes of a row group, which is in memory until it is complete.
const GROUP_BYTES_MAX: usize = 64 << 20;

#[derive(Debug)]
pub struct QuarantineWriter {
    /// None after the file is closed.
    writer: Option<ArrowWriter<File>>,
    folder: PathBuf,
    file: String,
    waiting: Vec<Quarantined>,
    waiting_bytes: usize,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("offset", DataType::UInt64, true),
        Field::new("line", DataType::UInt64, true),
        Field::new("reason", DataType::Utf8, false),
        Field::new("bytes", DataType::Binary, true),
    ]))
}

impl QuarantineWriter {
    pub fn create(folder: &Path, file: String) -> Result<Self> {
        let mut new = Self { writer: None, folder: folder.to_owned(), file, waiting: Vec::new(), waiting_bytes: 0 };
        let temporary = new.temporary();
        let output = File::create(&temporary).map_err(|error| messages::landing("create", &temporary, &error))?;
        let writer = ArrowWriter::try_new(output, schema(), None).map_err(|error| new.failed(&error))?;
        new.writer = Some(writer);
        Ok(new)
    }

    fn temporary(&self) -> PathBuf {
        self.folder.join(format!("{}.tmp", self.file))
    }

    fn failed(&self, cause: &(dyn std::error::Error + 'static)) -> Error {
        messages::landing("write", &self.folder.join(&self.file), cause)
    }

    pub fn write(&mut self, document: &Quarantined) -> Result<()> {
        self.waiting_bytes += document.bytes.as_ref().map_or(0, Vec::len);
        self.waiting.push(document.clone());
        if self.waiting.len() >= WAITING_MAX || self.waiting_bytes >= WAITING_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let mut offsets = UInt64Builder::new();
        let mut lines = UInt64Builder::new();
        let mut reasons = StringBuilder::new();
        let mut bytes = BinaryBuilder::new();
        for document in self.waiting.drain(..) {
            offsets.append_option(document.offset);
            lines.append_option(document.line);
            reasons.append_value(document.reason);
            bytes.append_option(document.bytes);
        }
        self.waiting_bytes = 0;
        let columns: Vec<arrow::array::ArrayRef> = vec![
            Arc::new(offsets.finish()),
            Arc::new(lines.finish()),
            Arc::new(reasons.finish()),
            Arc::new(bytes.finish()),
        ];
        let batch = RecordBatch::try_new(schema(), columns).map_err(|error| self.failed(&error))?;
        let write = |writer: &mut ArrowWriter<File>| {
            writer.write(&batch)?;
            if writer.in_progress_size() >= GROUP_BYTES_MAX { writer.flush() } else { Ok(()) }
        };
        let written = self.writer.as_mut().map_or(Ok(()), write);
        written.map_err(|error| self.failed(&error))
    }

    /// Closes the file, makes it durable, and only then renames it.
    pub fn finish(mut self) -> Result<String> {
        self.flush()?;
        if let Some(writer) = self.writer.take() {
            let output = writer.into_inner().map_err(|error| self.failed(&error))?;
            output.sync_all().map_err(|error| self.failed(&error))?;
        }
        let path = self.folder.join(&self.file);
        fs::rename(self.temporary(), &path).map_err(|error| self.failed(&error))?;
        Ok(std::mem::take(&mut self.file))
    }
}

impl Drop for QuarantineWriter {
    fn drop(&mut self) {
        self.writer = None;
        let _ = fs::remove_file(self.temporary());
    }
}
