//! Documents → landing → documents: any document can be restored from its columns and its rescued values.
//!
//! `documents` makes and restores them. Knows Parquet and the manifest, like any engine.

use std::fs::{self, File};
use std::path::Path;

use arrow::array::AsArray;
use bson::{Bson, Document, doc};
use elt_base::manifest::Manifest;
use elt_extract::land::Landing;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::documents::{keys, plain, restored, values};
use crate::project::Project;

const PROFILES: &str =
    "[project]\nname = \"shop\"\n\n[target.dev.sources.shop]\ntype = \"files\"\npath = \"seeds/shop\"\n";
const SOURCES: &str =
    "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: orders\n        config: { keep_bson: true }\n";

/// Lands documents with the program, and restores them from its landing folder.
fn landed(documents: &[Document]) -> (Vec<Document>, Vec<Document>) {
    let project = Project::of(&[
        ("profiles.toml", PROFILES),
        ("models/sources.yml", SOURCES),
        // DuckDB can read every value, too.
        ("models/orders.sql", "{{ config(materialized='table') }}\nselect * from {{ source('shop', 'orders') }}\n"),
    ]);
    let bytes: Vec<u8> = documents.iter().flat_map(|document| document.to_vec().expect("a document")).collect();
    fs::create_dir_all(project.path().join("seeds/shop")).expect("a folder");
    fs::write(project.path().join("seeds/shop/orders.bson"), bytes).expect("a file");
    project.elt(&["build"]).ok();
    assert_eq!(project.number("dev", "select count(*) from {{ ref('orders') }}"), documents.len() as i64);
    let landing = Landing::new(project.path().join(".elt/dev/landing"));
    let manifest = landing.finished("shop", "orders", None).expect("loads").pop().expect("a load");
    rebuilt(&manifest)
}

/// The documents from columns and rescued values, and from their raw bytes.
fn rebuilt(manifest: &Manifest) -> (Vec<Document>, Vec<Document>) {
    let (mut from_columns, mut from_bytes) = (Vec::new(), Vec::new());
    for segment in &manifest.segments {
        let file = File::open(Path::new(&manifest.folder).join(&segment.file)).expect("a segment");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader");
        for batch in reader {
            let batch = batch.expect("a batch");
            let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("no column `{name}`"));
            for row in 0..batch.num_rows() {
                let mut document = restored(&batch, row, &segment.columns);
                let raw = column("_elt_bson").as_binary::<i32>().value(row);
                let whole = Document::from_reader(raw).expect("the raw document");
                document.insert("_id", whole.get("_id").cloned().unwrap_or(Bson::Null));
                from_columns.push(document);
                from_bytes.push(whole);
            }
        }
    }
    (from_columns, from_bytes)
}

#[track_caller]
fn check(documents: &[Document]) {
    let (from_columns, from_bytes) = landed(documents);
    assert_eq!(from_bytes.len(), documents.len());
    for ((document, whole), rebuilt) in documents.iter().zip(&from_bytes).zip(&from_columns) {
        assert_eq!(format!("{whole:?}"), format!("{document:?}"), "the raw bytes");
        let (expected, found) = (plain(document), plain(rebuilt));
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "from the columns");
    }
}

/// Each landing needs a command, so it has many documents.
#[test]
fn any_document_is_given_back() {
    // The documents are the same in each run, so that a failure is caused by a change of the code.
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let documents = prop::collection::vec(prop::collection::vec((keys(), values()), 0..6), 1..60);
    let outcome = runner.run(&documents, |documents| {
        let documents: Vec<Document> = documents
            .into_iter()
            .enumerate()
            .map(|(n, fields)| {
                let mut document = doc! { "_id": n as i64 };
                document.extend(fields);
                document
            })
            .collect();
        check(&documents);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn nulls_in_arrays_of_objects_shift_nothing() {
    check(&[
        doc! { "_id": 1, "p": [{ "n": "a" }, Bson::Null, {}, { "n": Bson::Null }, { "n": "b", "m": [[1], [], Bson::Null] }] },
        doc! { "_id": 2, "p": [] },
        doc! { "_id": 3, "p": [[{ "n": 1 }]], "o": {} },
        doc! { "_id": 4, "p": [Bson::Null, { "m": [[2, Bson::Null], 7, "x"] }], "o": { "a": {} } },
    ]);
}

#[test]
fn what_is_large_lands() {
    let mut deep = doc! { "end": 1 };
    for _ in 0..98 {
        deep = doc! { "d": deep };
    }
    let wide: Document = (0..2_000).map(|n| (format!("field_{n}"), Bson::Int32(n))).collect();
    let map: Document = (0..5_000).map(|n| (format!("user{}", n * 7919 % 10_007), Bson::Int32(n))).collect();
    let mut documents = vec![
        doc! { "_id": 1, "deep": deep.clone() },
        doc! { "_id": 2, "large": "x".repeat(16_000_000) },
        doc! { "_id": 3, "by_user": map },
        doc! { "_id": 4, "deep": { "d": "another kind" } },
    ];
    for n in 0..2_000_i64 {
        let mut document = doc! { "_id": 10 + n };
        document.insert(format!("field_{n}"), n);
        documents.push(document);
    }
    let mut whole = doc! { "_id": 9_999 };
    whole.extend(wide);
    documents.push(whole);
    check(&documents);
}
