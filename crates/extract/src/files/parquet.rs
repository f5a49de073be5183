//! Parquet files keep their types: rows are not converted to documents.
//!
//! Narrow integers become BIGINT. Unsigned 64-bit integers and all decimals become DECIMAL(38,s). FLOAT becomes DOUBLE.
//! Times have microseconds. Enums, dictionaries and types that a raw table does not have (maps, intervals) become text.
//! `_id` is the column of that name as text, or the row's number if there is none. A row whose `_id` is NULL has
//! `{"$row":…}`.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::compute::kernels::cmp::gt_eq;
use arrow::compute::{filter_record_batch, is_null, or};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bson::Bson;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::batch::{Batch, Output};
use crate::bson::id;
use crate::column::builder::ColumnBuilder;
use crate::messages;
use crate::question::{Question, ReadingPlan};
use crate::source::Sink;
use crate::watermark::{Mark, greater};
use crate::window::Window;
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::reading::{IdKind, Reading};
use elt_base::schema::{Column, ColumnType, ID, RESCUED};

const BATCH_ROWS: usize = 32_768;

/// A column of the raw table: its place in the file, and its type.
struct FileColumn {
    /// The index of the column in the file. None if only the raw table has the column.
    index: Option<usize>,
    column: Column,
}

pub fn read(path: &Path, question: &Question, plan: &ReadingPlan, sink: &mut Sink<'_>) -> Result<Reading> {
    if question.options.reshapes() || question.options.keep_bson {
        let complaint =
            "Parquet files do not support `filter`, `include`, `exclude`, `mask`, `keep_bson`; use SQL in a model";
        return Err(messages::source_options(&question.collection, complaint));
    }
    let failed = |error: ArrowError| messages::source_parquet(path, &error);
    let file = File::open(path).map_err(|error| messages::source_file(path, &error))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| messages::source_parquet(path, &error))?;
    let schema = builder.schema().clone();
    let file_columns = file_columns(path, &schema, plan)?;
    let columns: Vec<Column> = file_columns.iter().map(|from| from.column.clone()).collect();
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| messages::source_parquet(path, &error))?;
    let mut reading = Reading { columns: columns.clone(), ..Reading::default() };
    let mut number = 0;
    for batch in reader {
        question.cancel.check()?;
        let batch = batch.map_err(failed)?;
        let ids = ids_of(&batch, &mut number).map_err(failed)?;
        let rows = batch.num_rows();
        let mut fields = vec![Arc::new(Field::new(ID, DataType::Utf8, true))];
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(ids)];
        for from in &file_columns {
            let mut empty = ColumnBuilder::of_type(&from.column.column_type, true);
            let field = empty.field(&from.column.name);
            arrays.push(match from.index {
                Some(index) => converted(batch.column(index), field.data_type()).map_err(failed)?,
                None => empty.finish(rows).map_err(failed)?,
            });
            fields.push(Arc::new(field));
        }
        let mut rescued = ColumnBuilder::of_type(&ColumnType::Json, true);
        fields.push(Arc::new(rescued.field(RESCUED)));
        arrays.push(rescued.finish(rows).map_err(failed)?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let mut data =
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(failed)?;
        if let Window::Since { path: column, from } = &question.window {
            data = since(&data, column, from)?.unwrap_or(data);
        }
        if let Some(mark) = question.watermark.as_ref().and_then(|column| greatest(&data, column)) {
            reading.watermark = Some(match &reading.watermark {
                Some(best) => greater(best, &mark)?,
                None => mark,
            });
        }
        let bytes = data.get_array_memory_size() as u64;
        reading.documents += data.num_rows() as u64;
        reading.bytes += bytes;
        if data.num_rows() > 0 {
            sink(Output::Documents(Batch { data, columns: columns.clone(), bytes }))?;
        }
    }
    Ok(reading)
}

