//! Sends what is staged: in one transaction where that is possible, else between a pending mark and the record.
//!
//! Deletes go children first, then upserts parents first.

use ::mongodb::ClientSession;
use bson::{DateTime, Document, RawDocumentBuf, doc};

use super::staged::Documents;
use super::{Collection, MongodbExporter, PUBLICATIONS, Staged, TABLES, locked};
use crate::messages;
use crate::{Counts, Extent, Published};
use elt_base::error::{Error, Result};

/// What a transaction may hold: the server ends one that takes longer than a minute, or whose log grows too large.
const TRANSACTION_DOCUMENTS_MAX: u64 = 1_000;
const TRANSACTION_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl MongodbExporter {
    /// Publishes what is staged. Without anything to do, writes nothing.
    pub(super) fn apply(&self) -> Result<Published> {
        let mut staged = std::mem::take(&mut *locked(&self.staged));
        if staged.is_empty() {
            return Ok(Published { id: None, tables: Vec::new() });
        }
        let is_small = staged.iter().all(|(index, staged)| {
            staged.extent == Extent::Delta && self.collections[*index].is_standing && staged.quarantine.count == 0
        });
        let documents: u64 = staged.values().map(|staged| staged.documents.count + staged.gone.count).sum();
        let bytes: u64 = staged.values().map(|staged| staged.documents.bytes).sum();
        let fits = is_small && documents <= TRANSACTION_DOCUMENTS_MAX && bytes <= TRANSACTION_BYTES_MAX;
        // What is made within a transaction must stand before it, on older servers.
        let has_record = self.standing.contains(PUBLICATIONS);
        let mut session =
            if fits && has_record && self.is_replica_set()? { Some(self.server.transaction()?) } else { None };
        let outcome = self.apply_in(&mut staged, session.as_mut());
        match (outcome, &mut session) {
            (Ok(tables), session) => {
                if let Some(session) = session {
                    self.server.commit(session)?;
                }
                Ok(Published { id: Some(self.publication.id.clone()), tables })
            }
            (Err(error), session) => {
                if let Some(session) = session {
                    self.server.abort(session);
                    return Err(error);
                }
                Err(error.hint("a part may have been published; the next run compares in full and completes it"))
            }
        }
    }

    fn is_replica_set(&self) -> Result<bool> {
        let hello = self.server.run("greeting", doc! { "hello": 1 }, None)?;
        Ok(hello.contains_key("setName"))
    }

    fn apply_in(
        &self,
        staged: &mut std::collections::BTreeMap<usize, Staged>,
        mut session: Option<&mut ClientSession>,
    ) -> Result<Vec<(String, Counts)>> {
        if session.is_none() {
            self.record("pending", &[], None)?;
        }
        let mut counts: Vec<Counts> = self.collections.iter().map(|_| Counts::default()).collect();
        for (index, staged) in staged.iter_mut() {
            let collection = &self.collections[*index];
            // The documents that differ are all that is to be sent; those that are unknown go.
            if staged.extent == Extent::Everything && collection.is_standing && !collection.id.is_empty() {
                let compared = self.compare(collection, staged)?;
                staged.documents = compared.to_send;
                staged.gone = compared.unknown;
            }
        }
        for (index, staged) in staged.iter_mut().rev() {
            counts[*index].deleted =
                self.delete(&self.collections[*index], &mut staged.gone, session.as_deref_mut())?;
        }
        for (index, staged) in staged.iter_mut() {
            self.cancel.check()?;
            let collection = &self.collections[*index];
            let counts = &mut counts[*index];
            if collection.is_standing && !collection.id.is_empty() {
                (counts.inserted, counts.updated) =
                    self.upsert(collection, &mut staged.documents, session.as_deref_mut())?;
            } else {
                counts.inserted = staged.documents.count;
                self.write_beside(*index, collection, &mut staged.documents)?;
            }
            self.set_aside(collection, staged)?;
            self.index(collection)?;
        }
        let tables: Vec<(String, Counts)> = self
            .collections
            .iter()
            .zip(&counts)
            .enumerate()
            .filter(|(index, _)| staged.contains_key(index))
            .map(|(_, (collection, counts))| (collection.table.label.clone(), *counts))
            .collect();
        self.record("done", &tables, session)?;
        Ok(tables)
    }

    /// Deletes by `_id`; returns how many there were.
    fn delete(
        &self,
        collection: &Collection,
        gone: &mut Documents,
        mut session: Option<&mut ClientSession>,
    ) -> Result<u64> {
        let mut deleted = 0;
        gone.batches(|batch| {
            let operations = batch.iter().map(|id| element_document("q", id, &doc! { "limit": 1 }));
            let command = command("delete", &collection.name, "deletes", operations);
            let answer = self.server.run_raw("deleting from", command?, session.as_deref_mut())?;
            deleted += number(&answer, "n");
            Ok(())
        })?;
        Ok(deleted)
    }

    /// Puts documents in the place of those with their `_id`; in a collection that others made, sets their fields. Returns
    /// how many were new, and how many changed.
    fn upsert(
        &self,
        collection: &Collection,
        documents: &mut Documents,
        mut session: Option<&mut ClientSession>,
    ) -> Result<(u64, u64)> {
        let (mut inserted, mut updated) = (0, 0);
        let is_ours = collection.indexes.is_some();
        documents.batches(|batch| {
            let operations = batch.iter().map(|document| {
                let parsed: Document = bson::deserialize_from_slice(document).unwrap_or_default();
                let mut operation = doc! { "q": { "_id": parsed.get("_id").cloned() }, "upsert": true };
                if is_ours {
                    operation.insert("u", parsed);
                } else {
                    let mut fields = parsed;
                    fields.remove("_id");
                    operation.insert("u", doc! { "$set": fields });
                }
                bson::serialize_to_vec(&operation).unwrap_or_default()
            });
            let command = command("update", &collection.name, "updates", operations);
            let answer = self.server.run_raw("writing to", command?, session.as_deref_mut())?;
            inserted += answer.get_array("upserted").map_or(0, |upserted| upserted.len() as u64);
            updated += number(&answer, "nModified");
            Ok(())
        })?;
        Ok((inserted, updated))
    }

    /// Writes a whole collection beside its place and renames it: readers see the old one or the new.
    fn write_beside(&self, index: usize, collection: &Collection, documents: &mut Documents) -> Result<()> {
        let beside = format!("_elt_new_{index}");
        self.server.run("dropping what is left in", doc! { "drop": &beside }, None).or_else(absent)?;
        self.server.run("creating a collection in", doc! { "create": &beside }, None)?;
        documents.batches(|batch| {
            self.cancel.check()?;
            let command = command("insert", &beside, "documents", batch.iter().cloned());
            self.server.run_raw("writing to", command?, None).map(drop)
        })?;
        let database = self.server.database();
        self.server.run_admin(
            "renaming a collection of",
            doc! {
                "renameCollection": format!("{database}.{beside}"),
                "to": format!("{database}.{}", collection.name),
                "dropTarget": true,
            },
        )
    }

    /// The rows that were set aside, in the collection beside; entries of rows that are clean or gone go.
    fn set_aside(&self, collection: &Collection, staged: &mut Staged) -> Result<()> {
        let beside = format!("{}_quarantine", collection.name);
        if self.standing.contains(&beside) {
            if staged.extent == Extent::Everything || collection.id.is_empty() {
                let command = doc! { "delete": &beside, "deletes": [{ "q": {}, "limit": 0 }] };
                self.server.run("deleting from", command, None)?;
            } else {
                for documents in [&mut staged.documents, &mut staged.gone] {
                    documents.batches(|batch| {
                        let ids = batch.iter().map(|document| {
                            let parsed: Document = bson::deserialize_from_slice(document).unwrap_or_default();
                            let operation = doc! { "q": { "_id": parsed.get("_id").cloned() }, "limit": 1 };
                            bson::serialize_to_vec(&operation).unwrap_or_default()
                        });
                        let command = command("delete", &beside, "deletes", ids);
                        self.server.run_raw("deleting from", command?, None).map(drop)
                    })?;
                }
            }
        }
        staged.quarantine.batches(|batch| {
            let command = command("insert", &beside, "documents", batch.iter().cloned());
            self.server.run_raw("writing to", command?, None).map(drop)
        })
    }

    /// Makes the indexes that the contract asks for, and drops those of ours that it no longer does. Of collections that
    /// others made none are touched.
    fn index(&self, collection: &Collection) -> Result<()> {
        if collection.is_standing && collection.indexes.is_none() {
            return Ok(());
        }
        let mut wanted = std::collections::BTreeMap::new();
        for (columns, unique) in collection
            .table
            .indexes
            .iter()
            .map(|index| (&index.columns, index.unique))
            .chain(collection.table.unique.iter().map(|unique| (&unique.columns, true)))
        {
            let key: Document = columns.iter().map(|column| (column.clone(), 1.into())).collect();
            let name: Vec<String> = columns.iter().map(|column| format!("{column}_1")).collect();
            let mut index = doc! { "key": key, "unique": unique };
            if unique {
                // As in SQL, nulls equal nothing.
                let types = [
                    "double", "string", "object", "array", "binData", "objectId", "bool", "date", "int", "long",
                    "decimal",
                ];
                let present: Document =
                    columns.iter().map(|column| (column.clone(), doc! { "$type": types.as_slice() }.into())).collect();
                index.insert("partialFilterExpression", present);
            }
            wanted.insert(name.join("_"), index);
        }
        // A collection that was written anew has lost its own.
        let none = std::collections::BTreeSet::new();
        let kept = if collection.id.is_empty() { &none } else { collection.indexes.as_ref().unwrap_or(&none) };
        let missing: Vec<Document> = wanted
            .iter()
            .filter(|(name, _)| !kept.contains(*name))
            .map(|(name, index)| {
                let mut index = index.clone();
                index.insert("name", name);
                index
            })
            .collect();
        if !missing.is_empty() {
            let command = doc! { "createIndexes": &collection.name, "indexes": missing.clone() };
            self.server.run("indexing", command, None)?;
        }
        let dropped: Vec<&String> = kept.iter().filter(|name| !wanted.contains_key(*name)).collect();
        for name in &dropped {
            let command = doc! { "dropIndexes": &collection.name, "index": *name };
            self.server.run("dropping an index of", command, None).or_else(absent)?;
        }
        if collection.indexes.is_none() || !missing.is_empty() || !dropped.is_empty() {
            let names: Vec<&String> = wanted.keys().collect();
            let update = doc! { "q": { "_id": &collection.name }, "u": { "_id": &collection.name, "indexes": names }, "upsert": true };
            self.server.run("recording in", doc! { "update": TABLES, "updates": [update] }, None)?;
        }
        Ok(())
    }

    fn record(&self, state: &str, tables: &[(String, Counts)], session: Option<&mut ClientSession>) -> Result<()> {
        let id = &self.publication.id;
        let mut counted = Document::new();
        for (label, counts) in tables {
            let mut entry = doc! {
                "inserted": counts.inserted as i64,
                "updated": counts.updated as i64,
                "deleted": counts.deleted as i64,
            };
            if let Some(definition) = self.publication.definitions.get(label) {
                entry.insert("definition", definition);
            }
            counted.insert(label.replace('.', "/"), entry);
        }
        let record = doc! {
            "_id": id,
            "state": state,
            "published_at": DateTime::now(),
            "project": &self.publication.project,
            "target": &self.publication.target,
            "tool": concat!("elt ", env!("CARGO_PKG_VERSION")),
            "tables": counted,
        };
        let update = doc! { "q": { "_id": id }, "u": record, "upsert": true };
        self.server.run(
            "recording the publication in",
            doc! { "update": PUBLICATIONS, "updates": [update] },
            session,
        )?;
        Ok(())
    }
}

