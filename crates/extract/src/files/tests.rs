//! Tests of a folder of files as a source: names, formats, windows, and the errors of broken files.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use bson::{Document, doc};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{FileSource, Format, classify};
use crate::batch::Output;
use crate::options::CollectionOptions;
use crate::question::{Question, ReadingPlan};
use crate::source::Source;
use crate::window::{IdRange, Window};
use elt_base::reading::IdKind;

#[track_caller]
fn check_name(file: &str, expected: Option<(&str, Format, bool)>) {
    assert_eq!(classify(file), expected.map(|(name, format, gzip)| (name.to_owned(), format, gzip)));
}

#[test]
fn names_collections() {
    check_name("loans.bson", Some(("loans", Format::Bson, false)));
    check_name("fs.files.bson.gz", Some(("fs.files", Format::Bson, true)));
    check_name("loans.ndjson.gz", Some(("loans", Format::Json, true)));
    check_name("loans.metadata.json", None);
    check_name("loans.metadata.json.gz", None);
    check_name("prelude.json", None);
    check_name("notes.txt", None);
    check_name("loans.parquet", Some(("loans", Format::Parquet, false)));
    check_name(".bson", None);
}

fn question(collection: &str, window: Window) -> Question {
    // A broken document ends these readings, so that the tests see its message.
    let options = Arc::new(CollectionOptions { fail_on_malformed: true, ..CollectionOptions::default() });
    Question { collection: collection.into(), window, watermark: Some("n".into()), options, ..Question::default() }
}

/// The result of reading `loans`: rows and watermark, or the message without the folder.
fn read(folder: &Path, window: Window) -> Result<String, String> {
    let source = FileSource::open("dump", folder);
    let mut rows = 0;
    let mut sink = |output| {
        if let Output::Documents(batch) = output {
            rows += batch.data.num_rows();
        }
        Ok(())
    };
    let reading = source.read(&question("loans", window), &ReadingPlan::default(), &IdRange::default(), &mut sink);
    let folder = format!("{}/", folder.display());
    let reading = reading.map_err(|error| error.message().replace(&folder, ""))?;
    assert_eq!(rows as u64, reading.documents);
    let columns: Vec<_> =
        reading.columns.iter().map(|column| format!("{} {}", column.name, column.column_type.sql())).collect();
    Ok(format!("{} rows of {}, until {}", rows, columns.join(", "), reading.watermark.unwrap_or_default()))
}

#[track_caller]
fn check(file: &str, content: &[u8], window: Window, expected: Result<&str, &str>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(file), content).unwrap();
    let result = read(folder.path(), window);
    assert_eq!(result.as_deref().map_err(String::as_str), expected, "{file}");
}

fn documents() -> Vec<Document> {
    (0..5000_i32).map(|n| doc! { "_id": format!("d{n}"), "n": n, "text": "x".repeat(500) }).collect()
}

