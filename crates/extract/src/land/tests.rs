//! Tests of loads on disk: finished loads, unfinished loads, and broken folders.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, new_null_array};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Landing, Load, LoadPlan, PartWriter, quarantined};
use crate::batch::{Batch, Output, Quarantined};
use crate::window::IdRange;
use elt_base::manifest::{LoadKind, Manifest};
use elt_base::reading::Reading;
use elt_base::schema::{Column, ColumnType};

fn batch(names: &[&str], rows: usize) -> Batch {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("d{row}"))));
    let mut columns = vec![("_id", ids)];
    for name in names {
        columns.push((name, Arc::new(Int64Array::from_iter_values(0..rows as i64))));
    }
    columns.push(("_elt_rescued", new_null_array(&DataType::Utf8, rows)));
    Batch {
        data: RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
            .unwrap(),
        columns: names.iter().map(|name| Column::new(*name, ColumnType::BigInt)).collect(),
        bytes: 1,
    }
}

/// A load of one part, not finished.
fn load(landing: &Landing, id: &str, batches: &[Batch]) -> (Load, PartWriter) {
    let load = landing.begin("loans", "a/b", id, LoadKind::Full).unwrap();
    let mut part = load.part(1);
    for batch in batches {
        part.write(&Output::Documents(batch.clone())).unwrap();
    }
    (load, part)
}

fn finish((load, part): (Load, PartWriter), reading: Reading) -> Manifest {
    let part = part.finish(reading.clone()).unwrap();
    load.finish(vec![part], reading).unwrap()
}

/// The finished loads: id, and each segment's rows and columns.
fn shown(landing: &Landing) -> Vec<String> {
    let manifests = landing.finished("loans", "a/b", None).unwrap();
    let segments = |manifest: &Manifest| {
        let segments = manifest.segments.iter().map(|segment| {
            let file = fs::File::open(manifest.folder.join(&segment.file)).unwrap();
            assert_eq!(file.metadata().unwrap().len(), segment.bytes);
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            assert_eq!(reader.metadata().file_metadata().num_rows() as u64, segment.rows);
            let names: Vec<_> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
            format!("{} of {}", segment.rows, names.join(" "))
        });
        segments.collect::<Vec<_>>().join("; ")
    };
    manifests.iter().map(|manifest| format!("{}: {}", manifest.load_id, segments(manifest))).collect()
}

#[track_caller]
fn check(landing: &Landing, expected: &[&str]) {
    assert_eq!(shown(landing), expected);
}

#[test]
fn other_columns_open_a_new_segment() {
    let folder = tempfile::tempdir().unwrap();
    let landing = Landing::new(folder.path());
    check(&landing, &[]);
    let batches = [batch(&["x"], 3), batch(&["x"], 4), batch(&["x", "y"], 5)];
    finish(load(&landing, "2", &batches), Reading::default());
    finish(load(&landing, "1", &[]), Reading { documents: 7, ..Reading::default() });
    check(&landing, &["1: ", "2: 7 of _id x _elt_rescued; 5 of _id x y _elt_rescued"]);
    assert_eq!(landing.finished("loans", "a/b", None).unwrap()[0].reading.documents, 7);
    landing.prune("loans", "a/b", "2").unwrap();
    check(&landing, &["2: 7 of _id x _elt_rescued; 5 of _id x y _elt_rescued"]);
}

#[test]
fn an_unfinished_load_is_none_and_goes_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let landing = Landing::new(folder.path());
    let unfinished = load(&landing, "1", &[batch(&["x"], 3), batch(&["y"], 3)]);
    let path = unfinished.0.folder().to_owned();
    drop(unfinished);
    check(&landing, &[]);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "a part that is not finished leaves nothing");
    finish(load(&landing, "2", &[batch(&["x"], 1)]), Reading::default());
    assert!(!path.exists());
    check(&landing, &["2: 1 of _id x _elt_rescued"]);
}

#[test]
fn a_malformed_manifest_names_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let landing = Landing::new(folder.path());
    let manifest = finish(load(&landing, "1", &[]), Reading::default());
    let path = manifest.folder.join("manifest.json");
    fs::write(&path, "{").unwrap();
    let message = landing.finished("loans", "a/b", None).unwrap_err().message().to_owned();
    assert_eq!(message, format!("cannot read the manifest `{}` of a load", path.display()));
    fs::write(&path, "{\"version\": 2}").unwrap();
    let message = landing.finished("loans", "a/b", None).unwrap_err().message().to_owned();
    assert!(message.ends_with("has version 2, which this version of elt cannot read"), "{message}");
}

