//! Loads rows into staging tables in as few round trips as possible: few rows by one INSERT, many by COPY.
//!
//! Statements wait until an answer is needed: a table of few rows is created, filled, indexed and committed in one
//! round trip, and one of many rows in three. Knows one connection and one table's name, but no publication.

use elt_connect::postgres::{Answer, BinaryValue, CopyIn, PostgresClient, Refusal, Request};

use super::load_target::LoadTarget;
use super::pgcopy::fields_of;
use super::said::describe;
use crate::messages;
use elt_base::error::{Error, Result};

/// Up to so many bytes are sent by an INSERT. With more, Postgres takes longer to read the statement than most round
/// trips last.
const INLINE_BYTES_MAX: usize = 64 * 1024;
/// The protocol allows 65,535.
const INLINE_VALUES_MAX: usize = 8_192;

const DURING: &str = "staging";

/// The requests of one table's staging, as far as they were not sent.
pub struct Loading<'c> {
    client: &'c mut PostgresClient,
    /// For messages.
    table: String,
    waiting: Vec<Request>,
    /// The step of each statement, in the order of the answers.
    steps: Vec<&'static str>,
    answers: Vec<Answer>,
}

/// Rows on their way into one table.
pub struct Rows<'l, 'c> {
    loading: &'l mut Loading<'c>,
    target: LoadTarget,
    bytes: Vec<u8>,
    copy: Option<CopyIn>,
}

impl<'c> Loading<'c> {
    pub fn new(client: &'c mut PostgresClient, table: &str) -> Self {
        let (waiting, steps, answers) = (Vec::new(), Vec::new(), Vec::new());
        Self { client, table: table.to_owned(), waiting, steps, answers }
    }

    /// Adds a statement; returns the position of its answer.
    pub fn statement(&mut self, during: &'static str, sql: impl Into<String>) -> usize {
        match self.waiting.last_mut() {
            Some(Request::Statements(statements)) => statements.push(sql.into()),
            _ => self.waiting.push(Request::Statements(vec![sql.into()])),
        }
        self.steps.push(during);
        self.steps.len() - 1
    }

    /// Begins rows, whose bytes are those of a binary COPY.
    pub fn rows(&mut self, target: LoadTarget) -> Rows<'_, 'c> {
        Rows { loading: self, target, bytes: Vec::new(), copy: None }
    }

    /// Sends what waits; returns all answers until now.
    pub fn send(&mut self) -> Result<&[Answer]> {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            let answers = self.client.exchange(waiting).map_err(|refusal| self.refused(&refusal))?;
            self.answers.extend(answers);
        }
        Ok(&self.answers)
    }

    /// Runs one statement after those that wait; returns its answer.
    pub fn ask(&mut self, sql: &str) -> Result<Answer> {
        let position = self.statement(DURING, sql);
        Ok(self.send()?.get(position).cloned().unwrap_or_default())
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        let step = self.steps.get(self.answers.len() + refusal.answered.len()).copied().unwrap_or(DURING);
        messages::export_postgres(step, Some(&self.table), describe(&refusal.error))
    }
}

impl Rows<'_, '_> {
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.copy.is_none() {
            self.bytes.extend_from_slice(bytes);
            return if self.bytes.len() > INLINE_BYTES_MAX { self.begin_copy() } else { Ok(()) };
        }
        self.send(bytes.to_vec())
    }

    /// All bytes were written.
    pub fn finish(mut self) -> Result<()> {
        if self.copy.is_none() {
            match fields_of(&self.bytes) {
                Some(fields) if fields.is_empty() => return Ok(()),
                Some(fields) if fields.len() <= INLINE_VALUES_MAX && fields.len() % self.target.width.max(1) == 0 => {
                    let insert = self.target.insert(fields.len() / self.target.width.max(1));
                    let values = fields.into_iter().map(|field| BinaryValue(field.map(<[u8]>::to_vec))).collect();
                    self.loading.waiting.push(Request::Binary(insert, values));
                    self.loading.steps.push(DURING);
                    return Ok(());
                }
                _ => self.begin_copy()?,
            }
        }
        if let Some(copy) = self.copy.take() {
            self.loading.waiting.push(Request::EndOfCopy(copy));
            self.loading.steps.push(DURING);
        }
        Ok(())
    }

    fn begin_copy(&mut self) -> Result<()> {
        let loading = &mut *self.loading;
        let waiting = std::mem::take(&mut loading.waiting);
        let begun = loading.client.copy_in(waiting, &self.target.copy());
        let (copy, answers) = begun.map_err(|refusal| loading.refused(&refusal))?;
        loading.answers.extend(answers);
        self.copy = Some(copy);
        let bytes = std::mem::take(&mut self.bytes);
        self.send(bytes)
    }

    fn send(&mut self, bytes: Vec<u8>) -> Result<()> {
        let Some(copy) = &mut self.copy else { return Ok(()) };
        let sent = self.loading.client.copy(copy, bytes);
        sent.map_err(|error| messages::export_postgres(DURING, Some(&self.loading.table), describe(&error)))
    }
}
