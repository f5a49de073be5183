//! The reference for `benches/extract`: measures the driver's own speed, and creates the documents.
//!
//! `drain` receives collections as the server's raw batches and only counts them. No program that reads the same
//! documents with the same driver is faster. `make` writes documents to a `.bson` file, `fill` inserts a file's
//! documents into a collection, and `drop` removes a database. Each prints one JSON object. Does not use the tool's
//! code.

mod documents;

use std::env;
use std::error::Error;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bson::{RawDocumentBuf, doc};
use futures_core::Stream;
use mongodb::{Client, Database};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const USAGE: &str = "\
usage: drain drain URI DATABASE AT_ONCE COLLECTION...   receive and count, AT_ONCE collections at a time
       drain make wide|nested DOCUMENTS FILE            write documents to a .bson file
       drain fill URI DATABASE COLLECTION FILE FROM TO  insert the file's documents number FROM to TO (not included)
       drain drop URI DATABASE                          remove the database";

/// The most documents of a server batch: as many as the tool requests.
const BATCH_DOCUMENTS: u32 = 10_000;

/// An insert contains at most this many documents, and about this many bytes (a server accepts 48 MB).
const INSERT_DOCUMENTS_MAX: usize = 5_000;
const INSERT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The number of inserts at the same time.
const WRITERS: usize = 2;

/// The size in bytes of the largest document that a server accepts.
const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *words.as_slice() {
        ["drain", uri, database, at_once, ref collections @ ..] if !collections.is_empty() => {
            drain(uri, database, at_once, collections)
        }
        ["make", set, documents, file] => make(set, documents, Path::new(file)),
        ["fill", uri, database, collection, file, from, to] => {
            fill(uri, database, collection, Path::new(file), from, to)
        }
        ["drop", uri, database] => drop_database(uri, database),
        // `cargo bench` runs this, too. Without a server there is nothing to measure.
        [] | ["--bench"] => {
            eprintln!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("drain: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    documents: u64,
    /// The size of their BSON in bytes.
    bytes: u64,
}

impl Counted {
    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
    }

    fn figures(self, since: Instant) -> String {
        let seconds = since.elapsed().as_secs_f64();
        json!({ "documents": self.documents, "bytes": self.bytes, "seconds": seconds }).to_string()
    }
}

fn drain(uri: &str, database: &str, at_once: &str, collections: &[&str]) -> Result<String> {
    let at_once: usize = at_once.parse()?;
    let (runtime, database) = connect(uri, database)?;
    let left: Vec<String> = collections.iter().rev().map(|&name| name.to_owned()).collect();
    let left = Arc::new(Mutex::new(left));
    let started = Instant::now();
    let tasks: Vec<_> =
        (0..at_once.max(1)).map(|_| runtime.spawn(drain_collections(database.clone(), left.clone()))).collect();
    let counted = runtime.block_on(async {
        let mut counted = Counted::default();
        for task in tasks {
            counted.add(task.await??);
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(counted)
    })?;
    Ok(counted.figures(started))
}

/// Removes names from `left` one by one, until none is left.
async fn drain_collections(database: Database, left: Arc<Mutex<Vec<String>>>) -> Result<Counted> {
    let mut counted = Counted::default();
    loop {
        let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(name) = next else { return Ok(counted) };
        let collection = database.collection::<RawDocumentBuf>(&name);
        let mut cursor = collection.find(doc! {}).batch_size(BATCH_DOCUMENTS).batch().await?;
        while let Some(batch) = poll_fn(|context| Pin::new(&mut cursor).poll_next(context)).await {
            for document in batch?.doc_slices()? {
                let Some(document) = document?.as_document() else { continue };
                counted.add(Counted { documents: 1, bytes: document.as_bytes().len() as u64 });
            }
        }
    }
}

fn make(set: &str, documents: &str, path: &Path) -> Result<String> {
    let started = Instant::now();
    let made = documents::of_set(set, documents.parse()?).ok_or_else(|| format!("no set is called `{set}`"))?;
    let mut file = BufWriter::new(File::create(path)?);
    let mut counted = Counted::default();
    for document in made {
        let bytes = RawDocumentBuf::try_from(&document)?.into_bytes();
        counted.add(Counted { documents: 1, bytes: bytes.len() as u64 });
        file.write_all(&bytes)?;
    }
    file.flush()?;
    Ok(counted.figures(started))
}

fn fill(uri: &str, database: &str, collection: &str, path: &Path, from: &str, to: &str) -> Result<String> {
    let (from, to): (u64, u64) = (from.parse()?, to.parse()?);
    let (runtime, database) = connect(uri, database)?;
    let started = Instant::now();
    let (sender, receiver) = mpsc::channel(WRITERS);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| runtime.spawn(insert_all(database.clone(), collection.to_owned(), receiver.clone())))
        .collect();
    // Only the writers own it, so that sending fails after all writers have failed.
    drop(receiver);

    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut counted = Counted::default();
    let (mut batch, mut batch_bytes) = (Vec::new(), 0);
    for number in 0..to {
        let Some(document) = read_document(&mut file)? else { break };
        if number < from {
            continue;
        }
        batch_bytes += document.as_bytes().len();
        counted.add(Counted { documents: 1, bytes: document.as_bytes().len() as u64 });
        batch.push(document);
        if batch.len() >= INSERT_DOCUMENTS_MAX || batch_bytes >= INSERT_BYTES_MAX {
            batch_bytes = 0;
            if sender.blocking_send(std::mem::take(&mut batch)).is_err() {
                break;
            }
        }
    }
    // The result of a failed writer, below, has the reason.
    if !batch.is_empty() {
        let _ = sender.blocking_send(batch);
    }
    drop(sender);
    runtime.block_on(async {
        for writer in writers {
            writer.await??;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    })?;
    Ok(counted.figures(started))
}

type Batches = Arc<tokio::sync::Mutex<mpsc::Receiver<Vec<RawDocumentBuf>>>>;

async fn insert_all(database: Database, collection: String, batches: Batches) -> Result<()> {
    let collection = database.collection::<RawDocumentBuf>(&collection);
    loop {
        let next = batches.lock().await.recv().await;
        let Some(batch) = next else { return Ok(()) };
        collection.insert_many(&batch).ordered(false).await?;
    }
}

/// The next document of a `.bson` file. None at its end.
fn read_document(file: &mut impl Read) -> Result<Option<RawDocumentBuf>> {
    let mut length = [0; 4];
    match file.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let bytes = usize::try_from(i32::from_le_bytes(length))?;
    if !(5..=DOCUMENT_BYTES_MAX).contains(&bytes) {
        return Err(format!("a document says that it has {bytes} bytes").into());
    }
    let mut document = vec![0; bytes];
    let (head, rest) = document.split_at_mut(length.len());
    head.copy_from_slice(&length);
    file.read_exact(rest)?;
    Ok(Some(RawDocumentBuf::from_bytes(document)?))
}

fn drop_database(uri: &str, database: &str) -> Result<String> {
    let started = Instant::now();
    let (runtime, database) = connect(uri, database)?;
    runtime.block_on(async { database.drop().await })?;
    Ok(Counted::default().figures(started))
}

fn connect(uri: &str, database: &str) -> Result<(Runtime, Database)> {
    let runtime = Runtime::new()?;
    let database = runtime.block_on(async { Client::with_uri_str(uri).await })?.database(database);
    Ok((runtime, database))
}
