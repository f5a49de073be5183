//! Parquet files keep their types: rows are not converted to documents.
//!
//! Integers become BIGINT, unsigned ones of 64 bits and all decimals DECIMAL(38,s), durations INTERVAL; every other
//! type lands as it is, nested ones too (`arrow_type`). A value that its column cannot hold is rescued (`landed`).
//! `_id` is the column of that name as text, the columns of `key`, or else the row's number. A row whose `_id` is NULL
//! has `{"$row":…}`. Knows no documents.

mod arrow_type;
mod landed;
mod marks;
mod misfit;
mod tally;

use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use crate::batch::{Batch, Output, Quarantined};
use crate::bson::ejson;
use crate::bson::id;
use crate::column::builder::ColumnBuilder;
use crate::column::names::FieldNames;
use crate::messages;
use crate::question::{Question, ReadingPlan};
use crate::source::Sink;
use crate::watermark::{Mark, greater};
use crate::window::Window;
use elt_base::error::{Result, nearest};
use elt_base::guarded::guarded;
use elt_base::path::push_key;
use elt_base::reading::{IdKind, Reading};
use elt_base::schema::{Column, ColumnType, ID, RESCUED};
use landed::{Target, arrow_type, below, landed};
use marks::{Found, MarkColumn};
use misfit::{ArrayTexts, Misfit};
use tally::Tally;

const BATCH_ROWS: usize = 32_768;

/// A column of the raw table: its place in the file, and its type.
struct FileColumn {
    /// The index of the column in the file, and the file's own type. None if only the raw table has the column.
    from: Option<(usize, ColumnType)>,
    column: Column,
}

/// A Parquet file, with the second reader of the columns that the first one cuts.
struct ParquetFile {
    schema: Arc<Schema>,
    first: ParquetRecordBatchReader,
    second: Option<SecondReader>,
}

struct SecondReader {
    reader: ParquetRecordBatchReader,
    schema: Arc<Schema>,
    /// The indexes of its columns in the file.
    indexes: Vec<usize>,
}

impl ParquetFile {
    fn open(path: &Path, only: Option<&[&str]>) -> Result<Self> {
        guarded(|| Self::opened(path, only)).map_err(|panic| messages::source_parquet(path, &damaged(&panic)))?
    }

    fn opened(path: &Path, only: Option<&[&str]>) -> Result<Self> {
        let open = || File::open(path).map_err(|error| messages::source_file(path, &error));
        let failed = |error| messages::source_parquet(path, &error);
        let file = open()?;
        let written = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(failed)?;
        let descriptor = written.metadata().file_metadata().schema_descr_ptr();
        let with = |schema: Arc<Schema>| {
            let options = ArrowReaderOptions::new().with_schema(schema);
            ArrowReaderMetadata::try_new(written.metadata().clone(), options).map_err(failed)
        };
        let schema = arrow_type::first_schema(written.schema());
        let metadata = if *schema == **written.schema() { written.clone() } else { with(schema.clone())? };
        let roots = |indexes: Vec<usize>| ProjectionMask::roots(&descriptor, indexes);
        let build = |file: File, metadata: ArrowReaderMetadata, mask: ProjectionMask| {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
            builder.with_batch_size(BATCH_ROWS).with_projection(mask).build().map_err(failed)
        };
        if let Some(only) = only {
            let mut indexes: Vec<usize> = only.iter().filter_map(|name| schema.index_of(name).ok()).collect();
            indexes.sort_unstable();
            // Without such a column, the rows are only counted.
            let first = build(file, metadata, roots(indexes))?;
            return Ok(Self { schema, first, second: None });
        }
        let second = match arrow_type::second_schema(&schema, &descriptor) {
            None => None,
            Some((schema, indexes)) => {
                let reader = build(open()?, with(schema.clone())?, roots(indexes.clone()))?;
                Some(SecondReader { reader, schema, indexes })
            }
        };
        Ok(Self { first: build(file, metadata, ProjectionMask::all())?, schema, second })
    }

    /// The next rows, and the columns of the second reader. After an error there are none.
    fn next(&mut self) -> Option<Result<(RecordBatch, Option<RecordBatch>), ArrowError>> {
        let next = guarded(|| {
            let first = self.first.next()?;
            let second = self.second.as_mut().and_then(|second| second.reader.next()).transpose();
            Some(first.and_then(|first| Ok((first, second?))))
        });
        next.unwrap_or_else(|panic| Some(Err(damaged(&panic))))
    }

    fn second_index(&self, index: usize) -> Option<usize> {
        self.second.as_ref()?.indexes.iter().position(|have| *have == index)
    }
}

