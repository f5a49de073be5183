//! The results of a run: one for each node, collection and table, and the totals of the stages.
//!
//! Only values. Knows how a result is shown on the console, but not how it was produced.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tracing::Span;
use tracing::field::Empty;
use tracing::span::EnteredSpan;

use super::microbatch::BatchResults;
use crate::report::{Line, Stage, Status};
use elt_project::ExportProfile;

/// One finished piece of work.
#[derive(Debug, Clone)]
pub struct NodeResult {
    pub unique_id: String,
    pub stage: Stage,
    pub name: String,
    pub status: Status,
    /// The number, and its unit.
    pub amount: Option<(u64, &'static str)>,
    pub note: String,
    /// The error, on one line.
    pub message: Option<String>,
    /// Failing rows of a test.
    pub failures: Option<u64>,
    pub started_at: DateTime<Utc>,
    pub seconds: f64,
    pub relation: Option<String>,
    pub compiled: Option<String>,
    /// Bytes read, for extraction.
    pub bytes: u64,
    /// Of a microbatch model.
    pub batches: Option<BatchResults>,
    /// Details for programs: the reconciliation of a load. Null if there are none.
    pub details: serde_json::Value,
    /// The span of the work in the stream of events. It is closed when the result is pushed.
    span: Span,
}

impl NodeResult {
    /// Opens the span of a piece of work; `Results::push` closes it with the values of the result.
    pub fn new(stage: Stage, unique_id: impl Into<String>, name: impl Into<String>, status: Status) -> Self {
        Self {
            unique_id: unique_id.into(),
            stage,
            name: name.into(),
            status,
            amount: None,
            note: String::new(),
            message: None,
            failures: None,
            started_at: Utc::now(),
            seconds: 0.0,
            relation: None,
            compiled: None,
            bytes: 0,
            batches: None,
            details: serde_json::Value::Null,
            span: Span::none(),
        }
        .opened()
    }

    fn opened(mut self) -> Self {
        let (stage, name) = (self.stage.name(), self.name.as_str());
        self.span = tracing::debug_span!("work", stage, name, status = Empty, amount = Empty, seconds = Empty);
        self
    }

    /// Of a publication: the export's name, for programs and for the summary.
    pub fn of_export(mut self, export: &ExportProfile) -> Self {
        if let Some(name) = &export.name {
            self.details = serde_json::json!({ "export": name });
        }
        self
    }

    /// Events on this thread belong to the work until the guard is dropped.
    pub fn enter(&self) -> EnteredSpan {
        self.span.clone().entered()
    }

    pub fn line(&self) -> Line {
        Line {
            stage: self.stage,
            name: self.name.clone(),
            status: self.status,
            amount: self.amount.map(|(amount, unit)| (amount, unit.to_owned())),
            seconds: self.seconds,
            note: self.note.clone(),
        }
    }
}

/// The wall-clock time of one stage, and the amounts that it processed.
#[derive(Debug, Clone)]
pub struct StageTotal {
    pub name: &'static str,
    pub seconds: f64,
    pub rows: u64,
    pub bytes: u64,
}

/// All results of a run, in the order of arrival. Shared by the threads of the run.
#[derive(Debug)]
pub struct Results {
    started: Instant,
    all: Mutex<Vec<NodeResult>>,
    stages: Mutex<Vec<StageTotal>>,
    is_cut_short: AtomicBool,
}

impl Default for Results {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            all: Mutex::default(),
            stages: Mutex::default(),
            is_cut_short: AtomicBool::default(),
        }
    }
}

impl Results {
    /// Stores a result, and closes the span of its work with the same values.
    pub fn push(&self, mut result: NodeResult) {
        result.span.record("status", result.status.name());
        result.span.record("amount", result.amount.map(|(amount, _)| amount));
        result.span.record("seconds", result.seconds);
        result.span = Span::none();
        self.all.lock().push(result);
    }

    pub fn all(&self) -> Vec<NodeResult> {
        self.all.lock().clone()
    }

    pub fn any_failed(&self) -> bool {
        self.all.lock().iter().any(|result| result.status.is_failure())
    }

    /// Measures the time of a stage, and sums the results that it adds.
    pub fn stage<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let before = self.all().len();
        let started = Instant::now();
        let value = tracing::debug_span!("stage", name).in_scope(work);
        let added = self.all().split_off(before);
        let total = StageTotal {
            name,
            seconds: started.elapsed().as_secs_f64(),
            rows: added.iter().filter_map(|result| Some(result.amount?.0)).sum(),
            bytes: added.iter().map(|result| result.bytes).sum(),
        };
        self.stages.lock().push(total);
        value
    }

    pub fn stages(&self) -> Vec<StageTotal> {
        self.stages.lock().clone()
    }

    /// Records that the run ended with an error that belongs to no single piece of work.
    pub fn cut_short(&self) {
        self.is_cut_short.store(true, Ordering::Relaxed);
    }

    pub fn is_cut_short(&self) -> bool {
        self.is_cut_short.load(Ordering::Relaxed)
    }

    pub fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}
