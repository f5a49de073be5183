//! Tests of the BSON encoder: documents read back by the bson crate.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use bson::{Document, doc};

use super::*;

/// The documents of a batch whose first column is the key, and the hazards.
fn encode(columns: Vec<(&str, ArrayRef, BsonType)>) -> (Vec<Document>, Vec<(usize, BsonHazard)>) {
    let fields: Vec<DocumentField> = columns
        .iter()
        .map(|(name, _, bson_type)| DocumentField { name: (*name).into(), shape: (*bson_type).into() })
        .collect();
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array, _)| (name, array, true)))
            .expect("a batch");
    let others: Vec<(usize, &DocumentField)> = fields.iter().enumerate().skip(1).collect();
    let mut faults = Vec::new();
    let documents = (0..batch.num_rows())
        .map(|row| {
            let mut out = Vec::new();
            put_row(&mut out, &batch, row, &[0], &others, &fields, &mut |index, hazard| faults.push((index, hazard)));
            bson::deserialize_from_slice(&out).expect("a document")
        })
        .collect();
    (documents, faults)
}

#[test]
fn nests_structs_and_lists() {
    let list: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), Some(vec![])]));
    let inner: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(arrow::datatypes::Field::new("city", DataType::Utf8, true)),
        Arc::new(StringArray::from(vec![Some("Aarhus"), None])) as ArrayRef,
    )]));
    let (documents, faults) = encode(vec![
        ("id", Arc::new(Int64Array::from(vec![7, 8])), BsonType::Natural),
        ("address", inner, BsonType::Natural),
        ("numbers", list, BsonType::Natural),
    ]);
    assert_eq!(faults, []);
    assert_eq!(documents[0], doc! { "_id": 7_i64, "address": { "city": "Aarhus" }, "numbers": [1, null] });
    assert_eq!(documents[1], doc! { "_id": 8_i64, "address": { "city": null }, "numbers": [] });
}

#[test]
fn converts_by_contract() {
    let amount = Decimal128Array::from(vec![-12_345]).with_precision_and_scale(38, 2).expect("a decimal");
    let (documents, faults) = encode(vec![
        ("id", Arc::new(StringArray::from(vec!["65a1b2c3d4e5f60718293a4b"])), BsonType::ObjectId),
        ("amount", Arc::new(amount), BsonType::Natural),
        ("day", Arc::new(Date32Array::from(vec![1])), BsonType::Natural),
        ("json", Arc::new(StringArray::from(vec![r#"{"a": [1, {"$numberLong": "2"}]}"#])), BsonType::Json),
        ("double", Arc::new(Float64Array::from(vec![f64::NAN])), BsonType::Natural),
        ("text", Arc::new(Int64Array::from(vec![5])), BsonType::String),
    ]);
    assert_eq!(faults, []);
    let document = &documents[0];
    assert_eq!(document.get_object_id("_id").expect("an id").to_hex(), "65a1b2c3d4e5f60718293a4b");
    assert_eq!(document.get("amount").map(ToString::to_string).as_deref(), Some("-123.45"));
    assert_eq!(document.get_datetime("day").expect("a date").timestamp_millis(), 86_400_000);
    assert_eq!(document.get_document("json").expect("a document"), &doc! { "a": [1, 2_i64] });
    assert!(document.get_f64("double").is_ok_and(f64::is_nan));
    assert_eq!(document.get_str("text").expect("a text"), "5");
}

#[test]
fn tells_hazards() {
    let (documents, faults) = encode(vec![
        ("id", Arc::new(Int64Array::from(vec![1])), BsonType::Natural),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![-1])), BsonType::Natural),
        ("oid", Arc::new(StringArray::from(vec!["no"])), BsonType::ObjectId),
        ("day", Arc::new(Date32Array::from(vec![i32::MAX])), BsonType::Natural),
    ]);
    assert_eq!(faults, [(1, BsonHazard::Precision), (2, BsonHazard::Conversion), (3, BsonHazard::YearRange)]);
    assert_eq!(documents[0].get_datetime("at").expect("a date").timestamp_millis(), -1);
    assert!(documents[0].get("oid").is_some_and(|value| value.as_null().is_some()));
}

#[test]
fn texts_that_are_no_numbers_are_found() {
    let texts = StringArray::from(vec!["", ".", "e100", "++1", "12.50"]);
    let ids = Int64Array::from(vec![1, 2, 3, 4, 5]);
    let (documents, faults) =
        encode(vec![("id", Arc::new(ids), BsonType::Natural), ("n", Arc::new(texts), BsonType::Decimal)]);
    assert_eq!(faults, [(1, BsonHazard::Conversion); 4]);
    assert_eq!(documents[4].get("n").map(ToString::to_string).as_deref(), Some("12.50"));
}

#[test]
fn parts_of_nested_values_have_their_types() {
    let duck = crate::duck_type::DuckType::parse("STRUCT(u UUID, j JSON, h HUGEINT)");
    let field = |name: &str| Arc::new(arrow::datatypes::Field::new(name, DataType::Utf8, true));
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let values: ArrayRef = Arc::new(StructArray::from(vec![
        (field("u"), text("00000000-0000-0000-0000-00000000000a")),
        (field("j"), text(r#"{"a": 12345678901234567.89}"#)),
        (field("h"), text("18446744073709551617")),
    ]));
    let fields = [
        DocumentField { name: "id".into(), shape: BsonType::Natural.into() },
        DocumentField { name: "v".into(), shape: BsonShape::of(None, &duck).expect("a shape") },
    ];
    let id = Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("id", id), ("v", values)]).expect("a batch");
    let mut out = Vec::new();
    put_row(&mut out, &batch, 0, &[0], &[(1, &fields[1])], &fields, &mut |_, hazard| panic!("{hazard:?}"));
    let document: Document = bson::deserialize_from_slice(&out).expect("a document");
    let decimal = |text: &str| text.parse::<bson::Decimal128>().expect("a decimal");
    let uuid = bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: [vec![0; 15], vec![10]].concat() };
    let nested =
        doc! { "u": uuid, "j": { "a": decimal("12345678901234567.89") }, "h": decimal("18446744073709551617") };
    assert_eq!(document, doc! { "_id": 1_i64, "v": nested });
}
