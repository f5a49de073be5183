//! All output for people and programs: a run's progress, its finished work, summary and artifacts; rows; a collection's
//! fields.
//!
//! Knows names, counts and seconds, but not the work itself. Decides nothing about the run.

pub mod artifacts;
mod console;
mod events;
pub mod lineage_tree;
pub mod log;
pub mod schema_tree;
mod screen;
pub mod table;

pub use console::{Activity, Console};
pub use events::LogFormat;

use std::fmt;
use std::path::Path;

/// The stage that a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Extract,
    /// The age of a source.
    Source,
    /// A hook of the whole run.
    Hook,
    Seed,
    Snapshot,
    Model,
    Test,
    Export,
}

impl Stage {
    const ALL: [Self; 8] =
        [Self::Extract, Self::Source, Self::Hook, Self::Seed, Self::Snapshot, Self::Model, Self::Test, Self::Export];

    /// The stage with this name; `Model` for an unknown name.
    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|stage| stage.name() == name).unwrap_or(Self::Model)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Source => "source",
            Self::Hook => "hook",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Model => "model",
            Self::Test => "test",
            Self::Export => "export",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The outcome of a piece of work, in dbt's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// A model, seed, load or export that succeeded.
    Success,
    /// A test that passed.
    Pass,
    /// A test that failed with severity `warn`.
    Warn,
    /// Not run, because something before it failed or stopped the run.
    Skipped,
    /// A test that failed.
    Fail,
    /// A model with failed batches.
    PartialSuccess,
    /// Work that could not run to its end.
    Error,
}

impl Status {
    const ALL: [Self; 7] =
        [Self::Success, Self::Pass, Self::Warn, Self::Skipped, Self::Fail, Self::PartialSuccess, Self::Error];

    /// The status with this name; `Error` for an unknown name.
    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.name() == name).unwrap_or(Self::Error)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Skipped => "skipped",
            Self::Fail => "fail",
            Self::PartialSuccess => "partial success",
            Self::Error => "error",
        }
    }

    /// Whether this status fails the run.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Fail | Self::PartialSuccess | Self::Error)
    }
}

/// One finished piece of work, as a line shows it.
#[derive(Debug, Clone)]
pub struct Line {
    pub stage: Stage,
    pub name: String,
    pub status: Status,
    /// The number and its unit: `(200, "documents")`.
    pub amount: Option<(u64, String)>,
    pub seconds: f64,
    /// Other useful details: `view`, `3 rescued`, `12 updated, 3 deleted`.
    pub note: String,
}

/// The shortest form of a path that the user can type here.
pub fn short(path: &Path) -> &Path {
    std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
