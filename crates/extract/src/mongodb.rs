//! A MongoDB database as a source, with the official driver. Its raw server batches are passed directly to the decoder.
//!
//! Only this folder uses the driver. The driver has its own threads, so that the network and the decoding overlap.
//! `Secret::redact` removes the password from all texts of the driver.

mod count_speed;
mod feed;
mod query;
mod survey;
mod window;

use std::time::Instant;

use ::mongodb::Client;
use ::mongodb::bson::{Bson, RawDocumentBuf, Timestamp, doc};
use ::mongodb::error::{Error as DriverError, ErrorKind};
use ::mongodb::options::SessionOptions;
use arrow::array::StringArray;
use arrow::error::ArrowError;
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::batch::Quarantined;
use crate::bson::find;
use crate::column::id_list::IdList;
use crate::decode::{Decoder, Fault};
use crate::messages;
use crate::options::CollectionOptions;
use crate::question::{Question, ReadingPlan, SurveyHints};
use crate::source::{CountMode, Sink, Source};
use crate::survey::Survey;
use crate::watermark::Mark;
use crate::window::IdRange;
use crate::window::Window;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::reading::{IdKind, Reading};
use elt_base::secret::Secret;
use elt_base::wait::Wait;
use elt_connect::mongodb::{Connection, cause};

use count_speed::CountSpeed;
use feed::Ended;
use query::{Asked, Find, ServerQuery, filter, projection, query};
use window::since;

/// The number of `_id`s that a sink receives at once.
const IDS_MAX: usize = 10_000;

/// Error codes of a server whose state, not the query, is the reason: later it may answer the same query
/// (MongoDB's specification "Retryable Reads", and the codes of a cursor that is lost).
const TRANSIENT_CODES: [i32; 19] =
    [6, 7, 43, 89, 91, 134, 136, 189, 237, 262, 290, 358, 9001, 10107, 11600, 11602, 13388, 13435, 13436];

/// MaxTimeMSExpired.
const TIME_LIMIT_CODE: i32 = 50;

/// A source of `type = "mongodb"`.
#[derive(Debug)]
pub struct Mongodb {
    name: String,
    uri: Secret,
    database: String,
    /// The servers' names for messages, without credentials.
    hosts: String,
    client: Client,
    runtime: Runtime,
    pace: CountSpeed,
    /// With `snapshot = true`: the cluster time of all readings, after the first reading has set it.
    snapshot: Option<Mutex<Option<Timestamp>>>,
}

impl Mongodb {
    /// Passes each document of the answer to `each`, in order.
    fn feed(
        &self,
        query: ServerQuery,
        cancel: &Cancel,
        each: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Ended> {
        let wait = self.wait(format!("reading `{}`", query.collection));
        let server = feed::Server { runtime: &self.runtime, client: &self.client, database: &self.database };
        feed::feed(&server, query, self.session_options(), cancel, &wait, each)
    }

    /// With `snapshot`, every reading sees the state at the moment of the first reading.
    pub fn open(name: &str, uri: &Secret, database: &str, snapshot: bool) -> Result<Self> {
        let Connection { client, runtime, hosts } = Connection::open(uri, |cause| messages::mongodb_uri(name, cause))?;
        let hosts = hosts.iter().map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", ");
        Ok(Self {
            name: name.to_owned(),
            uri: uri.clone(),
            database: database.to_owned(),
            hosts,
            client,
            runtime,
            pace: CountSpeed::default(),
            snapshot: snapshot.then(Mutex::default),
        })
    }

    /// For the program, which ends itself if the server is silent.
    fn wait(&self, step: impl Into<String>) -> Wait {
        Wait::new(format!("MongoDB at {}", self.hosts), step)
    }

    /// The message for an error. `other` is used for an error of neither the connection nor the password.
    fn failed(&self, error: &DriverError, since: Instant, other: impl FnOnce(String) -> Error) -> Error {
        let said = self.uri.redact(&cause(error));
        match *error.kind {
            ErrorKind::ServerSelection { .. } | ErrorKind::DnsResolve { .. } => {
                messages::mongodb_unreachable(&self.name, &self.hosts, since.elapsed(), said)
            }
            ErrorKind::Authentication { .. } => messages::mongodb_authentication(&self.name, &self.hosts, said),
            _ => other(said),
        }
    }