pub fn ids(path: &Path, cancel: &Cancel, sink: &mut dyn FnMut(StringArray) -> Result<()>) -> Result<()> {
    let failed = |error: ArrowError| messages::source_parquet(path, &error);
    let file = File::open(path).map_err(|error| messages::source_file(path, &error))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| messages::source_parquet(path, &error))?;
    let index = builder.schema().index_of(ID).unwrap_or(0);
    let mask = ProjectionMask::roots(builder.parquet_schema(), [index]);
    let reader = builder
        .with_batch_size(BATCH_ROWS)
        .with_projection(mask)
        .build()
        .map_err(|error| messages::source_parquet(path, &error))?;
    let mut number = 0;
    for batch in reader {
        cancel.check()?;
        let ids = ids_of(&batch.map_err(failed)?, &mut number).map_err(failed)?;
        sink(ids)?;
    }
    Ok(())
}

fn ids_of(batch: &RecordBatch, number: &mut u64) -> Result<StringArray, ArrowError> {
    let column = match batch.column_by_name(ID) {
        Some(column) => Some(text(column)?),
        None => None,
    };
    let ids = (0..batch.num_rows()).map(|row| {
        *number += 1;
        match &column {
            Some(column) if column.is_valid(row) => column.as_string::<i32>().value(row).to_owned(),
            Some(_) => id::of_number(*number, IdKind::Text),
            None => number.to_string(),
        }
    });
    Ok(ids.collect::<Vec<_>>().into())
}

fn file_columns(path: &Path, schema: &Schema, plan: &ReadingPlan) -> Result<Vec<FileColumn>> {
    let mut columns: Vec<FileColumn> = Vec::new();
    for column in &plan.known {
        columns.push(FileColumn { index: None, column: column.clone() });
    }
    for (index, field) in schema.fields().iter().enumerate().filter(|(_, field)| field.name() != ID) {
        let own = column_type(field);
        let same = |name: &str| name.eq_ignore_ascii_case(field.name());
        let pin = plan.pinned.iter().find(|pin| same(&pin.name)).map(|pin| pin.column_type.clone());
        match columns.iter_mut().find(|known| same(&known.column.name)) {
            Some(from) if from.index.is_none() => {
                let known = &from.column.column_type;
                let wide = pin
                    .or_else(|| known.widen(&own))
                    .ok_or_else(|| messages::parquet_column(path, field.name(), &own.sql(), &known.sql()))?;
                from.index = Some(index);
                from.column.column_type = wide;
            }
            Some(_) => return Err(messages::parquet_column_twice(path, field.name())),
            None => {
                let column = Column::new(field.name().clone(), pin.unwrap_or(own));
                columns.push(FileColumn { index: Some(index), column });
            }
        }
    }
    Ok(columns)
}

/// The raw table's type for an Arrow type.
fn column_type(field: &FieldRef) -> ColumnType {
    match field.data_type() {
        DataType::Null => ColumnType::Null,
        DataType::Boolean => ColumnType::Boolean,
        data if data.is_integer() && *data != DataType::UInt64 => ColumnType::BigInt,
        DataType::UInt64 => ColumnType::Decimal { scale: 0 },
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Double,
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale)
            if *scale >= 0 =>
        {
            ColumnType::Decimal { scale: *scale as u8 }
        }
        // These are more precise than a column of times. A text keeps the digits that microseconds would lose.
        DataType::Timestamp(TimeUnit::Nanosecond, _) | DataType::Time64(TimeUnit::Nanosecond) => ColumnType::Varchar,
        DataType::Timestamp(_, Some(_)) => ColumnType::TimestampTz,
        DataType::Timestamp(_, None) => ColumnType::Timestamp,
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Time32(_) | DataType::Time64(_) => ColumnType::Time,
        DataType::FixedSizeBinary(16) if field.extension_type_name() == Some("arrow.uuid") => ColumnType::Uuid,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ColumnType::Blob
        }
        DataType::Utf8 if field.extension_type_name() == Some("arrow.json") => ColumnType::Json,
        DataType::Struct(fields) => ColumnType::Struct(
            fields.iter().map(|field| Column::new(field.name().clone(), column_type(field))).collect(),
        ),
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            ColumnType::List(Box::new(column_type(element)))
        }
        _ => ColumnType::Varchar,
    }
}