/// The library panics on some damaged files.
fn damaged(panic: &str) -> ArrowError {
    ArrowError::ParquetError(format!("the file is damaged: {panic}"))
}

pub fn read(path: &Path, question: &Question, plan: &ReadingPlan, sink: &mut Sink<'_>) -> Result<Reading> {
    let options = &*question.options;
    if options.reshapes() || options.keep_bson {
        let complaint =
            "Parquet files do not support `filter`, `include`, `exclude`, `mask`, `keep_bson`; use SQL in a model";
        return Err(messages::source_options(&question.collection, complaint));
    }
    let failed = |error: ArrowError| messages::source_parquet(path, &error);
    let mut file = ParquetFile::open(path, None)?;
    check_key(path, &file.schema, question)?;
    let file_columns = file_columns(path, &file, plan, !options.key.is_empty())?;
    let columns: Vec<Column> = file_columns.iter().map(|from| from.column.clone()).collect();
    let mut reading = Reading { columns: columns.clone(), ..Reading::default() };
    let mut tally = Tally::default();
    let since = match &question.window {
        Window::Since { from, .. } => Some(Mark::parse(from)?),
        Window::Full => None,
    };
    let id_field = file.schema.field_with_name(ID).ok().filter(|_| options.key.is_empty());
    let id_type = id_field.map(|field| arrow_type::column_type(field, None));
    let mut number = 0;
    while let Some(batch) = file.next() {
        question.cancel.check()?;
        let (batch, second) = batch.map_err(failed)?;
        let (ids, unkeyed) = ids_of(&batch, &options.key, &mut number).map_err(failed)?;
        let first_number = number - batch.num_rows() as u64;
        let (mut arrays, mut lost) = (Vec::with_capacity(columns.len()), Vec::new());
        for (place, from) in file_columns.iter().enumerate() {
            let wanted = &from.column.column_type;
            let Some((index, own)) = &from.from else {
                arrays.push(new_null_array(&arrow_type(wanted), batch.num_rows()));
                continue;
            };
            let second = file.second_index(*index).zip(second.as_ref()).map(|(index, batch)| batch.column(index));
            let mut misfits = Vec::new();
            arrays.push(landed(batch.column(*index), second, Target { wanted, own }, &mut misfits).map_err(failed)?);
            lost.extend(misfits.into_iter().map(|misfit| (place, misfit)));
        }
        let data = record_batch(&ids, &columns, arrays, &lost).map_err(failed)?;
        let mark = match &question.watermark {
            Some(watermark) => mark_column(path, &data, &columns, watermark)?,
            None => None,
        };
        let mut kept = match (&since, &mark) {
            (Some(from), Some(mark)) => mark.since(from),
            _ => vec![true; data.num_rows()].into(),
        };
        if !unkeyed.is_empty() {
            kept = (0..kept.len()).map(|row| Some(kept.value(row) && unkeyed.binary_search(&row).is_err())).collect();
        }
        for row in &unkeyed {
            let line = first_number + *row as u64 + 1;
            if options.fail_on_malformed {
                return Err(messages::row_without_key(path, line));
            }
            let reason = messages::NO_KEY.to_owned();
            sink(Output::Quarantined(Quarantined { offset: None, line: Some(line), reason, bytes: None }))?;
        }
        for (place, misfit) in lost.iter().filter(|(_, misfit)| kept.value(misfit.index)) {
            let mut field = String::new();
            push_key(&mut field, columns[*place].key());
            let field = below(&field, &misfit.field);
            if options.on_mismatch.forbids(&field) {
                let column_type = columns[*place].column_type.sql();
                return Err(messages::mismatch(&question.collection, &field, &column_type, ids.value(misfit.index)));
            }
            tally.rescued(&field, ids.value(misfit.index));
            reading.rescued += 1;
        }
        reading.quarantined += unkeyed.len() as u64;
        reading.skipped += (kept.len() - kept.true_count() - unkeyed.len()) as u64;
        let data =
            if kept.true_count() == kept.len() { data } else { filter_record_batch(&data, &kept).map_err(failed)? };
        if let Some(watermark) = &question.watermark
            && let Some(mark) = mark_column(path, &data, &columns, watermark)?.and_then(|mark| mark.greatest())
        {
            reading.watermark = Some(match &reading.watermark {
                Some(best) => greater(best, &mark)?,
                None => mark,
            });
        }
        if let Some(column_type) = &id_type {
            tally.see_ids(&data, column_type);
        }
        tally.see(&data, &columns);
        let bytes = data.get_array_memory_size() as u64;
        reading.documents += data.num_rows() as u64;
        reading.bytes += bytes;
        if data.num_rows() > 0 {
            sink(Output::Documents(Batch { data, columns: columns.clone(), bytes }))?;
        }
    }
    tally.gather(&mut reading.census);
    Ok(reading)
}

