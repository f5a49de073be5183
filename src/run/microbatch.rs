//! Builds a microbatch model batch by batch, each in its own transaction.
//!
//! A failed batch does not affect the others. Runs the SQL of `model`, which also decides which batches exist.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Value, json};

use crate::messages;
use crate::report::{Console, Line, Stage, Status};
use elt_base::error::Result;
use elt_base::failpoint::failpoint;
use elt_base::numbers::counted;
use elt_model::{BatchConfig, BatchWindow, Compile, Compiled, Compiler, Existing, Node, TimeBatch, drop_existing};
use elt_warehouse::{Catalog, Session};

use super::host::SessionHost;
use super::materialize::{create, existing, hooks, incremental};

/// The batches of a microbatch model, grouped by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchResults {
    pub successful: Vec<TimeBatch>,
    pub failed: Vec<TimeBatch>,
}

impl BatchResults {
    /// The batches as `run_results.json` contains them.
    pub fn json(&self) -> Value {
        let list = |batches: &[TimeBatch]| batches.iter().map(|batch| batch.json()).collect::<Vec<_>>();
        json!({ "successful": list(&self.successful), "failed": list(&self.failed) })
    }

    /// Reads the value that `json` returns.
    pub fn from_json(value: &Value) -> Option<Self> {
        let list = |key: &str| -> Option<Vec<TimeBatch>> {
            value.get(key)?.as_array()?.iter().map(TimeBatch::from_json).collect()
        };
        Some(Self { successful: list("successful")?, failed: list("failed")? })
    }
}

/// The batches that a run builds.
#[derive(Debug, Clone, Default)]
pub struct Batches {
    pub window: BatchWindow,
    /// The batch results of an earlier run, by `unique_id`. Only the failed batches are built again.
    pub previous: HashMap<String, BatchResults>,
}

/// The outcome of a model.
pub(super) struct BuiltInBatches {
    pub results: BatchResults,
    pub rows: u64,
    pub note: String,
    /// The query of the last batch.
    pub compiled: String,
    pub status: Status,
}

/// The work on one model.
pub(super) struct Microbatch<'a> {
    pub graph: &'a Compiler,
    pub node: &'a Node,
    pub config: &'a BatchConfig,
    pub catalog: &'a Catalog,
    pub full_refresh: bool,
    pub batches: &'a Batches,
    pub console: &'a Console,
    /// Whether the user asked to stop.
    pub is_stopped: &'a dyn Fn() -> bool,
    /// Is called with the SQL and the name of every batch.
    pub write: &'a dyn Fn(&str, &str) -> Result<()>,
}

impl Microbatch<'_> {
    /// Builds all batches. An error stops all of them.
    pub fn run(&self, session: &Session) -> Result<BuiltInBatches> {
        let node = self.node;
        let mut existing = existing(node, self.catalog);
        let refresh = node.config.full_refresh.unwrap_or(self.full_refresh);
        let previous = self.batches.previous.get(&node.unique_id).filter(|_| existing == Existing::Table);
        let mut is_incremental = existing == Existing::Table && (!refresh || previous.is_some());
        let batches = match previous {
            Some(previous) => previous.failed.clone(),
            None => self.batches.window.batches(self.config, is_incremental),
        };
        let mut built = BuiltInBatches {
            results: BatchResults::default(),
            rows: 0,
            note: String::new(),
            compiled: String::new(),
            status: Status::Success,
        };
        let mut said = String::new();
        for (index, batch) in batches.iter().enumerate() {
            // As in dbt: if the first batch cannot be built, the others are not tried.
            let is_hopeless = built.results.successful.is_empty() && index > 0;
            if is_hopeless || (self.is_stopped)() {
                session.rollback();
                built.results.failed.extend(&batches[index..]);
                break;
            }
            let name = self.config.batch_size.name(batch.start);
            let started = Instant::now();
            let ends = (index == 0, index + 1 == batches.len());
            let outcome = self.batch(session, *batch, &name, (existing, is_incremental), ends);
            let mut line = Line {
                stage: Stage::Model,
                name: format!("{} {name}", node.name),
                status: Status::Success,
                amount: None,
                seconds: started.elapsed().as_secs_f64(),
                note: format!("batch {} of {}", index + 1, batches.len()),
            };
            match outcome {
                Ok((rows, compiled)) => {
                    built.rows += rows;
                    built.compiled = compiled;
                    built.results.successful.push(*batch);
                    line.amount = Some((rows, "rows".to_owned()));
                    (existing, is_incremental) = (Existing::Table, true);
                }
                Err(error) => {
                    session.rollback();
                    built.results.failed.push(*batch);
                    line.status = Status::Error;
                    let message = error.to_string();
                    if message != said && !(self.is_stopped)() {
                        self.console.error(&messages::in_batch(error, &node.name, &name));
                    }
                    said = message;
                }
            }
            self.console.line(&line);
        }
        let (done, failed) = (built.results.successful.len(), built.results.failed.len());
        built.status = match (done, failed) {
            (_, 0) => Status::Success,
            (0, _) => Status::Error,
            _ => Status::PartialSuccess,
        };
        built.note = match failed {
            0 => format!("incremental, {}", counted(done as u64, "batches")),
            _ if done == 0 => format!("the first of {} failed", counted(failed as u64, "batches")),
            _ => format!("{failed} of {} failed", counted((done + failed) as u64, "batches")),
        };
        if let Some(previous) = previous {
            built.results.successful.extend(&previous.successful);
            built.results.successful.sort_unstable();
        }
        Ok(built)
    }

    /// Builds one batch and commits it. Returns its number of rows and its query.
    fn batch(
        &self,
        session: &Session,
        batch: TimeBatch,
        name: &str,
        (existing, is_incremental): (Existing, bool),
        (is_first, is_last): (bool, bool),
    ) -> Result<(u64, String)> {
        let node = self.node;
        let host = SessionHost::new(session, self.console);
        let how = Compile { is_incremental, batch: Some(batch), host: Some(&host) };
        let query = self.graph.compile(node, &how)?;
        (self.write)(name, &query.sql)?;
        let (before, after) = self.graph.hooks(node, &how)?;
        session.begin()?;
        if is_first {
            hooks(session, node, &before)?;
        }
        if let Some(header) = &query.header {
            session.execute(header).map_err(|error| messages::header_failed(&node.name, &error).at(node.place()))?;
        }
        let rows = if is_incremental {
            incremental(session, self.graph, node, &query, &how)?.rows.unwrap_or(0)
        } else {
            self.first(session, batch, existing, &query)?
        };
        if is_last {
            hooks(session, node, &after)?;
        }
        failpoint("model.before_commit");
        session.commit().map_err(|error| messages::model_failed(&node.name, &error))?;
        Ok((rows, query.sql))
    }

    /// Creates the table again, with one batch.
    fn first(&self, session: &Session, batch: TimeBatch, existing: Existing, query: &Compiled) -> Result<u64> {
        let node = self.node;
        if existing == Existing::View
            && let Some(statement) = drop_existing(&node.relation, existing)
        {
            session.execute(&statement)?;
        }
        let condition = batch.condition(&self.config.event_time);
        let within = query.within("select * from (\n", &format!("\n) where {condition}"));
        create(session, self.graph, node, &within)?;
        Ok(session.count(&format!("select count(*) from {}", node.relation))?)
    }
}
