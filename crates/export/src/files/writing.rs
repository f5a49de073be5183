//! Writes the files of a publication under temporary names, and renames them to their places.
//!
//! Knows no SQL: the warehouse writes the files.

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exchange;
use super::places::{check_partitions, check_places, folders, place};
use super::record::{self, INTENT, Intent, Record, RecordedFile, Stamp};
use super::temporary::{TEMPORARY_END, TEMPORARY_START};
use crate::capabilities::Capabilities;
use crate::changes::{Changes, Engine};
use crate::contract::Table;
use crate::difference::Difference;
use crate::exporter::Opening;
use crate::file_format;
use crate::messages;
use crate::publication::{Counts, Coverage};
use crate::target::{
    Answer, Applying, OpenPublication, Opened, PublicationLock, PublicationRecord, Staged, Staging, Work, wait_for,
};
use elt_base::error::{Error, Result};
use elt_project::{FileFormat, OnDivergence};

/// A folder that is published to, locked until the publication ends.
pub struct FilePublication<'a> {
    pub(super) folder: PathBuf,
    pub(super) format: FileFormat,
    pub(super) id: String,
    pub(super) tables: Vec<Table>,
    pub(super) record: Record,
    pub(super) engine: &'a Engine<'a>,
    /// The staged files that are not removed yet.
    temporary: parking_lot::Mutex<Vec<PathBuf>>,
    _lock: File,
}

/// A file that was written under a temporary name.
pub struct StagedFile {
    temporary: PathBuf,
    rows: u64,
    counts: Counts,
    stamp: Stamp,
    /// The file with the rows that it cannot hold, under its temporary name, and its place from the folder.
    beside: Option<(PathBuf, PathBuf)>,
    notes: Vec<String>,
}

impl Staged for StagedFile {
    /// A file is always written whole.
    fn coverage(&self) -> Coverage {
        Coverage::Everything
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// The lock of a folder, which ends with the file or the process.
struct FolderLock<'a> {
    folder: &'a Path,
    file: Option<File>,
}

impl PublicationLock for FolderLock<'_> {
    type Held = File;

    fn ask(&mut self) -> Result<Option<File>> {
        match self.file.as_ref().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => Ok(None),
            // The file system has no locks: either no two machines share it, or it cannot be checked.
            _ => Ok(self.file.take()),
        }
    }

    fn obstacle(&self) -> String {
        format!("another publication to `{}` is under way", self.folder.display())
    }

    fn refusal(&mut self, waited: Duration) -> Error {
        messages::export_locked(&format!("folder `{}`", self.folder.display()), waited, None)
    }
}

impl<'a> FilePublication<'a> {
    /// Makes the folder, waits for its lock and removes what runs that died left in it. Looks which of the published
    /// files somebody touched.
    pub fn open(folder: &Path, format: &FileFormat, opening: Opening<'a>) -> Result<OpenPublication<Self>> {
        let Opening { publication, policy, cancel, say, engine } = opening;
        check_places(&publication.tables, format)?;
        fs::create_dir_all(folder).map_err(|error| messages::export_file("create folder", folder, &error))?;
        let file = File::open(folder).map_err(|error| messages::export_file("read folder", folder, &error))?;
        let lock = wait_for(&mut FolderLock { folder, file: Some(file) }, cancel, say)?;
        for folder in folders(folder, &publication.tables) {
            clean(&folder)?;
        }
        let record = Record::read(folder)?;
        let mut opened = Opened { last: record.as_ref().map(|record| record.id.clone()), ..Opened::default() };
        let target = Self {
            folder: folder.to_owned(),
            format: format.clone(),
            id: publication.id.clone(),
            engine,
            tables: publication.tables.clone(),
            record: record.unwrap_or_default(),
            temporary: parking_lot::Mutex::default(),
            _lock: lock,
        };
        target.compare_with_record(&record::read_intent(folder)?, policy.on_divergence, &mut opened)?;
        Ok(OpenPublication::new(publication, cancel.clone(), opened, target))
    }

