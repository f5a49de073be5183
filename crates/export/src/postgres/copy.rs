//! Loads the batches of one query into a table in Postgres' binary format, and reports errors without a row's values.
//!
//! Knows one table, but no publication.

use arrow::record_batch::RecordBatch;

use super::capabilities::CAPABILITIES;
use super::field::CopyField;
use super::loading::Rows;
use super::pgcopy::BinaryEncoder;
use super::table::{PostgresColumn, PostgresTable};
use crate::changes::Sink;
use crate::messages;
pub use crate::target::RowsOf;
use crate::target::{FaultyColumn, FaultyTable, KeyCounts, SetAside};
use elt_base::cancel::Cancel;
use elt_base::error::Result;

/// The result of loading a query's rows.
pub struct Copied {
    /// The rows that are in the table now.
    pub rows: u64,
    pub set_aside: SetAside,
    /// The replaced or quarantined values, one line each.
    pub notes: Vec<String>,
}

/// Loads all batches that `produce` yields, of these columns of the table. `is_of_keys`: they are the keys of removed
/// rows.
///
/// A value that Postgres cannot store, in a column whose policy is to fail, results in an error. The error is raised
/// after all batches were read, so that it contains the count of such values.
pub fn copy(
    mut rows: Rows<'_, '_>,
    of: &PostgresTable,
    columns: &[&PostgresColumn],
    is_of_keys: bool,
    cancel: &Cancel,
    mut produce: impl FnMut(RowsOf, &mut Sink<'_>) -> Result<()>,
) -> Result<Copied> {
    let (table, key) = (of.name.as_str(), of.key.as_slice());
    let fields = columns.iter().map(|column| CopyField {
        postgres_type: column.postgres_type.clone(),
        on_hazard: column.on_hazard,
        is_key: key.contains(&column.name),
        not_null: column.not_null,
        labels: column.labels.clone(),
    });
    let mut encoder = match is_of_keys {
        true => BinaryEncoder::of_keys(fields.collect()),
        false => BinaryEncoder::new(fields.collect()),
    };
    let mut sink = |batch: &RecordBatch| -> Result<()> {
        cancel.check()?;
        match encoder.encode(batch, |bytes| rows.write(bytes)) {
            Ok(written) => written,
            Err(mismatch) => {
                let column = columns.get(mismatch.column);
                let name = column.map_or("?", |column| column.name.as_str());
                let wanted = column.map(|column| column.postgres_type.to_string()).unwrap_or_default();
                Err(messages::export_batch_type(table, name, &mismatch.arrow, &wanted))
            }
        }
    };
    produce(RowsOf::Copy, &mut sink)?;
    if encoder.has_held() {
        let mut counts = KeyCounts::new();
        produce(RowsOf::AllKeys, &mut |batch| {
            cancel.check()?;
            let counted = encoder.count_keys(batch, &mut counts);
            counted.map_err(|mismatch| messages::export_batch_type(table, "?", &mismatch.arrow, "its key's type"))
        })?;
        encoder.settle_held(&counts);
    }
    let mut notes = encoder.faults().judge(&FaultyTable {
        capabilities: &CAPABILITIES,
        name: table,
        beside: &of.beside,
        key,
        columns: columns
            .iter()
            .map(|column| FaultyColumn {
                name: &column.name,
                on_hazard: column.on_hazard,
                may_be_null: !column.not_null,
            })
            .collect(),
    })?;
    rows.write(encoder.finish())?;
    rows.finish()?;
    let set_aside = encoder.take_set_aside();
    set_aside.check(table, &of.beside, &mut notes)?;
    Ok(Copied { rows: encoder.rows(), set_aside, notes })
}

/// Loads collected batches, whose values are known to be valid.
pub fn copy_batches(
    mut rows: Rows<'_, '_>,
    table: &str,
    fields: Vec<CopyField>,
    batches: &[RecordBatch],
) -> Result<()> {
    let mut encoder = BinaryEncoder::new(fields);
    for batch in batches {
        let encoded = encoder.encode(batch, |bytes| rows.write(bytes));
        encoded.map_err(|mismatch| messages::export_batch_type(table, "?", &mismatch.arrow, "its column's type"))??;
    }
    rows.write(encoder.finish())?;
    rows.finish()
}