    /// The error of a feed, with the number of documents that were read before it.
    fn ended(&self, ended: Ended, collection: &str, since: Instant, documents: u64) -> Error {
        match ended {
            Ended::Driver(error) => {
                let failed =
                    self.failed(&error, since, |said| messages::mongodb_read(&self.name, collection, documents, said));
                match &*error.kind {
                    ErrorKind::Command(command) if command.code == TIME_LIMIT_CODE => failed.timeout(),
                    _ if is_transient(&error) => failed.transient(),
                    _ => failed,
                }
            }
            Ended::Document(Fault::Stopped(error)) => error,
            Ended::Document(Fault::Malformed(malformed)) => {
                messages::malformed_document(collection, malformed.offset, malformed.what)
            }
        }
    }

    /// The options of a session that reads at the snapshot's time. None without `snapshot`.
    fn session_options(&self) -> Option<SessionOptions> {
        let time = *self.snapshot.as_ref()?.lock();
        Some(SessionOptions::builder().snapshot(true).snapshot_time(time).build())
    }

    /// Sets the snapshot's time with a small reading of a collection, if it is not set yet.
    fn set_snapshot(&self, collection: &str) -> Result<()> {
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        let started = Instant::now();
        let mut time = snapshot.lock();
        if time.is_some() {
            return Ok(());
        }
        let _wait = self.wait(format!("reading `{collection}`"));
        let reading = self.runtime.block_on(async {
            let mut session = self.client.start_session().snapshot(true).await?;
            let collection = self.client.database(&self.database).collection::<RawDocumentBuf>(collection);
            collection.find_one(doc! {}).projection(doc! { "_id": 1 }).session(&mut session).await?;
            Ok(session.snapshot_time())
        });
        *time = reading.map_err(|error: DriverError| {
            self.failed(&error, started, |said| messages::mongodb_snapshot(&self.name, said))
        })?;
        if time.is_some() {
            return Ok(());
        }
        Err(messages::mongodb_snapshot(&self.name, "the server did not report the time of its snapshot".into()))
    }

    /// Reads all documents of a small answer.
    fn all(&self, query: ServerQuery, cancel: &Cancel, each: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<()> {
        let started = Instant::now();
        let collection = query.collection.clone();
        self.feed(query, cancel, each).map_err(|ended| self.ended(ended, &collection, started, 0))
    }

    /// The collection's type in the server's catalog: `collection`, `view`, `timeseries`. None if it does not exist.
    fn type_of(&self, collection: &str) -> Result<Option<String>> {
        let started = Instant::now();
        let _wait = self.wait("listing the collections");
        let ask = async || {
            let database = self.client.database(&self.database);
            let command = doc! { "listCollections": 1, "filter": { "name": collection } };
            database.run_command(command).await
        };
        let listed = twice(|| self.runtime.block_on(ask()));
        let listed = listed.map_err(|error| {
            self.failed(&error, started, |said| messages::mongodb_command(&self.name, "list the collections", said))
        })?;
        self.pace.answered(started.elapsed());
        let found = listed.get_document("cursor").ok().and_then(|cursor| cursor.get_array("firstBatch").ok());
        let first = found.and_then(|found| found.first()).and_then(Bson::as_document);
        Ok(first.map(|entry| entry.get_str("type").unwrap_or("collection").to_owned()))
    }
}

/// Whether the server may answer the same query later.
fn is_transient(error: &DriverError) -> bool {
    match &*error.kind {
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::ServerSelection { .. } => true,
        ErrorKind::Command(command) => TRANSIENT_CODES.contains(&command.code),
        _ => error.contains_label("RetryableReadError") || error.contains_label("TransientTransactionError"),
    }
}

/// Asks the server, and once more if the connection was lost meanwhile: the driver repeats queries, but no commands.
fn twice<T>(ask: impl Fn() -> Result<T, DriverError>) -> Result<T, DriverError> {
    ask().or_else(|error| match *error.kind {
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => ask(),
        _ => Err(error),
    })
}

impl Source for Mongodb {
    fn collections(&self) -> Result<Vec<String>> {
        let started = Instant::now();
        let _wait = self.wait("listing the collections");
        let ask = async || self.client.database(&self.database).list_collection_names().await;
        let names = twice(|| self.runtime.block_on(ask()));
        let mut names = names.map_err(|error| {
            self.failed(&error, started, |said| messages::mongodb_command(&self.name, "list the collections", said))
        })?;
        self.pace.answered(started.elapsed());
        names.retain(|name| !name.starts_with("system."));
        names.sort();
        Ok(names)
    }

