//! Documents → landing → documents: any document can be restored from its columns and its rescued values.
//!
//! Only these differences are ignored: an integer's width, and the type of equal numbers; null, undefined and a missing
//! field; the order of fields; a decimal's trailing zeros. Knows Parquet and the manifest, like any engine.

use std::fs::{self, File};
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use bson::oid::ObjectId;
use bson::{Binary, Bson, DateTime, Document, Timestamp, doc};
use elt_base::manifest::Manifest;
use elt_base::schema::ColumnType;
use elt_extract::land::Landing;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

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
                let mut document = Document::new();
                for field in segment.columns.iter().filter(|field| !field.name.starts_with("_elt_")) {
                    if let Some(value) = value(column(&field.name), row, &field.column_type) {
                        document.insert(field.key(), value);
                    }
                }
                let rescued = column("_elt_rescued");
                if rescued.is_valid(row) {
                    let rescued = serde_json::from_str::<serde_json::Map<_, _>>(rescued.as_string::<i32>().value(row));
                    for (path, value) in rescued.expect("a JSON object") {
                        put(&mut document, &steps(&path), Bson::try_from(value).expect("Extended JSON"));
                    }
                }
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

/// A column's value as BSON. None if it is null.
fn value(array: &ArrayRef, row: usize, column_type: &ColumnType) -> Option<Bson> {
    if array.is_null(row) {
        return None;
    }
    let text = || array.as_string::<i32>().value(row).to_owned();
    Some(match (column_type, array.data_type()) {
        (ColumnType::Struct(fields), DataType::Struct(_)) => {
            let mut object = Document::new();
            for (field, array) in fields.iter().zip(array.as_struct().columns()) {
                if let Some(value) = value(array, row, &field.column_type) {
                    object.insert(field.key(), value);
                }
            }
            object.into()
        }
        (ColumnType::List(element), DataType::List(_)) => {
            let values = array.as_list::<i32>().value(row);
            let items = (0..values.len()).map(|row| value(&values, row, element).unwrap_or(Bson::Null));
            Bson::Array(items.collect())
        }
        (ColumnType::BsonTimestamp, _) => {
            let part = |index: usize| array.as_struct().column(index).as_primitive::<Int64Type>().value(row) as u32;
            Bson::Timestamp(Timestamp { time: part(0), increment: part(1) })
        }
        (ColumnType::Regex, _) => {
            let part = |index: usize| array.as_struct().column(index).as_string::<i32>().value(row).to_owned();
            Bson::RegularExpression(regex(&part(0), &part(1)))
        }
        (ColumnType::Boolean, _) => array.as_boolean().value(row).into(),
        (ColumnType::BigInt, _) => array.as_primitive::<Int64Type>().value(row).into(),
        (ColumnType::Double, _) => array.as_primitive::<Float64Type>().value(row).into(),
        (ColumnType::Decimal { .. }, _) => decimal(&array.as_primitive::<Decimal128Type>().value_as_string(row)),
        (ColumnType::DecimalText, _) => decimal(&text()),
        (ColumnType::Varchar, _) => text().into(),
        // A text that was not an objectId is among the rescued values, too.
        (ColumnType::ObjectId, _) => ObjectId::parse_str(text()).map_or(Bson::Null, Bson::from),
        (ColumnType::Symbol, _) => Bson::Symbol(text()),
        (ColumnType::Code, _) => Bson::JavaScriptCode(text()),
        (ColumnType::TimestampTz, _) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            assert_eq!(micros % 1000, 0);
            DateTime::from_millis(micros / 1000).into()
        }
        (ColumnType::Blob, _) => binary(0, array.as_binary::<i32>().value(row)),
        (ColumnType::Binary { subtype }, _) => binary(*subtype, array.as_binary::<i32>().value(row)),
        (ColumnType::Uuid, _) => binary(4, array.as_fixed_size_binary().value(row)),
        (ColumnType::Json, _) => {
            Bson::try_from(serde_json::from_str::<serde_json::Value>(&text()).expect("JSON")).expect("Extended JSON")
        }
        (other, data_type) => panic!("{other:?} as {data_type}"),
    })
}

fn regex(pattern: &str, options: &str) -> bson::Regex {
    let text = |text: &str| bson::raw::CString::try_from(text).expect("a text without NUL");
    bson::Regex { pattern: text(pattern), options: text(options) }
}

fn decimal(text: &str) -> Bson {
    text.parse::<bson::Decimal128>().expect("a decimal").into()
}

fn binary(subtype: u8, bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: subtype.into(), bytes: bytes.to_vec() })
}

enum Step {
    Key(String),
    Index(usize),
}

/// The parsed path of a rescued value: `a.b`, `a[0].b`, `["odd key"]`.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some(inner) = rest.strip_prefix('[') {
            let mut stream = serde_json::Deserializer::from_str(inner).into_iter::<serde_json::Value>();
            steps.push(match stream.next().expect("a step").expect("JSON") {
                serde_json::Value::String(key) => Step::Key(key),
                index => Step::Index(index.as_u64().expect("an index") as usize),
            });
            rest = inner[stream.byte_offset()..].strip_prefix(']').expect("a bracket");
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    steps
}

