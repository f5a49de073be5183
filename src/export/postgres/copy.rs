//! Sends the batches of one query into a table by binary COPY, and says what went wrong without a row's values.
//!
//! Knows one connection and one statement; nothing of publications.

use std::io::Write;

use arrow::record_batch::RecordBatch;
use postgres::Transaction;

use super::connect::with_sources;
use super::pgcopy::{Encoder, Hazard};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::export::Sink;
use crate::export::postgres::table::Column;

/// Runs `statement` (a `copy … from stdin (format binary)`) with all batches that `produce` yields; returns the rows sent.
///
/// A value that Postgres cannot hold makes it an error, after all batches were seen so that it tells how many there are.
pub fn copy(
    transaction: &mut Transaction<'_>,
    statement: &str,
    table: &str,
    columns: &[&Column],
    cancel: &Cancel,
    produce: impl FnOnce(&mut Sink<'_>) -> Result<()>,
) -> Result<u64> {
    let failed = |error: &postgres::Error| Error::export_postgres("staging", Some(table), describe(error));
    let mut writer = transaction.copy_in(statement).map_err(|error| failed(&error))?;
    let mut encoder = Encoder::new(columns.iter().map(|column| column.postgres_type.clone()).collect());
    let mut sink = |batch: &RecordBatch| -> Result<()> {
        cancel.check()?;
        match encoder.encode(batch, |bytes| writer.write_all(bytes)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => match error.get_ref().and_then(|error| error.downcast_ref::<postgres::Error>()) {
                Some(error) => Err(failed(error)),
                None => Err(Error::export_postgres("staging", Some(table), error.to_string())),
            },
            Err(mismatch) => {
                let column = columns.get(mismatch.column);
                let name = column.map_or("?", |column| column.name.as_str());
                let wanted = column.map(|column| column.postgres_type.to_string()).unwrap_or_default();
                Err(Error::export_batch_type(table, name, &mismatch.arrow, &wanted))
            }
        }
    };
    produce(&mut sink)?;
    if !encoder.faults().is_empty() {
        return Err(Error::export_hazards(table, &hazards(&encoder, columns)));
    }
    writer
        .write_all(encoder.finish())
        .map_err(|error| Error::export_postgres("staging", Some(table), error.to_string()))?;
    writer.finish().map_err(|error| failed(&error))?;
    Ok(encoder.rows())
}

fn hazards(encoder: &Encoder, columns: &[&Column]) -> Vec<String> {
    encoder
        .faults()
        .iter()
        .map(|fault| {
            let column = columns.get(fault.column).map_or("?", |column| column.name.as_str());
            let what = match fault.hazard {
                Hazard::Nul => "with the character U+0000",
                Hazard::YearRange => "with a year that Postgres does not reach",
                Hazard::NotFinite => "with NaN or Infinity, which JSON does not have",
                Hazard::Digits => "with more digits than `numeric` holds",
                Hazard::Surrogate => "with half of a surrogate pair",
                Hazard::NotUuid => "that are no UUID",
            };
            format!("column `{column}`: {} values {what}", fault.values)
        })
        .collect()
}

/// What Postgres says of an error, without its DETAIL and without quoted values: those are a row's.
pub fn describe(error: &postgres::Error) -> String {
    let Some(error) = error.as_db_error() else { return with_sources(error) };
    let code = error.code().code();
    let mut text = without_values(code, error.message());
    // COPY names the column in its context, behind which the value stands.
    let context = error.where_().unwrap_or_default();
    let copying = context.lines().find_map(|line| line.strip_prefix("COPY "));
    if let Some((_, rest)) = copying.and_then(|line| line.split_once(", column ")) {
        let column = rest.split(':').next().unwrap_or(rest);
        text = format!("{text} (column `{column}`)");
    }
    format!("{text} [{code}]")
}

/// Class 22 (data exception) quotes the value behind a colon; P0001 is whatever a trigger's author wrote.
fn without_values(code: &str, message: &str) -> String {
    if code == "P0001" {
        return "a trigger or function raised an exception; the server's log has its text".into();
    }
    let cut = if code.starts_with("22") { message.find(": \"") } else { None };
    match cut.and_then(|cut| message.get(..cut)) {
        Some(start) => start.to_owned(),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[track_caller]
    fn check(code: &str, message: &str, expected: &str) {
        assert_eq!(without_values(code, message), expected);
    }

    #[test]
    fn drops_values() {
        check("22P02", "invalid input value for enum mood: \"hush\"", "invalid input value for enum mood");
        check(
            "23505",
            "duplicate key value violates unique constraint \"t_pkey\"",
            "duplicate key value violates unique constraint \"t_pkey\"",
        );
        check("P0001", "bad hush", "a trigger or function raised an exception; the server's log has its text");
    }
}
