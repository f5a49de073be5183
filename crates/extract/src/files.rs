//! A folder as a source: each file is a collection. The collection's name is the file's name without its endings.
//!
//! `.bson` (as mongodump writes), `.json`, `.jsonl`, `.ndjson` (Extended JSON v2), `.csv` and `.tsv`, each also with
//! `.gz`, and `.parquet`. mongodump's `*.metadata.json` and `prelude.json` are not collections. Files are streamed; no whole file
//! is in memory. Knows no server.

mod bson;
mod csv;
mod extended;
mod filter;
mod json;
pub mod json_bson;
mod json_number;
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
use crate::files::csv::{CsvFile, CsvTable};
use crate::files::filter::filter;
use crate::files::query::Query;
use crate::files::taker::{Broken, Taker};
use crate::key::DocumentKey;
use crate::messages;
use crate::options::{CollectionOptions, CsvOptions};
use crate::question::{Question, ReadingPlan, SurveyHints};
use crate::source::{CountMode, Sink, Source};
use crate::survey::Survey;
use crate::watermark::{self, Mark, TextMark};
use crate::window::IdRange;
use crate::window::Window;
use elt_base::error::{Error, Result, nearest};
use elt_base::reading::{IdKind, Reading};

/// The number of `_id`s that the sink receives at once.
const IDS_MAX: usize = 10_000;

/// The most bytes of a broken document that are quarantined.
const BROKEN_KEPT_MAX: usize = raw::DOCUMENT_BYTES_MAX;

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
    /// CSV with tabs.
    Tsv,
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
        "tsv" => Format::Tsv,
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

    fn is_csv(&self) -> bool {
        matches!(self.format, Format::Csv | Format::Tsv)
    }

    /// Passes every document to the taker, as BSON.
    fn documents(&self, taker: &mut dyn Taker) -> Result<()> {
        match self.format {
            Format::Bson => bson::documents(&self.path, self.reader()?, taker),
            Format::Json => json::documents(&self.path, self.reader()?, taker),
            Format::Csv | Format::Tsv | Format::Parquet => Ok(()),
        }
    }

    /// The first pass over a CSV file.
    fn csv<'a>(&'a self, question: &'a Question, open: &'a dyn Fn() -> Result<Box<dyn Read>>) -> Result<CsvTable<'a>> {
        let is_tab = self.format == Format::Tsv;
        let file = CsvFile { path: &self.path, open, is_tab, options: &question.options.csv, cancel: &question.cancel };
        file.survey()
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
            refuse_csv_options(question, &file)?;
            return parquet::read(&file.path, question, plan, sink);
        }
        let since = match &question.window {
            Window::Full => None,
            Window::Since { path, from } => Some((path.as_str(), Mark::parse(from)?)),
        };
        let query = filter(question)?;
        let takes_truncated = question.options.takes_truncated;
        if !file.is_csv() {
            refuse_csv_options(question, &file)?;
            let decoder = Decoder::new(question, plan)?;
            let mut documents = Documents { decoder, since, texts: None, query, takes_truncated, sink };
            file.documents(&mut documents)?;
            return documents.decoder.finish(documents.sink);
        }
        let open = || file.reader();
        let table = file.csv(question, &open)?;
        if let Some(watermark) = &question.watermark {
            table.require("watermark", watermark)?;
        }
        let key = &question.options.key;
        key.iter().try_for_each(|name| table.require("key", name))?;
        if key.is_empty() && question.options.needs_key {
            table.require_id(&question.collection)?;
        }
        let typed = table.typed(plan, !key.is_empty(), question.watermark.as_deref());
        let texts = typed.plan.texts.as_ref().and_then(|texts| texts.watermark.as_ref());
        let decoder = Decoder::new(question, &typed.plan)?;
        let mut documents = Documents { decoder, since, texts, query, takes_truncated, sink };
        table.documents(Some(&typed), key, &mut documents)?;
        documents.decoder.finish(documents.sink)
    }

    fn ids(&self, question: &Question, id_kind: IdKind, sink: &mut dyn FnMut(StringArray) -> Result<()>) -> Result<()> {
        let file = self.find(&question.collection)?;
        if file.format == Format::Parquet {
            return parquet::ids(&file.path, question, sink);
        }
        let mut listed = Listed { ids: IdList::new(id_kind), number: 0, query: filter(question)?, question, sink };
        if file.is_csv() {
            let open = || file.reader();
            file.csv(question, &open)?.documents(None, &question.options.key, &mut listed)?;
        } else {
            file.documents(&mut listed)?;
        }
        listed.flush()
    }
}

