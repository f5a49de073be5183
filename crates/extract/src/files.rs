//! A folder as a source: each file is a collection, named for the file without its endings.
//!
//! `.bson` (as mongodump writes), `.json`, `.jsonl`, `.ndjson` (Extended JSON v2) and `.csv`, each also with `.gz`, and
//! `.parquet`. mongodump's `*.metadata.json` and `prelude.json` are no collections. Files are streamed; none is held in
//! memory whole.

mod bson;
mod csv;
mod json;
mod json_bson;
mod parquet;
mod sample;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::StringArray;
use flate2::read::MultiGzDecoder;

use crate::bson as raw;
use crate::decode::{Decoder, Fault};
use crate::id::Ids;
use crate::messages;
use crate::query::Query;
use crate::watermark::{self, Mark};
use crate::{Count, Options, Request, Sink, Source, Survey};
use elt_base::batch::{IdKind, Quarantined, Reading, Window};
use elt_base::error::{Error, Result, nearest};

/// `_id`s given to the sink at once.
const IDS_MAX: usize = 10_000;

/// Folders of databases that a message names.
const DATABASES_SHOWN_MAX: usize = 3;

/// A source of `type = "files"`.
#[derive(Debug)]
pub struct Files {
    name: String,
    folder: PathBuf,
}

/// What a file's ending says of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Bson,
    Json,
    Csv,
    Parquet,
}

#[derive(Debug, Clone)]
struct CollectionFile {
    path: PathBuf,
    format: Format,
    gzip: bool,
}

/// What a reader gives the documents of a file to.
trait Taker {
    /// Takes a document, as BSON. One that is malformed comes back as `broken`, from the reader, which knows its place.
    fn document(&mut self, document: &[u8]) -> Result<(), Fault>;

    /// Takes what should have been a document. `error` is the message where that may not be.
    fn broken(&mut self, broken: Broken<'_>, error: Error) -> Result<()>;
}

/// A part of a file that is no document.
#[derive(Debug)]
struct Broken<'b> {
    /// Bytes from the start of the file's (decompressed) text.
    offset: u64,
    line: Option<u64>,
    what: String,
    bytes: &'b [u8],
}

impl Files {
    pub fn open(name: &str, folder: &Path) -> Self {
        Self { name: name.to_owned(), folder: folder.to_owned() }
    }

    fn scan(&self) -> Result<BTreeMap<String, CollectionFile>> {
        let (paths, mut folders) = entries(&self.folder)?;
        let found = collections(paths)?;
        if found.is_empty() {
            // mongodump writes a folder for each database.
            folders.retain(|folder| {
                let below = entries(folder).and_then(|(paths, _)| collections(paths));
                below.is_ok_and(|below| !below.is_empty())
            });
            if !folders.is_empty() {
                folders.truncate(DATABASES_SHOWN_MAX);
                return Err(messages::source_folder_above(&self.name, &self.folder, &folders));
            }
        }
        Ok(found)
    }

    fn find(&self, collection: &str) -> Result<CollectionFile> {
        let mut found = self.scan()?;
        found.remove(collection).ok_or_else(|| {
            messages::unknown_collection(&self.name, collection, nearest(collection, found.keys().map(String::as_str)))
        })
    }
}

/// Files and folders within a folder, each sorted.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let failed = |error| messages::source_folder(folder, &error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    let (folders, others): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    Ok((others.into_iter().filter(|path| path.is_file()).collect(), folders))
}

fn collections(paths: Vec<PathBuf>) -> Result<BTreeMap<String, CollectionFile>> {
    let mut found = BTreeMap::new();
    for path in paths {
        let Some((name, format, gzip)) = path.file_name().and_then(|name| classify(name.to_str()?)) else {
            continue;
        };
        let file = CollectionFile { path, format, gzip };
        if let Some(other) = found.insert(name.clone(), file.clone()) {
            return Err(messages::ambiguous_collection(&name, &other.path, &file.path));
        }
    }
    Ok(found)
}

/// Collection, format and whether it is compressed; None if the file is no collection.
fn classify(file: &str) -> Option<(String, Format, bool)> {
    let (stem, gzip) = file.strip_suffix(".gz").map_or((file, false), |stem| (stem, true));
    let (name, ending) = stem.rsplit_once('.')?;
    let format = match ending {
        "bson" => Format::Bson,
        "json" if name.ends_with(".metadata") || name == "prelude" => return None,
        "json" | "jsonl" | "ndjson" => Format::Json,
        "csv" => Format::Csv,
        "parquet" if !gzip => Format::Parquet,
        _ => return None,
    };
    (!name.is_empty() && !name.starts_with('.')).then(|| (name.to_owned(), format, gzip))
}

