//! A folder as a source: each file is a collection. The collection's name is the file's name without its endings.
//!
//! `.bson` (as mongodump writes), `.json`, `.jsonl`, `.ndjson` (Extended JSON v2) and `.csv`, each also with `.gz`, and
//! `.parquet`. mongodump's `*.metadata.json` and `prelude.json` are not collections. Files are streamed; no whole file
//! is in memory. Knows no server.

mod bson;
mod csv;
mod extended;
mod filter;
mod json;
pub mod json_bson;
mod moment;
mod parquet;
mod query;
mod sample;
mod shell;
mod taker;
mod typed;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::StringArray;
use flate2::read::MultiGzDecoder;

use crate::batch::Quarantined;
use crate::bson as raw;
use crate::column::id_list::IdList;
use crate::decode::{Decoder, Fault};
use crate::files::filter::filter;
use crate::files::query::Query;
use crate::files::taker::{Broken, Taker};
use crate::messages;
use crate::options::CollectionOptions;
use crate::question::{Question, ReadingPlan, SurveyHints};
use crate::source::{CountMode, Sink, Source};
use crate::survey::Survey;
use crate::watermark::{self, Mark};
use crate::window::IdRange;
use crate::window::Window;
use elt_base::error::{Error, Result, nearest};
use elt_base::reading::{IdKind, Reading};

/// The number of `_id`s that the sink receives at once.
const IDS_MAX: usize = 10_000;

/// The most folders of databases that a message lists.
const DATABASES_SHOWN_MAX: usize = 3;

/// A source of `type = "files"`.
#[derive(Debug)]
pub struct FileSource {
    name: String,
    folder: PathBuf,
}

/// The format of a file, from its ending.
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

impl FileSource {
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

/// The collection and the format of a file, and whether it is compressed. None if the file is not a collection.
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

    /// Passes every document to the taker, as BSON.
    fn documents(&self, plan: Option<&ReadingPlan>, taker: &mut dyn Taker) -> Result<()> {
        match self.format {
            Format::Bson => bson::documents(&self.path, self.reader()?, taker),
            Format::Json => json::documents(&self.path, self.reader()?, taker),
            Format::Csv => csv::documents(&self.path, self.reader()?, plan, taker),
            Format::Parquet => Ok(()),
        }
    }
}

impl Source for FileSource {
    fn collections(&self) -> Result<Vec<String>> {
        Ok(self.scan()?.into_keys().collect())
    }

    fn count(&self, _collection: &str, _options: &CollectionOptions, _mode: CountMode) -> Result<Option<u64>> {
        Ok(None)
    }

    fn survey(&self, question: &Question, _hints: SurveyHints) -> Result<Survey> {
        let file = self.find(&question.collection)?;
        // An incremental load needs no sample, because it knows the columns.
        if file.format != Format::Bson || file.gzip || question.window != Window::Full {
            return Ok(Survey::default());
        }
        sample::survey(&file.path, question)
    }

    fn read(&self, question: &Question, plan: &ReadingPlan, _range: &IdRange, sink: &mut Sink<'_>) -> Result<Reading> {
        let file = self.find(&question.collection)?;
        if file.format == Format::Parquet {
            return parquet::read(&file.path, question, plan, sink);
        }
        let since = match &question.window {
            Window::Full => None,
            Window::Since { path, from } => Some((path.as_str(), Mark::parse(from)?)),
        };
        let mut documents = Documents {
            decoder: Decoder::new(question, plan)?,
            since,
            query: filter(question)?,
            takes_truncated: question.options.takes_truncated,
            sink,
        };
        file.documents(Some(plan), &mut documents)?;
        documents.decoder.finish(documents.sink)
    }

    fn ids(&self, question: &Question, id_kind: IdKind, sink: &mut dyn FnMut(StringArray) -> Result<()>) -> Result<()> {
        let file = self.find(&question.collection)?;
        if file.format == Format::Parquet {
            return parquet::ids(&file.path, &question.cancel, sink);
        }
        let mut listed = Listed { ids: IdList::new(id_kind), number: 0, query: filter(question)?, question, sink };
        file.documents(None, &mut listed)?;
        listed.flush()
    }
}

/// Passes documents to the decoder.
struct Documents<'r, 's> {
    decoder: Decoder<'r>,
    since: Option<(&'r str, Mark)>,
    query: Option<Query>,
    /// Whether the documents before the end of an incomplete file are loaded.
    takes_truncated: bool,
    sink: &'s mut Sink<'s>,
}

impl Documents<'_, '_> {
    /// Skips a document that is outside the window or the filter. A malformed one is still an error, because its bytes,
    /// including its length, may belong to another document.
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

    fn cut_off(&mut self, broken: Broken<'_>, error: Error) -> Result<()> {
        if self.takes_truncated { self.broken(broken, error) } else { Err(error) }
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

/// Collects the `_id`s of documents in lists.
struct Listed<'r, 's> {
    ids: IdList,
    number: u64,
    query: Option<Query>,
    question: &'r Question,
    sink: &'s mut dyn FnMut(StringArray) -> Result<()>,
}

impl Listed<'_, '_> {
    fn flush(&mut self) -> Result<()> {
        if self.ids.len == 0 {
            return Ok(());
        }
        let ids = self.ids.take().map_err(|error| messages::batch(&self.question.collection, &error))?;
        (self.sink)(ids)
    }
}

impl Taker for Listed<'_, '_> {
    fn document(&mut self, document: &[u8]) -> Result<(), Fault> {
        // The reading does the same: it accepts no other documents.
        raw::validate(document)?;
        self.number += 1;
        if let Some(query) = &self.query
            && !query.matches(document)?
        {
            return Ok(());
        }
        self.ids.push(raw::find(document, b"_id")?, self.number)?;
        if self.ids.len >= IDS_MAX {
            self.question.cancel.check()?;
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
