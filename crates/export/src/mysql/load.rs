//! Sends the batches of one query into a staging table: `load data` fed from memory, or rows in `insert` statements.
//!
//! Knows one connection and one table, but no publication.

use std::io::{self, Write};

use arrow::record_batch::RecordBatch;
use crossbeam_channel::{Receiver, Sender, bounded};
use mysql::prelude::Queryable;
use mysql::{Conn, LocalInfileHandler};

use super::encode::{Form, TextEncoder};
use super::mysql_type::MysqlType;
use super::statements::{names, tick};
use super::table::{MysqlColumn, MysqlTable};
use crate::changes::Sink;
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_connect::mysql::Statements as _;
use elt_connect::mysql::{describe, without_values};

const CHUNK_BYTES: usize = 1 << 20;
const CHUNKS_WAITING_MAX: usize = 4;

/// The ways of loading that the server accepts.
#[derive(Debug, Clone, Copy)]
pub struct Intake {
    /// `local_infile` is on.
    pub by_load: bool,
    pub packet_bytes_max: usize,
}

/// The target table and the query.
pub struct Load<'a> {
    pub place: &'a str,
    pub table: &'a MysqlTable,
    pub columns: Vec<&'a MysqlColumn>,
    pub intake: Intake,
    pub cancel: &'a Cancel,
}

/// The result of loading a query's rows.
pub struct Loaded {
    pub rows: u64,
    /// The replaced values, one line each.
    pub notes: Vec<String>,
}

enum Chunk {
    Rows(Vec<u8>),
    End,
}