/// A command that was to remove what is not there.
fn absent(error: Error) -> Result<Document> {
    let is_absent = error.iter().any(|error| {
        error
            .causes()
            .iter()
            .any(|cause| cause.ends_with("[26]") || cause.ends_with("[27]") || cause.contains("not found"))
    });
    if is_absent { Ok(Document::new()) } else { Err(error) }
}

/// `{name: document, …more}`, in BSON.
fn element_document(name: &str, document: &[u8], more: &Document) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.push(0x03);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(document);
    bytes.push(0);
    let length = (bytes.len() as i32).to_le_bytes();
    bytes[..4].copy_from_slice(&length);
    super::joined(&bytes, more)
}

/// `{verb: collection, ordered: false, operations: [..]}`, in BSON; operations are documents.
fn command(
    verb: &str,
    collection: &str,
    list: &str,
    operations: impl Iterator<Item = Vec<u8>>,
) -> Result<RawDocumentBuf> {
    let mut array = vec![0; 4];
    for (index, operation) in operations.enumerate() {
        array.push(0x03);
        array.extend_from_slice(index.to_string().as_bytes());
        array.push(0);
        array.extend_from_slice(&operation);
    }
    array.push(0);
    let length = (array.len() as i32).to_le_bytes();
    array[..4].copy_from_slice(&length);
    let mut bytes = bson::serialize_to_vec(&doc! { verb: collection, "ordered": false }).unwrap_or_default();
    bytes.pop();
    bytes.push(0x04);
    bytes.extend_from_slice(list.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(&array);
    bytes.push(0);
    let length = (bytes.len() as i32).to_le_bytes();
    bytes[..4].copy_from_slice(&length);
    RawDocumentBuf::from_bytes(bytes)
        .map_err(|error| messages::export_mongodb("encoding for", collection, error.to_string()))
}

fn number(answer: &Document, key: &str) -> u64 {
    let value = answer.get(key);
    let value =
        value.and_then(|value| value.as_i64().or(value.as_i32().map(i64::from)).or(value.as_f64().map(|n| n as i64)));
    value.unwrap_or(0).unsigned_abs()
}
