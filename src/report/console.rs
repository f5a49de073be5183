//! How the program reports: each sentence, finished piece of work, error and summary is a `tracing` event. The screen
//! shows it, and the log file stores it.
//!
//! Knows how an event is created, but not where it is shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::{Map, Value};

use super::events::{DIAGNOSTIC, FINISHED, SAID, SUMMARY};
use super::screen::Screen;
use super::{Line, Stage};
use elt_base::error::Error;

/// Every part of a run reports to people through this value. Shared by all threads of a run.
#[derive(Clone)]
pub struct Console {
    screen: Arc<Screen>,
}

/// Work in progress; a bar on a terminal.
pub struct Activity {
    bar: Option<ProgressBar>,
    started: Instant,
    done: AtomicU64,
}

impl Activity {
    /// Adds documents or rows that are done.
    pub fn advance(&self, amount: u64) {
        let done = self.done.fetch_add(amount, Ordering::Relaxed) + amount;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// Subtracts documents or rows that must be done again.
    pub fn retreat(&self, amount: u64) {
        let done = self.done.fetch_sub(amount, Ordering::Relaxed) - amount;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Console {
    pub(super) fn new(screen: Arc<Screen>) -> Self {
        Self { screen }
    }

    /// Announces work. The caller keeps the value until the work ends. `total` is the expected number of `unit`, if
    /// known.
    pub fn begin(&self, stage: Stage, name: &str, unit: &str, total: Option<u64>) -> Activity {
        tracing::debug!(stage = stage.name(), name, total, "begins");
        let bar = self.screen.bar(stage, name, unit, total);
        Activity { bar, started: Instant::now(), done: AtomicU64::new(0) }
    }

    /// A finished piece of work.
    pub fn line(&self, line: &Line) {
        let Line { stage, name, status, amount, seconds, note } = line;
        let (amount, unit) = amount.as_ref().map(|(amount, unit)| (*amount, unit.as_str())).unzip();
        let (stage, status) = (stage.name(), status.name());
        if line.status.is_failure() {
            tracing::error!(target: FINISHED, stage, name, status, amount, unit, seconds, note);
        } else {
            tracing::info!(target: FINISHED, stage, name, status, amount, unit, seconds, note);
        }
    }

    /// A sentence for people.
    pub fn say(&self, text: &str) {
        tracing::info!(target: SAID, message = text);
    }

    pub fn error(&self, error: &Error) {
        tracing::error!(target: DIAGNOSTIC, error = error as &(dyn std::error::Error + 'static));
    }

    pub fn warning(&self, error: &Error) {
        tracing::warn!(target: DIAGNOSTIC, error = error as &(dyn std::error::Error + 'static));
    }

    /// Prints the summary that ends the run.
    pub fn summary(&self, text: &str, totals: Map<String, Value>) {
        let totals = serde_json::Value::Object(totals).to_string();
        tracing::info!(target: SUMMARY, message = text, totals = totals.as_str());
    }
}
