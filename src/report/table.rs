//! Prints the rows of a query to stdout: a table for people, JSON or CSV for programs.
//!
//! Knows rows as texts and Arrow batches, but not their origin.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{ArrayData, ArrayRef, RecordBatch, StringArray, UInt64Array, make_array};
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value};

use crate::messages;
use elt_base::error::Result;

/// The format of a printed result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    #[default]
    Table,
    Json,
    Csv,
}

/// stdout, for rows. A reader that closes the pipe early, such as `head`, is not an error.
pub fn stdout() -> impl Write {
    struct Stdout(std::io::StdoutLock<'static>);
    fn enough<T>(outcome: std::io::Result<T>, all: T) -> std::io::Result<T> {
        match outcome {
            Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(all),
            other => other,
        }
    }
    impl Write for Stdout {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            enough(self.0.write(bytes), bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            enough(self.0.flush(), ())
        }
    }
    Stdout(std::io::stdout().lock())
}

/// Writes rows to `out`. NULL is `NULL` in a table, `null` in JSON, empty in CSV.
///
/// A reader that closes the pipe early (`elt show … | head`) is not an error.
pub fn write(out: &mut dyn Write, output: Output, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
    let mut out = Unread { out };
    match output {
        Output::Table => table(&mut out, schema, batches),
        Output::Json => json(&mut out, batches),
        Output::Csv => csv(&mut out, schema, batches),
    }
}

/// Writes rows that do not come from a query, like `write`. Each row has one value per column: a number, a text, or
/// null.
pub fn write_values(out: &mut dyn Write, output: Output, columns: &[&str], values: &[Vec<Value>]) -> Result<()> {
    if output == Output::Json {
        return values.iter().try_for_each(|row| {
            let object: Map<String, Value> =
                columns.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned()).collect();
            writeln!(out, "{}", Value::Object(object)).map_err(|cause| messages::output(&cause))
        });
    }
    let mut arrays: Vec<(&str, ArrayRef, bool)> = Vec::new();
    for (index, name) in columns.iter().enumerate() {
        let column = values.iter().filter_map(|row| row.get(index));
        let is_number = column.clone().any(Value::is_number) && column.clone().all(|value| !value.is_string());
        let array: ArrayRef = if is_number {
            Arc::new(column.map(Value::as_u64).collect::<UInt64Array>())
        } else {
            let text = |value: &Value| match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            Arc::new(column.map(text).collect::<StringArray>())
        };
        arrays.push((name, array, true));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).map_err(|cause| messages::output(&cause))?;
    write(out, output, &batch.schema(), &[batch])
}

/// Discards the output after the pipe was closed.
struct Unread<'a> {
    out: &'a mut dyn Write,
}

impl Write for Unread<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn rows(batches: &[RecordBatch], mut row: impl FnMut(Vec<Option<String>>) -> Result<()>) -> Result<()> {
    // As DuckDB and Postgres write them.
    let options = FormatOptions::default()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f+00"));
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(at_offset_zero)
            .collect::<Result<Vec<ArrayRef>, _>>()
            .map_err(|cause| messages::output(&cause))?;
        let formatters = columns
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|cause| messages::output(&cause))?;
        for index in 0..batch.num_rows() {
            let values = columns.iter().zip(&formatters);
            row(values.map(|(column, text)| column.is_valid(index).then(|| text.value(index).to_string())).collect())?;
        }
    }
    Ok(())
}

/// The same values with the time zone `+00:00` instead of `UTC`, the zone of every session, because Arrow's formatting
/// does not know the names of time zones.
fn at_offset_zero(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    fn retype(data: &ArrayData) -> Result<ArrayData, ArrowError> {
        let children = data.child_data().iter().map(retype).collect::<Result<Vec<_>, _>>()?;
        data.clone().into_builder().data_type(offset_zero(data.data_type())).child_data(children).build()
    }
    if offset_zero(column.data_type()) == *column.data_type() {
        return Ok(Arc::clone(column));
    }
    retype(&column.to_data()).map(make_array)
}

fn offset_zero(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| -> FieldRef {
        Arc::new(Field::new(field.name(), offset_zero(field.data_type()), field.is_nullable()))
    };
    match data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        DataType::List(item) => DataType::List(field(item)),
        DataType::LargeList(item) => DataType::LargeList(field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item), *size),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        other => other.clone(),
    }
}

