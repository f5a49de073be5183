//! Tests of the files' exporter with rows that a test writes, no warehouse.

use super::*;
use crate::changes::{Queries, Sink};
use crate::exporter::Exporter;
use crate::messages;
use crate::publication::Publication;
use elt_project::ExportPolicy;

struct Rows(&'static str);

impl Changes for Rows {
    fn keys(&mut self, _: &mut Sink<'_>) -> Result<()> {
        Ok(())
    }

    fn counts(&self) -> Counts {
        Counts { inserted: 2, ..Counts::default() }
    }
    fn rows(&mut self, _: &mut Sink<'_>) -> Result<()> {
        Err(elt_base::messages::interrupted())
    }
    fn marked_rows(&mut self, _: &mut Sink<'_>) -> Result<()> {
        Err(elt_base::messages::interrupted())
    }
    fn deletes(&mut self, _: &mut Sink<'_>) -> Result<()> {
        Err(elt_base::messages::interrupted())
    }
    fn queries(&self) -> Queries {
        Queries { rows: String::new(), all: String::new(), deletes: None, fresh: None }
    }
    fn write_file(&mut self, path: &Path, _: &FileFormat, _: Option<&str>) -> Result<u64> {
        let written = match path.to_string_lossy().ends_with(".parquet.tmp") {
            true => fs::write(path, self.0),
            false => fs::create_dir_all(path.join("k=1")).and_then(|()| fs::write(path.join("k=1/data_0"), self.0)),
        };
        written.map_err(|error| messages::export_file("write", path, &error)).map(|()| 2)
    }
}

fn table(name: &str, partition_by: &[&str]) -> Table {
    let mut table = Table::plain(name, &[("id", "BIGINT"), ("k", "BIGINT"), ("l", "BIGINT[]")], &[]);
    table.partition_by = partition_by.iter().map(|name| name.to_string()).collect();
    table
}

fn try_open(
    folder: &Path,
    tables: Vec<Table>,
    on_divergence: OnDivergence,
) -> Result<Box<OpenPublication<FilePublication<'static>>>> {
    let opening = Opening {
        publication: Publication::new("p", "dev", tables),
        policy: ExportPolicy { on_divergence, ..ExportPolicy::default() },
        cancel: Box::leak(Box::default()),
        say: &|_| (),
        engine: &|_| Ok(Vec::new()),
    };
    FilePublication::open(folder, &FileFormat::Parquet, opening).map(Box::new)
}

fn open(folder: &Path) -> Box<OpenPublication<FilePublication<'static>>> {
    try_open(folder, vec![table("a", &[]), table("b", &[])], OnDivergence::Heal).expect("a folder")
}

#[track_caller]
fn names(folder: &Path, expected: &[&str]) {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, expected);
}

#[test]
fn publishes_what_was_staged_and_removes_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("mine.parquet"), "x").expect("a file");
    fs::write(folder.join("._elt_gone.parquet.tmp"), "x").expect("a file");
    fs::create_dir(folder.join("._elt_gone.tmp")).expect("a folder");

    let exporter = open(folder);
    assert_eq!(exporter.last(), None);
    assert!(exporter.wants_everything("a"));
    exporter.stage("a", Coverage::Everything, &mut Rows("one")).expect("staged");
    drop(exporter);
    names(folder, &["mine.parquet"]);

    let exporter = open(folder);
    exporter.stage("a", Coverage::Everything, &mut Rows("two")).expect("staged");
    let published = exporter.commit().expect("published");
    let id = published.id.expect("an id");
    assert_eq!(published.tables.len(), 1);
    names(folder, &["a.parquet", "mine.parquet", "publication.json"]);

    let exporter = open(folder);
    assert_eq!(exporter.last(), Some(id.as_str()));
    assert!(!exporter.wants_everything("a") && exporter.wants_everything("b"));
    assert_eq!(exporter.commit().expect("nothing to do").id, None);
}

