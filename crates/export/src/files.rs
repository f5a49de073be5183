//! Publishes relations as files below one folder: Parquet, CSV or JSON lines, each relation one file or, partitioned, one
//! folder.
//!
//! What is published is written beside its place and then takes it by name, so that each file or folder is whole whenever
//! it is read; `publication.json`, written last, names the publication they belong to. Several files do not change at
//! one instant. Removes nothing that it did not write. Knows no SQL: the warehouse writes the files.

mod exchange;
mod record;

#[cfg(test)]
#[path = "files/tests.rs"]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::duck_type::DuckType;
use super::file_format;
use super::{Changes, Counts, Exporter, Extent, Opening, Publication, Published, Table};
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_project::{FileFormat, OnDivergence};
use record::{INTENT, Intent, RECORD, Record, RecordedTable, Stamp};

/// Begins every name that is not a published file's.
const TEMPORARY_START: &str = "._elt_";
/// Ends the name of what is not yet published, or no longer.
const TEMPORARY_END: &str = ".tmp";

/// How long a publication waits for another one to the same folder.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(100);

pub struct FileExporter {
    folder: PathBuf,
    format: FileFormat,
    publication: Publication,
    record: Option<Record>,
    /// Labels of tables that are to be written whatever has changed.
    incomplete: BTreeSet<String>,
    notes: Vec<String>,
    staged: Mutex<BTreeMap<String, Staged>>,
    /// A table could not be staged: nothing may be published.
    has_failed: AtomicBool,
    cancel: Cancel,
    /// The folder, locked until the publication ends.
    _lock: File,
}

struct Staged {
    temporary: PathBuf,
    rows: u64,
    counts: Counts,
    stamp: Stamp,
}

/// Where a table is published, from the folder.
fn place(table: &Table, format: &FileFormat) -> PathBuf {
    let name =
        if table.partition_by.is_empty() { format!("{}.{}", table.name, format.ending()) } else { table.name.clone() };
    table.schema.iter().map(PathBuf::from).collect::<PathBuf>().join(name)
}

/// Where the table of that label was published last, as far as it is still there.
pub fn left(folder: &Path, label: &str) -> Option<PathBuf> {
    let record = Record::read(folder).ok()??;
    let recorded = record.tables.get(label)?;
    recorded.path.as_ref().map(|path| folder.join(path)).filter(|path| path.exists())
}

impl FileExporter {
    /// Makes the folder, waits for its lock and removes what runs that died left in it. Looks which of the published files
    /// somebody touched.
    pub fn open(folder: &Path, format: &FileFormat, opening: Opening<'_>) -> Result<Self> {
        let Opening { publication, policy, cancel, say, .. } = opening;
        check_places(&publication.tables, format)?;
        fs::create_dir_all(folder).map_err(|error| messages::export_file("create folder", folder, &error))?;
        let lock = lock(folder, cancel, say)?;
        for folder in folders(folder, &publication.tables) {
            clean(&folder)?;
        }
        let record = Record::read(folder)?;
        let intent = record::read_intent(folder)?;
        let mut exporter = Self {
            folder: folder.to_owned(),
            format: format.clone(),
            publication,
            record,
            incomplete: BTreeSet::new(),
            notes: Vec::new(),
            staged: Mutex::default(),
            has_failed: AtomicBool::new(false),
            cancel: cancel.clone(),
            _lock: lock,
        };
        exporter.look(&intent, policy.on_divergence)?;
        Ok(exporter)
    }

    /// Compares what is there with what was published.
    fn look(&mut self, intent: &Intent, on_divergence: OnDivergence) -> Result<()> {
        let mut differences = Vec::new();
        for table in &self.publication.tables {
            let place = self.place(table);
            let recorded = self.record.as_ref().and_then(|record| record.tables.get(&table.label));
            let recorded_path = recorded.and_then(|recorded| recorded.path.as_ref()).map(|path| self.folder.join(path));
            let shown = |path: &Path| path.strip_prefix(&self.folder).unwrap_or(path).display().to_string();
            let found = record::stamp(&place)?;
            if !table.partition_by.is_empty() && recorded_path.as_ref() != Some(&place) {
                check_partitions(&place, &table.label)?;
            }
            if let Some(old) = recorded_path.filter(|old| *old != place && old.exists()) {
                self.notes.push(format!(
                    "`{}` stays as it was last published; `{}` is now published as `{}`, and removing the old one is yours",
                    shown(&old),
                    table.label,
                    shown(&place)
                ));
                self.incomplete.insert(table.label.clone());
                continue;
            }
            let options = file_format::options(table, &self.format);
            if recorded.and_then(|recorded| recorded.format.as_ref()).is_some_and(|format| *format != options) {
                self.incomplete.insert(table.label.clone());
            }
            let Some(stamp) = recorded.and_then(|recorded| recorded.stamp.as_ref()) else {
                if found.is_none() {
                    self.incomplete.insert(table.label.clone());
                }
                continue;
            };
            if found.as_ref() == Some(stamp) {
                continue;
            }
            self.incomplete.insert(table.label.clone());
            // Put in place by a publication that died before it wrote its record.
            if found.is_some() && found.as_ref() == intent.get(&table.label) {
                continue;
            }
            let what = if found.is_none() { "is missing" } else { "was changed by somebody since it was published" };
            differences.push(format!("`{}` {what}", shown(&place)));
        }
        if on_divergence == OnDivergence::Fail && !differences.is_empty() {
            return Err(messages::export_files_differ(&differences));
        }
        self.notes.extend(differences.into_iter().map(|what| format!("{what}; it is written anew")));
        Ok(())
    }

