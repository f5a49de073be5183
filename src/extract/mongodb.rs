//! A MongoDB database as a source, through the official driver; its raw server batches go straight to the decoder.
//!
//! The only file that names the driver. It runs on threads of its own, so that the network and the decoding overlap;
//! at most `BATCHES_WAITING` server batches wait in between. Everything the driver says passes `Secret::redact`.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::mongodb::Client;
use ::mongodb::bson::oid::ObjectId;
use ::mongodb::bson::spec::BinarySubtype;
use ::mongodb::bson::{Binary, Bson, DateTime, Document, JavaScriptCodeWithScope, RawDocumentBuf, Timestamp, doc};
use ::mongodb::error::{Error as DriverError, ErrorKind};
use ::mongodb::options::ClientOptions;
use ::mongodb::raw_batch_cursor::RawBatch;
use arrow::array::StringArray;
use arrow::error::ArrowError;
use futures_core::Stream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::batch::{Batch, IdKind, Reading, Window};
use crate::cancel::Cancel;
use crate::error::{Error, Result, nearest};
use crate::extract::bson::{Fields, find};
use crate::extract::decode::{Decoder, Fault};
use crate::extract::id::Ids;
use crate::extract::watermark::{Class, Mark};
use crate::extract::{Request, Source};
use crate::secret::Secret;

/// How long to look for a server, unless the URI says otherwise.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Documents of a server batch, at most; the server itself caps a batch at 16 MiB.
const BATCH_DOCUMENTS: u32 = 10_000;

/// Server batches between the network and the decoder.
const BATCHES_WAITING: usize = 2;

/// 0001-01-01: an earlier date is none to some servers.
const YEAR_ONE_MILLIS: i64 = -62_135_596_800_000;

/// Threads of the driver.
const THREADS: usize = 2;

/// How often a stop is looked for while the server is silent.
const CANCEL_EVERY: Duration = Duration::from_millis(200);

