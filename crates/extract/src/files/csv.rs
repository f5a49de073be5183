//! CSV with a header row: each row becomes a document of typed values.
//!
//! A column has the type of the raw table's column. If there is none, it has the type of all its values in the first
//! rows: integers, numbers, `true`/`false`, RFC 3339 times, or otherwise text. An empty field is NULL. Without an `_id`
//! column the row's number is the `_id`.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use bson::{Bson, Document};
use chrono::DateTime;

use crate::decode::Fault;
use crate::files::taker::Taker;
use crate::messages;
use crate::question::ReadingPlan;
use elt_base::error::Result;
use elt_base::schema::{ColumnType, ID};

/// The number of rows that are read at once. The first ones are the sample.
const ROWS: usize = 2_000;

/// The most bytes of the header row.
const HEADER_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Integer,
    Number,
    Boolean,
    Time,
    Text,
}

pub fn documents(
    path: &Path,
    mut input: Box<dyn Read>,
    plan: Option<&ReadingPlan>,
    taker: &mut dyn Taker,
) -> Result<()> {
    let mut header = Vec::new();
    let mut byte = [0];
    let mut quoted = false;
    // The header is read first, because the reader below needs the names.
    while input.read(&mut byte).map_err(|error| messages::source_file(path, &error))? == 1 {
        header.push(byte[0]);
        quoted ^= byte[0] == b'"';
        if byte[0] == b'\n' && !quoted {
            break;
        }
        if header.len() as u64 > HEADER_BYTES_MAX {
            return Err(messages::malformed_csv(path, 1, "the header row is longer than 1 MiB"));
        }
    }
    let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&header);
    if header.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let (schema, _) = Format::default()
        .with_header(true)
        .infer_schema(header, Some(0))
        .map_err(|error| messages::malformed_csv(path, 1, &error.to_string()))?;
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    if let Some(twice) =
        names.iter().enumerate().find(|(index, name)| names.iter().take(*index).any(|other| other == *name))
    {
        return Err(messages::malformed_csv(path, 1, &format!("two columns are named `{}`", twice.1)));
    }
    let fields: Vec<_> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    let reader = ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_header(false)
        .with_batch_size(ROWS)
        .build(input)
        .map_err(|error| messages::malformed_csv(path, 1, &error.to_string()))?;
    let mut types: Option<Vec<Type>> = None;
    let mut row_number = 0_u64;
    for batch in reader {
        let batch = batch.map_err(|error| messages::malformed_csv(path, row_number + 2, &error.to_string()))?;
        let types = types.get_or_insert_with(|| columns(&names, &batch, plan));
        let columns: Vec<&StringArray> = batch.columns().iter().map(|array| array.as_string::<i32>()).collect();
        for row in 0..batch.num_rows() {
            row_number += 1;
            let mut document = Document::new();
            if !names.iter().any(|name| name == ID) {
                document.insert(ID, row_number.to_string());
            }
            for ((name, column), kind) in names.iter().zip(&columns).zip(types.iter()) {
                if column.is_valid(row) && !column.value(row).is_empty() {
                    document.insert(name, value(column.value(row), *kind));
                }
            }
            let bson = document
                .to_vec()
                .map_err(|_| messages::malformed_csv(path, row_number + 1, "a column's name contains a zero byte"))?;
            taker.document(&bson).map_err(|fault| match fault {
                Fault::Malformed(malformed) => messages::malformed_csv(path, row_number + 1, malformed.what),
                Fault::Stopped(error) => error,
            })?;
        }
    }
    Ok(())
}

