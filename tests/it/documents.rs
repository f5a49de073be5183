//! Random documents, and documents restored from a raw table's columns and rescued values.
//!
//! Only these differences are ignored: an integer's width, and the type of equal numbers; null, undefined and a missing
//! field; the order of fields; a decimal's trailing zeros. Knows Arrow and the columns' types, no server and no program.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use bson::oid::ObjectId;
use bson::{Binary, Bson, DateTime, Document, Timestamp, doc};
use elt_base::schema::{Column, ColumnType};
use proptest::prelude::*;

/// A row's document, without what only other columns of the tool's own hold.
pub fn restored(batch: &RecordBatch, row: usize, columns: &[Column]) -> Document {
    let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("no column `{name}`"));
    let mut document = Document::new();
    for field in columns.iter().filter(|field| !field.name.starts_with("_elt_")) {
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
    document
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
        (ColumnType::Uuid, DataType::Utf8) => {
            let uuid = uuid::Uuid::parse_str(&text()).expect("a UUID");
            binary(4, uuid.as_bytes())
        }
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
pub fn plain(document: &Document) -> Document {
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

pub fn keys() -> impl Strategy<Value = String> {
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

pub fn values() -> impl Strategy<Value = Bson> {
    leaves().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            prop::collection::vec((keys(), inner), 0..4)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}