/// A source of `type = "mongodb"`.
#[derive(Debug)]
pub struct Mongodb {
    name: String,
    uri: Secret,
    database: String,
    /// For messages: the servers' names, never credentials.
    hosts: String,
    client: Client,
    runtime: Runtime,
    /// What `count` said, until `read` takes it instead of asking again.
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Mongodb {
    pub fn open(name: &str, uri: &Secret, database: &str) -> Result<Self> {
        // The process may have more than one; the first to choose wins, and all are equal here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("elt-mongodb")
            .enable_all()
            .build()
            .map_err(|error| Error::mongodb_runtime(&error))?;
        let invalid = |error: DriverError| Error::mongodb_uri(name, uri.redact(&cause(&error)));
        let (client, hosts) = runtime.block_on(async {
            let mut options = ClientOptions::parse(uri.reveal()).await.map_err(invalid)?;
            options.server_selection_timeout.get_or_insert(SELECTION_TIMEOUT);
            options.app_name.get_or_insert_with(|| "elt".into());
            let hosts: Vec<_> = options.hosts.iter().map(|host| format!("`{host}`")).collect();
            Ok::<_, Error>((Client::with_options(options).map_err(invalid)?, hosts.join(", ")))
        })?;
        Ok(Self {
            name: name.to_owned(),
            uri: uri.clone(),
            database: database.to_owned(),
            hosts,
            client,
            runtime,
            counts: Mutex::default(),
        })
    }

    /// What went wrong, with `other` for what is neither the way to the server nor the password.
    fn failed(&self, error: &DriverError, since: Instant, other: impl FnOnce(String) -> Error) -> Error {
        let said = self.uri.redact(&cause(error));
        match *error.kind {
            ErrorKind::ServerSelection { .. } | ErrorKind::DnsResolve { .. } => {
                Error::mongodb_unreachable(&self.name, &self.hosts, since.elapsed(), said)
            }
            ErrorKind::Authentication { .. } => Error::mongodb_authentication(&self.name, &self.hosts, said),
            _ => other(said),
        }
    }

    /// Gives each server batch's documents to `each`, in order.
    fn batches(&self, query: Query, cancel: &Cancel, each: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<()> {
        let started = Instant::now();
        let mut documents = 0_u64;
        let collection = query.collection.clone();
        let failed = |error: &DriverError, documents| {
            self.failed(error, started, |said| Error::mongodb_read(&self.name, &collection, documents, said))
        };
        let (send, mut receive) = mpsc::channel(BATCHES_WAITING);
        let database = self.client.database(&self.database);
        self.runtime.spawn(async move {
            let collection = database.collection::<RawDocumentBuf>(&query.collection);
            let opened = if query.ids_only {
                // A real server answers this from the index on `_id` alone (a distinct scan), which `find` with a
                // projection does not; a compatible one need not project each document.
                let ids = [doc! { "$group": { "_id": "$_id" } }];
                collection.aggregate(ids).allow_disk_use(true).batch_size(BATCH_DOCUMENTS).batch().await
            } else {
                collection.find(query.filter).batch_size(BATCH_DOCUMENTS).batch().await
            };
            let mut cursor = match opened {
                Ok(cursor) => cursor,
                Err(error) => return drop(send.send(Err(error)).await),
            };
            while let Some(batch) = poll_fn(|cx| Pin::new(&mut cursor).poll_next(cx)).await {
                let last = batch.is_err();
                // Nobody listens any more: the reading ended early, and dropping the cursor tells the server.
                if send.send(batch).await.is_err() || last {
                    return;
                }
            }
        });
        loop {
            cancel.check()?;
            let received = self.runtime.block_on(async { timeout(CANCEL_EVERY, receive.recv()).await });
            match received {
                Err(_) => {}
                Ok(None) => return Ok(()),
                Ok(Some(Err(error))) => return Err(failed(&error, documents)),
                Ok(Some(Ok(batch))) => {
                    let count = each_document(&batch, each).map_err(|fault| match fault {
                        BatchFault::Driver(error) => failed(&error, documents),
                        BatchFault::Document(Fault::Stopped(error)) => error,
                        BatchFault::Document(Fault::Malformed(malformed)) => {
                            Error::malformed_document(&collection, malformed.offset, malformed.what)
                        }
                    })?;
                    documents += count;
                }
            }
        }
    }
}

#[derive(Debug)]
struct Query {
    collection: String,
    filter: Document,
    /// Of every document its `_id` and nothing else, whatever the filter.
    ids_only: bool,
}

enum BatchFault {
    Driver(DriverError),
    Document(Fault),
}

fn each_document(batch: &RawBatch, each: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<u64, BatchFault> {
    let malformed = |malformed| BatchFault::Document(Fault::Malformed(malformed));
    let documents = batch.doc_slices().map_err(BatchFault::Driver)?;
    let mut elements = Fields::new(documents.as_bytes()).map_err(malformed)?;
    let mut count = 0;
    while let Some(element) = elements.next(&[]).map_err(malformed)? {
        each(element.value.bytes).map_err(BatchFault::Document)?;
        count += 1;
    }
    Ok(count)
}

/// The driver's own text, without the labels and wrappers that its Display adds.
fn cause(error: &DriverError) -> String {
    let text = error.kind.to_string();
    let ErrorKind::ServerSelection { .. } = *error.kind else { return text };
    // The whole topology follows; what each server's last error was is all that helps, and often the same for all.
    let mut reasons: Vec<&str> =
        text.split("Error: Kind: ").skip(1).map(|rest| rest.split(", labels: ").next().unwrap_or_default()).collect();
    reasons.dedup();
    if reasons.is_empty() { "no server was found".into() } else { reasons.join("; ") }
}

/// The documents at or after `from`, and those whose value is missing or of another type.
///
/// Each clause is a range of an index on `path`, if there is one; `$not` and `$type` make some servers read the whole
/// collection. Comparisons keep to the type of their operand (MongoDB manual, "Type Bracketing"), so the least value of
/// each other type brings all of that type. What no comparison brings: a regular expression, a DBPointer, a date before
/// the year 1 where `from` is none, and an array all of whose elements are before `from`, for an index has an array's
/// elements in the place of the array.
fn since(path: &str, from: &Mark) -> Document {
    let Some(own) = from.class() else { return doc! {} };
    let empty = |subtype| Bson::Binary(Binary { subtype, bytes: Vec::new() });
    let brackets = [
        (Some(Class::Number), Bson::Double(f64::NEG_INFINITY)),
        (Some(Class::Text), Bson::String(String::new())),
        (None, Bson::Document(doc! {})),
        (None, empty(BinarySubtype::Generic)),
        (Some(Class::ObjectId), Bson::ObjectId(ObjectId::from_bytes([0; 12]))),
        (Some(Class::Date), Bson::DateTime(DateTime::from_millis(YEAR_ONE_MILLIS))),
        (Some(Class::Timestamp), Bson::Timestamp(Timestamp { time: 0, increment: 0 })),
        (None, Bson::JavaScriptCode(String::new())),
        (None, Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code: String::new(), scope: doc! {} })),
    ];
    // Of a missing field too, and the types of few values.
    let mut values = vec![
        Bson::Null,
        Bson::Array(Vec::new()),
        Bson::Boolean(false),
        Bson::Boolean(true),
        Bson::MinKey,
        Bson::MaxKey,
    ];
    if own != Class::Number {
        values.push(Bson::Double(f64::NAN));
    }
    let mut clauses = vec![doc! { path: { "$gte": from.bson() } }, doc! { path: { "$in": values } }];
    for (class, least) in brackets {
        if class != Some(own) {
            clauses.push(doc! { path: { "$gte": least } });
        }
    }
    doc! { "$or": clauses }
}

impl Source for Mongodb {
    fn collections(&self) -> Result<Vec<String>> {
        let started = Instant::now();
        let names = self.runtime.block_on(async { self.client.database(&self.database).list_collection_names().await });
        let mut names = names.map_err(|error| {
            self.failed(&error, started, |said| Error::mongodb_command(&self.name, "list the collections", said))
        })?;
        names.retain(|name| !name.starts_with("system."));
        names.sort();
        Ok(names)
    }

