//! Answers the queries of templates during rendering, from a session of the warehouse.
//!
//! Converts Arrow values to template values. Decides nothing.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow::temporal_conversions::{as_datetime, as_time};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, Days, NaiveDate};

use crate::report::Console;
use elt_base::sql_error::SqlError;
use elt_model::{Answer, Cell, Host, TemplateMessage};
use elt_warehouse::Session;

/// Connects templates to a session and to the console.
pub struct SessionHost<'a> {
    session: &'a Session,
    console: &'a Console,
    /// Each query runs in its own transaction, which cannot write.
    reads_only: bool,
}

impl<'a> SessionHost<'a> {
    /// Queries run in the session's open transaction, if there is one, and may write.
    pub fn new(session: &'a Session, console: &'a Console) -> Self {
        Self { session, console, reads_only: false }
    }

    /// Queries cannot write. The session has no transaction open.
    pub fn reading(session: &'a Session, console: &'a Console) -> Self {
        Self { session, console, reads_only: true }
    }
}

impl Host for SessionHost<'_> {
    fn query(&self, sql: &str) -> Result<Answer, SqlError> {
        if sql.trim_matches(|c: char| c.is_whitespace() || c == ';').is_empty() {
            return Ok(Answer::default());
        }
        if !self.reads_only {
            return answer(self.session, sql);
        }
        self.session.only_reads(sql)?;
        self.session.begin_reading()?;
        let answer = answer(self.session, sql);
        self.session.rollback();
        answer
    }

    fn say(&self, said: TemplateMessage) {
        match said {
            TemplateMessage::Line(text) => self.console.say(&text),
            TemplateMessage::Warning(warning) => self.console.warning(&warning),
        }
    }
}

fn answer(session: &Session, sql: &str) -> Result<Answer, SqlError> {
    let (schema, batches) = session.batches(sql)?;
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            rows.push((0..batch.num_columns()).map(|column| cell(batch, column, row)).collect());
        }
    }
    Ok(Answer { columns, rows })
}

fn cell(batch: &RecordBatch, column: usize, row: usize) -> Cell {
    let array = batch.column(column).as_ref();
    if array.is_null(row) {
        return Cell::Null;
    }
    known(array, row).unwrap_or_else(|| {
        let options = FormatOptions::default();
        let text = ArrayFormatter::try_new(array, &options).map(|text| text.value(row).to_string());
        Cell::Text(text.unwrap_or_default())
    })
}

/// The value, if templates have a type for it other than text.
fn known(array: &dyn Array, row: usize) -> Option<Cell> {
    macro_rules! integer {
        ($kind:ty) => {
            Cell::Integer(array.as_primitive::<$kind>().value(row).into())
        };
    }
    Some(match array.data_type() {
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => integer!(Int64Type),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => integer!(UInt64Type),
        DataType::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            let value = array.as_primitive::<arrow::datatypes::Decimal128Type>().value(row);
            match scale {
                0 => Cell::Integer(value),
                scale => Cell::Float(value as f64 / 10f64.powi((*scale).into())),
            }
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            let start = NaiveDate::default();
            let span = Days::new(days.unsigned_abs().into());
            Cell::Date(if days < 0 { start.checked_sub_days(span)? } else { start.checked_add_days(span)? })
        }
        DataType::Timestamp(unit, zone) => {
            use arrow::datatypes::{
                TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
            };
            let at = match unit {
                TimeUnit::Second => {
                    DateTime::from_timestamp(array.as_primitive::<TimestampSecondType>().value(row), 0)?.naive_utc()
                }
                TimeUnit::Millisecond => as_datetime::<TimestampMillisecondType>(
                    array.as_primitive::<TimestampMillisecondType>().value(row),
                )?,
                TimeUnit::Microsecond => as_datetime::<TimestampMicrosecondType>(
                    array.as_primitive::<TimestampMicrosecondType>().value(row),
                )?,
                TimeUnit::Nanosecond => {
                    as_datetime::<TimestampNanosecondType>(array.as_primitive::<TimestampNanosecondType>().value(row))?
                }
            };
            Cell::Timestamp(at, zone.is_some())
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            use arrow::datatypes::Time64MicrosecondType;
            Cell::Time(as_time::<Time64MicrosecondType>(array.as_primitive::<Time64MicrosecondType>().value(row))?)
        }
        _ => return None,
    })
}