fn put(document: &mut Document, steps: &[Step], value: Bson) {
    let [Step::Key(key), rest @ ..] = steps else { panic!("a path begins with a key") };
    if rest.is_empty() {
        document.insert(key, value);
        return;
    }
    let below = document.entry(key.clone()).or_insert(Bson::Null);
    put_below(below, rest, value);
}

fn put_below(place: &mut Bson, steps: &[Step], value: Bson) {
    match (place, steps) {
        (place, []) => *place = value,
        (Bson::Document(document), _) => put(document, steps, value),
        (Bson::Array(items), [Step::Index(index), rest @ ..]) => put_below(&mut items[*index], rest, value),
        (place, _) => panic!("nothing below {place}"),
    }
}

/// A document without the ignored differences.
fn plain(document: &Document) -> Document {
    let mut fields: Vec<(String, Bson)> =
        document.iter().filter_map(|(key, value)| Some((key.clone(), plain_value(value)?))).collect();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    fields.into_iter().collect()
}

fn plain_value(value: &Bson) -> Option<Bson> {
    Some(match value {
        Bson::Null | Bson::Undefined => return None,
        Bson::Document(document) => plain(document).into(),
        Bson::Array(items) => Bson::Array(items.iter().map(|item| plain_value(item).unwrap_or(Bson::Null)).collect()),
        Bson::Int32(number) => number_text(&number.to_string()),
        Bson::Int64(number) => number_text(&number.to_string()),
        Bson::Double(number) if number.is_nan() => "NaN".into(),
        Bson::Double(number) if number.is_infinite() => format!("{number}").into(),
        Bson::Double(number) if *number == 0.0 && number.is_sign_negative() => "-0".into(),
        // All its digits.
        Bson::Double(number) => number_text(&format!("{number:.1100}")),
        Bson::Decimal128(number) => number_text(&number.to_string()),
        other => other.clone(),
    })
}

/// A finite number as its digits and power of ten. Other texts do not change.
fn number_text(text: &str) -> Bson {
    let (mantissa, exponent) = text.split_once('E').unwrap_or((text, "0"));
    let Ok(exponent) = exponent.parse::<i64>() else { return text.into() };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.into();
    }
    let short = digits.trim_end_matches('0');
    let exponent = exponent - fraction.len() as i64 + (digits.len() - short.len()) as i64;
    match short.trim_start_matches('0') {
        "" if sign == "-" => "-0".into(),
        "" => "0".into(),
        short => format!("{sign}{short}E{exponent}").into(),
    }
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

fn leaves() -> impl Strategy<Value = Bson> {
    let decimals = prop_oneof![
        "-?[0-9]{1,34}(E-?[0-9]{1,3})?",
        "-?[0-9]{1,17}\\.[0-9]{1,17}",
        prop::sample::select(vec![
            "NaN",
            "Infinity",
            "-Infinity",
            "-0",
            "0E+10",
            "1E-6176",
            "9.999999999999999999999999999999999E+6144"
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        Just(Bson::Null),
        Just(Bson::Undefined),
        any::<bool>().prop_map(Bson::Boolean),
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        prop_oneof![any::<f64>(), (-1000..1000_i32).prop_map(f64::from), Just(-0.0), Just(f64::MIN_POSITIVE / 8.0)]
            .prop_map(Bson::Double),
        "[a-c\"\\\\\u{e9}\u{0}\u{1f4a9}]{0,4}".prop_map(Bson::String),
        "[a-c]{0,3}".prop_map(Bson::Symbol),
        "[a-c]{0,3}".prop_map(Bson::JavaScriptCode),
        prop_oneof![any::<i64>(), -3_000_000_000_000..3_000_000_000_000_i64]
            .prop_map(|millis| DateTime::from_millis(millis).into()),
        any::<[u8; 12]>().prop_map(|bytes| ObjectId::from_bytes(bytes).into()),
        decimals.prop_map(|text| decimal(&text)),
        (prop::sample::select(vec![0_u8, 3, 4, 5, 128]), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(subtype, bytes)| binary(subtype, &bytes)),
        any::<[u8; 16]>().prop_map(|bytes| binary(4, &bytes)),
        any::<[u8; 16]>().prop_map(|bytes| binary(3, &bytes)),
        any::<(u32, u32)>().prop_map(|(time, increment)| Bson::Timestamp(Timestamp { time, increment })),
        "[a-c]{0,3}".prop_map(|pattern| Bson::RegularExpression(regex(&pattern, "i"))),
        Just(Bson::MinKey),
        Just(Bson::MaxKey),
        Just(Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "f".into(), scope: doc! { "a": 1 } })),
    ]
}

fn keys() -> impl Strategy<Value = String> {
    let keys = [
        "a",
        "A",
        "b",
        "a.b",
        "$a",
        "odd key",
        "q\"q",
        "é",
        "\u{feff}a",
        "",
        "_empty",
        "_elt_rescued",
        "_elt_x",
        "t",
        "i",
        "_ID",
    ];
    prop_oneof![
        8 => prop::sample::select(keys.map(str::to_owned).to_vec()),
        1 => Just("k".repeat(80)),
    ]
}

fn values() -> impl Strategy<Value = Bson> {
    leaves().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            prop::collection::vec((keys(), inner), 0..4)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
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