    fn count(&self, collection: &str) -> Result<Option<u64>> {
        let started = Instant::now();
        let database = self.client.database(&self.database);
        let count = self
            .runtime
            .block_on(async { database.collection::<RawDocumentBuf>(collection).estimated_document_count().await });
        match count {
            Ok(count) => {
                self.counts.lock().unwrap_or_else(PoisonError::into_inner).insert(collection.to_owned(), count);
                Ok(Some(count))
            }
            // A view has no such count.
            Err(error) if matches!(*error.kind, ErrorKind::Command(_)) => Ok(None),
            Err(error) => Err(self.failed(&error, started, |said| {
                Error::mongodb_command(&self.name, &format!("count collection `{collection}`"), said)
            })),
        }
    }

    fn read(&self, request: &Request, sink: &mut dyn FnMut(Batch) -> Result<()>) -> Result<Reading> {
        let filter = match &request.window {
            Window::Full => doc! {},
            Window::Since { path, from } => since(path, &Mark::parse(from)?),
        };
        let expected = match request.window {
            Window::Full => {
                let counted = self.counts.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.collection);
                // A collection that was empty may have been made since.
                match counted.filter(|count| *count > 0) {
                    Some(count) => Some(count),
                    None => self.count(&request.collection)?,
                }
            }
            Window::Since { .. } => None,
        };
        // For the server an unknown collection is an empty one, and a full load would empty the raw table.
        if expected == Some(0) {
            let names = self.collections()?;
            if !names.contains(&request.collection) {
                let near = nearest(&request.collection, names.iter().map(String::as_str));
                return Err(Error::unknown_collection(&self.name, &request.collection, near));
            }
        }
        let query = Query { collection: request.collection.clone(), filter, ids_only: false };
        let mut decoder = Decoder::new(request);
        self.batches(query, &request.cancel, &mut |document| decoder.push(document, sink))?;
        Ok(Reading { expected, ..decoder.finish(sink)? })
    }

    fn ids(
        &self,
        collection: &str,
        kind: IdKind,
        cancel: &Cancel,
        sink: &mut dyn FnMut(StringArray) -> Result<()>,
    ) -> Result<()> {
        let broken = |error: ArrowError| Error::batch(collection, &error);
        let query = Query { collection: collection.to_owned(), filter: doc! {}, ids_only: true };
        let mut ids = Ids::new(kind);
        self.batches(query, cancel, &mut |document| {
            let Some(id) = find(document, b"_id")? else { return Ok(()) };
            ids.push(Some(id), 0)?;
            if ids.len >= BATCH_DOCUMENTS as usize {
                sink(ids.take().map_err(broken)?)?;
            }
            Ok(())
        })?;
        if ids.len == 0 { Ok(()) } else { sink(ids.take().map_err(broken)?) }
    }
}

#[cfg(test)]
mod tests {
    use super::since;
    use crate::extract::watermark::Mark;

    /// The operands of the range clauses, in relaxed Extended JSON.
    #[track_caller]
    fn check(from: &str, expected: &[&str]) {
        let filter = since("at", &Mark::parse(from).unwrap());
        let clauses = filter.get_array("$or").unwrap().iter().filter_map(|clause| clause.as_document());
        let ranges: Vec<_> = clauses
            .filter_map(|clause| clause.get_document("at").ok()?.get("$gte"))
            .map(|operand| operand.clone().into_relaxed_extjson().to_string())
            .collect();
        assert_eq!(ranges, expected);
    }

    #[test]
    fn a_window_has_a_range_for_each_other_type() {
        let numbers = r#"{"$numberDouble":"-Infinity"}"#;
        let bytes = r#"{"$binary":{"base64":"","subType":"00"}}"#;
        let id = r#"{"$oid":"000000000000000000000000"}"#;
        let dates = r#"{"$date":{"$numberLong":"-62135596800000"}}"#;
        let timestamps = r#"{"$timestamp":{"t":0,"i":0}}"#;
        let (code, scoped) = (r#"{"$code":""}"#, r#"{"$code":"","$scope":{}}"#);
        check(
            r#"{"$date":{"$numberLong":"0"}}"#,
            &[r#"{"$date":"1970-01-01T00:00:00Z"}"#, numbers, r#""""#, "{}", bytes, id, timestamps, code, scoped],
        );
        check(r#"{"$numberInt":"7"}"#, &["7", r#""""#, "{}", bytes, id, dates, timestamps, code, scoped]);
    }
}
