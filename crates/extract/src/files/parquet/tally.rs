//! The census of a Parquet file: how many values and nulls each column and field has, by type.
//!
//! A type has the name of the BSON type that its values would have in a document, or of its own. Counts whole arrays,
//! not values. Knows landed arrays.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};

use elt_base::census::{Census, TypeCount};
use elt_base::path::push_key;
use elt_base::schema::{Column, ColumnType, ID};

#[derive(Debug, Default)]
pub struct Tally(BTreeMap<String, FieldTally>);

#[derive(Debug, Default)]
struct FieldTally {
    kind: &'static str,
    values: u64,
    nulls: u64,
    rescued: u64,
    value_example: Option<String>,
    null_example: Option<String>,
    rescued_example: Option<String>,
}

impl Tally {
    /// Counts the columns of a batch, which come after `_id`.
    pub fn see(&mut self, data: &RecordBatch, columns: &[Column]) {
        let ids = data.column(0).as_string_opt::<i32>();
        for (column, array) in columns.iter().zip(data.columns().iter().skip(1)) {
            let mut path = String::new();
            push_key(&mut path, column.key());
            self.see_field(&path, &column.column_type, array, array.len(), ids);
        }
    }

    /// Counts the `_id`s of a file that has them, of that type.
    pub fn see_ids(&mut self, data: &RecordBatch, column_type: &ColumnType) {
        let field = self.0.entry(ID.to_owned()).or_default();
        field.kind = kind(column_type);
        field.values += data.num_rows() as u64;
        if let Some(ids) = data.column(0).as_string_opt::<i32>().filter(|ids| !ids.is_empty()) {
            field.value_example.get_or_insert_with(|| ids.value(0).to_owned());
        }
    }

    /// Counts a value that is NULL in its column, because it did not fit.
    pub fn rescued(&mut self, path: &str, id: &str) {
        let field = self.0.entry(path.to_owned()).or_default();
        field.rescued += 1;
        field.rescued_example.get_or_insert_with(|| id.to_owned());
    }

    fn see_field(
        &mut self,
        path: &str,
        column_type: &ColumnType,
        array: &ArrayRef,
        of: usize,
        ids: Option<&StringArray>,
    ) {
        let values = array.len() - array.null_count();
        let field = self.0.entry(path.to_owned()).or_default();
        field.kind = kind(column_type);
        field.values += values as u64;
        field.nulls += of.saturating_sub(values) as u64;
        if let Some(ids) = ids {
            let first = |is_null: bool| (0..array.len()).find(|row| array.is_null(*row) == is_null);
            if field.value_example.is_none() {
                field.value_example = first(false).map(|row| ids.value(row).to_owned());
            }
            if field.null_example.is_none() && values < array.len() {
                field.null_example = first(true).map(|row| ids.value(row).to_owned());
            }
        }
        match column_type {
            ColumnType::Struct(fields) => {
                for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                    let mut path = path.to_owned();
                    push_key(&mut path, field.key());
                    self.see_field(&path, &field.column_type, column, values, ids);
                }
            }
            ColumnType::List(element) => {
                let list = array.as_list::<i32>();
                let ends = |end: Option<&i32>| end.map_or(0, |end| *end as usize);
                let (from, to) = (ends(list.offsets().first()), ends(list.offsets().last()));
                let elements = list.values().slice(from, to - from);
                self.see_field(&format!("{path}[]"), element, &elements, elements.len(), None);
            }
            _ => {}
        }
    }

    /// Adds the counts to a census.
    pub fn gather(self, census: &mut Census) {
        for (path, field) in self.0 {
            let mut kinds = BTreeMap::new();
            let example = |example: Option<String>| example.unwrap_or_default();
            if field.values + field.rescued > 0 {
                kinds.insert(
                    field.kind.to_owned(),
                    TypeCount {
                        values: field.values + field.rescued,
                        rescued: field.rescued,
                        example: example(field.rescued_example.or(field.value_example)),
                    },
                );
            }
            // A rescued value is NULL in its column.
            let nulls = field.nulls.saturating_sub(field.rescued);
            if nulls > 0 {
                let null = TypeCount { values: nulls, rescued: 0, example: example(field.null_example) };
                kinds.insert("null".to_owned(), null);
            }
            if !kinds.is_empty() {
                census.0.insert(path, kinds);
            }
        }
    }
}

fn kind(column_type: &ColumnType) -> &'static str {
    match column_type {
        ColumnType::Null => "null",
        ColumnType::Boolean => "bool",
        ColumnType::BigInt => "long",
        ColumnType::Float | ColumnType::Double => "double",
        ColumnType::Decimal { .. } => "decimal",
        ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz | ColumnType::TimestampNs => "date",
        ColumnType::Time | ColumnType::TimeNs => "time",
        ColumnType::Interval => "interval",
        ColumnType::Blob | ColumnType::Binary { .. } | ColumnType::Uuid => "binData",
        ColumnType::Struct(_) | ColumnType::BsonTimestamp | ColumnType::Regex | ColumnType::Map(..) => "object",
        ColumnType::List(_) => "array",
        ColumnType::Varchar
        | ColumnType::ObjectId
        | ColumnType::Symbol
        | ColumnType::Code
        | ColumnType::DecimalText
        | ColumnType::Json => "string",
    }
}