fn dump() -> Vec<u8> {
    documents().iter().flat_map(|document| document.to_vec().unwrap()).collect()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn since(from: &str) -> Window {
    Window::Since { path: "n".into(), from: from.into() }
}

const ALL: Result<&str, &str> = Ok(r#"5000 rows of n BIGINT, text VARCHAR, until {"$numberInt":"4999"}"#);

#[test]
fn reads_each_format() {
    check("loans.bson", &dump(), Window::Full, ALL);
    check("loans.bson.gz", &gzip(&dump()), Window::Full, ALL);
    let lines: String = documents()
        .into_iter()
        .map(|document| format!("{}\n", bson::Bson::Document(document).into_relaxed_extjson()))
        .collect();
    check("loans.jsonl", lines.as_bytes(), Window::Full, ALL);
    check("loans.json.gz", &gzip(format!("[{}]", lines.trim().replace('\n', ",")).as_bytes()), Window::Full, ALL);
    check(
        "loans.csv",
        b"n,text\n1,x\n2,y\n",
        Window::Full,
        Ok(r#"2 rows of n BIGINT, text VARCHAR, until {"$numberLong":"2"}"#),
    );
    check("loans.bson", b"", Window::Full, Ok("0 rows of , until "));
}

#[test]
fn windows_filter_on_raw_bytes() {
    check(
        "loans.bson",
        &dump(),
        since(r#"{"$numberInt":"4990"}"#),
        Ok(r#"10 rows of n BIGINT, text VARCHAR, until {"$numberInt":"4999"}"#),
    );
    check("loans.bson", &dump(), since(r#"{"$date":{"$numberLong":"1"}}"#), ALL);
}

#[test]
fn documents_without_id_keep_their_number_in_a_window() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("loans.jsonl"), "{\"n\": 1}\n{\"n\": 5}\n{\"n\": 2}\n{\"n\": 6}\n").unwrap();
    let source = FileSource::open("dump", folder.path());
    let mut ids = Vec::new();
    let mut sink = |output| {
        if let Output::Documents(batch) = output {
            ids.extend(batch.data.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        Ok(())
    };
    let question = question("loans", since(r#"{"$numberInt":"5"}"#));
    source.read(&question, &ReadingPlan::default(), &IdRange::default(), &mut sink).unwrap();
    assert_eq!(ids, ["#2", "#4"]);
}

#[test]
fn broken_files_name_the_place() {
    let dump = dump();
    let cut = dump.len() - 10;
    let last = dump.len() - documents()[4999].to_vec().unwrap().len();
    let message = format!(
        "`loans.bson` ends in the middle of the document that begins at byte {last}, after 4999 complete documents"
    );
    check("loans.bson", &dump[..cut], Window::Full, Err(&message));
    let mut broken = dump.clone();
    broken[last + 4] = 0x66;
    let message = format!(
        "`loans.bson` is not valid BSON at byte {}, after 4999 complete documents: an unknown element type",
        last + 4
    );
    check("loans.bson", &broken, Window::Full, Err(&message));
    let zipped = gzip(&dump);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("loans.bson.gz"), &zipped[..zipped.len() / 2]).unwrap();
    assert!(
        read(folder.path(), Window::Full).is_err_and(|message| message.contains("ends in the middle of the document"))
    );
    check(
        "loans.jsonl",
        b"{\"n\": 1}\n{\"n\": }\n",
        Window::Full,
        Err("line 2 of `loans.jsonl` is not valid Extended JSON: at `n`: expected value"),
    );
    check(
        "loans.csv",
        b"n,n\n1,2\n",
        Window::Full,
        Err("line 1 of `loans.csv` is not valid CSV: two columns are named `n`"),
    );
    check("others.bson", &dump, Window::Full, Err("source `dump` has no collection `loans`"));
}

#[test]
fn a_dump_of_databases_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    for database in ["shop", "bank", "empty"] {
        fs::create_dir(folder.path().join(database)).unwrap();
    }
    fs::write(folder.path().join("prelude.json"), "{}").unwrap();
    fs::write(folder.path().join("shop/orders.bson"), b"").unwrap();
    fs::write(folder.path().join("bank/loans.bson"), b"").unwrap();
    let error = FileSource::open("dump", folder.path()).collections().unwrap_err();
    let shown = folder.path().display();
    assert_eq!(error.message(), format!("the folder `{shown}` of source `dump` contains no collection files"));
    let hint = format!("`path` must be the folder of one database: `{shown}/bank` or `{shown}/shop`");
    assert_eq!(error.hints(), [hint]);
}

#[test]
fn ids_are_those_of_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("loans.bson"), dump()).unwrap();
    let mut ids = Vec::new();
    let source = FileSource::open("dump", folder.path());
    source
        .ids(&question("loans", Window::Full), IdKind::Text, &mut |more| {
            ids.extend(more.iter().flatten().map(str::to_owned));
            Ok(())
        })
        .unwrap();
    assert_eq!(ids, (0..5000).map(|n| format!("d{n}")).collect::<Vec<_>>());
}

#[test]
fn reads_parquet_as_it_is_typed() {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Int32Array, ListArray, TimestampNanosecondArray, UInt64Array};
    use arrow::datatypes::Int16Type;
    use arrow::record_batch::RecordBatch;

    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_id", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ("n", Arc::new(Int32Array::from(vec![Some(5), None, Some(7)]))),
        ("big", Arc::new(UInt64Array::from(vec![u64::MAX, 1, 2]))),
        ("day", Arc::new(Date32Array::from(vec![1, 2, 3]))),
        ("fine", Arc::new(TimestampNanosecondArray::from(vec![1, 2, 3]))),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int16Type, _, _>([
                Some(vec![Some(1), None]),
                None,
                Some(vec![]),
            ])),
        ),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join("loans.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let types = "n BIGINT, big DECIMAL(38,0), day DATE, fine TIMESTAMP_NS, list BIGINT[]";
    let rows = |count| Ok(format!("{count} rows of {types}, until {{\"$numberLong\":\"7\"}}"));
    assert_eq!(read(folder.path(), Window::Full), rows(3));
    // The row without a value may be new, so it is read.
    assert_eq!(read(folder.path(), since(r#"{"$numberLong":"6"}"#)), rows(2));
}