fn converted(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == target {
        return Ok(array.clone());
    }
    match (array.data_type(), target) {
        (_, DataType::Utf8) => text(array),
        (DataType::Struct(have), DataType::Struct(wanted)) => {
            let have_array = array.as_struct();
            let arrays = wanted
                .iter()
                .map(|field| match have.iter().position(|have| have.name().eq_ignore_ascii_case(field.name())) {
                    Some(index) => converted(have_array.column(index), field.data_type()),
                    None => Ok(new_null_array(field.data_type(), array.len())),
                })
                .collect::<Result<Vec<_>, _>>()?;
            let nulls = array.nulls().cloned();
            Ok(Arc::new(arrow::array::StructArray::try_new_with_length(wanted.clone(), arrays, nulls, array.len())?))
        }
        (DataType::List(_), DataType::List(element)) => {
            let list = array.as_list::<i32>();
            let values = converted(list.values(), element.data_type())?;
            let offsets = list.offsets().clone();
            Ok(Arc::new(arrow::array::ListArray::try_new(element.clone(), offsets, values, array.nulls().cloned())?))
        }
        // The lenient cast would turn values that do not fit into NULL.
        _ => {
            let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
            arrow::compute::cast_with_options(array, target, &options)
        }
    }
}

fn text(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    // Bytes are written as hex. The cast would read them as UTF-8, and turn all other bytes into NULL.
    let bytes = matches!(
        array.data_type(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    );
    if !bytes && let Ok(array) = cast(array, &DataType::Utf8) {
        return Ok(array);
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    let texts: StringArray =
        (0..array.len()).map(|row| array.is_valid(row).then(|| formatter.value(row).to_string())).collect();
    Ok(Arc::new(texts))
}

/// The rows at or after `from`, and those without a value. None if the column has another type; then all rows are read.
fn since(data: &RecordBatch, column: &str, from: &str) -> Result<Option<RecordBatch>> {
    let Some(array) = data.column_by_name(column) else { return Ok(None) };
    let bound: Option<ArrayRef> = match (Mark::parse(from)?.bson(), array.data_type()) {
        (Bson::Int64(value), DataType::Int64) => Some(Arc::new(arrow::array::Int64Array::from(vec![value]))),
        (Bson::Double(value), DataType::Float64) => Some(Arc::new(arrow::array::Float64Array::from(vec![value]))),
        (Bson::String(value), DataType::Utf8) => Some(Arc::new(StringArray::from(vec![value]))),
        (Bson::DateTime(value), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            let micros = value.timestamp_millis().saturating_mul(1000);
            Some(Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![micros]).with_timezone_opt(zone.clone())))
        }
        _ => None,
    };
    let Some(bound) = bound else { return Ok(None) };
    let kept = gt_eq(array, &arrow::array::Scalar::new(bound)).and_then(|late| {
        let late = arrow::compute::prep_null_mask_filter(&late);
        filter_record_batch(data, &or(&late, &is_null(array)?)?)
    });
    Ok(kept.ok())
}

/// The greatest value of a column as canonical Extended JSON. The microseconds of a time are cut to milliseconds. The
/// result is earlier, so no row is lost.
fn greatest(data: &RecordBatch, column: &str) -> Option<String> {
    use arrow::compute::{max, max_string};
    use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
    let array = data.column_by_name(column)?;
    let value = match array.data_type() {
        DataType::Int64 => Bson::Int64(max(array.as_primitive::<Int64Type>())?),
        DataType::Float64 => Bson::Double(max(array.as_primitive::<Float64Type>())?),
        DataType::Utf8 => Bson::String(max_string(array.as_string::<i32>())?.to_owned()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros = max(array.as_primitive::<TimestampMicrosecondType>())?;
            Bson::DateTime(bson::DateTime::from_millis(micros.div_euclid(1000)))
        }
        _ => return None,
    };
    Some(value.into_canonical_extjson().to_string())
}