    /// Compares the existing files with the record of the last publication.
    fn compare_with_record(&self, intent: &Intent, on_divergence: OnDivergence, opened: &mut Opened) -> Result<()> {
        let mut differences = Vec::new();
        for table in &self.tables {
            let place = self.place(table);
            let recorded = self.record.tables.get(&table.label);
            let recorded_path = recorded.and_then(|recorded| recorded.path.as_ref()).map(|path| self.folder.join(path));
            let shown = |path: &Path| path.strip_prefix(&self.folder).unwrap_or(path).display().to_string();
            let found = record::stamp(&place)?;
            if !table.partition_by.is_empty() && recorded_path.as_ref() != Some(&place) {
                check_partitions(&place, &table.label)?;
            }
            if let Some(old) = recorded_path.filter(|old| *old != place && old.exists()) {
                opened.notes.push(format!(
                    "`{}` stays as it was last published; `{}` is now published as `{}`; remove the old one yourself if nobody needs it",
                    shown(&old),
                    table.label,
                    shown(&place)
                ));
                opened.in_full.insert(table.label.clone());
                continue;
            }
            let options = file_format::options(table, &self.format);
            if recorded.and_then(|recorded| recorded.format.as_ref()).is_some_and(|format| *format != options) {
                opened.in_full.insert(table.label.clone());
            }
            let Some(stamp) = recorded.and_then(|recorded| recorded.stamp.as_ref()) else {
                if found.is_none() {
                    opened.in_full.insert(table.label.clone());
                }
                continue;
            };
            if found.as_ref() == Some(stamp) {
                continue;
            }
            opened.in_full.insert(table.label.clone());
            // A publication put it in place, but was killed before it wrote its record.
            if found.is_some() && found.as_ref() == intent.get(&table.label) {
                continue;
            }
            let what = if found.is_none() { "is missing" } else { "was changed after it was published" };
            differences.push(format!("`{}` {what}", shown(&place)));
        }
        if on_divergence == OnDivergence::Fail && !differences.is_empty() {
            return Err(messages::export_files_differ(&differences));
        }
        opened.notes.extend(differences.into_iter().map(|what| format!("{what}; it is written again")));
        Ok(())
    }

    fn place(&self, table: &Table) -> PathBuf {
        self.folder.join(place(table, &self.format))
    }

    fn fill(&self, table: &Table, temporary: &Path, beside: &Path, changes: &mut dyn Changes) -> Result<StagedFile> {
        let (name, place) = self.beside(table);
        let queries = changes.queries();
        let (screened, published) = self.screen(table, &name, &queries)?;
        if screened.entries > 0 {
            self.write_entries(table, &name, &queries, beside)?;
            sync(beside)?;
        }
        let rows = changes.write_file(temporary, &self.format, published.as_deref())?;
        if !table.partition_by.is_empty() {
            // Without rows no partition exists, and no folder.
            fs::create_dir_all(temporary).map_err(|error| messages::export_file("create folder", temporary, &error))?;
        }
        sync(temporary)?;
        let stamp = record::stamp(temporary)?.ok_or_else(messages::export_incomplete)?;
        let counts = changes.counts();
        Ok(StagedFile {
            temporary: temporary.to_owned(),
            rows,
            // Rows that are set aside are not inserted.
            counts: Counts { inserted: counts.inserted.min(rows), ..counts },
            stamp,
            beside: (screened.entries > 0).then(|| (beside.to_owned(), place)),
            notes: screened.notes,
        })
    }
}

/// Removes the temporary files that a killed run left, and puts back the folders that it had moved aside.
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

/// Writes a file, or a folder with all in it, through to the disk.
fn sync(path: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(path) {
        let entry = entry.map_err(|error| messages::export_file("read", path, &error.into()))?;
        let synced = File::open(entry.path()).and_then(|file| file.sync_all());
        synced.map_err(|error| messages::export_file("write", entry.path(), &error))?;
    }
    Ok(())
}

/// A file that does not exist needs no removal.
fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| messages::export_file("write", folder, &error))
}

impl Staging for FilePublication<'_> {
    type Staged = StagedFile;

    fn capabilities(&self) -> &'static Capabilities {
        super::capabilities::capabilities_of(&self.format)
    }

    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    fn stage(&self, index: usize, _: Coverage, changes: &mut dyn Changes) -> Result<StagedFile> {
        let table = &self.tables[index];
        let place = self.place(table);
        let parent = place.parent().unwrap_or(&self.folder);
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let temporary = parent.join(format!("{TEMPORARY_START}{name}{TEMPORARY_END}"));
        fs::create_dir_all(parent).map_err(|error| messages::export_file("create folder", parent, &error))?;
        let beside = parent.join(format!("{TEMPORARY_START}{name}_quarantine{TEMPORARY_END}"));
        self.temporary.lock().extend([temporary.clone(), beside.clone()]);
        self.fill(table, &temporary, &beside, changes)
    }

    /// A file is replaced, and never compared with.
    fn difference(&self, _: usize, _: &mut StagedFile) -> Result<Difference> {
        Ok(Difference::default())
    }
}