/// The settings of CSV files have no effect on other formats.
fn refuse_csv_options(question: &Question, file: &CollectionFile) -> Result<()> {
    if question.options.csv == CsvOptions::default() {
        return Ok(());
    }
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let complaint =
        format!("`delimiter`, `quote`, `null`, `encoding` and `header` are for CSV files, not for `{name}`");
    Err(messages::source_options(&question.collection, &complaint))
}

/// Passes documents to the decoder.
struct Documents<'r, 's> {
    decoder: Decoder<'r>,
    since: Option<(&'r str, Mark)>,
    /// How the texts of a CSV file become watermarks.
    texts: Option<&'r TextMark>,
    query: Option<Query>,
    /// Whether the documents before the end of an incomplete file are loaded.
    takes_truncated: bool,
    sink: &'s mut Sink<'s>,
}

impl Documents<'_, '_> {
    /// Whether a document is outside the window or the filter.
    fn is_outside(&self, document: &[u8]) -> Result<bool, Fault> {
        if let Some(query) = &self.query
            && !query.matches(document)?
        {
            return Ok(true);
        }
        Ok(match &self.since {
            Some((path, from)) => !watermark::is_since(document, path, from, self.texts)?,
            None => false,
        })
    }

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
        if self.is_outside(document)? {
            return self.skip(document);
        }
        self.decoder.push(document, self.sink)
    }

    fn cut_off(&mut self, broken: Broken<'_>, error: Error) -> Result<()> {
        if self.takes_truncated { self.broken(broken, error) } else { Err(error) }
    }

    fn keyed(&mut self, document: &[u8], key: &[u8]) -> Result<(), Fault> {
        if self.is_outside(document)? {
            return self.skip(document);
        }
        self.decoder.push_keyed(document, key, self.sink)
    }

    fn broken(&mut self, broken: Broken<'_>, error: Error) -> Result<()> {
        let kept = broken.bytes.get(..BROKEN_KEPT_MAX).filter(|kept| kept.len() < broken.bytes.len());
        let reason = match kept {
            Some(_) => format!("{}; only its first {} MiB are kept", broken.what, BROKEN_KEPT_MAX >> 20),
            None => broken.what,
        };
        let bytes = Some(kept.unwrap_or(broken.bytes).to_vec());
        let document = Quarantined { offset: Some(broken.offset), line: broken.line, reason, bytes };
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
    fn flush_full(&mut self) -> Result<()> {
        if self.ids.len < IDS_MAX {
            return Ok(());
        }
        self.question.cancel.check()?;
        self.flush()
    }

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
        let key = DocumentKey::new(&self.question.options.key);
        key.require(document)?;
        self.number += 1;
        if let Some(query) = &self.query
            && !query.matches(document)?
        {
            return Ok(());
        }
        self.ids.push(key, document, self.number)?;
        Ok(self.flush_full()?)
    }

    fn keyed(&mut self, document: &[u8], key: &[u8]) -> Result<(), Fault> {
        if let Some(query) = &self.query
            && !query.matches(document)?
        {
            return Ok(());
        }
        self.ids.push_text(key);
        Ok(self.flush_full()?)
    }

    fn broken(&mut self, _broken: Broken<'_>, _error: Error) -> Result<()> {
        self.number += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