impl Load<'_> {
    /// Sends all that `produce` yields; returns how many rows, and what was replaced, a line each. A value that may not be replaced makes
    /// it an error, after all batches were seen, so that it says how many there are.
    pub fn run(&self, connection: &mut Conn, produce: impl FnOnce(&mut Sink<'_>) -> Result<()>) -> Result<Loaded> {
        // A row of escapes is twice as long, and a statement has words of its own.
        let value_bytes_max = self.intake.packet_bytes_max / 2;
        let form = if self.intake.by_load { Form::Load } else { Form::Insert };
        let mut encoder = TextEncoder::new(self.columns.clone(), form, value_bytes_max);
        match form {
            Form::Load => self.load(connection, &mut encoder, produce)?,
            Form::Insert => self.insert(connection, &mut encoder, produce)?,
        }
        Ok(Loaded { notes: encoder.judge(self.table)?, rows: encoder.rows })
    }

    fn put(
        &self,
        encoder: &mut TextEncoder<'_>,
        batch: &RecordBatch,
        out: &mut Vec<u8>,
        mut after_row: impl FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.cancel.check()?;
        for row in 0..batch.num_rows() {
            encoder.put_row(batch, row, out).map_err(|mismatch| {
                let column = self.columns[mismatch.column];
                messages::mysql_batch_type(
                    &self.table.name,
                    &column.name,
                    &mismatch.arrow,
                    &column.mysql_type.to_string(),
                )
            })?;
            after_row(out)?;
        }
        Ok(())
    }

    fn load(
        &self,
        connection: &mut Conn,
        encoder: &mut TextEncoder<'_>,
        produce: impl FnOnce(&mut Sink<'_>) -> Result<()>,
    ) -> Result<()> {
        let (sender, receiver) = bounded(CHUNKS_WAITING_MAX);
        let statement = self.statement();
        let (produced, loaded) = std::thread::scope(|scope| {
            let loading = scope.spawn(move || self.load_from(connection, &statement, receiver));
            let produced = self.send(encoder, sender, produce);
            (produced, loading.join().unwrap_or_else(|_| Err(self.failed("the loading thread ended"))))
        });
        // The server's error takes precedence over an error that it caused here; our own stop takes precedence over
        // both.
        match (produced, loaded) {
            (Ok(true), Ok(rows)) if rows == encoder.rows => Ok(()),
            (Ok(true), Ok(rows)) => Err(self.failed(&format!("{rows} of {} rows arrived", encoder.rows))),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
            (Ok(false), Ok(_)) => Err(self.failed("the server accepted no more rows")),
        }
    }

    /// False: the other side is gone.
    fn send(
        &self,
        encoder: &mut TextEncoder<'_>,
        sender: Sender<Chunk>,
        produce: impl FnOnce(&mut Sink<'_>) -> Result<()>,
    ) -> Result<bool> {
        let mut out = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        let mut is_gone = false;
        let produced = produce(&mut |batch| {
            self.put(encoder, batch, &mut out, |out| {
                if out.len() < CHUNK_BYTES {
                    return Ok(());
                }
                let chunk = std::mem::replace(out, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8));
                sender.send(Chunk::Rows(chunk)).map_err(|_| {
                    is_gone = true;
                    self.failed("the server accepted no more rows")
                })
            })
        });
        if is_gone {
            return Ok(false);
        }
        produced?;
        encoder.judge(self.table)?;
        Ok(sender.send(Chunk::Rows(out)).and_then(|()| sender.send(Chunk::End)).is_ok())
    }

    fn load_from(&self, connection: &mut Conn, statement: &str, receiver: Receiver<Chunk>) -> Result<u64> {
        connection.set_local_infile_handler(Some(LocalInfileHandler::new(move |_, writer| {
            loop {
                match receiver.recv() {
                    Ok(Chunk::Rows(bytes)) => writer.write_all(&bytes)?,
                    Ok(Chunk::End) => return Ok(()),
                    // Stopped: the rows that arrived are in a staging table.
                    Err(_) => return Err(io::Error::other("stopped")),
                }
            }
        })));
        let loaded = connection.run(statement);
        connection.set_local_infile_handler(None);
        loaded.map_err(|error| self.failed(&describe(&error)))?;
        let (rows, warnings) = (connection.affected_rows(), connection.warnings());
        if warnings > 0 {
            // With `local` the server changes values that do not fit, and only warns.
            let warnings: Vec<(String, u16, String)> =
                connection.query("show warnings limit 1").map_err(|error| self.failed(&describe(&error)))?;
            if let Some((_, code, message)) = warnings.first() {
                return Err(self.failed(&format!("{} [{code}]", without_values(*code, message))));
            }
        }
        Ok(rows)
    }

    fn statement(&self) -> String {
        let is_hex = |column: &MysqlColumn| matches!(column.mysql_type, MysqlType::Blob(_) | MysqlType::Varbinary(_));
        let (mut fields, mut sets) = (Vec::new(), Vec::new());
        for (index, column) in self.columns.iter().enumerate() {
            if is_hex(column) {
                fields.push(format!("@v{index}"));
                sets.push(format!("{} = unhex(@v{index})", tick(&column.name)));
            } else {
                fields.push(tick(&column.name));
            }
        }
        let set = if sets.is_empty() { String::new() } else { format!(" set {}", sets.join(", ")) };
        format!(
            "load data local infile 'elt' into table {} character set utf8mb4 fields terminated by '\\t' \
             escaped by '\\\\' lines terminated by '\\n' ({}){set}",
            self.place,
            fields.join(", ")
        )
    }

    fn insert(
        &self,
        connection: &mut Conn,
        encoder: &mut TextEncoder<'_>,
        produce: impl FnOnce(&mut Sink<'_>) -> Result<()>,
    ) -> Result<()> {
        let head =
            format!("insert into {} ({}) values ", self.place, names(self.columns.iter().map(|column| &column.name)));
        let bytes_max = CHUNK_BYTES.min(self.intake.packet_bytes_max / 2);
        let mut out = head.clone().into_bytes();
        let mut flush = |out: &mut Vec<u8>| -> Result<()> {
            if out.len() > head.len() {
                // The comma behind the last row.
                out.pop();
                let statement = std::mem::replace(out, head.clone().into_bytes());
                let statement = String::from_utf8(statement).map_err(|_| self.failed("a row is not text"))?;
                connection.run(statement).map_err(|error| self.failed(&describe(&error)))?;
            }
            Ok(())
        };
        produce(&mut |batch| {
            self.put(encoder, batch, &mut out, |out| {
                out.push(b',');
                if out.len() < bytes_max { Ok(()) } else { flush(out) }
            })
        })?;
        encoder.judge(self.table)?;
        flush(&mut out)
    }

    fn failed(&self, cause: &str) -> Error {
        messages::mysql("staging", Some(&self.table.name), cause)
    }
}