/// The column of the watermark. Fails if there is none, or if its values cannot be watermarks.
fn mark_column<'b>(
    path: &Path,
    data: &'b RecordBatch,
    columns: &'b [Column],
    watermark: &str,
) -> Result<Option<MarkColumn<'b>>> {
    match marks::find(data, columns, watermark) {
        Found::Column(column) => Ok(Some(column)),
        // A column without values has no type yet.
        Found::OfOtherType(ColumnType::Null) => Ok(None),
        Found::OfOtherType(other) => Err(messages::watermark_type(path, watermark, &other.sql())),
        Found::Missing => {
            let near = nearest(watermark, columns.iter().map(Column::key));
            Err(messages::file_column_missing(path, "watermark", watermark, near))
        }
    }
}

/// `_id`, the columns, and the rescued values.
fn record_batch(
    ids: &StringArray,
    columns: &[Column],
    arrays: Vec<ArrayRef>,
    lost: &[(usize, Misfit)],
) -> Result<RecordBatch, ArrowError> {
    let rows = ids.len();
    let mut fields = vec![Arc::new(Field::new(ID, DataType::Utf8, true))];
    for column in columns {
        fields.push(Arc::new(ColumnBuilder::of_type(&column.column_type, true).field(&column.name)));
    }
    let mut rescued = ColumnBuilder::of_type(&ColumnType::Json, true);
    fields.push(Arc::new(rescued.field(RESCUED)));
    let mut in_order: Vec<&(usize, Misfit)> = lost.iter().collect();
    in_order.sort_by_key(|(place, misfit)| (misfit.index, *place));
    for of_row in in_order.chunk_by(|(_, one), (_, other)| one.index == other.index) {
        let mut text = String::new();
        for (place, misfit) in of_row {
            let mut path = String::new();
            push_key(&mut path, columns[*place].key());
            text.push(if text.is_empty() { '{' } else { ',' });
            ejson::write_json_string(&mut text, &below(&path, &misfit.path));
            text.push(':');
            text.push_str(&misfit.value);
        }
        text.push('}');
        if let Some((_, misfit)) = of_row.first() {
            rescued.append_bytes(misfit.index, text.as_bytes());
        }
    }
    let own: ArrayRef = Arc::new(ids.clone());
    let mut all = vec![own];
    all.extend(arrays);
    all.push(rescued.finish(rows)?);
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), all, &options)
}

pub fn ids(path: &Path, question: &Question, sink: &mut dyn FnMut(StringArray) -> Result<()>) -> Result<()> {
    let failed = |error: ArrowError| messages::source_parquet(path, &error);
    let key = &question.options.key;
    let roots: Vec<&str> = match key.as_slice() {
        [] => vec![ID],
        paths => paths
            .iter()
            .map(|path| path.split('.').next().unwrap_or(path))
            .chain(paths.iter().map(String::as_str))
            .collect(),
    };
    let mut file = ParquetFile::open(path, Some(&roots))?;
    let mut number = 0;
    while let Some(batch) = file.next() {
        question.cancel.check()?;
        let (ids, unkeyed) = ids_of(&batch.map_err(failed)?.0, key, &mut number).map_err(failed)?;
        let kept: StringArray = if unkeyed.is_empty() {
            ids
        } else {
            let rows = (0..ids.len()).filter(|row| unkeyed.binary_search(row).is_err());
            rows.map(|row| ids.value(row)).collect::<Vec<_>>().into()
        };
        sink(kept)?;
    }
    Ok(())
}

/// Fails if the file has no column that identifies a row, where one is needed, or not all columns of the key.
fn check_key(path: &Path, schema: &Schema, question: &Question) -> Result<()> {
    let key = &question.options.key;
    for name in key {
        if find_array_field(schema, name).is_none() {
            let near = nearest(name, schema.fields().iter().map(|field| field.name().as_str()));
            return Err(messages::file_column_missing(path, "key", name, near));
        }
    }
    if key.is_empty() && question.options.needs_key && schema.index_of(ID).is_err() {
        return Err(messages::key_missing(&question.collection));
    }
    Ok(())
}

fn find_array_field<'s>(schema: &'s Schema, path: &str) -> Option<&'s Field> {
    if let Ok(field) = schema.field_with_name(path) {
        return Some(field);
    }
    let mut steps = path.split('.');
    let mut field = schema.field_with_name(steps.next()?).ok()?;
    for step in steps {
        let DataType::Struct(fields) = field.data_type() else { return None };
        field = fields.iter().find(|field| field.name() == step)?;
    }
    Some(field)
}

