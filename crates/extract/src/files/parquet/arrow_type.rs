//! The raw table's type for each Arrow type of a Parquet file, and the second schema for values that Arrow's usual one
//! cuts: the months of INTERVALs, and INT96 times beyond the nanoseconds of 64 bits.
//!
//! Knows types, not values.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, TimeUnit};
use parquet::basic::Type as PhysicalType;
use parquet::schema::types::SchemaDescriptor;

use crate::column::names::FieldNames;
use elt_base::schema::{Column, ColumnType, DECIMAL_PRECISION};

/// The raw table's type for a field of the file. `second` is the same field in the second schema, if it has one.
pub fn column_type(field: &Field, second: Option<&Field>) -> ColumnType {
    let name = field.extension_type_name();
    of_type(field.data_type(), name, second.map(Field::data_type))
}

fn of_type(data_type: &DataType, extension: Option<&str>, second: Option<&DataType>) -> ColumnType {
    match data_type {
        DataType::Null => ColumnType::Null,
        DataType::Boolean => ColumnType::Boolean,
        DataType::UInt64 => ColumnType::Decimal { scale: 0 },
        data if data.is_integer() => ColumnType::BigInt,
        DataType::Float16 | DataType::Float32 => ColumnType::Float,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => {
            ColumnType::Decimal { scale: u8::try_from(*scale).unwrap_or(0).min(DECIMAL_PRECISION) }
        }
        DataType::Timestamp(_, Some(_)) => ColumnType::TimestampTz,
        DataType::Timestamp(TimeUnit::Nanosecond, None) if second.is_none() => ColumnType::TimestampNs,
        DataType::Timestamp(_, None) => ColumnType::Timestamp,
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Time64(TimeUnit::Nanosecond) => ColumnType::TimeNs,
        DataType::Time32(_) | DataType::Time64(_) => ColumnType::Time,
        DataType::Duration(_) | DataType::Interval(_) => ColumnType::Interval,
        DataType::FixedSizeBinary(16) if extension == Some("arrow.uuid") => ColumnType::Uuid,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ColumnType::Blob
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if extension == Some("arrow.json") => {
            ColumnType::Json
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Varchar,
        DataType::Dictionary(_, values) => of_type(values, extension, None),
        DataType::RunEndEncoded(_, values) => column_type(values, None),
        DataType::Struct(fields) => {
            let seconds = match second {
                Some(DataType::Struct(seconds)) => Some(seconds),
                _ => None,
            };
            ColumnType::Struct(columns(fields, seconds))
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _)
        | DataType::ListView(element)
        | DataType::LargeListView(element) => {
            ColumnType::List(Box::new(column_type(element, second.and_then(element_of).map(AsRef::as_ref))))
        }
        DataType::Map(entries, _) => {
            let of = |index: usize| {
                let second = second.and_then(entries_of).and_then(|fields| fields.get(index));
                let field = fields_of(entries).and_then(|fields| fields.get(index));
                field.map_or(ColumnType::Null, |field| column_type(field, second.map(AsRef::as_ref)))
            };
            ColumnType::Map(Box::new(of(0)), Box::new(of(1)))
        }
        // Parquet has no unions.
        DataType::Union(..) => ColumnType::Json,
        _ => ColumnType::Varchar,
    }
}

/// The columns of fields, each with a name of its own.
fn columns(fields: &Fields, seconds: Option<&Fields>) -> Vec<Column> {
    let mut names = FieldNames::default();
    let fields = fields.iter().enumerate();
    let column = |(index, field): (usize, &FieldRef)| {
        let second = seconds.and_then(|seconds| seconds.get(index));
        let name = names.take_for(field.name());
        let key = (name != *field.name()).then(|| field.name().clone());
        Column { name, key, column_type: column_type(field, second.map(AsRef::as_ref)) }
    };
    fields.map(column).collect()
}

fn fields_of(field: &FieldRef) -> Option<&Fields> {
    match field.data_type() {
        DataType::Struct(fields) => Some(fields),
        _ => None,
    }
}

fn entries_of(data_type: &DataType) -> Option<&Fields> {
    match data_type {
        DataType::Map(entries, _) => fields_of(entries),
        _ => None,
    }
}

fn element_of(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => Some(element),
        _ => None,
    }
}

/// The second schema, and the indexes of the columns that it reads otherwise. None if there are none.
pub fn second_schema(schema: &Schema, parquet: &SchemaDescriptor) -> Option<(Arc<Schema>, Vec<usize>)> {
    let mut leaf = 0;
    let (mut fields, mut indexes) = (Vec::new(), Vec::new());
    for (index, field) in schema.fields().iter().enumerate() {
        let second = second_field(field, parquet, &mut leaf);
        if second.data_type() != field.data_type() {
            indexes.push(index);
        }
        fields.push(second);
    }
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    (!indexes.is_empty()).then(|| (Arc::new(schema), indexes))
}

fn second_field(field: &FieldRef, parquet: &SchemaDescriptor, leaf: &mut usize) -> FieldRef {
    let mut within = |field: &FieldRef| second_field(field, parquet, leaf);
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(within).collect()),
        DataType::List(element) => DataType::List(within(element)),
        DataType::LargeList(element) => DataType::LargeList(within(element)),
        DataType::FixedSizeList(element, size) => DataType::FixedSizeList(within(element), *size),
        DataType::Map(entries, sorted) => DataType::Map(within(entries), *sorted),
        other => {
            let column = *leaf;
            *leaf += 1;
            let is_int96 =
                column < parquet.num_columns() && parquet.column(column).physical_type() == PhysicalType::INT96;
            match other {
                DataType::Interval(_) => DataType::Interval(IntervalUnit::YearMonth),
                DataType::Timestamp(TimeUnit::Nanosecond, None) if is_int96 => {
                    DataType::Timestamp(TimeUnit::Microsecond, None)
                }
                other => other.clone(),
            }
        }
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

/// The first schema: INTERVALs have days and milliseconds, whatever unit the file's writer had.
pub fn first_schema(schema: &Schema) -> Arc<Schema> {
    let fields: Vec<FieldRef> = schema.fields().iter().map(first_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn first_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(first_field).collect()),
        DataType::List(element) => DataType::List(first_field(element)),
        DataType::LargeList(element) => DataType::LargeList(first_field(element)),
        DataType::FixedSizeList(element, size) => DataType::FixedSizeList(first_field(element), *size),
        DataType::Map(entries, sorted) => DataType::Map(first_field(entries), *sorted),
        DataType::Interval(_) => DataType::Interval(IntervalUnit::DayTime),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}