    fn place(&self, table: &Table) -> PathBuf {
        self.folder.join(place(table, &self.format))
    }

    fn table(&self, label: &str) -> Result<&Table> {
        let found = self.publication.tables.iter().find(|table| table.label == label);
        found.ok_or_else(|| messages::export_not_planned(label))
    }

    fn write(&self, table: &Table, changes: &mut dyn Changes) -> Result<Staged> {
        let place = self.place(table);
        let parent = place.parent().unwrap_or(&self.folder);
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let temporary = parent.join(format!("{TEMPORARY_START}{name}{TEMPORARY_END}"));
        fs::create_dir_all(parent).map_err(|error| messages::export_file("create folder", parent, &error))?;
        self.fill(table, &temporary, changes).inspect_err(|_| {
            // What cannot be removed now, the next publication removes.
            let _ = exchange::remove(&temporary);
        })
    }

    fn fill(&self, table: &Table, temporary: &Path, changes: &mut dyn Changes) -> Result<Staged> {
        let rows = changes.write_file(temporary, &self.format)?;
        if !table.partition_by.is_empty() {
            // Without a row there is no partition, and no folder.
            fs::create_dir_all(temporary).map_err(|error| messages::export_file("create folder", temporary, &error))?;
        }
        sync(temporary)?;
        let stamp = record::stamp(temporary)?.ok_or_else(messages::export_incomplete)?;
        Ok(Staged { temporary: temporary.to_owned(), rows, counts: changes.counts(), stamp })
    }
}

/// All that is wrong with the names and partitions of tables, before anything is written.
fn check_places(tables: &[Table], format: &FileFormat) -> Result<()> {
    let mut errors = Vec::new();
    let folders: BTreeSet<String> =
        tables.iter().filter_map(|table| table.schema.as_ref()).map(|schema| schema.to_lowercase()).collect();
    for table in tables {
        let is_bad = |name: &String| {
            name.is_empty()
                || name.contains(['/', '\\', '\0'])
                || name.starts_with('.')
                || name.eq_ignore_ascii_case(RECORD)
        };
        if is_bad(&table.name) || table.schema.as_ref().is_some_and(is_bad) {
            errors.push(messages::export_file_name(&table.label));
        }
        let path = place(table, format);
        if table.schema.is_none() && folders.contains(&path.to_string_lossy().to_lowercase()) {
            errors.push(messages::export_folder_taken(&table.label, &path));
        }
        if table.partition_by.is_empty() {
            continue;
        }
        if table.partition_by.len() >= table.columns.len() {
            errors.push(messages::export_only_partitions(&table.label));
        }
        for column in table.partition_by.iter().filter_map(|name| table.column(name)) {
            if matches!(DuckType::parse(&column.duckdb_type), DuckType::Nested | DuckType::List(_)) {
                errors.push(messages::export_nested_partition(&table.label, &column.name, &column.duckdb_type));
            }
        }
    }
    Error::many(errors).map_or(Ok(()), Err)
}

/// A folder that no publication recorded is only replaced if it holds partitions alone: else it is somebody's.
fn check_partitions(place: &Path, label: &str) -> Result<()> {
    let Ok(entries) = fs::read_dir(place) else { return Ok(()) };
    let is_ours = |name: &str| name.contains('=');
    if entries.flatten().any(|entry| !is_ours(&entry.file_name().to_string_lossy())) {
        return Err(messages::export_folder_not_ours(label, place));
    }
    Ok(())
}

/// The folder and those of the tables' schemas.
fn folders(folder: &Path, tables: &[Table]) -> BTreeSet<PathBuf> {
    let schemas = tables.iter().filter_map(|table| table.schema.as_ref()).map(|schema| folder.join(schema));
    std::iter::once(folder.to_owned()).chain(schemas.filter(|folder| folder.is_dir())).collect()
}