fn columns(names: &[String], sample: &RecordBatch, plan: Option<&ReadingPlan>) -> Vec<Type> {
    let stored = |name: &str| {
        let plan = plan?;
        let mut columns = plan.pinned.iter().chain(&plan.known);
        Some(match columns.find(|column| column.name.eq_ignore_ascii_case(name))?.column_type {
            ColumnType::BigInt => Type::Integer,
            ColumnType::Double => Type::Number,
            ColumnType::Boolean => Type::Boolean,
            ColumnType::TimestampTz | ColumnType::Timestamp | ColumnType::Date => Type::Time,
            ColumnType::Null => return None,
            _ => Type::Text,
        })
    };
    let infer = |column: &StringArray| {
        let mut found = None;
        for text in column.iter().flatten().filter(|text| !text.is_empty()) {
            let own = type_of(text);
            found = Some(match (found, own) {
                (None, own) => own,
                (Some(found), own) if found == own => own,
                (Some(Type::Integer | Type::Number), Type::Integer | Type::Number) => Type::Number,
                _ => return Type::Text,
            });
        }
        found.unwrap_or(Type::Text)
    };
    let columns = names.iter().zip(sample.columns());
    columns
        .map(
            |(name, array)| {
                if name == ID { Type::Text } else { stored(name).unwrap_or_else(|| infer(array.as_string())) }
            },
        )
        .collect()
}

fn type_of(text: &str) -> Type {
    [Type::Integer, Type::Number, Type::Boolean, Type::Time]
        .into_iter()
        .find(|kind| !matches!(value(text, *kind), Bson::String(_)))
        .unwrap_or(Type::Text)
}

/// The text as a value of that type, or as a text if it does not have the type's form.
fn value(text: &str, kind: Type) -> Bson {
    let text_value = || Bson::String(text.to_owned());
    let digits = text.strip_prefix('-').unwrap_or(text);
    // A text with a leading zero or plus sign is a code, not a number.
    let numeric = digits.starts_with(|first: char| first.is_ascii_digit())
        && !(digits.starts_with('0') && digits[1..].starts_with(|next: char| next.is_ascii_digit()));
    match kind {
        Type::Integer if numeric => text.parse().map_or_else(|_| text_value(), Bson::Int64),
        Type::Number if numeric => {
            text.parse().ok().filter(|number: &f64| number.is_finite()).map_or_else(text_value, Bson::Double)
        }
        Type::Boolean => text.parse().map_or_else(|_| text_value(), Bson::Boolean),
        Type::Time => match DateTime::parse_from_rfc3339(text) {
            // The time is more precise than the milliseconds of a date, so it stays a text.
            Ok(time) if time.timestamp_subsec_nanos() % 1_000_000 == 0 => {
                Bson::DateTime(bson::DateTime::from_millis(time.timestamp_millis()))
            }
            _ => text_value(),
        },
        _ => text_value(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::documents;
    use crate::decode::Fault;
    use crate::files::taker::{Broken, Taker};
    use elt_base::error::{Error, Result};

    struct Found(Vec<String>);

    impl Taker for Found {
        fn document(&mut self, document: &[u8]) -> Result<(), Fault> {
            self.0.push(bson::Document::from_reader(document).unwrap().to_string());
            Ok(())
        }

        fn broken(&mut self, _: Broken<'_>, error: Error) -> Result<()> {
            Err(error)
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let mut found = Found(Vec::new());
        let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        documents(Path::new("loans.csv"), input, None, &mut found).unwrap();
        assert_eq!(found.0, expected);
    }

    #[test]
    fn types_columns() {
        check("_id,n,x\n7,1,007\n8,,1\n", &[r#"{ "_id": "7", "n": 1, "x": "007" }"#, r#"{ "_id": "8", "x": "1" }"#]);
        check(
            "n,b\n1,true\n1.5,false\n",
            &[r#"{ "_id": "1", "n": 1, "b": true }"#, r#"{ "_id": "2", "n": 1.5, "b": false }"#],
        );
        check(
            "\"a\nb\",c\n\"x,\ny\",z\n",
            &[r#"{ "_id": "1", "a
b": "x,
y", "c": "z" }"#],
        );
        check("", &[]);
    }
}
