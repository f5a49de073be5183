//! Passes raw server batches from the driver's threads to the decoder's.
//!
//! At most `BATCHES_WAITING` server batches wait in between, so that the network and the decoding overlap in bounded
//! memory. Knows queries, not the meaning of documents.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use ::mongodb::bson::{RawDocumentBuf, doc};
use ::mongodb::error::{Error as DriverError, Result as DriverResult};
use ::mongodb::options::{Hint, ReadConcern, SessionOptions};
use ::mongodb::raw_batch_cursor::RawBatch;
use ::mongodb::{Client, ClientSession, Collection};
use futures_core::Stream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;

use super::query::{Asked, ServerQuery};
use crate::bson::{Fields, Malformed};
use crate::decode::Fault;
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::Error;
use elt_base::wait::Wait;

/// The most server batches that wait between the network and the decoder.
const BATCHES_WAITING: usize = 2;

/// How often the reader checks for a requested stop while the server does not answer.
const CANCEL_EVERY: Duration = Duration::from_millis(200);

/// The database that answers.
pub struct Server<'a> {
    pub runtime: &'a Runtime,
    pub client: &'a Client,
    pub database: &'a str,
}

/// Why a feed ended early.
#[derive(Debug)]
pub enum Ended {
    Driver(DriverError),
    Document(Fault),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Document(fault)
    }
}

impl From<Malformed> for Ended {
    fn from(malformed: Malformed) -> Self {
        Self::Document(Fault::Malformed(malformed))
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Document(Fault::Stopped(error))
    }
}

/// Passes each document of an answer to `each`, in order. `options` are those of a session, if the query needs one.
pub fn feed(
    server: &Server<'_>,
    query: ServerQuery,
    options: Option<SessionOptions>,
    cancel: &Cancel,
    wait: &Wait,
    each: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Ended> {
    let Server { runtime, client, database } = *server;
    let (send, mut receive) = mpsc::channel(BATCHES_WAITING);
    let collection = client.database(database).collection::<RawDocumentBuf>(&query.collection);
    let client = client.clone();
    let name = query.collection.clone();
    let task = runtime.spawn(async move {
        let done = match options {
            None => pump(&collection, query, &send).await,
            Some(options) => match client.start_session().with_options(options).await {
                Ok(session) => pump_within(&collection, query, session, &send).await,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = done {
            // The receiver may not exist any more.
            let _ = send.send(Err(error)).await;
        }
    });
    loop {
        cancel.check()?;
        let received = runtime.block_on(async { timeout(CANCEL_EVERY, receive.recv()).await });
        match received {
            Err(_) => {}
            // A task that panicked has sent no error, and not all documents.
            Ok(None) => {
                let ended = runtime.block_on(task);
                return ended.map_err(|panic| messages::mongodb_driver(&name, &panic).transient().into());
            }
            Ok(Some(Err(error))) => return Err(Ended::Driver(error)),
            Ok(Some(Ok(batch))) => {
                each_document(&batch, each)?;
                wait.heard();
            }
        }
    }
}

/// Sets the options of a find.
macro_rules! with_options {
    ($action:expr, $find:expr, $concern:expr) => {{
        let mut action = $action;
        if let Some(projection) = $find.projection {
            action = action.projection(projection);
        }
        if let Some(sort) = $find.sort {
            action = action.sort(sort);
        }
        if let Some(limit) = $find.limit {
            action = action.limit(limit);
        }
        if $find.from.is_some() || $find.to.is_some() {
            action = action.hint(Hint::Keys(doc! { "_id": 1 }));
        }
        if let Some(from) = $find.from {
            action = action.min(doc! { "_id": from });
        }
        if let Some(to) = $find.to {
            action = action.max(doc! { "_id": to });
        }
        if let Some(concern) = $concern {
            action = action.read_concern(concern);
        }
        action
    }};
}

type Sent = DriverResult<RawBatch>;

async fn pump(collection: &Collection<RawDocumentBuf>, query: ServerQuery, send: &Sender<Sent>) -> DriverResult<()> {
    let ServerQuery { batch_size, read_concern, .. } = query;
    let mut cursor = match query.asked {
        Asked::Find(find) => {
            let mut action = collection.find(find.filter.clone()).batch_size(batch_size);
            action = with_options!(action, find, read_concern);
            action.batch().await?
        }
        Asked::Aggregate(stages, time) => {
            let mut action = collection.aggregate(stages).allow_disk_use(true).batch_size(batch_size);
            if let Some(time) = time {
                action = action.max_time(time);
            }
            if let Some(concern) = read_concern {
                action = action.read_concern(concern);
            }
            action.batch().await?
        }
    };
    drain(&mut cursor, send).await
}

/// `pump` in a snapshot session, which has its own read concern.
async fn pump_within(
    collection: &Collection<RawDocumentBuf>,
    query: ServerQuery,
    mut session: ClientSession,
    send: &Sender<Sent>,
) -> DriverResult<()> {
    let mut cursor = match query.asked {
        Asked::Find(find) => {
            let mut action = collection.find(find.filter.clone()).batch_size(query.batch_size);
            action = with_options!(action, find, None::<ReadConcern>);
            action.session(&mut session).batch().await?
        }
        Asked::Aggregate(stages, time) => {
            let mut action = collection.aggregate(stages).allow_disk_use(true).batch_size(query.batch_size);
            if let Some(time) = time {
                action = action.max_time(time);
            }
            action.session(&mut session).batch().await?
        }
    };
    drain(&mut cursor.stream(&mut session), send).await
}

/// Passes the cursor's batches on, until the receiver does not exist any more because the reading ended early. Dropping
/// the cursor then closes it on the server, too.
async fn drain(cursor: &mut (impl Stream<Item = Sent> + Unpin), send: &Sender<Sent>) -> DriverResult<()> {
    while let Some(batch) = poll_fn(|cx| Pin::new(&mut *cursor).poll_next(cx)).await {
        if send.send(Ok(batch?)).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn each_document(batch: &RawBatch, each: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Ended> {
    let documents = batch.doc_slices().map_err(Ended::Driver)?;
    let mut elements = Fields::new(documents.as_bytes())?;
    while let Some(element) = elements.next(&[])? {
        each(element.value.bytes)?;
    }
    Ok(())
}
