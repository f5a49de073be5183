//! Sends the batches of one query into a staging table: `load data` fed from memory, or rows in `insert` statements.
//!
//! Knows one connection and one table, but no publication.

use mysql::prelude::Queryable;
use mysql::{Conn, LocalInfileHandler};

use super::capabilities::CAPABILITIES;
use super::encode::{Form, MysqlForm};
use super::mysql_type::MysqlType;
use super::statements::{names, tick};
use super::table::{MysqlColumn, MysqlTable};
use crate::changes::Sink;
use crate::messages;
use crate::target::{
    CHUNK_BYTES, Chunks, Content, FaultyColumn, FaultyTable, Produce, RowsOf, ScreenedColumn, SetAside, TextEncoder,
    fed,
};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_connect::mysql::Statements as _;
use elt_connect::mysql::{describe, without_values};

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
        let screened = self.columns.iter().map(|column| ScreenedColumn {
            on_hazard: column.on_hazard,
            is_key: column.is_key,
            not_null: column.not_null,
        });
        let (table, columns) = (self.table.name.as_str(), self.columns.as_slice());
        let written = MysqlForm { table, columns, form, packet_bytes_max: value_bytes_max };
        let mut encoder = TextEncoder::new(written, screened.collect(), self.content);
        match form {
            Form::Load => self.load(connection, &mut encoder, &mut produce)?,
            Form::Insert => self.insert(connection, &mut encoder, &mut produce)?,
        }
        let mut notes = self.judge(&encoder)?;
        let set_aside = encoder.take_set_aside();
        set_aside.check(&self.table.name, &self.table.beside, &mut notes)?;
        Ok(Loaded { rows: encoder.rows, set_aside, notes })
    }

    /// An error if a fault is not allowed; else one line for each other fault, with how it was handled.
    fn judge(&self, encoder: &TextEncoder<MysqlForm<'_>>) -> Result<Vec<String>> {
        let Some(screen) = encoder.screen() else { return Ok(Vec::new()) };
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

    fn load(
        &self,
        connection: &mut Conn,
        encoder: &mut TextEncoder<MysqlForm<'_>>,
        produce: &mut Produce<'_>,
    ) -> Result<()> {
        let statement = self.statement();
        let rows = fed(
            &mut |out, after_row| {
                encoder.encode(out, produce, self.cancel, after_row)?;
                self.judge(encoder).map(drop)
            },
            |chunks| self.load_from(connection, &statement, chunks),
            || self.failed("the server accepted no more rows"),
        )?;
        match rows == encoder.rows {
            true => Ok(()),
            false => Err(self.failed(&format!("{rows} of {} rows arrived", encoder.rows))),
        }
    }

    fn load_from(&self, connection: &mut Conn, statement: &str, chunks: Chunks) -> Result<u64> {
        let feed = LocalInfileHandler::new(move |_, writer| chunks.write_to(writer));
        connection.set_local_infile_handler(Some(feed));
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
        encoder: &mut TextEncoder<MysqlForm<'_>>,
        produce: &mut Produce<'_>,
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
        encoder.encode(&mut out, produce, self.cancel, &mut |out| {
            out.push(b',');
            if out.len() < bytes_max { Ok(()) } else { flush(out) }
        })?;
        self.judge(encoder)?;
        flush(&mut out)
    }

    fn failed(&self, cause: &str) -> Error {
        messages::mysql("staging", Some(&self.table.name), cause)
    }
}
