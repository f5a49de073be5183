//! The stream of events, and its listeners: the screen and the log file.
//!
//! The command, its stages, nodes, loads, tables and publications are spans. Sentences, finished work, errors, retries,
//! waits and statements are events. No event contains a row's value, and literals in SQL are masked. Knows the
//! listeners, but not the events.

mod drivers;
mod file;

use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::time::ChronoUtc;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use self::file::LogFile;
use super::console::Console;
use super::events::LogFormat;
use super::screen::{Screen, ScreenLayer};
use crate::messages;
use elt_base::error::Result;

/// The file in the project's artifacts folder.
const FILE: &str = "logs/elt.log";

/// The log file of this process.
static OPENED: OnceLock<LogFile> = OnceLock::new();

/// Writes what the log file has collected.
pub fn flush() {
    if let Some(file) = OPENED.get() {
        // The log must not stop the work that it tells about.
        let _ = file.flush();
    }
}

/// Calls `flush` at its end, also if that is a panic.
pub struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        flush();
    }
}

/// The output that the user wants to see.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    pub format: LogFormat,
    /// Only errors, failures and the summary.
    pub quiet: bool,
    /// The number of `-v` flags.
    pub verbosity: u8,
}

/// Starts the listeners. `artifacts` is the folder of the project's artifacts; None if there is no project, and then
/// there is no log file.
///
/// A process has one stream. A second call does not change the listeners of the first. With the console comes an error,
/// exit code 2, if `ELT_LOG` cannot be read.
pub fn start(options: &LogOptions, artifacts: Option<&Path>) -> (Console, Result<()>) {
    let screen = Arc::new(Screen::new(options.format, options.quiet));
    let asked = details(options.verbosity, std::env::var("ELT_LOG").ok().as_deref());
    let (details, result) = match asked {
        Ok(details) => (details, Ok(())),
        Err(error) => (Targets::new(), Err(error)),
    };
    let shown = own_events().with_targets(details.clone());
    let on_screen = ScreenLayer { screen: screen.clone(), details }.with_filter(shown);
    let file = artifacts.and_then(|folder| LogFile::open(&folder.join(FILE)).ok());
    if let Some(file) = &file {
        let _ = OPENED.set(file.clone());
    }
    let in_file = file.map(|file| {
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_timer(ChronoUtc::rfc_3339())
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(file)
            .with_filter(kept())
    });
    let subscriber = Registry::default().with(on_screen).with(in_file);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        drivers::listen();
    }
    (Console::new(screen), result)
}

/// The events in the log file. Events of drivers about commands are excluded, because they quote documents and
/// parameters.
fn kept() -> Targets {
    Targets::new()
        .with_target("elt", LevelFilter::DEBUG)
        .with_target("mongodb::connection", LevelFilter::DEBUG)
        .with_target("mongodb::server_selection", LevelFilter::DEBUG)
}

/// The console's own events.
fn own_events() -> Targets {
    Targets::new().with_target("elt::", LevelFilter::TRACE)
}

/// The events of ordinary code to show: set by `ELT_LOG`, such as `elt_export=debug`, otherwise by `-v` and `-vv`.
fn details(verbosity: u8, asked: Option<&str>) -> Result<Targets> {
    if let Some(asked) = asked.filter(|text| !text.trim().is_empty()) {
        return Targets::from_str(asked).map_err(|error| messages::log_details(asked, &error));
    }
    Ok(match verbosity {
        0 => Targets::new(),
        1 => Targets::new().with_target("elt", LevelFilter::INFO),
        _ => kept(),
    })
}
