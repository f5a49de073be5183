//! Publishes relations as files, one each, in one folder: Parquet, CSV or JSON lines.
//!
//! Files are written beside their place and renamed, so that each is whole whenever it is read; `publication.json`,
//! written last, names the publication they belong to. Removes nothing that it did not write. Knows no SQL: the
//! warehouse writes the file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Changes, Counts, Exporter, Extent, Opening, Publication, Published};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::project::FileFormat;

const RECORD: &str = "publication.json";
/// Ends the name of a file that is not yet published; it begins with `TEMPORARY_START`.
const TEMPORARY_END: &str = ".tmp";
const TEMPORARY_START: &str = "._elt_";

/// `publication.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The format; this is 1.
    version: u32,
    id: String,
    /// RFC 3339, UTC.
    published_at: String,
    project: String,
    target: String,
    /// The tables this folder holds, with the publication that wrote each last.
    tables: BTreeMap<String, RecordedTable>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordedTable {
    publication: String,
    rows: u64,
    #[serde(flatten)]
    counts: Counts,
}

pub struct FileExporter {
    folder: PathBuf,
    format: FileFormat,
    publication: Publication,
    record: Option<Record>,
    staged: Mutex<BTreeMap<String, Staged>>,
    /// A table could not be staged: nothing may be published.
    has_failed: AtomicBool,
    cancel: Cancel,
}

struct Staged {
    temporary: PathBuf,
    rows: u64,
    counts: Counts,
}

impl FileExporter {
    /// Makes the folder and removes what runs that died left in it.
    pub fn open(folder: &Path, format: &FileFormat, opening: Opening<'_>) -> Result<Self> {
        let Opening { publication, cancel, .. } = opening;
        fs::create_dir_all(folder).map_err(|error| Error::export_file("create folder", folder, &error))?;
        let entries = fs::read_dir(folder).map_err(|error| Error::export_file("read folder", folder, &error))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(TEMPORARY_START) && name.ends_with(TEMPORARY_END) {
                fs::remove_file(entry.path()).map_err(|error| Error::export_file("remove", &entry.path(), &error))?;
            }
        }
        for table in &publication.tables {
            if table.label.contains(['/', '\\', '\0']) || table.label.starts_with('.') {
                return Err(Error::export_file_name(&table.label));
            }
        }
        let record = read_record(&folder.join(RECORD))?;
        Ok(Self {
            folder: folder.to_owned(),
            format: format.clone(),
            publication,
            record,
            staged: Mutex::default(),
            has_failed: AtomicBool::new(false),
            cancel: cancel.clone(),
        })
    }

    fn file(&self, table: &str) -> PathBuf {
        self.folder.join(format!("{table}.{}", self.format.ending()))
    }
}

fn read_record(path: &Path) -> Result<Option<Record>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::export_file("read", path, &error)),
    };
    serde_json::from_str(&text).map(Some).map_err(|error| Error::export_record(path, error.to_string()))
}

fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| Error::export_file("write", path, &error))
}

impl Exporter for FileExporter {
    fn last(&self) -> Option<&str> {
        self.record.as_ref().map(|record| record.id.as_str())
    }

    fn wants_everything(&self, table: &str) -> bool {
        !self.file(table).is_file()
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// A file is always written whole, whatever the extent.
    fn stage(&self, table: &str, _extent: Extent, changes: &mut dyn Changes) -> Result<()> {
        self.cancel.check()?;
        if !self.publication.tables.iter().any(|planned| planned.label == table) {
            return Err(Error::export_not_planned(table));
        }
        let temporary = self.folder.join(format!("{TEMPORARY_START}{table}.{}{TEMPORARY_END}", self.format.ending()));
        let written = changes.write_file(&temporary, &self.format).and_then(|rows| sync(&temporary).map(|()| rows));
        let rows = written.inspect_err(|_| self.has_failed.store(true, Ordering::SeqCst))?;
        let staged = Staged { temporary, rows, counts: changes.counts() };
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), staged);
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<Published> {
        self.cancel.check()?;
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(Error::export_incomplete());
        }
        let mut staged = std::mem::take(&mut *self.staged.lock().unwrap_or_else(PoisonError::into_inner));
        if staged.is_empty() {
            return Ok(Published { id: None, tables: Vec::new() });
        }
        let mut record = self.record.take().unwrap_or_default();
        let mut tables = Vec::new();
        for table in &self.publication.tables {
            let Some(Staged { temporary, rows, counts }) = staged.remove(&table.label) else { continue };
            let file = self.file(&table.label);
            fs::rename(&temporary, &file).map_err(|error| Error::export_file("write", &file, &error))?;
            let publication = self.publication.id.clone();
            record.tables.insert(table.label.clone(), RecordedTable { publication, rows, counts });
            tables.push((table.label.clone(), counts));
        }
        sync(&self.folder)?;
        record.version = 1;
        record.id = self.publication.id.clone();
        record.published_at = chrono::Utc::now().to_rfc3339();
        record.project = self.publication.project.clone();
        record.target = self.publication.target.clone();
        self.write_record(&record)?;
        Ok(Published { id: Some(record.id), tables })
    }
}

