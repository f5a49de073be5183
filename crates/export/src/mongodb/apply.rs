//! Sends the staged documents: in one transaction if possible, else between a pending mark and the record.
//!
//! It first deletes documents, children before parents, and then upserts documents, parents before children.

use ::mongodb::ClientSession;
use bson::{DateTime, Document, RawDocumentBuf, doc};

use super::bytes::joined;
use super::collection::{Collection, StagedCollection};
use super::compare::compare;
use super::documents::Documents;
use super::server::number;
use super::staging::{MongodbPublication, PUBLICATIONS, TABLES};
use crate::messages;
use crate::publication::Coverage;
use crate::target::{Answer, Applying, PublicationRecord, TOOL, Work, hash_tag};
use elt_base::error::{Error, Result};

/// The limits of a transaction: the server ends one that runs longer than a minute, or whose log grows too large.
const TRANSACTION_DOCUMENTS_MAX: u64 = 1_000;
const TRANSACTION_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl MongodbPublication {
    fn is_replica_set(&self) -> Result<bool> {
        let hello = self.server.run("greeting", doc! { "hello": 1 }, None)?;
        Ok(hello.contains_key("setName"))
    }

    /// Deletes by `_id`; returns how many documents were deleted.
    fn delete_documents(
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

    /// Puts documents in the place of those with their `_id`; in a collection that others made, sets their fields.
    /// Returns how many were new, and how many changed.
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

    /// Writes a whole collection under another name and renames it: readers see the old one or the new one.
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
    fn set_aside(&self, collection: &Collection, staged: &mut StagedCollection) -> Result<()> {
        let beside = collection.beside.clone();
        if self.existing.contains(&beside) {
            if staged.coverage.is_full() || collection.id.is_empty() {
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

    /// Makes the indexes that the contract asks for, and drops those of ours that it no longer does. Of collections
    /// that others made none are touched.
    fn index(&self, collection: &Collection) -> Result<()> {
        if collection.exists && collection.indexes.is_none() {
            return Ok(());
        }
        let mut declared = std::collections::BTreeMap::new();
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
            let mut name = name.join("_");
            // `a_1_b_1` is the index of `a` and `b`, and that of `a_1_b`.
            let is_other = |other: &Document| other.get("key") != index.get("key");
            if declared.get(&name).is_some_and(is_other) {
                name = format!("{name}_{}", hash_tag(&columns.join("\n")));
            }
            declared.insert(name, index);
        }
        // A collection that was written again has lost its indexes.
        let none = std::collections::BTreeSet::new();
        let kept = if collection.id.is_empty() { &none } else { collection.indexes.as_ref().unwrap_or(&none) };
        let missing: Vec<Document> = declared
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
        let dropped: Vec<&String> = kept.iter().filter(|name| !declared.contains_key(*name)).collect();
        for name in &dropped {
            let command = doc! { "dropIndexes": &collection.name, "index": *name };
            self.server.run("dropping an index of", command, None).or_else(absent)?;
        }
        if collection.indexes.is_none() || !missing.is_empty() || !dropped.is_empty() {
            let names: Vec<&String> = declared.keys().collect();
            let update = doc! { "q": { "_id": &collection.name }, "u": { "_id": &collection.name, "indexes": names }, "upsert": true };
            self.server.run("recording in", doc! { "update": TABLES, "updates": [update] }, None)?;
        }
        Ok(())
    }

    /// The record of the publication, in this state.
    fn send_record(&self, state: &str, record: &Document, session: Option<&mut ClientSession>) -> Result<()> {
        let mut document = doc! { "_id": &self.id, "state": state };
        document.extend(record.clone());
        let update = doc! { "q": { "_id": &self.id }, "u": document, "upsert": true };
        let command = doc! { "update": PUBLICATIONS, "updates": [update] };
        self.server.run("recording the publication in", command, session).map(drop)
    }

    /// Handles the state after an error, if there was no transaction.
    fn explained(&self, error: Error) -> Error {
        match self.is_begun {
            true => error.hint("a part may have been published; run the command again: it compares in full and completes the publication"),
            false => error,
        }
    }
}

impl Applying for MongodbPublication {
    fn begin(&mut self, work: &mut [Work<StagedCollection>]) -> Result<()> {
        let staged = || work.iter().filter_map(|work| Some((work.index, work.staged.as_ref()?)));
        let is_small = staged().all(|(index, staged)| {
            staged.coverage == Coverage::Delta && self.collections[index].exists && staged.quarantine.count == 0
        });
        let documents: u64 = staged().map(|(_, staged)| staged.documents.count + staged.gone.count).sum();
        let bytes: u64 = staged().map(|(_, staged)| staged.documents.bytes).sum();
        let fits = is_small && documents <= TRANSACTION_DOCUMENTS_MAX && bytes <= TRANSACTION_BYTES_MAX;
        // On older servers, a collection must exist before the transaction that uses it.
        let has_record = self.existing.contains(PUBLICATIONS);
        if fits && has_record && self.is_replica_set()? {
            self.session = Some(self.server.transaction()?);
        } else {
            self.is_begun = true;
            self.send_record("pending", &Document::new(), None)?;
        }
        for work in work {
            let (collection, Some(staged)) = (&self.collections[work.index], &mut work.staged) else { continue };
            // The documents that differ are all that must be sent; those that are unknown are deleted.
            if staged.coverage.is_full() && collection.exists && !collection.id.is_empty() {
                let compared = compare(&self.server, collection, staged)?;
                staged.documents = compared.to_send;
                staged.gone = compared.unknown;
            }
        }
        Ok(())
    }

    fn delete(&mut self, work: &mut Work<StagedCollection>) -> Result<u64> {
        let Some(staged) = &mut work.staged else { return Ok(0) };
        let mut session = self.session.take();
        let deleted = self.delete_documents(&self.collections[work.index], &mut staged.gone, session.as_mut());
        self.session = session;
        deleted
    }

    fn write(&mut self, work: &mut Work<StagedCollection>) -> Result<(u64, u64)> {
        let Some(staged) = &mut work.staged else { return Ok((0, 0)) };
        let mut session = self.session.take();
        let collection = &self.collections[work.index];
        let written = if collection.exists && !collection.id.is_empty() {
            self.upsert(collection, &mut staged.documents, session.as_mut()).and_then(|(inserted, updated)| {
                // All others of them met a document that they do not belong to.
                let fresh = staged.fresh.count - staged.conflicting.len() as u64;
                match collection.keeps_others && inserted < fresh {
                    true => Err(messages::export_changed_meanwhile(&collection.name)),
                    false => Ok((inserted, updated)),
                }
            })
        } else {
            self.write_beside(work.index, collection, &mut staged.documents).map(|()| (staged.documents.count, 0))
        };
        let written = written.and_then(|written| {
            self.set_aside(collection, staged)?;
            self.index(collection)?;
            Ok(written)
        });
        self.session = session;
        written
    }

    fn finish(&mut self, _: &mut [Work<StagedCollection>]) -> Result<()> {
        Ok(())
    }

    fn record(&mut self, record: &PublicationRecord<'_>) -> Result<()> {
        let mut tables = Document::new();
        for (label, table) in &record.tables {
            let mut entry = doc! {
                "inserted": table.counts.inserted as i64,
                "updated": table.counts.updated as i64,
                "deleted": table.counts.deleted as i64,
            };
            if let Some(definition) = table.definition {
                entry.insert("definition", definition);
            }
            tables.insert(label.replace('.', "/"), entry);
        }
        self.record = doc! {
            "published_at": DateTime::now(),
            "project": record.project,
            "target": record.target,
            "tool": TOOL,
            "tables": tables,
        };
        let Some(mut session) = self.session.take() else { return Ok(()) };
        let sent = self.send_record("done", &self.record, Some(&mut session));
        self.session = Some(session);
        sent
    }

    fn commit(&mut self) -> Result<Answer> {
        let committed = match &mut self.session {
            Some(session) => self.server.commit(session),
            None => self.send_record("done", &self.record, None),
        };
        Ok(match committed {
            Ok(()) => Answer::Committed,
            // Refused or lost: the record says which.
            Err(error) => Answer::Lost(error.causes().first().cloned().unwrap_or_else(|| error.message().to_owned())),
        })
    }

    fn roll_back(&mut self, error: Error) -> Error {
        if let Some(session) = &mut self.session {
            self.server.abort(session);
        }
        self.explained(error)
    }

    fn is_recorded(&mut self, id: &str) -> Result<bool> {
        let done = doc! { "_id": id, "state": "done" };
        Ok(self.server.find_one("reading", PUBLICATIONS, done, doc! {})?.is_some())
    }

    fn failed(&self, during: &str, cause: &str) -> Error {
        self.explained(messages::export_mongodb(during, &self.server.place(), cause.to_owned()))
    }
}

/// The error of a command that removes an object that does not exist.
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
    joined(&bytes, more)
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
