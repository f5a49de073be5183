//! Property tests over random documents: every value is in its column or in the rescued object, for samples of any
//! size.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use bson::{Bson, Document, doc};
use proptest::prelude::*;

use super::tests::{decimal, decode, regex, shown};
use crate::bson::ejson::{self, Form};
use crate::bson::find;
use crate::question::ReadingPlan;
use elt_base::schema::{Column, ColumnType};

fn values() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        Just(Bson::Null),
        any::<bool>().prop_map(Bson::Boolean),
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        prop_oneof![any::<f64>(), Just(2.0), Just(-0.0), Just(f64::NAN)].prop_map(Bson::Double),
        "[a-c\"\\\\\u{e9}\u{0}]{0,4}".prop_map(Bson::String),
        "[a-c]{0,2}".prop_map(Bson::Symbol),
        "[a-c]{0,2}".prop_map(Bson::JavaScriptCode),
        prop_oneof![any::<i64>(), 0..2_000_000_000_000_i64]
            .prop_map(|millis| bson::DateTime::from_millis(millis).into()),
        any::<[u8; 12]>().prop_map(|bytes| bson::oid::ObjectId::from_bytes(bytes).into()),
        "-?[0-9]{1,20}(\\.[0-9]{1,10})?(E-?[0-9]{1,3})?".prop_map(|text| decimal(&text)),
        any::<[u8; 16]>().prop_map(|bytes| bson::Binary { subtype: 4.into(), bytes: bytes.into() }.into()),
        (prop::sample::select(vec![0, 3, 5, 128]), any::<[u8; 3]>())
            .prop_map(|(subtype, bytes): (u8, _)| bson::Binary { subtype: subtype.into(), bytes: bytes.into() }.into()),
        any::<(u32, u32)>().prop_map(|(time, increment)| Bson::Timestamp(bson::Timestamp { time, increment })),
        Just(Bson::RegularExpression(regex("a", "i"))),
        Just(Bson::MinKey),
        Just(Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "f".into(), scope: doc! { "a": 1 } })),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            prop::collection::vec((keys(), inner), 0..4)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

fn keys() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "A", "b", "c", "odd key", "", "_empty", "t", "i", "_elt_rescued", "\u{feff}a"])
        .prop_map(str::to_owned)
}

/// Whether `value`, at `path`, is in the column or in the rescued object.
fn is_kept(
    value: &Bson,
    path: &str,
    column: Option<(&ArrayRef, usize, &ColumnType)>,
    rescued: &serde_json::Map<String, serde_json::Value>,
) -> bool {
    if let Some(kept) = rescued.get(path) {
        return same_bson(&Bson::try_from(kept.clone()).unwrap(), value);
    }
    let Some((array, row, column_type)) = column else { return *value == Bson::Null };
    if array.is_null(row) {
        return *value == Bson::Null;
    }
    let text = || shown(array, row).as_str().map(str::to_owned).unwrap_or_default();
    match (value, array.data_type()) {
        (Bson::Document(document), DataType::Struct(_)) if matches!(column_type, ColumnType::Struct(_)) => {
            document.iter().all(|(key, value)| {
                let mut path = path.to_owned();
                elt_base::path::push_key(&mut path, key);
                let ColumnType::Struct(fields) = column_type else { return false };
                let column = column_of(fields, key)
                    .map(|(index, field)| (array.as_struct().column(index), row, &field.column_type));
                is_kept(value, &path, column, rescued)
            })
        }
        (Bson::Array(items), DataType::List(_)) => {
            let ColumnType::List(element) = column_type else { return false };
            let values = array.as_list::<i32>().value(row);
            values.len() == items.len()
                && items.iter().enumerate().all(|(index, item)| {
                    is_kept(item, &format!("{path}[{index}]"), Some((&values, index, element)), rescued)
                })
        }
        (Bson::Timestamp(value), DataType::Struct(_)) if *column_type == ColumnType::BsonTimestamp => {
            shown(array, row) == serde_json::json!({ "t": value.time, "i": value.increment })
        }
        (Bson::RegularExpression(_), DataType::Struct(_)) if *column_type == ColumnType::Regex => {
            shown(array, row) == serde_json::json!({ "pattern": "a", "options": "i" })
        }
        (Bson::Int32(value), DataType::Int64) => shown(array, row) == *value,
        (Bson::Int64(value), DataType::Int64) => shown(array, row) == *value,
        (Bson::Double(value), DataType::Int64) => {
            shown(array, row) == *value as i64 && (*value as i64) as f64 == *value
        }
        (Bson::Double(value), DataType::Float64) => text() == format!("{value:?}"),
        (Bson::Int32(value), DataType::Float64) => text() == format!("{:?}", f64::from(*value)),
        (Bson::Int64(value), DataType::Float64) => {
            text() == format!("{:?}", *value as f64) && (*value as f64) as i128 == i128::from(*value)
        }
        (
            Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_),
            DataType::Decimal128(..) | DataType::Int64,
        ) => {
            let number = |text: &str| plain(text);
            let own = match value {
                Bson::Double(value) => format!("{value:.0}"),
                other => other.to_string(),
            };
            number(&own) == number(&shown(array, row).to_string().replace('"', ""))
        }
        (Bson::Decimal128(_) | Bson::Int32(_) | Bson::Int64(_), DataType::Utf8)
            if *column_type == ColumnType::DecimalText && text() == value.to_string() =>
        {
            true
        }
        (Bson::String(value), DataType::Utf8) if *column_type == ColumnType::Varchar && text() == *value => true,
        (Bson::Symbol(value), DataType::Utf8) if *column_type == ColumnType::Symbol && text() == *value => true,
        (Bson::JavaScriptCode(value), DataType::Utf8) if *column_type == ColumnType::Code && text() == *value => true,
        (Bson::ObjectId(value), DataType::Utf8) if *column_type == ColumnType::ObjectId && text() == value.to_hex() => {
            true
        }
        (Bson::Boolean(value), DataType::Boolean) => shown(array, row) == *value,
        (Bson::DateTime(value), DataType::Timestamp(..)) => shown(array, row) == value.timestamp_millis() * 1000,
        (Bson::Binary(value), DataType::Binary | DataType::FixedSizeBinary(_)) => {
            let subtype = match column_type {
                ColumnType::Blob => 0,
                ColumnType::Uuid => 4,
                ColumnType::Binary { subtype } => *subtype,
                _ => return false,
            };
            u8::from(value.subtype) == subtype && text() == format!("{:02x?}", value.bytes)
        }
        // A JSON column. The tests of `ejson` check that its texts can be read back.
        (_, DataType::Utf8) => *column_type == ColumnType::Json && text() == relaxed(value),
        _ => false,
    }
}

