//! Writes batches as immutable Parquet segments with a manifest, so that any engine can read what was landed.
//!
//! Layout: `<root>/<source>/<collection>/<load_id>/segment-00001.parquet …` and, last, `manifest.json`; a folder
//! without a manifest is a load that did not finish. One that lands range by range has `plan.json` from the start and
//! `part-00001.json …` for each range that is whole, so that another run can go on with it. Knows nothing of sources, of
//! DuckDB or of models.

mod folder;
mod load;
mod part;
mod quarantine;
mod quarantine_reader;
mod segment;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::messages;
use elt_base::batch::{Horizon, IdKind, Range, Reading};
use elt_base::error::Result;
use elt_base::schema::Column;

pub use load::Load;
pub use part::{Part, PartWriter};
pub use quarantine_reader::QuarantineEntry;

/// How a load relates to the raw table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadMode {
    /// Replaces the raw table.
    Full,
    /// Merges into it by `_id`.
    Incremental,
    /// Merges into it by `_id` too, but read every document: what it set apart is all there is.
    Whole,
}

impl LoadMode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Whole => "whole",
        }
    }

    /// Whether the raw table is the load and nothing else.
    pub fn replaces(self) -> bool {
        self == Self::Full
    }
}

/// One finished load on disk: everything the warehouse needs to take it in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The manifest's format; this is 1.
    pub version: u32,
    pub load_id: String,
    pub source: String,
    pub collection: String,
    pub mode: LoadMode,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub finished_at: String,
    pub segments: Vec<Segment>,
    /// Files of documents that could not be decoded: `offset`, `line`, `reason`, `bytes`.
    #[serde(default)]
    pub quarantine: Vec<String>,
    pub reading: Reading,
    /// The folder, not stored: set on reading.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// One Parquet file of a load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Segment {
    /// Its file name within the load's folder.
    pub file: String,
    pub rows: u64,
    pub bytes: u64,
    /// Its columns without `_id` and `_elt_rescued`; the load's may be more or wider.
    pub columns: Vec<Column>,
}

/// The manifest's name in a load's folder, and the format's version.
const MANIFEST: &str = "manifest.json";
const VERSION: u32 = 1;

/// The landing folder of one target.
#[derive(Debug, Clone)]
pub struct Landing {
    root: PathBuf,
}

/// What a load that lands range by range was begun with; another run goes on with the very same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The format; this is 1.
    pub version: u32,
    pub load_id: String,
    /// What the load depends on: the source's options, the columns known before, and so on.
    pub fingerprint: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub ranges: Vec<Range>,
    pub id_kind: Option<IdKind>,
    pub horizon: Option<Horizon>,
    /// What the source's count said.
    pub count: Option<u64>,
}

impl Landing {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a collection's loads.
    fn collection(&self, source: &str, collection: &str) -> PathBuf {
        self.root.join(folder::encode(source)).join(folder::encode(collection))
    }

    /// Starts a load, and removes what unfinished ones left for this collection.
    pub fn begin(&self, source: &str, collection: &str, load_id: &str, mode: LoadMode) -> Result<Load> {
        let parent = self.collection(source, collection);
        create_folders(&parent)?;
        for folder in unfinished(&parent)? {
            remove_unfinished(&folder)?;
        }
        let folder = parent.join(folder::encode(load_id));
        if exists(&folder)? {
            return Err(messages::landing_exists(&folder));
        }
        fs::create_dir(&folder).map_err(|error| messages::landing("create", &folder, &error))?;
        sync_folder(&parent)?;
        Ok(Load::new(Manifest::begun(load_id, source, collection, mode, folder)))
    }

    /// The full load that another run began with the same fingerprint and did not finish, if it is no older than
    /// `age_max`; its ranges that landed whole need not be read again.
    pub fn resume(
        &self,
        source: &str,
        collection: &str,
        fingerprint: &str,
        age_max: TimeDelta,
    ) -> Result<Option<(Plan, Load)>> {
        for folder in unfinished(&self.collection(source, collection))? {
            let Some(plan) = load::read_plan(&folder)? else { continue };
            let started = DateTime::parse_from_rfc3339(&plan.started_at);
            let young = started.is_ok_and(|started| Utc::now().signed_duration_since(started) <= age_max);
            if plan.fingerprint == fingerprint && young {
                let mut manifest = Manifest::begun(&plan.load_id, source, collection, LoadMode::Full, folder);
                manifest.started_at.clone_from(&plan.started_at);
                let load = Load::resumed(manifest)?;
                return Ok(Some((plan, load)));
            }
        }
        Ok(None)
    }

    /// Finished loads of a collection that are newer than `after` (a `load_id`), or all, oldest first. Older ones are
    /// not opened: there may be thousands.
    pub fn finished(&self, source: &str, collection: &str, after: Option<&str>) -> Result<Vec<Manifest>> {
        let after = after.map(folder::encode);
        let mut manifests = Vec::new();
        for folder in subfolders(&self.collection(source, collection))? {
            let is_older = |after: &String| folder.file_name().is_some_and(|name| name <= after.as_str());
            if !after.as_ref().is_some_and(is_older) {
                manifests.extend(read_manifest(folder)?);
            }
        }
        manifests.sort_by(|a, b| a.load_id.cmp(&b.load_id));
        Ok(manifests)
    }

    /// Removes the loads of a collection that are older than `keep_from` (a `load_id`; ids sort by time).
    pub fn prune(&self, source: &str, collection: &str, keep_from: &str) -> Result<()> {
        for manifest in self.finished(source, collection, None)? {
            if manifest.load_id.as_str() < keep_from {
                self.discard(&manifest)?;
            }
        }
        Ok(())
    }

