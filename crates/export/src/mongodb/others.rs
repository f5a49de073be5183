//! Finds the documents of others in a collection: those with an `_id` that the model yields, and those that stay.
//!
//! Two `_id`s are the same if the server says so: it compares numbers of all types by value, and texts by the
//! collection's collation. Changes nothing in the database.

use std::collections::HashSet;

use bson::{Bson, Document, doc};

use super::collection::{Collection, StagedCollection};
use super::compare::{compare, equal_id};
use super::documents::Documents;
use super::server::{Server, number};
use crate::difference::KEYS_SHOWN;
use crate::others::Others;
use elt_base::error::Result;
use elt_project::OnConflict;

/// Counts the documents of others. Those with an `_id` of ours leave the staged documents, unless they are to be
/// updated.
pub fn others(server: &Server, collection: &Collection, staged: &mut StagedCollection) -> Result<Others> {
    let key = collection.id.iter().map(|index| collection.fields[*index].name.clone()).collect();
    let table = format!("{}.{}", server.database(), collection.name);
    let mut others = Others { table, key, ..Others::default() };
    if staged.coverage.is_full() {
        let counted = server.run("counting", doc! { "count": &collection.name }, None)?;
        others.there = number(&counted, "n");
    }
    if collection.id.is_empty() || (others.there == 0 && staged.coverage.is_full()) {
        return Ok(others);
    }
    let on_conflict = collection.table.on_conflict;
    let mut position = 0;
    let (numbers, conflicting) = (&staged.numbers, &mut staged.conflicting);
    staged.fresh.batches(|batch| {
        for index in known_there(server, collection, batch)? {
            others.conflicts += 1;
            conflicting.insert(equal_id(&batch[index]));
            if others.keys.len() < KEYS_SHOWN {
                others.keys.push(shown(&batch[index]));
            }
            if on_conflict == OnConflict::Keep {
                others.numbers.extend(numbers.get(position + index));
            }
        }
        position += batch.len();
        Ok(())
    })?;
    if others.conflicts > 0 && on_conflict != OnConflict::Update {
        let mut ours = Documents::new();
        staged.documents.batches(|batch| {
            let mut kept = batch.iter().filter(|document| !conflicting.contains(&equal_id(document)));
            kept.try_for_each(|document| ours.push(document))
        })?;
        staged.documents = ours;
    }
    if staged.coverage.is_full() {
        others.left = compare(server, collection, staged)?.left;
        if on_conflict != OnConflict::Update {
            others.left = others.left.saturating_sub(others.conflicts);
        }
    }
    Ok(others)
}

/// The positions of the `_id`s that the collection has.
fn known_there(server: &Server, collection: &Collection, batch: &[Vec<u8>]) -> Result<Vec<usize>> {
    let id = |document: &[u8]| -> Bson {
        let parsed: Document = bson::deserialize_from_slice(document).unwrap_or_default();
        parsed.get("_id").cloned().unwrap_or(Bson::Null)
    };
    let ask = |filter: Document, limit: usize| -> Result<Vec<Document>> {
        let command = doc! {
            "find": &collection.name, "filter": filter, "projection": { "_id": 1 },
            "batchSize": limit as i64, "limit": limit as i64, "singleBatch": true,
        };
        let answer = server.run("comparing with", command, None)?;
        let found = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch").cloned());
        Ok(found.unwrap_or_default().into_iter().filter_map(|found| found.as_document().cloned()).collect())
    };
    let ids: Vec<Bson> = batch.iter().map(|document| id(document)).collect();
    let found = ask(doc! { "_id": { "$in": ids.clone() } }, batch.len())?;
    let same: HashSet<u128> =
        found.iter().filter_map(|found| bson::serialize_to_vec(found).ok()).map(|found| equal_id(&found)).collect();
    let mut there: Vec<usize> = (0..batch.len()).filter(|index| same.contains(&equal_id(&batch[*index]))).collect();
    if there.len() < found.len() {
        // Equal by the collection's collation, or a decimal.
        for (index, id) in ids.into_iter().enumerate() {
            if !there.contains(&index) && !ask(doc! { "_id": id }, 1)?.is_empty() {
                there.push(index);
            }
        }
        there.sort_unstable();
    }
    Ok(there)
}

/// An `_id` for people.
fn shown(document: &[u8]) -> String {
    let parsed: Document = bson::deserialize_from_slice(document).unwrap_or_default();
    match parsed.get("_id") {
        Some(Bson::String(text)) => text.clone(),
        Some(Bson::Document(several)) => {
            let parts: Vec<String> = several.values().map(plain).collect();
            format!("({})", parts.join(", "))
        }
        Some(value) => plain(value),
        None => String::new(),
    }
}

fn plain(value: &Bson) -> String {
    match value {
        Bson::String(text) => text.clone(),
        Bson::Int64(number) => number.to_string(),
        Bson::Int32(number) => number.to_string(),
        Bson::ObjectId(id) => id.to_hex(),
        value => value.to_string(),
    }
}
