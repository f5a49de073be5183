//! elt moves operational documents into a relational database through SQL.
//!
//! ```text
//! source ──extract──▶ landing ──load──▶ raw tables ──models──▶ relations ──export──▶ target
//! ```
//!
//! The codemap, in reading order:
//!
//! - `cli`: clap's definitions; gives a `command::Invocation`.
//! - `command`: one short file per subcommand; composes the stages.
//! - `project`: disk → `Project` value; the only place that walks `models/`.
//! - `schema`, `path`, `batch`: what crosses between stages: columns and their types, how a place in a document is
//!   written, batches, census (pure).
//! - `extract`: trait `Source`; MongoDB and files; BSON → Arrow.
//! - `land`: batches → Parquet segments and a manifest.
//! - `warehouse`: the only module that names the `duckdb` crate: sessions, raw loads, the tool's own state.
//! - `model`: parse, graph, select, render, materialize (pure), and check.
//! - `run`: executes the plan: threads, transactions, tests, results, publication.
//! - `export`: trait `Exporter`; contract, delta; Postgres and Parquet.
//! - `report`: console, tables, artifacts. `diagnostic`: the one renderer of errors. `error`: every message.
//! - `digest`: checksums (pure).
//! - `generate`: the micro-finance sample data.
//!
//! Invariants, checked by `tests/it/tidy.rs`: each driver crate is named in one module; `extract`, `land`, `model` and
//! `export` do not import each other; every file says what it is and what it must not know.

pub mod batch;
pub mod cancel;
mod cli;
pub mod command;
pub mod diagnostic;
mod digest;
pub mod error;
pub mod export;
pub mod extract;
pub mod failpoint;
pub mod generate;
pub mod land;
pub mod model;
pub mod path;
pub mod project;
pub mod report;
pub mod run;
pub mod schema;
pub mod secret;
pub mod warehouse;

use std::ffi::OsString;

use crate::cancel::Cancel;
use crate::report::Console;

/// Runs the program with its arguments (the first is its name); the exit code is 0, 1 or 2.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let invocation = match cli::parse(args) {
        Ok(invocation) => invocation,
        Err(text) => {
            // Help goes to stdout, misuse to stderr; a closed pipe is no error of ours.
            let _ = text.print();
            return u8::try_from(text.exit_code()).unwrap_or(2);
        }
    };
    let console = Console::new(invocation.common.log_format, invocation.common.quiet);
    let cancel = Cancel::default();
    let asked = cancel.clone();
    // Without a handler Ctrl-C ends the program at once, which every stage survives; so a refusal is no error.
    let _ = ctrlc::set_handler(move || asked.request());
    match command::run(&invocation, &console, &cancel) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            console.error(&error);
            error.exit() as u8
        }
    }
}