impl Applying for FilePublication<'_> {
    /// Records which files are about to be put in place.
    fn begin(&mut self, work: &mut [Work<StagedFile>]) -> Result<()> {
        let staged = work.iter().filter_map(|work| Some((work.index, work.staged.as_ref()?)));
        let intent: Intent =
            staged.map(|(index, staged)| (self.tables[index].label.clone(), staged.stamp.clone())).collect();
        record::write_intent(&self.folder, &intent)
    }

    /// A file is replaced whole.
    fn delete(&mut self, work: &mut Work<StagedFile>) -> Result<u64> {
        Ok(work.staged.as_ref().map_or(0, |staged| staged.counts.deleted))
    }

    fn write(&mut self, work: &mut Work<StagedFile>) -> Result<(u64, u64)> {
        let (table, Some(staged)) = (&self.tables[work.index], &work.staged) else { return Ok((0, 0)) };
        let place = self.place(table);
        let put = if table.partition_by.is_empty() {
            fs::rename(&staged.temporary, &place)
        } else {
            exchange::exchange(&staged.temporary, &place)
        };
        put.map_err(|error| messages::export_file("write", &place, &error))?;
        let recorded = self.record.tables.get(&table.label).and_then(|recorded| recorded.quarantine.as_ref());
        if let Some((temporary, own)) = &staged.beside {
            let own = self.folder.join(own);
            fs::rename(temporary, &own).map_err(|error| messages::export_file("write", &own, &error))?;
        } else if let Some(former) = recorded.map(|recorded| self.folder.join(recorded)) {
            let removed = fs::remove_file(&former).or_else(absent);
            removed.map_err(|error| messages::export_file("remove", &former, &error))?;
        }
        Ok((staged.counts.inserted, staged.counts.updated))
    }

    fn finish(&mut self, work: &mut [Work<StagedFile>]) -> Result<()> {
        let staged = work.iter().filter(|work| work.staged.is_some());
        let places = staged.map(|work| self.place(&self.tables[work.index]));
        let parents = places.filter_map(|place| place.parent().map(Path::to_owned));
        let touched: BTreeSet<PathBuf> = std::iter::once(self.folder.clone()).chain(parents).collect();
        touched.iter().try_for_each(|folder| sync_folder(folder))?;
        for work in work {
            let (table, Some(staged)) = (&self.tables[work.index], &work.staged) else { continue };
            let recorded = RecordedFile {
                publication: String::new(),
                rows: staged.rows,
                counts: staged.counts,
                definition: None,
                path: Some(place(table, &self.format).to_string_lossy().into_owned()),
                quarantine: staged.beside.as_ref().map(|(_, own)| own.to_string_lossy().into_owned()),
                format: Some(file_format::options(table, &self.format)),
                stamp: Some(staged.stamp.clone()),
            };
            self.record.tables.insert(table.label.clone(), recorded);
        }
        Ok(())
    }

    fn record(&mut self, record: &PublicationRecord<'_>) -> Result<()> {
        for (label, table) in &record.tables {
            if let Some(recorded) = self.record.tables.get_mut(*label) {
                recorded.publication = record.id.to_owned();
                recorded.definition = table.definition.map(str::to_owned);
            }
        }
        self.record.id = record.id.to_owned();
        self.record.published_at = chrono::Utc::now().to_rfc3339();
        self.record.project = record.project.to_owned();
        self.record.target = record.target.to_owned();
        Ok(())
    }

    /// The record in the folder decides.
    fn commit(&mut self) -> Result<Answer> {
        self.record.write(&self.folder)?;
        // The next publication removes files that cannot be removed now.
        let _ = fs::remove_file(self.folder.join(INTENT));
        Ok(Answer::Committed)
    }

    /// Files that are in place stay: the next publication recognises them by the record that `begin` wrote.
    fn roll_back(&mut self, error: Error) -> Error {
        error
    }

    fn is_recorded(&mut self, id: &str) -> Result<bool> {
        Ok(Record::read(&self.folder)?.is_some_and(|record| record.id == id))
    }

    fn failed(&self, during: &str, cause: &str) -> Error {
        messages::export_file(during, &self.folder, &std::io::Error::other(cause.to_owned()))
    }
}

impl Drop for FilePublication<'_> {
    fn drop(&mut self) {
        for temporary in self.temporary.get_mut().iter() {
            // The next publication removes files that cannot be removed now.
            let _ = exchange::remove(temporary);
        }
    }
}
