//! elt moves operational documents into a relational database through SQL.
//!
//! ```text
//! source ──extract──▶ landing ──load──▶ raw tables ──models──▶ relations ──export──▶ target
//! ```
//!
//! This crate is the program: it reads the command line, composes the stages and reports. Each stage is a crate of its
//! own, and no stage depends on another. The codemap, in reading order:
//!
//! - `cli`: clap's definitions; results in a `command::Invocation`.
//! - [`command`]: one short file per subcommand; composes the stages.
//! - [`elt_project`]: files on disk → a `Project` value; the only crate that walks `models/`.
//! - [`elt_extract`]: trait `Source`; MongoDB and files; BSON → Arrow batches → Parquet segments with a manifest.
//! - [`elt_warehouse`]: the only crate that names `duckdb`: sessions, raw loads, the tool's own state.
//! - [`elt_model`]: graph, templates, selection, SQL of materializations, and the check. Opens nothing.
//! - [`mod@run`]: executes the plan: threads, transactions, tests, results, publication.
//! - [`elt_export`]: trait `Exporter`; contract, ledger, delta; one folder per target.
//! - [`report`]: console, tables, artifacts.
//! - [`elt_connect`]: the only crate that builds a client of a server.
//! - [`elt_sample`]: the micro-finance documents.
//! - [`elt_base`]: errors and their renderer, columns, paths, secrets. All other crates use it.
//!
//! The compiler keeps the stages apart; `tests/it/tidy.rs` checks the rules that the compiler cannot check.

mod cli;
pub mod command;
mod messages;
pub mod report;
pub mod run;
mod watchdog;

use std::ffi::OsString;

use crate::report::log;
use elt_base::cancel::Cancel;
use elt_base::stack;

/// Runs the program with its arguments (the first is its name); the exit code is 0, 1 or 2.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let invocation = match cli::parse(args) {
        Ok(invocation) => invocation,
        Err(text) => {
            // Help goes to stdout, wrong usage to stderr. A closed pipe is not an error.
            let _ = text.print();
            return u8::try_from(text.exit_code()).unwrap_or(2);
        }
    };
    if invocation.common.show_values {
        elt_base::values::show();
    }
    let _flush = log::FlushAtEnd;
    let (console, log) = log::start(&invocation.common.log, command::log_folder(&invocation.common).as_deref());
    let command = tracing::info_span!("command", name = invocation.common.which, pid = std::process::id());
    let _in_command = command.enter();
    tracing::debug!(version = env!("CARGO_PKG_VERSION"), target = invocation.common.target, "starts");
    let cancel = Cancel::default();
    let asked = cancel.clone();
    // Without a handler Ctrl-C ends the program at once. Every stage survives this, so a failure to set the handler is
    // not an error.
    let _ = ctrlc::set_handler(move || asked.request());
    let watched = log.and_then(|()| watchdog::start(&cancel, &console));
    let work = || match watched.as_ref() {
        Ok(()) => command::run(&invocation, &console, &cancel),
        Err(_) => Ok(true),
    };
    // Templates need a large stack.
    let done = std::thread::scope(|scope| match stack::start(scope, &work) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        Err(_) => work(),
    });
    match watched.and(done) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            console.error(&error);
            error.exit() as u8
        }
    }
}
