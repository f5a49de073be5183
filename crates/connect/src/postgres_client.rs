//! One connection to Postgres that sends several requests before it reads the first answer.
//!
//! Over a slow network a round trip takes longer than most statements, so requests that do not depend on each other's
//! answers share one. Knows the protocol's order of answers, but no statement.

use std::future::{Future, poll_fn};
use std::io::Cursor;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::runtime::Runtime;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{
    AsyncMessage, Client, Config, CopyInSink, Error, Row, SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream, Socket,
};

/// A statement's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The rows that it returned, as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many rows it changed or returned.
    pub changed: u64,
}

impl Answer {
    /// The first value of the first row.
    pub fn text(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    pub fn is_true(&self) -> bool {
        self.text() == Some("t")
    }
}

/// The statements before the one that failed were answered; those after it did not run.
#[derive(Debug)]
pub struct Refusal {
    pub answered: Vec<Answer>,
    pub error: Error,
}

/// What is sent, and gets an answer for each statement.
pub enum Request {
    /// Each of them is one statement.
    Statements(Vec<String>),
    /// One statement, with its parameters in Postgres' binary format. Their types are those of their places.
    Binary(String, Vec<BinaryValue>),
    /// Ends a COPY.
    EndOfCopy(CopyIn),
}

/// A query and its parameters.
pub type Query<'a> = (&'a str, &'a [(&'a (dyn ToSql + Sync), Type)]);

/// A parameter: the bytes that a binary COPY would contain. None: NULL.
#[derive(Debug)]
pub struct BinaryValue(pub Option<Vec<u8>>);

impl ToSql for BinaryValue {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match &self.0 {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A `copy … from stdin` that is under way. If it is dropped, Postgres aborts it.
pub struct CopyIn(Pin<Box<CopyInSink<Cursor<Vec<u8>>>>>);

type Driver = dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> + Send;

/// A connection.
pub struct PostgresClient {
    // Dropped first, because the connection ends after its last request.
    client: Client,
    wire: Wire,
    /// Statements that are sent with the first request.
    settings: Vec<String>,
}

struct Wire {
    runtime: Runtime,
    driver: Box<Driver>,
}

impl Drop for Wire {
    /// Says goodbye, so that the server does not log a lost connection.
    fn drop(&mut self) {
        let driver = &mut self.driver;
        self.runtime.block_on(poll_fn(|context| {
            loop {
                match driver(context) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        }));
    }
}

impl Wire {
    /// Runs a future to its end while the connection sends and receives.
    fn block_on<T>(&mut self, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut future = pin!(future);
        let driver = &mut self.driver;
        self.runtime.block_on(poll_fn(|context| {
            loop {
                match driver(context) {
                    Poll::Ready(Some(Ok(_))) => {}
                    // It says more than that the connection is closed.
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) | Poll::Pending => break,
                }
            }
            future.as_mut().poll(context)
        }))
    }
}

impl PostgresClient {
    /// Connects. `settings` are sent with the first request.
    pub(crate) fn connect<T>(runtime: Runtime, config: &Config, tls: T, settings: Vec<String>) -> Result<Self, Error>
    where
        T: MakeTlsConnect<Socket> + Send + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as tokio_postgres::tls::TlsConnect<Socket>>::Future: Send,
    {
        let (client, mut connection) = runtime.block_on(config.connect(tls))?;
        let driver = Box::new(move |context: &mut Context<'_>| connection.poll_message(context));
        Ok(Self { client, wire: Wire { runtime, driver }, settings })
    }

    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements in one round trip. Text with several statements counts as several.
    pub fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.send_settings()?;
        self.wire.block_on(self.client.batch_execute(sql))
    }