    fn count(&self, collection: &str, options: &CollectionOptions, mode: CountMode) -> Result<Option<u64>> {
        let started = Instant::now();
        if mode == CountMode::Exact || self.snapshot.is_some() {
            self.set_snapshot(collection)?;
            let mut stages = Vec::new();
            if options.filter.is_some() {
                stages.push(doc! { "$match": filter(options, collection)? });
            }
            stages.push(doc! { "$group": { "_id": null, "n": { "$sum": 1 } } });
            let mut count = 0;
            let query = query(collection, options, Asked::Aggregate(stages, None));
            self.all(query, &Cancel::default(), &mut |document| {
                count = find(document, b"n")?.map_or(0, |value| value.integer());
                Ok(())
            })?;
            return Ok(u64::try_from(count).ok());
        }
        if options.filter.is_some() {
            return Ok(None);
        }
        let database = self.client.database(&self.database);
        let _wait = self.wait(format!("counting `{collection}`"));
        let count = self.runtime.block_on(async {
            let collection = database.collection::<RawDocumentBuf>(collection);
            match mode {
                CountMode::AtHand(time) => collection.estimated_document_count().max_time(time).await,
                _ => collection.estimated_document_count().await,
            }
        });
        match count {
            Ok(count) => {
                self.pace.counted(count, started.elapsed());
                Ok(Some(count))
            }
            // A view does not have this count, and a server may need to read the collection for it.
            Err(error) if matches!(*error.kind, ErrorKind::Command(_)) && !is_transient(&error) => Ok(None),
            Err(error) => Err(self.failed(&error, started, |said| {
                messages::mongodb_command(&self.name, &format!("count collection `{collection}`"), said)
            })),
        }
    }

    fn survey(&self, question: &Question, hints: SurveyHints) -> Result<Survey> {
        self.set_snapshot(&question.collection)?;
        self.look(question, hints)
    }

    fn read(&self, question: &Question, plan: &ReadingPlan, range: &IdRange, sink: &mut Sink<'_>) -> Result<Reading> {
        let started = Instant::now();
        let mut filter = filter(&question.options, &question.collection)?;
        if let Window::Since { path, from } = &question.window {
            let window = since(path, &Mark::parse(from)?);
            filter = if filter.is_empty() {
                window
            } else {
                doc! { "$and": [filter, window] }
            };
        }
        let bound =
            |bound: &Option<String>| bound.as_ref().map(|text| Ok::<_, Error>(Mark::parse(text)?.bson())).transpose();
        let (from, to) = (bound(&range.from)?, bound(&range.to)?);
        let find = Find { filter, projection: projection(question), from, to, ..Find::default() };
        let mut decoder = Decoder::new(question, plan)?;
        let fed = self.feed(
            query(&question.collection, &question.options, Asked::Find(Box::new(find))),
            &question.cancel,
            &mut |document| match decoder.push(document, sink) {
                Err(Fault::Malformed(malformed)) => {
                    let error = messages::malformed_document(&question.collection, malformed.offset, malformed.what);
                    let reason = format!("at byte {}, {}", malformed.offset, malformed.what);
                    let document = Quarantined { offset: None, line: None, reason, bytes: Some(document.to_vec()) };
                    Ok(decoder.quarantine(document, error, sink)?)
                }
                other => other,
            },
        );
        fed.map_err(|ended| self.ended(ended, &question.collection, started, decoder.documents()))?;
        decoder.finish(sink)
    }

    fn ids(&self, question: &Question, id_kind: IdKind, sink: &mut dyn FnMut(StringArray) -> Result<()>) -> Result<()> {
        let broken = |error: ArrowError| messages::batch(&question.collection, &error);
        let mut stages = Vec::new();
        if question.options.filter.is_some() {
            stages.push(doc! { "$match": filter(&question.options, &question.collection)? });
        }
        // A real server answers this from the index on `_id` alone (a distinct scan), which `find` with a projection
        // does not; a compatible one need not project each document.
        stages.push(doc! { "$group": { "_id": "$_id" } });
        let mut ids = IdList::new(id_kind);
        let mut query = query(&question.collection, &question.options, Asked::Aggregate(stages, None));
        // `_id`s are short.
        query.batch_size = query.batch_size.max(IDS_MAX as u32);
        let started = Instant::now();
        self.feed(query, &question.cancel, &mut |document| {
            let Some(id) = find(document, b"_id")? else { return Ok(()) };
            ids.push_id(id)?;
            if ids.len >= IDS_MAX {
                sink(ids.take().map_err(broken)?)?;
            }
            Ok(())
        })
        .map_err(|ended| self.ended(ended, &question.collection, started, 0))?;
        if ids.len == 0 { Ok(()) } else { sink(ids.take().map_err(broken)?) }
    }
}