/// A table. On a terminal that is too narrow for it, one line per value, like `\x auto` in psql.
fn table(out: &mut dyn Write, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let numeric: Vec<bool> = schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
    let mut all = Vec::new();
    rows(batches, |values| {
        all.push(values.into_iter().map(|value| value.unwrap_or_else(|| "NULL".into())).collect::<Vec<_>>());
        Ok(())
    })?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(&names);
    for values in &all {
        table.add_row(values.iter().zip(&numeric).map(|(value, numeric)| {
            let cell = Cell::new(value);
            if *numeric { cell.set_alignment(CellAlignment::Right) } else { cell }
        }));
    }
    let width = table.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let text = match table.width() {
        Some(terminal) if width > usize::from(terminal) && !all.is_empty() => records(&names, &all),
        _ => format!("{table}\n"),
    };
    out.write_all(text.as_bytes()).map_err(|cause| messages::output(&cause))
}

/// Each row as a heading and lines with a name and a value.
fn records(names: &[&str], rows: &[Vec<String>]) -> String {
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        text.push_str(&format!("─[ row {} ]{}\n", index + 1, "─".repeat(width)));
        for (name, value) in names.iter().zip(row) {
            // Further lines of a value are aligned below its first line.
            let value = value.replace('\n', &format!("\n{} │ ", " ".repeat(width)));
            text.push_str(&format!("{name:<width$} │ {value}\n"));
        }
    }
    text
}

fn json(out: &mut dyn Write, batches: &[RecordBatch]) -> Result<()> {
    for batch in batches {
        // The query returns one column: each row as a JSON object.
        rows(std::slice::from_ref(batch), |values| {
            for value in values.into_iter().flatten() {
                writeln!(out, "{value}").map_err(|cause| messages::output(&cause))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn csv(out: &mut dyn Write, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
    let header: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let write_row = |out: &mut dyn Write, row: Vec<String>| {
        writeln!(out, "{}", row.join(",")).map_err(|cause| messages::output(&cause))
    };
    write_row(out, header.iter().map(|name| csv_text(name)).collect())?;
    rows(batches, |values| {
        write_row(out, values.iter().map(|value| value.as_deref().map_or(String::new(), csv_text)).collect())
    })
}

/// A CSV field (RFC 4180). It is quoted if necessary, and if it is empty, so that it differs from NULL.
fn csv_text(text: &str) -> String {
    if text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StructArray, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Field, TimeUnit};

    use serde_json::{Value, json};

    use super::{Output, records, write, write_values};

    #[track_caller]
    fn check(output: Output, expected: &str) {
        let zoned = TimestampMicrosecondArray::from(vec![1_700_000_000_500_000, 0]).with_timezone("UTC");
        let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let nested =
            StructArray::from(vec![(Arc::new(Field::new("at", zone, true)), Arc::new(zoned.clone()) as ArrayRef)]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from(vec![Some(1), None]))),
            ("at", Arc::new(zoned)),
            ("nested", Arc::new(nested)),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let mut out = Vec::new();
        write(&mut out, output, &batch.schema(), &[batch]).expect("it can be written");
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn moments_are_in_utc() {
        check(
            Output::Csv,
            "n,at,nested\n\
             1,2023-11-14 22:13:20.500+00,{at: 2023-11-14 22:13:20.500+00}\n\
             ,1970-01-01 00:00:00+00,{at: 1970-01-01 00:00:00+00}\n",
        );
    }

    #[test]
    fn values_of_ours_are_rows_too() {
        let rows = [vec![json!(1), json!("a,b")], vec![Value::Null, Value::Null]];
        let written = |output| {
            let mut out = Vec::new();
            write_values(&mut out, output, &["n", "name"], &rows).expect("it can be written");
            String::from_utf8(out).expect("a text")
        };
        assert_eq!(written(Output::Csv), "n,name\n1,\"a,b\"\n,\n");
        assert_eq!(written(Output::Json), "{\"n\":1,\"name\":\"a,b\"}\n{\"n\":null,\"name\":null}\n");
    }

    #[test]
    fn wide_rows_stand_on_end() {
        let rows = [vec!["1".to_owned(), "a\nb".to_owned()]];
        assert_eq!(records(&["id", "name"], &rows), "─[ row 1 ]────\nid   │ 1\nname │ a\n     │ b\n");
    }
}
