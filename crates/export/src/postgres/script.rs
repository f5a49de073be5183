//! Statements that share a round trip, each with its step and its table for messages.
//!
//! Knows one connection, but no publication.

use elt_connect::postgres::{Answer, PostgresClient};

use super::said::describe;
use crate::messages;
use elt_base::error::{Error, Result};

/// Statements in their order.
#[derive(Debug, Default)]
pub struct Script(Vec<Step>);

#[derive(Debug)]
struct Step {
    during: &'static str,
    table: Option<String>,
    sql: String,
}

/// The statement that failed. Those before it were answered, and those after it did not run.
#[derive(Debug)]
pub struct ScriptFailure {
    /// The failed statement's position.
    pub index: usize,
    /// The answers to the statements before it.
    pub answered: Vec<Answer>,
    pub during: &'static str,
    pub table: Option<String>,
    pub error: postgres::Error,
}

impl Script {
    /// Adds one statement; returns its position, which is also that of its answer.
    pub fn add(&mut self, during: &'static str, table: Option<&str>, sql: impl Into<String>) -> usize {
        self.0.push(Step { during, table: table.map(str::to_owned), sql: sql.into() });
        self.0.len() - 1
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many statements it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Runs all statements in one round trip.
    pub fn run(self, client: &mut PostgresClient) -> Result<Vec<Answer>> {
        self.try_run(client).map_err(ScriptFailure::into_error)
    }

    pub fn try_run(self, client: &mut PostgresClient) -> Result<Vec<Answer>, ScriptFailure> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let (labels, statements): (Vec<_>, Vec<_>) =
            self.0.into_iter().map(|step| ((step.during, step.table), step.sql)).unzip();
        client.run(statements).map_err(|refusal| {
            let index = refusal.answered.len();
            let (during, table) = labels.into_iter().nth(index).unwrap_or(("committing", None));
            ScriptFailure { index, answered: refusal.answered, during, table, error: refusal.error }
        })
    }
}

impl ScriptFailure {
    pub fn into_error(self) -> Error {
        messages::export_postgres(self.during, self.table.as_deref(), describe(&self.error))
    }

    /// The class of the error's code, its first two characters.
    pub fn has_class(&self, class: &str) -> bool {
        self.error.code().is_some_and(|code| code.code().starts_with(class))
    }
}