/// The column of a key, and its index.
fn column_of<'c>(columns: &'c [Column], key: &str) -> Option<(usize, &'c Column)> {
    columns.iter().enumerate().find(|(_, column)| column.key() == key)
}

/// Digits and power of ten, without trailing zeros.
fn plain(text: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = text.split_once('E').unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let mut exponent = exponent.parse::<i64>().unwrap() - fraction.len() as i64;
    let trimmed = digits.trim_end_matches('0');
    exponent += (digits.len() - trimmed.len()) as i64;
    let trimmed = trimmed.trim_start_matches('0');
    if trimmed.is_empty() { (false, String::new(), 0) } else { (negative, trimmed.to_owned(), exponent) }
}

fn same_bson(a: &Bson, b: &Bson) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

fn relaxed(value: &Bson) -> String {
    let bytes = doc! { "v": value.clone() }.to_vec().unwrap();
    let mut text = String::new();
    ejson::write(&mut text, find(&bytes, b"v").unwrap().unwrap(), Form::Relaxed).unwrap();
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_is_in_its_column_or_rescued(
        documents in prop::collection::vec(prop::collection::vec((keys(), values()), 0..5), 1..8),
        sample in 0_usize..8,
    ) {
        let documents: Vec<Document> = documents.into_iter().enumerate().map(|(index, fields)| {
            let mut document = doc! { "_id": format!("d{index}") };
            document.extend(fields);
            document
        }).collect();
        let (batches, _) = decode(&ReadingPlan::default(), &documents, sample);
        let mut row = 0;
        for batch in &batches {
            for index in 0..batch.data.num_rows() {
                let rescued = shown(batch.data.column_by_name("_elt_rescued").unwrap(), index);
                let rescued = rescued.as_str().map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default();
                for (key, value) in &documents[row] {
                    let mut path = String::new();
                    elt_base::path::push_key(&mut path, key);
                    // Other tests check its forms.
                    if key == "_id" {
                        continue;
                    }
                    // After `_id`.
                    let column = column_of(&batch.columns, key)
                        .map(|(at, column)| (batch.data.column(at + 1), index, &column.column_type));
                    prop_assert!(is_kept(value, &path, column, &rescued), "{key}: {value:?} in {:?} {rescued:?}", documents[row]);
                }
                row += 1;
            }
        }
        prop_assert_eq!(row, documents.len());
    }
}