/// Removes what a run that died left, and puts back what it had set aside.
fn clean(folder: &Path) -> Result<()> {
    exchange::repair(folder).map_err(|error| messages::export_file("repair", folder, &error))?;
    let entries = fs::read_dir(folder).map_err(|error| messages::export_file("read folder", folder, &error))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(TEMPORARY_START) && name.ends_with(TEMPORARY_END) {
            exchange::remove(&entry.path()).map_err(|error| messages::export_file("remove", &entry.path(), &error))?;
        }
    }
    Ok(())
}

/// Takes the folder's lock, which ends with the file or the process.
fn lock(folder: &Path, cancel: &Cancel, say: &dyn Fn(&str)) -> Result<File> {
    let file = File::open(folder).map_err(|error| messages::export_file("read folder", folder, &error))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A file system without locks has no two machines that share it, or nobody who could tell.
            Err(TryLockError::Error(_)) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() > LOCK_PATIENCE => {
                return Err(messages::export_folder_locked(folder, started.elapsed()));
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if started.elapsed() < LOCK_PAUSE {
            say(&format!("  waiting for another publication to `{}`", folder.display()));
        }
        cancel.check()?;
        std::thread::sleep(LOCK_PAUSE);
    }
}

/// Writes a file, or a folder with all in it, through to the disk.
fn sync(path: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(path) {
        let entry = entry.map_err(|error| messages::export_file("read", path, &error.into()))?;
        let synced = File::open(entry.path()).and_then(|file| file.sync_all());
        synced.map_err(|error| messages::export_file("write", entry.path(), &error))?;
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| messages::export_file("write", folder, &error))
}

impl Exporter for FileExporter {
    fn last(&self) -> Option<&str> {
        self.record.as_ref().map(|record| record.id.as_str())
    }

    fn wants_everything(&self, table: &str) -> bool {
        self.incomplete.contains(table)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// A file is always written whole, whatever the extent.
    fn stage(&self, table: &str, _extent: Extent, changes: &mut dyn Changes) -> Result<()> {
        self.cancel.check()?;
        let staged = self
            .table(table)
            .and_then(|table| self.write(table, changes))
            .inspect_err(|_| self.has_failed.store(true, Ordering::SeqCst))?;
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), staged);
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<Published> {
        self.cancel.check()?;
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(messages::export_incomplete());
        }
        let staged = std::mem::take(self.staged.get_mut().unwrap_or_else(PoisonError::into_inner));
        if staged.is_empty() {
            return Ok(Published { id: None, tables: Vec::new() });
        }
        let intent: Intent = staged.iter().map(|(label, staged)| (label.clone(), staged.stamp.clone())).collect();
        record::write_intent(&self.folder, &intent)?;
        let mut record = self.record.take().unwrap_or_default();
        let mut tables = Vec::new();
        let mut touched = BTreeSet::from([self.folder.clone()]);
        for table in &self.publication.tables {
            let Some(Staged { temporary, rows, counts, stamp }) = staged.get(&table.label) else { continue };
            let place = self.place(table);
            let put = if table.partition_by.is_empty() {
                fs::rename(temporary, &place)
            } else {
                exchange::exchange(temporary, &place)
            };
            put.map_err(|error| messages::export_file("write", &place, &error))?;
            touched.extend(place.parent().map(Path::to_owned));
            let recorded = RecordedTable {
                publication: self.publication.id.clone(),
                rows: *rows,
                counts: *counts,
                path: Some(self::place(table, &self.format).to_string_lossy().into_owned()),
                format: Some(file_format::options(table, &self.format)),
                stamp: Some(stamp.clone()),
            };
            record.tables.insert(table.label.clone(), recorded);
            tables.push((table.label.clone(), *counts));
        }
        touched.iter().try_for_each(|folder| sync_folder(folder))?;
        record.id = self.publication.id.clone();
        record.published_at = chrono::Utc::now().to_rfc3339();
        record.project = self.publication.project.clone();
        record.target = self.publication.target.clone();
        record.write(&self.folder)?;
        // What cannot be removed now, the next publication removes: the publication stands.
        let _ = fs::remove_file(self.folder.join(INTENT));
        for staged in staged.values() {
            let _ = exchange::remove(&staged.temporary);
        }
        Ok(Published { id: Some(record.id), tables })
    }
}

impl Drop for FileExporter {
    fn drop(&mut self) {
        let staged = self.staged.get_mut().unwrap_or_else(PoisonError::into_inner);
        for staged in staged.values() {
            // What cannot be removed now, the next publication removes.
            let _ = exchange::remove(&staged.temporary);
        }
    }
}
