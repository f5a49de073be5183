//! One connection to the warehouse: statements, rows, transactions, interrupts.
//!
//! Knows SQL only as text.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use duckdb::{Connection, InterruptHandle};

use super::reader::Reader;
use elt_base::schema::quote;
use elt_base::sql_error::SqlError;
use elt_base::sql_text::masked;

/// A connection. If it is dropped inside a transaction, the transaction is rolled back.
pub struct Session {
    link: Link,
    /// A statement may have begun a transaction. DuckDB's API cannot tell.
    may_be_open: AtomicBool,
}

enum Link {
    Own(Connection),
    /// A connection to the process that has the file open for writing. It only answers queries.
    Asked(Reader),
}

/// Stops a session's statement from another thread.
#[derive(Clone)]
pub struct Interrupter(Option<Arc<InterruptHandle>>);

impl Interrupter {
    pub fn interrupt(&self) {
        if let Some(own) = &self.0 {
            own.interrupt();
        }
    }
}

impl Session {
    /// `catalog` is the attached database to use. None for a database in memory.
    pub(super) fn new(connection: Connection, catalog: Option<&str>, settings: &str) -> Result<Self, SqlError> {
        let session = Self::over(Link::Own(connection));
        let catalog = catalog.map_or(String::new(), |catalog| format!("; use {}", quote(catalog)));
        session.execute(&format!("set errors_as_json = true; set TimeZone = 'UTC'{catalog}{settings}"))?;
        Ok(session)
    }

    /// A session that sends its queries to another process, and only reads.
    pub(super) fn asking(reader: Reader) -> Self {
        Self::over(Link::Asked(reader))
    }

    fn over(link: Link) -> Self {
        Self { link, may_be_open: AtomicBool::new(false) }
    }