impl CollectionFile {
    fn reader(&self) -> Result<Box<dyn Read>> {
        let file = File::open(&self.path).map_err(|error| messages::source_file(&self.path, &error))?;
        Ok(if self.gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
    }

    /// Gives every document, as BSON, to the taker.
    fn documents(&self, request: Option<&Request>, taker: &mut dyn Taker) -> Result<()> {
        match self.format {
            Format::Bson => bson::documents(&self.path, self.reader()?, taker),
            Format::Json => json::documents(&self.path, self.reader()?, taker),
            Format::Csv => csv::documents(&self.path, self.reader()?, request, taker),
            Format::Parquet => Ok(()),
        }
    }
}

impl Source for Files {
    fn collections(&self) -> Result<Vec<String>> {
        Ok(self.scan()?.into_keys().collect())
    }

    fn count(&self, _collection: &str, _options: &Options, _how: Count) -> Result<Option<u64>> {
        Ok(None)
    }

    fn survey(&self, request: &Request) -> Result<Survey> {
        let file = self.find(&request.collection)?;
        // A load that goes on with what it knows needs none.
        if file.format != Format::Bson || file.gzip || request.window != Window::Full {
            return Ok(Survey::default());
        }
        sample::survey(&file.path, request)
    }

    fn read(&self, request: &Request, sink: &mut Sink<'_>) -> Result<Reading> {
        let file = self.find(&request.collection)?;
        if file.format == Format::Parquet {
            return parquet::read(&file.path, request, sink);
        }
        let since = match &request.window {
            Window::Full => None,
            Window::Since { path, from } => Some((path.as_str(), Mark::parse(from)?)),
        };
        let mut documents = Documents { decoder: Decoder::new(request)?, since, query: query(request)?, sink };
        file.documents(Some(request), &mut documents)?;
        documents.decoder.finish(documents.sink)
    }

    fn ids(&self, request: &Request, sink: &mut dyn FnMut(StringArray) -> Result<()>) -> Result<()> {
        let file = self.find(&request.collection)?;
        if file.format == Format::Parquet {
            return parquet::ids(&file.path, &request.cancel, sink);
        }
        let kind = request.id_kind.unwrap_or(IdKind::Other);
        let mut listed = Listed { ids: Ids::new(kind), number: 0, query: query(request)?, request, sink };
        file.documents(None, &mut listed)?;
        listed.flush()
    }
}

fn query(request: &Request) -> Result<Option<Query>> {
    let parsed = request.options.filter.as_deref().map(Query::parse).transpose();
    parsed.map_err(|complaint| messages::source_options(&request.collection, &format!("`filter`: {complaint}")))
}

/// Documents on their way to the decoder.
struct Documents<'r, 's> {
    decoder: Decoder<'r>,
    since: Option<(&'r str, Mark)>,
    query: Option<Query>,
    sink: &'s mut Sink<'s>,
}

impl Documents<'_, '_> {
    /// Passes over a document that is not wanted. One that is not sound is told of all the same: what it seems to be, its
    /// length included, may be another document's.
    fn skip(&mut self, document: &[u8]) -> Result<(), Fault> {
        raw::validate(document)?;
        self.decoder.skip();
        Ok(())
    }
}

impl Taker for Documents<'_, '_> {
    fn document(&mut self, document: &[u8]) -> Result<(), Fault> {
        if let Some(query) = &self.query
            && !query.matches(document)?
        {
            return self.skip(document);
        }
        if let Some((path, from)) = &self.since
            && !watermark::is_since(document, path, from)?
        {
            return self.skip(document);
        }
        self.decoder.push(document, self.sink)
    }

    fn broken(&mut self, broken: Broken<'_>, error: Error) -> Result<()> {
        let document = Quarantined {
            offset: Some(broken.offset),
            line: broken.line,
            reason: broken.what,
            bytes: Some(broken.bytes.to_vec()),
        };
        self.decoder.quarantine(document, error, self.sink)
    }
}

/// The `_id`s of documents, in lists.
struct Listed<'r, 's> {
    ids: Ids,
    number: u64,
    query: Option<Query>,
    request: &'r Request,
    sink: &'s mut dyn FnMut(StringArray) -> Result<()>,
}

impl Listed<'_, '_> {
    fn flush(&mut self) -> Result<()> {
        if self.ids.len == 0 {
            return Ok(());
        }
        let ids = self.ids.take().map_err(|error| messages::batch(&self.request.collection, &error))?;
        (self.sink)(ids)
    }
}

impl Taker for Listed<'_, '_> {
    fn document(&mut self, document: &[u8]) -> Result<(), Fault> {
        // As the reading does, which takes no other.
        raw::validate(document)?;
        self.number += 1;
        if let Some(query) = &self.query
            && !query.matches(document)?
        {
            return Ok(());
        }
        self.ids.push(raw::find(document, b"_id")?, self.number)?;
        if self.ids.len >= IDS_MAX {
            self.request.cancel.check()?;
            self.flush()?;
        }
        Ok(())
    }

    fn broken(&mut self, _broken: Broken<'_>, _error: Error) -> Result<()> {
        self.number += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