#[test]
fn sees_what_somebody_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let tables = || vec![table("a", &[]), table("b", &["k"])];
    let exporter = try_open(folder, tables(), OnDivergence::Fail).expect("a folder");
    exporter.stage("a", Coverage::Everything, &mut Rows("one")).expect("staged");
    exporter.stage("b", Coverage::Everything, &mut Rows("one")).expect("staged");
    exporter.commit().expect("published");
    assert!(try_open(folder, tables(), OnDivergence::Fail).is_ok());

    fs::write(folder.join("a.parquet"), "other").expect("a file");
    fs::remove_file(folder.join("b/k=1/data_0")).expect("removed");
    let refused = try_open(folder, tables(), OnDivergence::Fail).err().expect("refused");
    assert_eq!(refused.causes().len(), 2, "{refused:?}");
    let exporter = try_open(folder, tables(), OnDivergence::Heal).expect("a folder");
    assert!(exporter.wants_everything("a") && exporter.wants_everything("b"));
    assert_eq!(exporter.notes().len(), 2);
}

#[test]
fn knows_its_own_files_after_it_died_between_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let exporter = open(folder);
    exporter.stage("a", Coverage::Everything, &mut Rows("one")).expect("staged");
    exporter.commit().expect("published");
    // The second file cannot take its place.
    fs::create_dir_all(folder.join("b.parquet/x")).expect("a folder");
    let exporter = open(folder);
    exporter.stage("a", Coverage::Everything, &mut Rows("second")).expect("staged");
    exporter.stage("b", Coverage::Everything, &mut Rows("second")).expect("staged");
    assert!(exporter.commit().is_err());
    assert_eq!(fs::read_to_string(folder.join("a.parquet")).expect("a file"), "second");
    fs::remove_dir_all(folder.join("b.parquet")).expect("removed");

    let exporter = try_open(folder, vec![table("a", &[]), table("b", &[])], OnDivergence::Fail)
        .expect("no difference is reported");
    assert!(exporter.wants_everything("a") && exporter.wants_everything("b"));
    assert!(exporter.notes().is_empty());
    exporter.stage("a", Coverage::Everything, &mut Rows("second")).expect("staged");
    exporter.commit().expect("published");
    names(folder, &["a.parquet", "publication.json"]);
}

#[test]
fn turns_a_file_into_a_folder_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let publish = |partition_by: &[&str], text, notes| {
        let exporter = try_open(folder, vec![table("a", partition_by)], OnDivergence::Fail).expect("a folder");
        assert!(exporter.wants_everything("a"));
        assert_eq!(exporter.notes().len(), notes);
        exporter.stage("a", Coverage::Everything, &mut Rows(text)).expect("staged");
        exporter.commit().expect("published");
    };
    publish(&[], "1", 0);
    publish(&["k"], "2", 1);
    names(folder, &["a", "a.parquet", "publication.json"]);
    publish(&[], "3", 1);
    assert_eq!(fs::read_to_string(folder.join("a.parquet")).expect("a file"), "3");
    publish(&["k"], "4", 1);
    assert_eq!(fs::read_to_string(folder.join("a/k=1/data_0")).expect("a file"), "4");
    names(folder, &["a", "a.parquet", "publication.json"]);
}

#[test]
fn takes_no_folder_that_is_not_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::create_dir(folder.join("a")).expect("a folder");
    fs::write(folder.join("a/mine"), "x").expect("a file");
    let refused = |tables| try_open(folder, tables, OnDivergence::Heal).err().expect("refused").to_string();
    assert!(refused(vec![table("a", &["k"])]).contains("contains other files"));
    assert!(refused(vec![table("b", &["l"])]).contains("cannot be partitioned by `l`"));
    assert!(refused(vec![table("b", &["id", "k", "l"])]).contains("partitioned by all"));
    let mut of_schema = table("t", &[]);
    of_schema.schema = Some("B".into());
    assert!(refused(vec![of_schema, table("b", &["k"])]).contains("the folder of a schema"));
    assert!(refused(vec![table("../b", &[])]).contains("cannot be a file name"));
}
