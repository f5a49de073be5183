//! Writes `.bson` files like mongodump (documents one after the other), one file for each collection.
//!
//! Knows files, but not the content of documents.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bson::{Document, RawDocument};

use super::data_set::{Collection, Generated, Plan};
use super::day::{Change, Day, LOOKED_AT};
use super::everything::everything;
use crate::messages;
use elt_base::error::Result;

/// A little more than the size of the largest document that a MongoDB server accepts.
const DOCUMENT_BYTES_MAX: usize = 17 * 1024 * 1024;

/// Writes `<collection>.bson` for each collection into `folder`, which is created if necessary. If `plan.mutate` is
/// above 0, applies a day's changes to the existing files instead. Each file is replaced completely or not at all.
pub fn to_folder(plan: &Plan, folder: &Path) -> Result<Vec<Generated>> {
    plan.check()?;
    if plan.mutate > 0.0 {
        return mutate(plan, folder);
    }
    fs::create_dir_all(folder).map_err(|error| messages::cannot_generate(folder, &error))?;
    let mut files = Vec::with_capacity(Collection::ALL.len());
    for collection in Collection::ALL {
        files.push(NewFile::create(folder, collection)?);
    }
    everything(plan, &mut |collection, document| match files
        .iter_mut()
        .find(|file| file.generated.collection == collection)
    {
        Some(file) => {
            file.generated.inserted += 1;
            file.write(&document)
        }
        None => Ok(()),
    })?;
    files.into_iter().map(NewFile::finish).collect()
}

fn mutate(plan: &Plan, folder: &Path) -> Result<Vec<Generated>> {
    let mut latest = None;
    for collection in Collection::ALL.into_iter().filter(|collection| collection.has_updated_at()) {
        read(folder, collection, &mut |bytes| {
            let updated_at = RawDocument::from_bytes(bytes).ok().and_then(|raw| raw.get_datetime("updated_at").ok());
            latest = latest.max(updated_at.map(|date| date.timestamp_millis()));
            Ok(())
        })?;
    }
    let Some(latest) = latest else { return Err(messages::nothing_to_mutate(&folder.display().to_string())) };
    let mut day = Day::after(plan, latest);
    for collection in LOOKED_AT {
        read(folder, collection, &mut |bytes| {
            day.look(collection, &document(folder, collection, bytes)?);
            Ok(())
        })?;
    }
    day.grow();
    let mut files = Vec::with_capacity(Collection::ALL.len());
    for collection in Collection::ALL {
        let mut file = NewFile::create(folder, collection)?;
        read(folder, collection, &mut |bytes| {
            let mut document = document(folder, collection, bytes)?;
            match day.change(collection, &mut document) {
                Change::Keep => file.write_bytes(bytes),
                Change::Update => {
                    file.generated.updated += 1;
                    file.write(&document)
                }
                Change::Delete => {
                    file.generated.deleted += 1;
                    Ok(())
                }
            }
        })?;
        for document in day.inserts(collection) {
            file.generated.inserted += 1;
            file.write(&document)?;
        }
        files.push(file);
    }
    files.into_iter().map(NewFile::finish).collect()
}

fn document(folder: &Path, collection: Collection, bytes: &[u8]) -> Result<Document> {
    Document::from_reader(bytes).map_err(|error| messages::bad_bson(&path_of(folder, collection), &error))
}

fn path_of(folder: &Path, collection: Collection) -> PathBuf {
    folder.join(format!("{}.bson", collection.name()))
}

/// Calls `each` with every document's bytes.
fn read(folder: &Path, collection: Collection, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let path = path_of(folder, collection);
    let file = File::open(&path).map_err(|error| elt_base::messages::unreadable(&path, &error))?;
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut bytes = Vec::new();
    let mut offset = 0u64;
    loop {
        bytes.resize(4, 0);
        match file.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(elt_base::messages::unreadable(&path, &error)),
        }
        let length = <[u8; 4]>::try_from(bytes.as_slice()).map_or(0, |length| u32::from_le_bytes(length) as usize);
        if !(5..=DOCUMENT_BYTES_MAX).contains(&length) {
            return Err(messages::no_bson_document(&path, offset));
        }
        bytes.resize(length, 0);
        if file.read_exact(&mut bytes[4..]).is_err() {
            return Err(messages::no_bson_document(&path, offset));
        }
        each(&bytes)?;
        offset += length as u64;
    }
}

/// A file that gets its name when it is complete. If it is dropped before, it is removed.
struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    writer: Option<BufWriter<File>>,
    buffer: Vec<u8>,
    generated: Generated,
}

impl NewFile {
    fn create(folder: &Path, collection: Collection) -> Result<Self> {
        let path = path_of(folder, collection);
        // The file is hidden, so that a reader of the folder does not read it as a collection.
        let temporary = folder.join(format!(".{}.bson.{}", collection.name(), std::process::id()));
        let file = File::create(&temporary).map_err(|error| messages::cannot_generate(&temporary, &error))?;
        let writer = Some(BufWriter::with_capacity(1 << 20, file));
        Ok(Self { path, temporary, writer, buffer: Vec::new(), generated: Generated::none(collection) })
    }

    fn write(&mut self, document: &Document) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        document.to_writer(&mut buffer).map_err(|error| messages::bad_bson(&self.path, &error))?;
        let written = self.write_bytes(&buffer);
        self.buffer = buffer;
        written
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.generated.documents += 1;
        self.generated.bytes += bytes.len() as u64;
        match &mut self.writer {
            Some(writer) => writer.write_all(bytes).map_err(|error| messages::cannot_generate(&self.temporary, &error)),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Generated> {
        let failed = |error: &io::Error| messages::cannot_generate(&self.path, error);
        if let Some(writer) = self.writer.take() {
            let file = writer.into_inner().map_err(|error| failed(error.error()))?;
            file.sync_all().map_err(|error| failed(&error))?;
        }
        fs::rename(&self.temporary, &self.path).map_err(|error| failed(&error))?;
        Ok(self.generated)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After `finish` this file does not exist any more. Another failure cannot be reported here.
        let _ = fs::remove_file(&self.temporary);
    }
}