    /// Whether another process answers the queries.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.link, Link::Asked(_))
    }

    /// The connection, if it is this process's own.
    fn connection(&self) -> Result<&Connection, SqlError> {
        match &self.link {
            Link::Own(connection) => Ok(connection),
            Link::Asked(_) => Err(SqlError::parse("another process is writing the warehouse")),
        }
    }

    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.connection().ok().map(Connection::interrupt_handle))
    }

    /// Runs one statement or several.
    pub fn execute(&self, sql: &str) -> Result<(), SqlError> {
        self.timed(sql, || self.connection()?.execute_batch(sql).map_err(sql_error))
    }

    /// Runs one INSERT, UPDATE, DELETE or MERGE and returns the rows it changed.
    pub fn change(&self, sql: &str) -> Result<u64, SqlError> {
        self.timed(sql, || self.connection()?.execute(sql, []).map(|rows| rows as u64).map_err(sql_error))
    }

    /// Runs a statement, and emits a tracing event for it.
    fn timed<T, E>(&self, sql: &str, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if may_begin(sql) {
            self.may_be_open.store(true, Ordering::Relaxed);
        }
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return run();
        }
        let started = Instant::now();
        let result = run();
        let (seconds, failed) = (started.elapsed().as_secs_f64(), result.is_err());
        tracing::debug!(seconds, failed, sql = masked(sql), "statement");
        result
    }

    pub fn begin(&self) -> Result<(), SqlError> {
        self.execute("begin transaction")
    }

    /// Begins a transaction that cannot write. Another process already answers each query in such a transaction.
    pub fn begin_reading(&self) -> Result<(), SqlError> {
        match self.link {
            Link::Own(_) => self.execute("begin transaction read only"),
            Link::Asked(_) => Ok(()),
        }
    }

    pub fn commit(&self) -> Result<(), SqlError> {
        self.execute("commit")?;
        self.may_be_open.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Rolls back the transaction, if there is one.
    pub fn rollback(&self) {
        if self.may_be_open.swap(false, Ordering::Relaxed) {
            // Without a transaction this fails, which does no harm.
            let _ = self.execute("rollback");
        }
    }

    /// Runs a query and passes on its batches one by one. The schema comes first, because there may be no batch.
    pub fn stream<E: From<SqlError>>(
        &self,
        sql: &str,
        sink: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<SchemaRef, E> {
        tracing::debug!(sql = masked(sql), "stream begins");
        let mut statement = self.connection()?.prepare(sql).map_err(sql_error)?;
        let schema = statement.stream_arrow([]).map_err(sql_error)?.get_schema();
        // The crate's iterator panics if a later batch fails or the query is interrupted. Its `step` does not.
        while let Some(batch) = statement.step().map_err(sql_error)? {
            sink(&RecordBatch::from(&batch))?;
        }
        Ok(schema)
    }

    /// All rows of a query whose result is small.
    pub fn batches(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), SqlError> {
        self.timed(sql, || self.all_batches(sql))
    }

    fn all_batches(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), SqlError> {
        let connection = match &self.link {
            Link::Own(connection) => connection,
            Link::Asked(reader) => return reader.batches(sql),
        };
        let mut statement = connection.prepare(sql).map_err(sql_error)?;
        let schema = statement.query_arrow([]).map_err(sql_error)?.get_schema();
        let mut batches = Vec::new();
        while let Some(batch) = statement.step().map_err(sql_error)? {
            batches.push(RecordBatch::from(&batch));
        }
        Ok((schema, batches))
    }

    /// All rows of a query whose result is small, with each value as text. None is NULL.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, SqlError> {
        let (_, batches) = self.batches(sql)?;
        let mut rows = Vec::new();
        for batch in &batches {
            text_rows(batch, &mut rows)?;
        }
        Ok(rows)
    }

    /// The first value of the first row, as text.
    pub fn value(&self, sql: &str) -> Result<Option<String>, SqlError> {
        Ok(self.rows(sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// The first value of the first row, as a count. 0 if there is no row.
    pub fn count(&self, sql: &str) -> Result<u64, SqlError> {
        Ok(self.value(sql)?.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// The columns of a query or relation: name and DuckDB's type, in order.
    pub fn describe(&self, query: &str) -> Result<Vec<(String, String)>, SqlError> {
        self.described(&format!("describe {query}"))
    }

    /// The columns that a `describe` returns.
    pub fn described(&self, statement: &str) -> Result<Vec<(String, String)>, SqlError> {
        let rows = self.rows(statement)?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let mut values = row.into_iter().flatten();
                Some((values.next()?, values.next()?))
            })
            .collect())
    }

    /// Appends a list of texts to a table with one VARCHAR column.
    pub(super) fn append_texts(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
        texts: StringArray,
    ) -> Result<(), SqlError> {
        let field = Field::new("_id", DataType::Utf8, false);
        let column: ArrayRef = Arc::new(texts);
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column])
            .map_err(|error| SqlError::parse(&error.to_string()))?;
        let mut appender = self.connection()?.appender_to_catalog_and_db(table, catalog, schema).map_err(sql_error)?;
        appender.append_record_batch(batch).map_err(sql_error)?;
        appender.flush().map_err(sql_error)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.rollback();
    }
}

/// Whether SQL contains a word that begins a transaction.
fn may_begin(sql: &str) -> bool {
    let contains = |word: &[u8]| sql.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    contains(b"begin") || contains(b"start")
}

fn sql_error(error: duckdb::Error) -> SqlError {
    const REFUSED: &str = "file system operations are disabled by configuration";
    let mut error = SqlError::parse(&error.to_string());
    if error.message.contains(REFUSED) {
        error.message = error.message.replace(REFUSED, "a command that only reads can read only the files of sources");
    }
    error
}

/// Appends a batch's rows as texts, in the format of DuckDB's client.
fn text_rows(batch: &RecordBatch, rows: &mut Vec<Vec<Option<String>>>) -> Result<(), SqlError> {
    let options = FormatOptions::default();
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| SqlError::parse(&error.to_string()))?;
    for row in 0..batch.num_rows() {
        let values = batch.columns().iter().zip(&formatters);
        rows.push(values.map(|(column, text)| column.is_valid(row).then(|| text.value(row).to_string())).collect());
    }
    Ok(())
}
