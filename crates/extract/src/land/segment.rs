//! Writes one Parquet segment: a temporary file that gets its name when it is complete and on disk.
//!
//! It is plain Parquet with standard types only, so that any engine can read it. Encodings are chosen for speed of
//! writing. Knows nothing of manifests.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use crc32fast::Hasher;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::batch::Batch;
use crate::messages;
use elt_base::error::{Error, Result};
use elt_base::manifest::Segment;
use elt_base::schema::{Column, ID};

/// The rows of a row group: as many as in DuckDB's row groups, so that each of its threads reads one.
const ROW_GROUP_ROWS: usize = 122_880;

/// The encoded bytes of a row group in memory. Large documents reach this limit long before the limit of rows.
const ROW_GROUP_BYTES_MAX: usize = 48 * 1024 * 1024;

/// A segment is closed after the batch with which it reaches this size.
const SEGMENT_ROWS_MAX: u64 = 1_000_000;
const SEGMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How much of a file is read at once to check it.
const READ_BYTES: usize = 1 << 20;

/// The number of values that decide whether a column's texts repeat enough for a dictionary.
const DICTIONARY_SAMPLE: usize = 1_024;

/// The most bytes of a dictionary before its column is written without one.
const DICTIONARY_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug)]
pub struct SegmentWriter {
    writer: Option<ArrowWriter<BufWriter<Summed>>>,
    temporary: PathBuf,
    folder: PathBuf,
    file: String,
    columns: Vec<Column>,
    rows: u64,
}

impl SegmentWriter {
    /// Opens the segment `file` in `folder` for batches like `first`.
    pub fn create(folder: &Path, file: String, first: &Batch) -> Result<Self> {
        let temporary = folder.join(format!("{file}.tmp"));
        let output = File::create(&temporary).map_err(|error| messages::landing("create", &temporary, &error))?;
        let output = BufWriter::with_capacity(1 << 20, Summed { file: output, sum: Hasher::new() });
        let mut segment =
            Self { writer: None, temporary, folder: folder.to_owned(), file, columns: first.columns.clone(), rows: 0 };
        let writer = ArrowWriter::try_new(output, first.data.schema(), Some(properties(first)))
            .map_err(|error| segment.failed(&error))?;
        segment.writer = Some(writer);
        Ok(segment)
    }

    /// Whether the batch has this segment's columns.
    pub fn takes(&self, batch: &Batch) -> bool {
        self.columns == batch.columns
    }

    pub fn is_full(&self) -> bool {
        let bytes = self.writer.as_ref().map_or(0, |writer| writer.bytes_written() + writer.in_progress_size());
        self.rows >= SEGMENT_ROWS_MAX || bytes as u64 >= SEGMENT_BYTES_MAX
    }

    pub fn write(&mut self, batch: &Batch) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            let mut written = writer.write(&batch.data);
            if written.is_ok() && writer.in_progress_size() >= ROW_GROUP_BYTES_MAX {
                written = writer.flush();
            }
            written.map_err(|error| self.failed(&error))?;
            self.rows += batch.data.num_rows() as u64;
        }
        Ok(())
    }

    /// Closes the file, makes it durable, and only then renames it. The name is durable when the folder is.
    pub fn finish(mut self) -> Result<Segment> {
        let path = self.folder.join(&self.file);
        let mut crc32 = None;
        if let Some(writer) = self.writer.take() {
            let output = writer.into_inner().map_err(|error| self.failed(&error))?;
            let output = output.into_inner().map_err(|error| self.failed(error.error()))?;
            output.file.sync_all().map_err(|error| self.failed(&error))?;
            crc32 = Some(output.sum.finalize());
        }
        let bytes = fs::metadata(&self.temporary).map_err(|error| self.failed(&error))?.len();
        fs::rename(&self.temporary, &path).map_err(|error| self.failed(&error))?;
        let columns = std::mem::take(&mut self.columns);
        Ok(Segment { file: self.file.clone(), rows: self.rows, bytes, crc32, columns })
    }

    fn failed(&self, cause: &(dyn std::error::Error + 'static)) -> Error {
        let path = self.folder.join(&self.file);
        match cause.downcast_ref::<ParquetError>() {
            // Parquet's wrapper adds nothing to the error inside it.
            Some(ParquetError::External(inner)) => match inner.downcast_ref::<std::io::Error>() {
                Some(inner) => messages::landing("write", &path, inner),
                None => messages::landing("write", &path, cause),
            },
            _ => messages::landing("write", &path, cause),
        }
    }
}

/// A file and the checksum of what was written to it.
#[derive(Debug)]
struct Summed {
    file: File,
    sum: Hasher,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// How the file of a segment differs from what was written. None: it is intact.
pub fn damage(path: &Path, segment: &Segment) -> Result<Option<&'static str>> {
    let failed = |error: &io::Error| messages::landing("read", path, error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some("the file does not exist")),
        Err(error) => return Err(failed(&error)),
    };
    let length = file.metadata().map_err(|error| failed(&error))?.len();
    if length != segment.bytes {
        return Ok(Some("the file has another length"));
    }
    let Some(expected) = segment.crc32 else { return Ok(None) };
    let (mut sum, mut buffer) = (Hasher::new(), vec![0; READ_BYTES]);
    loop {
        let read = file.read(&mut buffer).map_err(|error| failed(&error))?;
        if read == 0 {
            break;
        }
        sum.update(&buffer[..read]);
    }
    Ok((sum.finalize() != expected).then_some("the file has other bytes than were written"))
}

impl Drop for SegmentWriter {
    /// Removes a file that was not renamed, because nobody can use it.
    fn drop(&mut self) {
        self.writer = None;
        let _ = fs::remove_file(&self.temporary);
    }
}

fn properties(first: &Batch) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_created_by("elt".into());
    for (field, array) in first.data.schema_ref().fields().iter().zip(first.data.columns()) {
        if field.name() != ID {
            builder = with_dictionaries(builder, array, vec![field.name().clone()]);
        }
    }
    builder.build()
}

/// Switches dictionaries on for the texts below a column that repeat.
fn with_dictionaries(
    mut builder: WriterPropertiesBuilder,
    array: &ArrayRef,
    path: Vec<String>,
) -> WriterPropertiesBuilder {
    match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>().iter().flatten().take(DICTIONARY_SAMPLE);
            let (mut count, mut distinct) = (0, HashSet::new());
            for text in texts {
                count += 1;
                distinct.insert(text);
            }
            builder.set_column_dictionary_enabled(ColumnPath::new(path), distinct.len() * 2 <= count)
        }
        DataType::Struct(fields) => {
            for (field, array) in fields.iter().zip(array.as_struct().columns()) {
                let path = path.iter().cloned().chain([field.name().clone()]).collect();
                builder = with_dictionaries(builder, array, path);
            }
            builder
        }
        DataType::List(element) => {
            let below = ["list".to_owned(), element.name().clone()];
            with_dictionaries(builder, array.as_list::<i32>().values(), path.into_iter().chain(below).collect())
        }
        _ => builder,
    }
}