impl FileExporter {
    fn write_record(&self, record: &Record) -> Result<()> {
        let path = self.folder.join(RECORD);
        let temporary = self.folder.join(format!("{TEMPORARY_START}record{TEMPORARY_END}"));
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_string_pretty(record)?;
            text.push('\n');
            let mut file = File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| Error::export_file("write", &path, &error))
    }
}

impl Drop for FileExporter {
    fn drop(&mut self) {
        let staged = self.staged.get_mut().unwrap_or_else(PoisonError::into_inner);
        for staged in staged.values() {
            // What cannot be removed now, the next publication removes.
            let _ = fs::remove_file(&staged.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::contract::Table;
    use crate::export::{Queries, Sink};

    struct Rows(&'static str);

    impl Changes for Rows {
        fn counts(&self) -> Counts {
            Counts { inserted: 2, ..Counts::default() }
        }
        fn rows(&mut self, _: &mut Sink<'_>) -> Result<()> {
            Err(Error::interrupted())
        }
        fn deletes(&mut self, _: &mut Sink<'_>) -> Result<()> {
            Err(Error::interrupted())
        }
        fn queries(&self) -> Queries {
            Queries { rows: String::new(), deletes: None }
        }
        fn write_file(&mut self, path: &Path, _: &FileFormat) -> Result<u64> {
            fs::write(path, self.0).map_err(|error| Error::export_file("write", path, &error))?;
            Ok(2)
        }
    }

    fn open(folder: &Path) -> Box<FileExporter> {
        let table = |name: &str| Table::plain(name, &[("id", "BIGINT")], &[]);
        let publication = Publication::new("p", "dev", vec![table("a"), table("b")]);
        let opening = Opening {
            publication,
            policy: Default::default(),
            cancel: &Cancel::default(),
            say: &|_| (),
            engine: &|_| Ok(Vec::new()),
        };
        Box::new(FileExporter::open(folder, &FileFormat::Parquet, opening).expect("a folder"))
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn publishes_what_was_staged_and_removes_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("mine.parquet"), "x").expect("a file");
        fs::write(folder.path().join("._elt_gone.parquet.tmp"), "x").expect("a file");

        let exporter = open(folder.path());
        assert_eq!(exporter.last(), None);
        assert!(exporter.wants_everything("a"));
        exporter.stage("a", Extent::Everything, &mut Rows("one")).expect("staged");
        drop(exporter);
        assert_eq!(names(folder.path()), ["mine.parquet"]);

        let exporter = open(folder.path());
        let id = exporter.publication.id.clone();
        exporter.stage("a", Extent::Everything, &mut Rows("two")).expect("staged");
        let published = exporter.commit().expect("published");
        assert_eq!(published.id.as_deref(), Some(id.as_str()));
        assert_eq!(published.tables.len(), 1);
        assert_eq!(names(folder.path()), ["a.parquet", "mine.parquet", "publication.json"]);

        let exporter = open(folder.path());
        assert_eq!(exporter.last(), Some(id.as_str()));
        assert!(!exporter.wants_everything("a") && exporter.wants_everything("b"));
        assert_eq!(exporter.commit().expect("nothing to do").id, None);
    }
}
