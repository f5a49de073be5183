//! `publication.json`: which publication a folder's files belong to, and how each looked when it was published.
//!
//! Knows the file's format and how files are stamped. Of tables it knows only the labels.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::temporary::{TEMPORARY_END, TEMPORARY_START};
use crate::messages;
use crate::publication::Counts;
use elt_base::error::Result;

pub const RECORD: &str = "publication.json";
/// The files that a publication is about to put in place: the next run recognises them as ours.
pub const INTENT: &str = "._elt_publishing.json";
/// The form of the record. 1 had no `path`, `format` and `stamp`.
const VERSION: u32 = 2;

/// `publication.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Record {
    pub version: u32,
    pub id: String,
    /// RFC 3339, UTC.
    pub published_at: String,
    pub project: String,
    pub target: String,
    /// The tables in this folder, with the publication that wrote each last.
    pub tables: BTreeMap<String, RecordedFile>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordedFile {
    pub publication: String,
    pub rows: u64,
    #[serde(flatten)]
    pub counts: Counts,
    /// The fingerprint of its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The file or folder, from this folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The file with the rows that it cannot hold, from this folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// The options of the COPY that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
}

/// The stamp that shows whether somebody changed a published file, or any file in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub files: u64,
    pub bytes: u64,
    /// Of the latest change, RFC 3339 with nanoseconds, UTC.
    pub modified: String,
}

/// `._elt_publishing.json`: the stamp of each table.
pub type Intent = BTreeMap<String, Stamp>;

impl Record {
    /// None if there is none.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(RECORD);
        let record: Option<Self> = read_json(&path)?;
        match record {
            Some(record) if record.version > VERSION => {
                let cause = format!("its version is {}, but this program reads version {VERSION}", record.version);
                Err(messages::export_record(&path, cause))
            }
            record => Ok(record),
        }
    }

    pub fn write(&mut self, folder: &Path) -> Result<()> {
        self.version = VERSION;
        write_json(folder, RECORD, self)
    }
}

pub fn read_intent(folder: &Path) -> Result<Intent> {
    Ok(read_json(&folder.join(INTENT))?.unwrap_or_default())
}

pub fn write_intent(folder: &Path, intent: &Intent) -> Result<()> {
    write_json(folder, INTENT, intent)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(messages::export_file("read", path, &error)),
    };
    serde_json::from_str(&text).map(Some).map_err(|error| messages::export_record(path, error.to_string()))
}

/// Writes the file under another name, syncs it, renames it, and syncs the name.
fn write_json<T: Serialize>(folder: &Path, name: &str, value: &T) -> Result<()> {
    let path = folder.join(name);
    let temporary = folder.join(format!("{TEMPORARY_START}record{}", TEMPORARY_END));
    let write = || -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| messages::export_file("write", &path, &error))
}

/// The stamp of a file or of all files in a folder; None if it does not exist.
pub fn stamp(path: &Path) -> Result<Option<Stamp>> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    let (mut files, mut bytes, mut latest) = (0, 0, SystemTime::UNIX_EPOCH);
    for entry in walkdir::WalkDir::new(path).follow_root_links(true) {
        let read = entry.and_then(|entry| entry.metadata().map(|found| (entry.path().to_owned(), found)));
        let (_, found) = read.map_err(|error| messages::export_file("read", path, &error.into()))?;
        if found.is_dir() {
            continue;
        }
        let modified = found.modified().map_err(|error| messages::export_file("read", path, &error))?;
        (files, bytes, latest) = (files + 1, bytes + found.len(), latest.max(modified));
    }
    let modified = DateTime::<Utc>::from(latest).to_rfc3339_opts(SecondsFormat::Nanos, true);
    Ok(Some(Stamp { files, bytes, modified }))
}
