//! Writes the generated documents to a MongoDB database, or applies a day's changes to it, with the official driver.
//!
//! Knows the server, but neither its address nor the content of documents.

use std::sync::Arc;

use ::mongodb::{Database, IndexModel};
use bson::{Bson, Document, RawDocumentBuf, doc};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc};

use super::data_set::{Collection, Generated, Plan};
use super::day::{Change, Day, LOOKED_AT};
use super::everything::everything;
use crate::messages;
use elt_base::error::{Error, Result};
use elt_base::secret::Secret;

/// A request contains at most this many documents, and about this many bytes (a server accepts 48 MB).
const BATCH_DOCUMENTS_MAX: usize = 5_000;
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The number of requests that are sent at the same time. As many more wait.
const WRITERS: usize = 4;
/// The number of changes in a request of a mutation.
const CHANGES_MAX: usize = 1_000;

/// A database to write to. The caller knows the URI and opens it.
pub struct MongodbPlace<'a> {
    pub database: Database,
    pub runtime: &'a Runtime,
    pub uri: &'a Secret,
}

/// Fills the database, whose eight collections must be empty or absent, and creates an index on `updated_at` if the
/// field exists. If `plan.mutate` is above 0, applies a day's changes to the existing documents instead.
pub fn to_mongodb(plan: &Plan, place: MongodbPlace<'_>) -> Result<Vec<Generated>> {
    plan.check()?;
    let MongodbPlace { database, runtime, uri } = place;
    let store = Store { database, failed: Failed { uri: uri.clone() } };
    let generated = if plan.mutate > 0.0 {
        runtime.block_on(store.mutate(plan))
    } else {
        runtime.block_on(store.require_empty()).and_then(|()| store.fill(plan, runtime))
    };
    runtime.block_on(store.database.client().clone().shutdown().into_future());
    generated
}

/// Converts the driver's errors to elt's, without the URI's password.
#[derive(Clone)]
struct Failed {
    uri: Secret,
}

impl Failed {
    fn because(&self, error: &::mongodb::error::Error) -> Error {
        messages::mongodb_generate(&self.uri.redact(&error.to_string()))
    }
}

struct Store {
    database: Database,
    failed: Failed,
}

type Batch = (Collection, Vec<RawDocumentBuf>);

impl Store {
    async fn require_empty(&self) -> Result<()> {
        for collection in Collection::ALL {
            let found = self.database.collection::<Document>(collection.name()).find_one(doc! {}).await;
            if found.map_err(|error| self.failed.because(&error))?.is_some() {
                return Err(messages::collection_not_empty(collection.name(), self.database.name()));
            }
        }
        Ok(())
    }

    fn fill(&self, plan: &Plan, runtime: &Runtime) -> Result<Vec<Generated>> {
        let (sender, receiver) = mpsc::channel::<Batch>(WRITERS);
        let receiver = Arc::new(Mutex::new(receiver));
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| runtime.spawn(insert_all(self.database.clone(), receiver.clone(), self.failed.clone())))
            .collect();
        // Only the writers own it, so that sending fails after all writers have failed.
        drop(receiver);

