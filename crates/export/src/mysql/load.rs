//! Sends the batches of one query into a staging table: `load data` fed from memory, or rows in `insert` statements.
//!
//! Knows one connection and one table, but no publication.

use std::io::{self, Write};

use crossbeam_channel::{Receiver, Sender, bounded};
use mysql::prelude::Queryable;
use mysql::{Conn, LocalInfileHandler};

use super::capabilities::CAPABILITIES;
use super::encode::{Content, Form, TextEncoder, TextMismatch};
use super::mysql_type::MysqlType;
use super::statements::{names, tick};
use super::table::{MysqlColumn, MysqlTable};
use crate::changes::Sink;
use crate::messages;
use crate::target::{FaultyColumn, FaultyTable, RowsOf, SetAside};
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
    pub content: Content,
    pub intake: Intake,
    pub cancel: &'a Cancel,
}

/// The result of loading a query's rows.
pub struct Loaded {
    pub rows: u64,
    pub set_aside: SetAside,
    /// The replaced and quarantined values, one line each.
    pub notes: Vec<String>,
}

/// Yields the batches of a query.
type Produce<'p> = dyn FnMut(RowsOf, &mut Sink<'_>) -> Result<()> + 'p;

/// An error of the encoder, or of the other side.
enum PutError {
    Mismatch(TextMismatch),
    Other(Error),
}

impl From<TextMismatch> for PutError {
    fn from(mismatch: TextMismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

impl From<Error> for PutError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

enum Chunk {
    Rows(Vec<u8>),
    End,
}

impl Load<'_> {
    /// Sends all that `produce` yields. A value that may not be replaced results in an error. The error is raised after
    /// all batches were read, so that it contains the count of such values.
    pub fn run(
        &self,
        connection: &mut Conn,
        mut produce: impl FnMut(RowsOf, &mut Sink<'_>) -> Result<()>,
    ) -> Result<Loaded> {
        // A row of escapes is twice as long, and a statement has words of its own.
        let value_bytes_max = self.intake.packet_bytes_max / 2;
        let form = if self.intake.by_load { Form::Load } else { Form::Insert };
        let mut encoder = TextEncoder::new(self.columns.clone(), form, value_bytes_max, self.content);
        match form {
            Form::Load => self.load(connection, &mut encoder, &mut produce)?,
            Form::Insert => self.insert(connection, &mut encoder, &mut produce)?,
        }
        let mut notes = self.judge(&encoder)?;
        let set_aside = encoder.screen.as_mut().map(|screen| screen.take_set_aside()).unwrap_or_default();
        set_aside.check(&self.table.name, &self.table.beside, &mut notes)?;
        Ok(Loaded { rows: encoder.rows, set_aside, notes })
    }

    /// An error if a fault is not allowed; else one line for each other fault, with how it was handled.
    fn judge(&self, encoder: &TextEncoder<'_>) -> Result<Vec<String>> {
        let Some(screen) = &encoder.screen else { return Ok(Vec::new()) };
        let columns = self.columns.iter().map(|column| FaultyColumn {
            name: &column.name,
            on_hazard: column.on_hazard,
            may_be_null: !column.not_null,
        });
        screen.faults().judge(&FaultyTable {
            capabilities: &CAPABILITIES,
            name: &self.table.name,
            beside: &self.table.beside,
            key: &self.table.key,
            columns: columns.collect(),
        })
    }

    /// Encodes all rows; `after_row` is called behind each of them.
    fn encode(
        &self,
        encoder: &mut TextEncoder<'_>,
        out: &mut Vec<u8>,
        produce: &mut Produce<'_>,
        mut after_row: impl FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let mismatched = |mismatch: TextMismatch| {
            let column = self.columns[mismatch.column];
            let wanted = column.mysql_type.to_string();
            messages::mysql_batch_type(&self.table.name, &column.name, &mismatch.arrow, &wanted)
        };
        produce(RowsOf::Copy, &mut |batch| {
            self.cancel.check()?;
            let put = encoder.put_batch(batch, out, |out| after_row(out).map_err(PutError::from));
            put.map_err(|error| match error {
                PutError::Mismatch(mismatch) => mismatched(mismatch),
                PutError::Other(error) => error,
            })
        })?;
        if let Some(mut counts) = encoder.screen.as_ref().filter(|screen| screen.has_held()).map(|it| it.held_keys()) {
            produce(RowsOf::AllKeys, &mut |batch| {
                self.cancel.check()?;
                encoder.count_keys(batch, &mut counts).map_err(mismatched)
            })?;
            let mut result = Ok(());
            encoder.settle_held(&counts, |bytes| {
                out.extend_from_slice(bytes);
                if result.is_ok() {
                    result = after_row(out);
                }
            });
            result?;
        }
        self.judge(encoder).map(drop)
    }

    fn load(&self, connection: &mut Conn, encoder: &mut TextEncoder<'_>, produce: &mut Produce<'_>) -> Result<()> {
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
    fn send(&self, encoder: &mut TextEncoder<'_>, sender: Sender<Chunk>, produce: &mut Produce<'_>) -> Result<bool> {
        let mut out = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        let mut is_gone = false;
        let produced = self.encode(encoder, &mut out, produce, |out| {
            if out.len() < CHUNK_BYTES {
                return Ok(());
            }
            let chunk = std::mem::replace(out, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8));
            sender.send(Chunk::Rows(chunk)).map_err(|_| {
                is_gone = true;
                self.failed("the server accepted no more rows")
            })
        });
        if is_gone {
            return Ok(false);
        }
        produced?;
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

    fn insert(&self, connection: &mut Conn, encoder: &mut TextEncoder<'_>, produce: &mut Produce<'_>) -> Result<()> {
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
        self.encode(encoder, &mut out, produce, |out| {
            out.push(b',');
            if out.len() < bytes_max { Ok(()) } else { flush(out) }
        })?;
        flush(&mut out)
    }

    fn failed(&self, cause: &str) -> Error {
        messages::mysql("staging", Some(&self.table.name), cause)
    }
}
