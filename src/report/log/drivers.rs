//! What drivers tell through the crate `log`, as events of the one stream.
//!
//! Postgres' driver names every statement that it sends; its literals are masked here. Its events about parameters are left
//! out, and so are those of other libraries that quote data. Knows the names of the drivers' modules; nothing of their use.

use log::{Level, LevelFilter, Log, Metadata, Record};

use elt_base::sql_text::masked;

/// The modules of Postgres' driver that name statements, each with the words before the statement.
const STATEMENTS: [(&str, &str); 2] =
    [("tokio_postgres::simple_query", "executing statement batch: "), ("tokio_postgres::prepare", ": ")];

struct Drivers;

/// Starts to listen; a process that has a listener keeps it.
pub fn listen() {
    if log::set_logger(&Drivers).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

impl Log for Drivers {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        metadata.level() <= Level::Debug
            && (target.starts_with("rustls") || STATEMENTS.iter().any(|(module, _)| *module == target))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        match STATEMENTS.iter().find(|(module, _)| *module == record.target()) {
            Some((_, before)) => {
                if let Some((_, sql)) = text.split_once(before) {
                    tracing::debug!(target: "elt_connect::postgres", sql = masked(sql), "statement");
                }
            }
            None => tracing::debug!(target: "elt_connect::tls", "{text}"),
        }
    }

    fn flush(&self) {}
}
