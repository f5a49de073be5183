//! The requests of a running template to its host: rows of a query, and a line on the console.
//!
//! The trait and its values. `run` implements it. This module knows no database.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use elt_base::error::Error;
use elt_base::sql_error::SqlError;
use elt_base::stack;

/// Answers `run_query`, `statement` and the adapter's calls, and receives the lines of `log` and `print`.
pub trait Host {
    /// Runs one or several statements. Returns the rows of the last one.
    fn query(&self, sql: &str) -> Result<Answer, SqlError>;

    fn say(&self, said: TemplateMessage);
}

/// A line that a template prints.
#[derive(Debug)]
pub enum TemplateMessage {
    /// `log(…, info=true)` and `print(…)`.
    Line(String),
    /// `exceptions.warn(…)`, at its place.
    Warning(Error),
}

/// The rows that a statement returned.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Names in order.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// One value, with only the types that templates distinguish.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Date(NaiveDate),
    /// A value with a zone is in UTC.
    Timestamp(NaiveDateTime, bool),
    Time(NaiveTime),
    /// Text values, and the text of all other values.
    Text(String),
}

/// A request to the thread that owns the host.
enum HostRequest {
    Query(String, Sender<Result<Answer, SqlError>>),
    Say(TemplateMessage),
    Done,
}

/// The rendering's end of the channel. Values of the engine live longer than any borrow, so they contain this type
/// instead of the host.
pub(crate) struct Asker(Mutex<Sender<HostRequest>>);

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asker")
    }
}

impl Asker {
    fn send(&self, request: HostRequest) {
        // The other end waits until the rendering is finished.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(request);
    }

    pub fn query(&self, sql: &str) -> Result<Answer, SqlError> {
        let (reply, answer) = channel();
        self.send(HostRequest::Query(sql.to_owned(), reply));
        answer.recv().unwrap_or_else(|_| {
            Err(SqlError {
                kind: "INTERRUPT".into(),
                message: "nobody answers".into(),
                position: None,
                candidates: Vec::new(),
            })
        })
    }

    pub fn say(&self, said: TemplateMessage) {
        self.send(HostRequest::Say(said));
    }
}

/// Renders on a separate thread, while the present thread answers with the host. Therefore the host need not be
/// shareable.
///
/// # Errors
/// The system cannot start a thread.
pub(crate) fn with_host<T: Send>(host: &dyn Host, render: impl FnOnce(Asker) -> T + Send) -> Result<T, std::io::Error> {
    let (sender, receiver) = channel();
    let once = Mutex::new(Some((render, sender)));
    let work = || {
        let (render, sender) = once.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let done = sender.clone();
        let rendered = render(Asker(Mutex::new(sender)));
        // The sender is closed explicitly, because a value that outlives the rendering may still contain the other
        // sender.
        let _ = done.send(HostRequest::Done);
        Some(rendered)
    };
    let rendered = std::thread::scope(|scope| {
        let rendering = stack::start(scope, &work)?;
        answer(host, &receiver);
        Ok::<_, std::io::Error>(rendering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    rendered.ok_or_else(|| std::io::ErrorKind::Other.into())
}

fn answer(host: &dyn Host, requests: &Receiver<HostRequest>) {
    while let Ok(request) = requests.recv() {
        match request {
            // If the rendering has ended meanwhile, it needs no answer.
            HostRequest::Query(sql, reply) => drop(reply.send(host.query(&sql))),
            HostRequest::Say(said) => host.say(said),
            HostRequest::Done => return,
        }
    }
}
