//! The documents of a quarantine collection.
//!
//! Knows no server.

use arrow::array::{Array, AsArray};
use arrow::record_batch::RecordBatch;
use bson::oid::ObjectId;
use bson::{Bson, Document, doc};

use super::bytes::joined;
use super::collection::Collection;
use super::encode::{DocumentField, put_row};
use crate::target::STAGED_ENTRY;

/// The documents that depend on other rows: as long as there is one, its collection is published in full.
pub fn dependent() -> Document {
    doc! { "cause": { "$exists": true } }
}

/// The key's fields in the order of the columns, for batches that have the key's columns alone.
pub fn key_fields(collection: &Collection) -> Vec<DocumentField> {
    collection.id.iter().map(|index| collection.fields[*index].clone()).collect()
}

/// The `_id` alone of a row of a batch that begins with the key's columns.
pub fn id_document(batch: &RecordBatch, row: usize, key: &[DocumentField]) -> Vec<u8> {
    let mut document = Vec::new();
    let id: Vec<usize> = (0..key.len()).collect();
    put_row(&mut document, batch, row, &id, &[], key, &mut |_, _| ());
    document
}

/// The document of one entry, which `SetAside` made.
pub fn entry(batch: &RecordBatch, key: &[DocumentField], publication: &str) -> Vec<u8> {
    let text = |name: &str| {
        let array = batch.column_by_name(name)?.as_string_opt::<i32>()?;
        array.is_valid(0).then(|| array.value(0).to_owned())
    };
    let [column, hazard, row, published, cause] = STAGED_ENTRY;
    // A key that cannot be written: the entry gets an `_id` of its own.
    let has_key = !key.is_empty() && (0..key.len()).all(|index| batch.column(index).is_valid(0));
    let head = match has_key {
        true => id_document(batch, 0, key),
        false => bson::serialize_to_vec(&doc! { "_id": ObjectId::new() }).unwrap_or_default(),
    };
    let row = text(row).and_then(|row| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&row).ok());
    let row: Document = row.unwrap_or_default().into_iter().map(|(name, value)| field(&name, &value)).collect();
    let published =
        batch.column_by_name(published).and_then(|array| array.as_boolean_opt()).is_some_and(|it| it.value(0));
    let mut more = doc! {
        "column": text(column),
        "hazard": text(hazard),
        "row": row,
        "published": published,
        "publication": publication,
        "quarantined_at": bson::DateTime::now(),
    };
    if let Some(cause) = text(cause) {
        more.insert("cause", cause);
    }
    joined(&head, &more)
}

fn field(name: &str, value: &serde_json::Value) -> (String, Bson) {
    (name.replace('\0', ""), value.as_str().map_or(Bson::Null, |text| Bson::String(text.to_owned())))
}