#[test]
fn a_folder_that_cannot_be_written_names_its_path() {
    let folder = tempfile::tempdir().unwrap();
    // A file in the place of the folder, because root may write to read-only folders.
    fs::write(folder.path().join("loans"), "").unwrap();
    let error = Landing::new(folder.path()).begin("loans", "a/b", "1", LoadKind::Full).unwrap_err();
    assert_eq!(error.message(), format!("cannot list `{}`", folder.path().join("loans").display()));
}

fn plan(load: &Load, fingerprint: &str) -> LoadPlan {
    LoadPlan {
        version: 1,
        load_id: load.id().to_owned(),
        fingerprint: fingerprint.into(),
        started_at: chrono::Utc::now().to_rfc3339(),
        ranges: IdRange::between(&["1".into(), "2".into()]),
        id_kind: None,
        horizon: None,
        count: Some(9),
    }
}

#[test]
fn a_ranged_load_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let landing = Landing::new(folder.path());
    let day = chrono::TimeDelta::hours(24);
    let mut load = landing.begin("loans", "a/b", "1", LoadKind::Full).unwrap();
    let planned = plan(&load, "same");
    load.plan(&planned).unwrap();
    let mut second = load.part(2);
    second.write(&Output::Documents(batch(&["x"], 3))).unwrap();
    let broken = Quarantined { offset: Some(7), line: None, reason: "odd".into(), bytes: Some(vec![1]) };
    second.write(&Output::Quarantined(broken)).unwrap();
    second.finish(Reading { documents: 3, ..Reading::default() }).unwrap();
    // As if the program was killed: nothing is dropped.
    let mut cut_off = load.part(1);
    cut_off.write(&Output::Documents(batch(&["x"], 4))).unwrap();
    std::mem::forget((cut_off, load));

    assert!(landing.resume("loans", "a/b", "other", day).unwrap().is_none());
    assert!(landing.resume("loans", "a/b", "same", -day).unwrap().is_none(), "too old");
    let (found, load) = landing.resume("loans", "a/b", "same", day).unwrap().unwrap();
    assert_eq!(found, planned);
    assert_eq!(load.landed().iter().map(|part| (part.number, part.reading.documents)).collect::<Vec<_>>(), [(2, 3)]);
    let parts = [1, 3].map(|number| {
        let mut part = load.part(number);
        part.write(&Output::Documents(batch(&["x"], number))).unwrap();
        part.finish(Reading::default()).unwrap()
    });
    let manifest = load.finish(parts.into(), Reading::default()).unwrap();
    assert_eq!(manifest.quarantine, ["quarantine-00002.parquet"]);
    check(&landing, &["1: 1 of _id x _elt_rescued; 3 of _id x _elt_rescued; 3 of _id x _elt_rescued"]);
    assert!(landing.resume("loans", "a/b", "same", day).unwrap().is_none(), "it is finished");
}

#[test]
fn what_was_set_apart_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let landing = Landing::new(folder.path());
    let broken = |offset: u64| Quarantined {
        offset: Some(offset),
        line: None,
        reason: "odd".into(),
        bytes: (offset != 5).then(|| vec![offset as u8; offset as usize]),
    };
    let land = |id: &str, offsets: std::ops::Range<u64>| {
        let (load, mut part) = load(&landing, id, &[batch(&["x"], 1)]);
        let reading = Reading { quarantined: offsets.end - offsets.start, ..Reading::default() };
        offsets.for_each(|offset| part.write(&Output::Quarantined(broken(offset))).unwrap());
        finish((load, part), reading)
    };
    let manifest = land("1", 0..20);
    let entries = quarantined(&manifest).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.offset).collect::<Vec<_>>(), (0..20).map(Some).collect::<Vec<_>>());
    for (offset, entry) in (0..20).zip(&entries) {
        assert_eq!((entry.load_id.as_str(), entry.line, entry.reason.as_str()), ("1", None, "odd"));
        assert_eq!(entry.size, (offset != 5).then_some(offset));
        assert_eq!(entry.bytes().unwrap(), broken(offset).bytes);
    }
    assert!(landing.repeats(&land("2", 0..20), "1").unwrap());
    assert!(!landing.repeats(&land("3", 1..21), "1").unwrap(), "as many, but others");
}