        let mut generated: Vec<Generated> = Collection::ALL.into_iter().map(Generated::none).collect();
        let mut open: Vec<(Vec<RawDocumentBuf>, usize)> = Collection::ALL.iter().map(|_| (Vec::new(), 0)).collect();
        let made = everything(plan, &mut |collection, document| {
            let raw = RawDocumentBuf::try_from(&document).map_err(|error| messages::bad_document(&error))?;
            let Some(index) = Collection::ALL.iter().position(|known| *known == collection) else { return Ok(()) };
            let (Some(count), Some((batch, bytes))) = (generated.get_mut(index), open.get_mut(index)) else {
                return Ok(());
            };
            let length = raw.as_bytes().len();
            count.documents += 1;
            count.inserted += 1;
            count.bytes += length as u64;
            *bytes += length;
            batch.push(raw);
            if batch.len() >= BATCH_DOCUMENTS_MAX || *bytes >= BATCH_BYTES_MAX {
                *bytes = 0;
                // If sending fails, every writer has stopped. Their errors have the reason.
                return sender
                    .blocking_send((collection, std::mem::take(batch)))
                    .map_err(|_| elt_base::messages::interrupted());
            }
            Ok(())
        });
        if made.is_ok() {
            for (collection, (batch, _)) in Collection::ALL.into_iter().zip(open) {
                if !batch.is_empty() && sender.blocking_send((collection, batch)).is_err() {
                    break;
                }
            }
        }
        drop(sender);
        runtime.block_on(async {
            for writer in writers {
                writer.await.map_err(|_| elt_base::messages::interrupted())??;
            }
            Ok::<_, Error>(())
        })?;
        made?;
        runtime.block_on(self.index())?;
        Ok(generated)
    }

    async fn index(&self) -> Result<()> {
        for collection in Collection::ALL.into_iter().filter(|collection| collection.has_updated_at()) {
            let index = IndexModel::builder().keys(doc! { "updated_at": 1 }).build();
            let made = self.database.collection::<Document>(collection.name()).create_index(index).await;
            made.map_err(|error| self.failed.because(&error))?;
        }
        Ok(())
    }

    async fn mutate(&self, plan: &Plan) -> Result<Vec<Generated>> {
        let mut latest = None;
        for collection in Collection::ALL.into_iter().filter(|collection| collection.has_updated_at()) {
            let documents = self.database.collection::<Document>(collection.name());
            let found = documents
                .find_one(doc! {})
                .sort(doc! { "updated_at": -1 })
                .await
                .map_err(|error| self.failed.because(&error))?;
            let updated_at = found.and_then(|document| document.get_datetime("updated_at").ok().copied());
            latest = latest.max(updated_at.map(|date| date.timestamp_millis()));
        }
        let Some(latest) = latest else { return Err(messages::nothing_to_mutate(self.database.name())) };
        let mut day = Day::after(plan, latest);
        for collection in LOOKED_AT {
            let mut cursor = self.cursor(collection).await?;
            while cursor.advance().await.map_err(|error| self.failed.because(&error))? {
                let document = cursor.deserialize_current().map_err(|error| self.failed.because(&error))?;
                day.look(collection, &document);
            }
        }
        day.grow();
        let mut all = Vec::with_capacity(Collection::ALL.len());
        for collection in Collection::ALL {
            all.push(self.change(collection, &mut day).await?);
        }
        Ok(all)
    }

    /// Reads in the order of `_id`, which no change affects, so that a changed document is not read again.
    async fn cursor(&self, collection: Collection) -> Result<::mongodb::Cursor<Document>> {
        let documents = self.database.collection::<Document>(collection.name());
        documents.find(doc! {}).sort(doc! { "_id": 1 }).await.map_err(|error| self.failed.because(&error))
    }

    async fn change(&self, collection: Collection, day: &mut Day) -> Result<Generated> {
        let mut generated = Generated::none(collection);
        let (mut updates, mut deletes) = (Vec::new(), Vec::new());
        let mut cursor = self.cursor(collection).await?;
        while cursor.advance().await.map_err(|error| self.failed.because(&error))? {
            let mut document = cursor.deserialize_current().map_err(|error| self.failed.because(&error))?;
            let id = document.get("_id").cloned().unwrap_or(Bson::Null);
            match day.change(collection, &mut document) {
                Change::Keep => generated.count(&document)?,
                Change::Update => {
                    generated.count(&document)?;
                    generated.updated += 1;
                    updates.push(doc! { "q": { "_id": id }, "u": document });
                }
                Change::Delete => {
                    generated.deleted += 1;
                    deletes.push(doc! { "q": { "_id": id }, "limit": 1 });
                }
            }
            if updates.len() >= CHANGES_MAX {
                self.run("update", collection, "updates", &mut updates).await?;
            }
            if deletes.len() >= CHANGES_MAX {
                self.run("delete", collection, "deletes", &mut deletes).await?;
            }
        }
        self.run("update", collection, "updates", &mut updates).await?;
        self.run("delete", collection, "deletes", &mut deletes).await?;
        let mut inserts = day.inserts(collection);
        for document in &inserts {
            generated.count(document)?;
            generated.inserted += 1;
        }
        while !inserts.is_empty() {
            let mut batch: Vec<Document> = inserts.drain(..inserts.len().min(CHANGES_MAX)).collect();
            self.run("insert", collection, "documents", &mut batch).await?;
        }
        Ok(generated)
    }

    /// Sends many changes in one request (<https://www.mongodb.com/docs/manual/reference/command/update/> and similar).
    /// The driver's own methods change one document in each request, or require a server of version 8.
    async fn run(&self, command: &str, collection: Collection, key: &str, list: &mut Vec<Document>) -> Result<()> {
        if list.is_empty() {
            return Ok(());
        }
        let mut request = Document::new();
        request.insert(command, collection.name());
        request.insert(key, std::mem::take(list));
        let answer = self.database.run_command(request).await.map_err(|error| self.failed.because(&error))?;
        match answer.get_array("writeErrors") {
            Ok(errors) if !errors.is_empty() => Err(messages::mongodb_generate("the server refused a change")),
            _ => Ok(()),
        }
    }
}

impl Generated {
    fn count(&mut self, document: &Document) -> Result<()> {
        self.documents += 1;
        self.bytes += document.to_vec().map_err(|error| messages::bad_document(&error))?.len() as u64;
        Ok(())
    }
}

async fn insert_all(database: Database, receiver: Arc<Mutex<mpsc::Receiver<Batch>>>, failed: Failed) -> Result<()> {
    loop {
        let next = receiver.lock().await.recv().await;
        let Some((collection, batch)) = next else { return Ok(()) };
        let documents = database.collection::<RawDocumentBuf>(collection.name());
        documents.insert_many(&batch).ordered(false).await.map_err(|error| failed.because(&error))?;
    }
}