    /// Whether a finished load holds the very bytes of an earlier one: same documents, same order, same columns.
    pub fn repeats(&self, manifest: &Manifest, earlier: &str) -> Result<bool> {
        let folder = self.collection(&manifest.source, &manifest.collection).join(folder::encode(earlier));
        let Some(earlier) = read_manifest(folder)? else { return Ok(false) };
        let is_alike = earlier.reading.columns == manifest.reading.columns
            && earlier.reading.id_kind == manifest.reading.id_kind
            && earlier.segments.len() == manifest.segments.len()
            && earlier.reading.quarantined == manifest.reading.quarantined
            && earlier.quarantine.len() == manifest.quarantine.len();
        if !is_alike {
            return Ok(false);
        }
        for (old, new) in earlier.segments.iter().zip(&manifest.segments) {
            let (old_path, new_path) = (earlier.folder.join(&old.file), manifest.folder.join(&new.file));
            if old.bytes != new.bytes || !same_bytes(&old_path, &new_path)? {
                return Ok(false);
            }
        }
        for (old, new) in earlier.quarantine.iter().zip(&manifest.quarantine) {
            if !same_bytes(&earlier.folder.join(old), &manifest.folder.join(new))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One finished load of a collection; None if it is not there.
    pub fn load(&self, source: &str, collection: &str, load_id: &str) -> Result<Option<Manifest>> {
        read_manifest(self.collection(source, collection).join(folder::encode(load_id)))
    }

    /// Removes a finished load.
    pub fn discard(&self, manifest: &Manifest) -> Result<()> {
        let folder = &manifest.folder;
        // The manifest first: a load cut off here is an unfinished one, which `begin` removes.
        let path = folder.join(MANIFEST);
        fs::remove_file(&path).map_err(|error| messages::landing("remove", &path, &error))?;
        fs::remove_dir_all(folder).map_err(|error| messages::landing("remove", folder, &error))
    }
}

impl Manifest {
    fn begun(load_id: &str, source: &str, collection: &str, mode: LoadMode, folder: PathBuf) -> Self {
        Self {
            version: VERSION,
            load_id: load_id.to_owned(),
            source: source.to_owned(),
            collection: collection.to_owned(),
            mode,
            started_at: now(),
            finished_at: String::new(),
            segments: Vec::new(),
            quarantine: Vec::new(),
            reading: Reading::default(),
            folder,
        }
    }
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The folders without a manifest below one.
fn unfinished(parent: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in subfolders(parent)? {
        if !exists(&folder.join(MANIFEST))? {
            found.push(folder);
        }
    }
    Ok(found)
}

fn remove_unfinished(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).map_err(|error| messages::landing("remove the unfinished load", folder, &error))
}

/// None if the folder holds an unfinished load.
fn read_manifest(folder: PathBuf) -> Result<Option<Manifest>> {
    /// Read first, so that a newer format is named as such.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let path = folder.join(MANIFEST);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(messages::landing("read", &path, &error)),
    };
    let version: Version =
        serde_json::from_slice(&text).map_err(|error| messages::malformed_manifest(&path, &error))?;
    if version.version != VERSION {
        return Err(messages::manifest_version(&path, version.version));
    }
    let manifest = serde_json::from_slice(&text).map_err(|error| messages::malformed_manifest(&path, &error))?;
    Ok(Some(Manifest { folder, ..manifest }))
}

fn same_bytes(one: &Path, other: &Path) -> Result<bool> {
    let open =
        |path: &Path| File::open(path).map(BufReader::new).map_err(|error| messages::landing("read", path, &error));
    let (mut one_reader, mut other_reader) = (open(one)?, open(other)?);
    loop {
        let left = one_reader.fill_buf().map_err(|error| messages::landing("read", one, &error))?;
        let right = other_reader.fill_buf().map_err(|error| messages::landing("read", other, &error))?;
        let length = left.len().min(right.len());
        if left[..length] != right[..length] || (length == 0 && left.len() != right.len()) {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
        one_reader.consume(length);
        other_reader.consume(length);
    }
}

/// Writes a small file that is there whole or not at all, and durable.
fn write_whole(path: &Path, value: &impl Serialize) -> Result<()> {
    let failed = |error: io::Error| messages::landing("write", path, &error);
    let text = serde_json::to_vec(value).map_err(|error| messages::landing("write", path, &error))?;
    let temporary = path.with_extension("json.tmp");
    let written = fs::write(&temporary, text).and_then(|()| File::open(&temporary)?.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(failed(error));
    }
    path.parent().map_or(Ok(()), sync_folder)
}

/// The folders below one, sorted; none if it is not there.
fn subfolders(parent: &Path) -> Result<Vec<PathBuf>> {
    entries(parent, true)
}

fn subfiles(parent: &Path) -> Result<Vec<PathBuf>> {
    entries(parent, false)
}

fn entries(parent: &Path, folders: bool) -> Result<Vec<PathBuf>> {
    let failed = |error: io::Error| messages::landing("list", parent, &error);
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() == folders {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Creates a folder and those above it, each durable.
fn create_folders(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        create_folders(above)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => above.map_or(Ok(()), sync_folder),
        // Another collection's load was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(messages::landing("create", folder, &error)),
    }
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| messages::landing("read", path, &error))
}

/// Makes the folder's entries durable.
fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| messages::landing("sync", folder, &error))
}

#[cfg(test)]
mod tests;
