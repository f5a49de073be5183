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

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::StringArray;
use arrow::error::ArrowError;
use flate2::read::MultiGzDecoder;

use crate::batch::{Batch, IdKind, Reading, Window};
use crate::cancel::Cancel;
use crate::error::{Error, Result, nearest};
use crate::extract::bson::{self as raw, Malformed};
use crate::extract::decode::{Decoder, Fault};
use crate::extract::id::Ids;
use crate::extract::watermark::{self, Mark};
use crate::extract::{Request, Source};

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

/// What a reader of documents gives each of them to.
type Each<'e> = dyn FnMut(&[u8]) -> Result<(), Fault> + 'e;

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
                return Err(Error::source_folder_above(&self.name, &self.folder, &folders));
            }
        }
        Ok(found)
    }

    fn find(&self, collection: &str) -> Result<CollectionFile> {
        let mut found = self.scan()?;
        found.remove(collection).ok_or_else(|| {
            Error::unknown_collection(&self.name, collection, nearest(collection, found.keys().map(String::as_str)))
        })
    }
}

/// Files and folders within a folder, each sorted.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let failed = |error| Error::source_folder(folder, &error);
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
            return Err(Error::ambiguous_collection(&name, &other.path, &file.path));
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
        let file = File::open(&self.path).map_err(|error| Error::source_file(&self.path, &error))?;
        Ok(if self.gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
    }

    /// Gives every document, as BSON, to `each`.
    fn documents(&self, request: Option<&Request>, each: &mut Each<'_>) -> Result<()> {
        match self.format {
            Format::Bson => bson::documents(&self.path, self.reader()?, each),
            Format::Json => json::documents(&self.path, self.reader()?, each),
            Format::Csv => csv::documents(&self.path, self.reader()?, request, each),
            Format::Parquet => Ok(()),
        }
    }
}

impl Source for Files {
    fn collections(&self) -> Result<Vec<String>> {
        Ok(self.scan()?.into_keys().collect())
    }

    fn count(&self, _collection: &str) -> Result<Option<u64>> {
        Ok(None)
    }

    fn read(&self, request: &Request, sink: &mut dyn FnMut(Batch) -> Result<()>) -> Result<Reading> {
        let file = self.find(&request.collection)?;
        if file.format == Format::Parquet {
            return parquet::read(&file.path, request, sink);
        }
        let since = match &request.window {
            Window::Full => None,
            Window::Since { path, from } => Some((path.as_str(), Mark::parse(from)?)),
        };
        let mut decoder = Decoder::new(request);
        file.documents(Some(request), &mut |document| {
            if let Some((path, from)) = &since
                && !watermark::is_since(document, path, from)?
            {
                decoder.skip();
                return Ok(());
            }
            decoder.push(document, sink)
        })?;
        decoder.finish(sink)
    }

    fn ids(
        &self,
        collection: &str,
        kind: IdKind,
        cancel: &Cancel,
        sink: &mut dyn FnMut(StringArray) -> Result<()>,
    ) -> Result<()> {
        let file = self.find(collection)?;
        if file.format == Format::Parquet {
            return parquet::ids(&file.path, cancel, sink);
        }
        let broken = |error: ArrowError| Error::batch(collection, &error);
        let mut ids = Ids::new(kind);
        let mut number = 0;
        file.documents(None, &mut |document| {
            number += 1;
            ids.push(raw::find(document, b"_id")?, number)?;
            if ids.len >= IDS_MAX {
                cancel.check()?;
                sink(ids.take().map_err(broken)?)?;
            }
            Ok(())
        })?;
        if ids.len == 0 { Ok(()) } else { sink(ids.take().map_err(broken)?) }
    }
}

/// A fault with the place the file's reader knows; `place` makes the error of a malformed document.
fn placed(fault: Fault, place: impl FnOnce(Malformed) -> Error) -> Error {
    match fault {
        Fault::Malformed(malformed) => place(malformed),
        Fault::Stopped(error) => error,
    }
}

#[cfg(test)]
mod tests;
