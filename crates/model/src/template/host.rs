//! What a rendering may ask of its surroundings while it runs: rows of a query, and a line on the console.
//!
//! The trait and its values. `run` answers; nothing here knows a database.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use elt_base::error::Error;
use elt_base::sql_error::SqlError;

/// Answers `run_query`, `statement` and the adapter's calls, and takes what `log` and `print` say.
pub trait Host {
    /// Runs one statement or several; the rows are the last one's.
    fn query(&self, sql: &str) -> Result<Answer, SqlError>;

    fn say(&self, said: TemplateMessage);
}

/// A line of a template.
#[derive(Debug)]
pub enum TemplateMessage {
    /// `log(…, info=true)` and `print(…)`.
    Line(String),
    /// `exceptions.warn(…)`, at its place.
    Warning(Error),
}

/// The rows that a statement gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Names in order.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// One value, as far as templates tell types apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Date(NaiveDate),
    /// With a zone it is in UTC.
    Timestamp(NaiveDateTime, bool),
    Time(NaiveTime),
    /// Texts, and the text of everything else.
    Text(String),
}

/// A question on its way to the thread that holds the host.
enum HostRequest {
    Query(String, Sender<Result<Answer, SqlError>>),
    Say(TemplateMessage),
    Done,
}

/// The rendering's end: values of the engine live longer than any borrow, so they hold this and not the host.
pub(crate) struct Asker(Mutex<Sender<HostRequest>>);

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asker")
    }
}

impl Asker {
    fn send(&self, request: HostRequest) {
        // The other end waits until the rendering is done.
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

/// Renders on a thread of its own while this one answers with the host, which need not be shareable.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn with_host<T: Send>(host: &dyn Host, render: impl FnOnce(Asker) -> T + Send) -> Result<T, std::io::Error> {
    /// As the main thread's: macros that call each other go deep.
    const STACK_BYTES: usize = 8 << 20;
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        let work = move || {
            let done = sender.clone();
            let rendered = render(Asker(Mutex::new(sender)));
            // Said aloud: a value that outlives the rendering may still hold the other sender.
            let _ = done.send(HostRequest::Done);
            rendered
        };
        let rendering = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
        answer(host, &receiver);
        Ok(rendering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn answer(host: &dyn Host, requests: &Receiver<HostRequest>) {
    while let Ok(request) = requests.recv() {
        match request {
            // A rendering that ended meanwhile needs no answer.
            HostRequest::Query(sql, reply) => drop(reply.send(host.query(&sql))),
            HostRequest::Say(said) => host.say(said),
            HostRequest::Done => return,
        }
    }
}