fn find_array<'b>(batch: &'b RecordBatch, path: &str) -> Option<&'b ArrayRef> {
    if let Some(array) = batch.column_by_name(path) {
        return Some(array);
    }
    let mut steps = path.split('.');
    let mut array = batch.column_by_name(steps.next()?)?;
    for step in steps {
        array = array.as_struct_opt()?.column_by_name(step)?;
    }
    Some(array)
}

/// The ids of the rows, and the rows that have no key.
fn ids_of(batch: &RecordBatch, key: &[String], number: &mut u64) -> Result<(StringArray, Vec<usize>), ArrowError> {
    let rows = batch.num_rows();
    let first = *number;
    *number += rows as u64;
    let mut ids = StringBuilder::new();
    let (mut text, mut part) = (String::new(), String::new());
    let plain = |array: &ArrayRef| match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values),
        _ => Ok(array.clone()),
    };
    if key.is_empty() {
        let column = batch.column_by_name(ID).map(plain).transpose()?;
        let texts = column.as_ref().map(|column| ArrayTexts::of(column));
        for row in 0..rows {
            let number = first + row as u64 + 1;
            text.clear();
            match (&column, &texts) {
                (Some(column), Some(texts)) if column.is_valid(row) => texts.push(row, &mut text),
                (Some(_), _) => text.push_str(&id::of_number(number, IdKind::Text)),
                // Writing into a `String` cannot fail.
                (None, _) => drop(write!(text, "{number}")),
            }
            ids.append_value(&text);
        }
        return Ok((ids.finish(), Vec::new()));
    }
    let columns: Vec<ArrayRef> =
        key.iter().filter_map(|path| find_array(batch, path)).map(plain).collect::<Result<Vec<_>, _>>()?;
    let mut unkeyed = Vec::new();
    let texts: Vec<ArrayTexts<'_>> = columns.iter().map(|column| ArrayTexts::of(column)).collect();
    for row in 0..rows {
        text.clear();
        if columns.is_empty() || columns.iter().any(|column| column.is_null(row)) {
            unkeyed.push(row);
        } else if let [only] = texts.as_slice() {
            only.push(row, &mut text);
        } else {
            text.push('[');
            for (index, (column, texts)) in columns.iter().zip(&texts).enumerate() {
                if index > 0 {
                    text.push(',');
                }
                if column.data_type().is_numeric() || *column.data_type() == DataType::Boolean {
                    texts.push(row, &mut text);
                } else {
                    part.clear();
                    texts.push(row, &mut part);
                    ejson::write_json_string(&mut text, &part);
                }
            }
            text.push(']');
        }
        ids.append_value(&text);
    }
    Ok((ids.finish(), unkeyed))
}

fn file_columns(path: &Path, file: &ParquetFile, plan: &ReadingPlan, has_key: bool) -> Result<Vec<FileColumn>> {
    let mut columns: Vec<FileColumn> =
        plan.known.iter().map(|column| FileColumn { from: None, column: column.clone() }).collect();
    let mut names = FieldNames::of_document();
    names.take(ID);
    for column in &plan.known {
        names.take(&column.name);
    }
    let fields = file.schema.fields().iter().enumerate();
    for (index, field) in fields.filter(|(_, field)| has_key || field.name() != ID) {
        let second = file.second_index(index).and(file.second.as_ref()).map(|second| second.schema.field(index));
        let own = arrow_type::column_type(field, second);
        let pin = |name: &str| {
            let pin = plan.pinned.iter().find(|pin| pin.name.eq_ignore_ascii_case(name));
            pin.map(|pin| pin.column_type.clone())
        };
        let same = |column: &Column| column.key().eq_ignore_ascii_case(field.name());
        match columns.iter_mut().find(|known| same(&known.column)) {
            Some(from) if from.from.is_none() => {
                let known = &from.column.column_type;
                let wide = pin(&from.column.name).or_else(|| known.widen(&own)).or_else(|| {
                    // Values that fit keep the column as it is, and others are rescued.
                    known.is_like(&own).then(|| known.clone())
                });
                let wide =
                    wide.ok_or_else(|| messages::parquet_column(path, field.name(), &own.sql(), &known.sql()))?;
                from.column.column_type = wide;
                from.from = Some((index, own));
            }
            Some(_) => return Err(messages::parquet_column_twice(path, field.name())),
            None => {
                let name = names.take_for(field.name());
                let key = (name != *field.name()).then(|| field.name().clone());
                let column_type = pin(&name).unwrap_or_else(|| own.clone());
                columns.push(FileColumn { from: Some((index, own)), column: Column { name, key, column_type } });
            }
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests;
