//! The reader's end of a warehouse that another process writes: it sends queries over the socket beside the file.
//!
//! Knows the form of requests and answers, which `shared` describes; not how they are answered.

use std::io::{Cursor, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use parking_lot::Mutex;
use serde_json::Value;

use elt_base::sql_error::SqlError;

/// The socket of a warehouse file.
pub(super) fn socket(warehouse: &Path) -> PathBuf {
    let mut name = warehouse.as_os_str().to_owned();
    name.push(".sock");
    name.into()
}

/// Whether a process of elt has the file open for writing and answers queries.
pub(super) fn is_served(warehouse: &Path) -> bool {
    UnixStream::connect(socket(warehouse)).is_ok()
}

/// The connection of a reader to the writer.
pub(super) struct Reader(Mutex<UnixStream>);

impl Reader {
    /// None if no process answers.
    pub fn connect(warehouse: &Path) -> Option<Self> {
        UnixStream::connect(socket(warehouse)).ok().map(|stream| Self(Mutex::new(stream)))
    }

    /// Returns all rows of a query.
    pub fn batches(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), SqlError> {
        let mut stream = self.0.lock();
        let (is_error, answer) = ask(&mut stream, sql).map_err(|_| SqlError {
            kind: "IO".into(),
            message: "the process that was writing the warehouse has ended; run the same command again".into(),
            position: None,
            candidates: Vec::new(),
        })?;
        if is_error {
            return Err(unpack(&answer));
        }
        let read = || -> Result<_, arrow::error::ArrowError> {
            let reader = StreamReader::try_new(Cursor::new(answer), None)?;
            let schema = reader.schema();
            Ok((schema, reader.collect::<Result<Vec<_>, _>>()?))
        };
        read().map_err(|error| SqlError::parse(&error.to_string()))
    }
}

fn ask(stream: &mut UnixStream, sql: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let length = u32::try_from(sql.len()).unwrap_or(u32::MAX);
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(sql.as_bytes())?;
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let length = head[1..].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut answer = Vec::new();
    let read = stream.take(length).read_to_end(&mut answer)?;
    if read as u64 == length { Ok((head[0] != 0, answer)) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

fn unpack(answer: &[u8]) -> SqlError {
    let parts: Value = serde_json::from_slice(answer).unwrap_or_default();
    let text = |key: &str| parts[key].as_str().unwrap_or_default().to_owned();
    let candidates = parts["candidates"].as_array().into_iter().flatten();
    SqlError {
        kind: text("kind"),
        message: text("message"),
        position: parts["position"].as_u64().map(|position| position as usize),
        candidates: candidates.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
    }
}