    pub fn query_typed(&mut self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Error> {
        self.send_settings()?;
        self.wire.block_on(self.client.query_typed(sql, values))
    }

    pub fn query_typed_one(&mut self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Row, Error> {
        self.send_settings()?;
        self.wire.block_on(self.client.query_typed_one(sql, values))
    }

    pub fn query_typed_opt(&mut self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Option<Row>, Error> {
        self.send_settings()?;
        self.wire.block_on(self.client.query_typed_opt(sql, values))
    }

    /// Runs queries in one round trip. Each is a transaction of its own.
    pub fn query_all(&mut self, queries: &[Query<'_>]) -> Result<Vec<Vec<Row>>, Error> {
        self.send_settings()?;
        let client = &self.client;
        self.wire.block_on(async {
            let mut pending = Vec::with_capacity(queries.len());
            for (sql, values) in queries {
                let mut rows = Box::pin(client.query_typed(sql, values));
                pending.push((poll_once(rows.as_mut()).await, rows));
            }
            let mut all = Vec::with_capacity(queries.len());
            for (rows, later) in pending {
                all.push(match rows {
                    Some(rows) => rows?,
                    None => later.await?,
                });
            }
            Ok(all)
        })
    }

    /// Does work in a transaction that is rolled back.
    pub fn undone<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        self.batch_execute("begin")?;
        let result = work(self);
        let undone = self.batch_execute("rollback");
        let result = result?;
        undone?;
        Ok(result)
    }

    /// Runs statements in one round trip; each string is one statement.
    pub fn run(&mut self, statements: Vec<String>) -> Result<Vec<Answer>, Refusal> {
        self.exchange(vec![Request::Statements(statements)])
    }

    /// Sends all requests, and then reads all answers. After a failure, the later requests were sent as well: in a
    /// transaction they fail, too, and a `commit` among them rolls back.
    pub fn exchange(&mut self, requests: Vec<Request>) -> Result<Vec<Answer>, Refusal> {
        let (requests, settings) = self.with_settings(requests);
        let (mut answered, done) = self.answers(requests);
        answered.drain(..settings.min(answered.len()));
        match done {
            Ok(()) => Ok(answered),
            Err(error) => Err(Refusal { answered, error }),
        }
    }

    /// Sends requests, and begins a COPY after them: two round trips.
    pub fn copy_in(&mut self, before: Vec<Request>, copy: &str) -> Result<(CopyIn, Vec<Answer>), Refusal> {
        let (before, settings) = self.with_settings(before);
        let mut answered = Vec::new();
        let client = &self.client;
        let done = self.wire.block_on(async {
            let sent = send(client, before).await?;
            let mut prepare = pin!(client.prepare(copy));
            let prepared = poll_once(prepare.as_mut()).await;
            receive(sent, &mut answered).await?;
            let statement = match prepared {
                Some(prepared) => prepared?,
                None => prepare.await?,
            };
            Ok(CopyIn(Box::pin(client.copy_in(&statement).await?)))
        });
        answered.drain(..settings.min(answered.len()));
        match done {
            Ok(copy) => Ok((copy, answered)),
            Err(error) => Err(Refusal { answered, error }),
        }
    }

    /// Sends bytes of a COPY.
    pub fn copy(&mut self, copy: &mut CopyIn, bytes: Vec<u8>) -> Result<(), Error> {
        self.wire.block_on(copy.0.send(Cursor::new(bytes)))
    }

    /// Sends the settings and these statements. The outer error: the settings failed.
    pub(crate) fn set_up(&mut self, statements: Vec<String>) -> Result<Result<Vec<Answer>, Refusal>, Error> {
        let (requests, settings) = self.with_settings(vec![Request::Statements(statements)]);
        let (mut answered, done) = self.answers(requests);
        let is_set_up = answered.len() >= settings;
        answered.drain(..settings.min(answered.len()));
        match done {
            Ok(()) => Ok(Ok(answered)),
            Err(error) if is_set_up => Ok(Err(Refusal { answered, error })),
            Err(error) => Err(error),
        }
    }

    fn answers(&mut self, requests: Vec<Request>) -> (Vec<Answer>, Result<(), Error>) {
        let mut answered = Vec::new();
        let client = &self.client;
        let done = self.wire.block_on(async { receive(send(client, requests).await?, &mut answered).await });
        (answered, done)
    }

    fn send_settings(&mut self) -> Result<(), Error> {
        match self.settings.is_empty() {
            true => Ok(()),
            false => self.run(Vec::new()).map(drop).map_err(|refusal| refusal.error),
        }
    }

    /// The requests after the settings, and how many settings there are.
    fn with_settings(&mut self, mut requests: Vec<Request>) -> (Vec<Request>, usize) {
        let mut settings = std::mem::take(&mut self.settings);
        let count = settings.len();
        if count > 0 {
            match requests.first_mut() {
                Some(Request::Statements(statements)) => {
                    settings.append(statements);
                    *statements = settings;
                }
                _ => requests.insert(0, Request::Statements(settings)),
            }
        }
        (requests, count)
    }
}

/// An answer that is under way.
enum Pending<'c> {
    Statements(Pin<Box<SimpleQueryStream>>),
    Changed(Pin<Box<dyn Future<Output = Result<u64, Error>> + 'c>>),
}

/// Sends all requests, in their order.
async fn send(client: &Client, requests: Vec<Request>) -> Result<Vec<Pending<'_>>, Error> {
    let mut pending = Vec::with_capacity(requests.len());
    for request in requests {
        let mut changed: Pin<Box<dyn Future<Output = Result<u64, Error>> + '_>> = match request {
            Request::Statements(statements) if statements.is_empty() => continue,
            Request::Statements(statements) => {
                // A comment at the end of a statement must not hide the next one.
                let stream = client.simple_query_raw(&statements.join("\n;\n")).await?;
                pending.push(Pending::Statements(Box::pin(stream)));
                continue;
            }
            Request::Binary(sql, values) => Box::pin(async move {
                let values: Vec<(&(dyn ToSql + Sync), Type)> =
                    values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::UNKNOWN)).collect();
                client.execute_typed(&sql, &values).await
            }),
            Request::EndOfCopy(mut copy) => Box::pin(async move { copy.0.as_mut().finish().await }),
        };
        // It sends its request when it is first polled.
        pending.push(Pending::Changed(match poll_once(changed.as_mut()).await {
            Some(changed) => Box::pin(std::future::ready(changed)),
            None => changed,
        }));
    }
    Ok(pending)
}

/// Reads all answers, in their order.
async fn receive(pending: Vec<Pending<'_>>, answered: &mut Vec<Answer>) -> Result<(), Error> {
    for pending in pending {
        match pending {
            Pending::Changed(changed) => answered.push(Answer { rows: Vec::new(), changed: changed.await? }),
            Pending::Statements(mut messages) => {
                let mut rows = Vec::new();
                while let Some(message) = messages.next().await {
                    match message? {
                        SimpleQueryMessage::Row(row) => rows.push(texts(&row)),
                        SimpleQueryMessage::CommandComplete(changed) => {
                            answered.push(Answer { rows: std::mem::take(&mut rows), changed });
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    Ok(())
}

fn texts(row: &SimpleQueryRow) -> Vec<Option<String>> {
    (0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect()
}

/// Polls a future once; its result, if it is there already.
async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        })
    })
    .await
}
