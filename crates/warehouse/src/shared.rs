//! Reads the warehouse while another process of elt writes to it: the writer answers queries over a socket beside the
//! file.
//!
//! While a process has a DuckDB file open for writing, no other process can open it, even for reading. So the writer
//! listens, and a reader that finds the file locked sends its queries to the writer. Each query runs in its own
//! read-only transaction, and sees the data that is committed when it begins. Queries are only text here.
//!
//! A request is a length (u32, little endian) and that many bytes of SQL. An answer is one byte (0: rows, 1: an error),
//! a length (u64), and an Arrow IPC stream or the parts of the error as JSON.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arrow::ipc::writer::StreamWriter;
use parking_lot::Mutex;
use serde_json::json;

use super::reader::socket;
use super::session::Session;
use elt_base::sql_error::SqlError;

/// The most bytes of a query.
const SQL_BYTES_MAX: u32 = 16 << 20;
/// How long a writer that has finished waits for the query of a reader.
const PATIENCE: Duration = Duration::from_secs(5);

/// The writer's side. When it is dropped, it stops answering and releases the database.
pub(super) struct Server {
    socket: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    readers: Mutex<Vec<Open>>,
}

/// A connected reader.
struct Open {
    stream: UnixStream,
    answering: JoinHandle<()>,
    interrupter: super::session::Interrupter,
    is_busy: Arc<AtomicBool>,
}

impl Server {
    /// Listens beside the file. None if that is not possible, for example because the path is too long for a socket;
    /// then readers get the error that the file is in use. `session` creates a connection for each reader.
    pub fn start(warehouse: &Path, session: impl Fn() -> Option<Session> + Send + 'static) -> Option<Self> {
        let path = socket(warehouse);
        // This process has locked the file, so an existing socket belongs to a process that has ended.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).ok()?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).ok()?;
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let accepting = thread::Builder::new().name("readers".into()).spawn(move || {
            for stream in listener.incoming() {
                if of_thread.is_over.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), Some(session)) = (stream, session()) else { continue };
                of_thread.open(stream, session);
            }
        });
        Some(Self { socket: path, shared, accepting: accepting.ok() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the thread that accepts connections.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        let readers = std::mem::take(&mut *self.shared.readers.lock());
        let started = Instant::now();
        for reader in readers {
            while reader.is_busy.load(Ordering::Acquire) && started.elapsed() < PATIENCE {
                thread::sleep(Duration::from_millis(5));
            }
            reader.interrupter.interrupt();
            let _ = reader.stream.shutdown(std::net::Shutdown::Both);
            let _ = reader.answering.join();
        }
    }
}

impl Shared {
    fn open(&self, stream: UnixStream, session: Session) {
        let mut readers = self.readers.lock();
        readers.retain(|reader| !reader.answering.is_finished());
        let (Ok(own), interrupter) = (stream.try_clone(), session.interrupter()) else { return };
        let is_busy = Arc::new(AtomicBool::new(false));
        let busy = is_busy.clone();
        let answering = thread::Builder::new().name("reader".into()).spawn(move || answer(stream, &session, &busy));
        if let Ok(answering) = answering {
            readers.push(Open { stream: own, answering, interrupter, is_busy });
        }
    }
}

/// Answers one reader until it disconnects.
fn answer(mut stream: UnixStream, session: &Session, is_busy: &AtomicBool) {
    while let Some(sql) = request(&mut stream) {
        is_busy.store(true, Ordering::Release);
        let (tag, body) = match rows(session, &sql) {
            Ok(body) => (0_u8, body),
            Err(error) => {
                let parts = json!({
                    "kind": error.kind,
                    "message": error.message,
                    "position": error.position,
                    "candidates": error.candidates,
                });
                (1, parts.to_string().into_bytes())
            }
        };
        let mut head = vec![tag];
        head.extend((body.len() as u64).to_le_bytes());
        let sent = stream.write_all(&head).and_then(|()| stream.write_all(&body));
        is_busy.store(false, Ordering::Release);
        if sent.is_err() {
            return;
        }
    }
}

fn request(stream: &mut UnixStream) -> Option<String> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_le_bytes(head);
    if length > SQL_BYTES_MAX {
        return None;
    }
    let mut sql = vec![0; length as usize];
    stream.read_exact(&mut sql).ok()?;
    String::from_utf8(sql).ok()
}

fn rows(session: &Session, sql: &str) -> Result<Vec<u8>, SqlError> {
    session.execute("begin transaction read only")?;
    let found = session.batches(sql);
    session.rollback();
    let (schema, batches) = found?;
    let write = || -> Result<Vec<u8>, arrow::error::ArrowError> {
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        for batch in &batches {
            writer.write(batch)?;
        }
        writer.into_inner()
    };
    write().map_err(|error| SqlError::parse(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use crate::{Options, Warehouse};

    #[test]
    fn a_reader_asks_the_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("w.duckdb");
        let writer = Warehouse::open(&path, &Options::default()).expect("opened");
        let session = writer.session().expect("a session");
        session
            .execute("create schema s; create table s.t as select 1 as a, {'b': [1.5::decimal(4,1), null]} as c")
            .expect("made");
        session.begin().expect("begun");
        session.execute("insert into s.t values (2, null)").expect("inserted");
        let reader = crate::reader::Reader::connect(&path).expect("connected");
        let texts = |sql: &str| {
            reader.batches(sql).map(|(_, batches)| batches.iter().map(|batch| batch.num_rows()).sum::<usize>())
        };
        // Readers do not see uncommitted rows.
        assert_eq!(texts("select * from s.t"), Ok(1));
        session.commit().expect("committed");
        assert_eq!(texts("select * from s.t"), Ok(2));
        let (schema, batches) = reader.batches("select c from s.t order by a").expect("rows");
        assert_eq!((schema, batches), session.batches("select c from s.t order by a").expect("rows"));
        let refused = reader.batches("insert into s.t values (3, null)").expect_err("refused");
        assert!(refused.message.contains("read-only"), "{refused:?}");
        let wrong = reader.batches("select nothing from s.t").expect_err("refused");
        assert_eq!((wrong.kind.as_str(), wrong.position), ("Binder", Some(7)));
        drop(session);
        drop(writer);
        assert!(reader.batches("select 1").is_err());
        assert!(crate::reader::Reader::connect(&path).is_none());
        // Now the file can be opened again.
        assert!(Warehouse::open(&path, &Options::default()).is_ok());
    }
}
