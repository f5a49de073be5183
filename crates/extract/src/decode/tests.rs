//! Tests of documents decoded to batches: each type, late columns, lists, rescued values.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use bson::{Bson, Document, doc};

use super::{Decoder, Fault};
use crate::batch::{Batch, Output};
use crate::question::{Question, ReadingPlan};
use elt_base::reading::Reading;
use elt_base::schema::{Column, ColumnType};

pub fn question() -> Question {
    Question { collection: "loans".into(), ..Question::default() }
}

/// The first `sample` documents are the sample.
pub fn decode(plan: &ReadingPlan, documents: &[Document], sample: usize) -> (Vec<Batch>, Reading) {
    let mut batches = Vec::new();
    let mut sink = |output| {
        match output {
            Output::Documents(batch) => batches.push(batch),
            Output::Quarantined(document) => panic!("{document:?}"),
        }
        Ok(())
    };
    let question = question();
    let mut decoder = Decoder::new(&question, plan).unwrap();
    let take = |result: Result<(), Fault>| assert!(result.is_ok(), "{result:?}");
    for (index, document) in documents.iter().enumerate() {
        if index == sample {
            take(decoder.close_sample(&mut sink));
        }
        take(decoder.push(&document.to_vec().unwrap(), &mut sink));
    }
    let reading = decoder.finish(&mut sink).unwrap();
    (batches, reading)
}

/// A column's value as JSON: structs as objects with their nulls, all other values as a text or number.
pub fn shown(array: &ArrayRef, row: usize) -> serde_json::Value {
    if array.is_null(row) {
        return serde_json::Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)).into(),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row).into(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Binary => format!("{:02x?}", array.as_binary::<i32>().value(row)).into(),
        DataType::FixedSizeBinary(_) => format!("{:02x?}", array.as_fixed_size_binary().value(row)).into(),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().value(row).into(),
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            (0..values.len()).map(|row| shown(&values, row)).collect()
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            columns.map(|(field, column)| (field.name().clone(), shown(column, row))).collect()
        }
        other => panic!("{other}"),
    }
}

/// The rows of all batches, without top-level nulls.
fn rows(batches: &[Batch]) -> Vec<String> {
    let mut found = Vec::new();
    for batch in batches {
        for row in 0..batch.data.num_rows() {
            let schema = batch.data.schema();
            let columns = schema.fields().iter().zip(batch.data.columns());
            let object: serde_json::Map<_, _> = columns
                .map(|(field, column)| (field.name().clone(), shown(column, row)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            found.push(serde_json::Value::Object(object).to_string());
        }
    }
    found
}

fn types(columns: &[Column]) -> String {
    columns.iter().map(|column| format!("{} {}", column.name, column.column_type.sql())).collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn check(documents: &[Document], sample: usize, expected_types: &str, expected_rows: &[&str]) {
    let (batches, reading) = decode(&ReadingPlan::default(), documents, sample);
    assert_eq!(types(&reading.columns), expected_types);
    assert_eq!(rows(&batches), expected_rows);
    assert_eq!(reading.documents, documents.len() as u64);
}

pub fn regex(pattern: &str, options: &str) -> bson::Regex {
    let text = |text: &str| bson::raw::CString::try_from(text).unwrap();
    bson::Regex { pattern: text(pattern), options: text(options) }
}

pub fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse().unwrap())
}

#[test]
fn each_type_has_its_column() {
    let binary =
        |subtype: u8, bytes: &[u8]| Bson::Binary(bson::Binary { subtype: subtype.into(), bytes: bytes.into() });
    check(
        &[doc! {
            "_id": bson::oid::ObjectId::from_bytes([0xab; 12]), "d": 1.5, "s": "x", "sy": Bson::Symbol("y".into()),
            "js": Bson::JavaScriptCode("f()".into()), "o": { "a": 1 }, "l": [1, 2], "u": binary(4, &[7; 16]),
            "b": binary(0, &[1, 2]), "un": Bson::Undefined, "oid": bson::oid::ObjectId::from_bytes([1; 12]), "t": true,
            "at": bson::DateTime::from_millis(1), "n": Bson::Null, "i": 1_i32, "long": i64::MAX, "dec": decimal("1.50"),
            "ts": Bson::Timestamp(bson::Timestamp { time: 1, increment: 2 }),
            "re": Bson::RegularExpression(regex("a", "i")), "min": Bson::MinKey, "max": Bson::MaxKey,
        }],
        1,
        "d DOUBLE, s VARCHAR, sy VARCHAR, js VARCHAR, o STRUCT(\"a\" BIGINT), l BIGINT[], u UUID, b BLOB, un VARCHAR, \
         oid VARCHAR, t BOOLEAN, at TIMESTAMP WITH TIME ZONE, n VARCHAR, i BIGINT, long BIGINT, dec DECIMAL(38,2), \
         ts STRUCT(\"t\" BIGINT, \"i\" BIGINT), re STRUCT(\"pattern\" VARCHAR, \"options\" VARCHAR), min VARCHAR, max VARCHAR",
        &[
            "{\"_id\":\"abababababababababababab\",\"d\":\"1.5\",\"s\":\"x\",\"sy\":\"y\",\"js\":\"f()\",\"o\":{\"a\":1},\
           \"l\":[1,2],\"u\":\"[07, 07, 07, 07, 07, 07, 07, 07, 07, 07, 07, 07, 07, 07, 07, 07]\",\"b\":\"[01, 02]\",\
           \"oid\":\"010101010101010101010101\",\"t\":true,\"at\":1000,\"i\":1,\"long\":9223372036854775807,\
           \"dec\":\"1.50\",\"ts\":{\"t\":1,\"i\":2},\"re\":{\"pattern\":\"a\",\"options\":\"i\"},\
           \"_elt_rescued\":\"{\\\"min\\\":{\\\"$minKey\\\":1},\\\"max\\\":{\\\"$maxKey\\\":1}}\"}",
        ],
    );
}

#[test]
fn uuids_and_json_are_such_in_parquet() {
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::basic::LogicalType;

    let uuid = Bson::Binary(bson::Binary { subtype: 4.into(), bytes: vec![7; 16] });
    let (batches, _) = decode(&ReadingPlan::default(), &[doc! { "_id": "a", "u": uuid, "m": {} }], 1);
    let schema = ArrowSchemaConverter::new().convert(&batches[0].data.schema()).unwrap();
    let logical: Vec<_> = schema.columns().iter().map(|column| column.logical_type_ref().cloned()).collect();
    let expected = [LogicalType::String, LogicalType::Uuid, LogicalType::Json, LogicalType::Json].map(Some);
    assert_eq!(logical, expected);
}

#[test]
fn late_columns_and_lists_do_not_shift() {
    check(
        &[
            doc! { "_id": "a", "l": [{ "x": 1 }, Bson::Null, { "y": [1] }], "n": Bson::Null },
            doc! { "_id": "b" },
            doc! { "_id": "c", "l": [Bson::Null, { "z": "late", "x": 3 }], "n": 7 },
            doc! { "_id": "d", "l": [], "late": { "deep": [[1], [], Bson::Null] } },
        ],
        1,
        "l STRUCT(\"x\" BIGINT, \"y\" BIGINT[], \"z\" VARCHAR)[], n BIGINT, late STRUCT(\"deep\" BIGINT[][])",
        &[
            r#"{"_id":"a","l":[{"x":1,"y":null,"z":null},null,{"x":null,"y":[1],"z":null}]}"#,
            r#"{"_id":"b"}"#,
            r#"{"_id":"c","l":[null,{"x":3,"y":null,"z":"late"}],"n":7}"#,
            r#"{"_id":"d","l":[],"late":{"deep":[[1],[],null]}}"#,
        ],
    );
}

#[test]
fn numbers_widen_only_without_loss() {
    check(
        &[
            doc! { "_id": "a", "f": 1, "g": 1, "i": 1, "d": decimal("1.5"), "w": 1 },
            doc! { "_id": "b", "f": 1.5, "g": (1_i64 << 53) + 1, "i": 2, "d": 2, "w": decimal("0.25") },
            doc! { "_id": "c", "f": (1_i64 << 53) + 1, "g": 2.5, "i": -0.0, "d": decimal("1.234"), "w": 3 },
            doc! { "_id": "d", "f": 2, "d": decimal("NaN"), "i": 4.0, "w": decimal("1E+30") },
        ],
        2,
        "f DOUBLE, g BIGINT, i BIGINT, d DECIMAL(38,3), w DECIMAL(38,2)",
        &[
            r#"{"_id":"a","f":"1.0","g":1,"i":1,"d":"1.500","w":"1.00"}"#,
            r#"{"_id":"b","f":"1.5","g":9007199254740993,"i":2,"d":"2.000","w":"0.25"}"#,
            r#"{"_id":"c","d":"1.234","w":"3.00","_elt_rescued":"{\"f\":{\"$numberLong\":\"9007199254740993\"},\"g\":{\"$numberDouble\":\"2.5\"},\"i\":{\"$numberDouble\":\"-0.0\"}}"}"#,
            r#"{"_id":"d","f":"2.0","i":4,"w":"1000000000000000000000000000000.00","_elt_rescued":"{\"d\":{\"$numberDecimal\":\"NaN\"}}"}"#,
        ],
    );
}

#[test]
fn what_no_decimal_holds_in_the_sample_lands_as_text() {
    check(
        &[
            doc! { "_id": "a", "d": decimal("NaN") },
            doc! { "_id": "b", "d": decimal("1.50") },
            doc! { "_id": "c", "d": "x" },
        ],
        3,
        "d VARCHAR",
        &[r#"{"_id":"a","d":"NaN"}"#, r#"{"_id":"b","d":"1.50"}"#, r#"{"_id":"c","_elt_rescued":"{\"d\":\"x\"}"}"#],
    );
}

#[test]
fn zeros_after_the_point_give_way_to_digits() {
    let long = "123456789012345678901234567890.12";
    check(
        &[doc! { "_id": "a", "d": decimal(long) }, doc! { "_id": "b", "d": decimal("0E-10") }],
        2,
        "d DECIMAL(38,2)",
        &[&format!(r#"{{"_id":"a","d":"{long}"}}"#), r#"{"_id":"b","d":"0.00"}"#],
    );
}

#[test]
fn another_kind_is_rescued_where_it_stands() {
    check(
        &[
            doc! { "_id": "a", "at": bson::DateTime::from_millis(0), "address": { "city": "x" }, "phones": [{ "n": "1" }] },
            doc! { "_id": "b", "at": "2024", "address": "street", "phones": { "n": "1" } },
            doc! { "_id": "c", "at": bson::DateTime::from_millis(i64::MAX), "address": { "city": 7 }, "phones": [{ "n": "1" }, { "n": 2 }, 3] },
        ],
        1,
        "at TIMESTAMP WITH TIME ZONE, address STRUCT(\"city\" VARCHAR), phones STRUCT(\"n\" VARCHAR)[]",
        &[
            r#"{"_id":"a","at":0,"address":{"city":"x"},"phones":[{"n":"1"}]}"#,
            r#"{"_id":"b","_elt_rescued":"{\"at\":\"2024\",\"address\":\"street\",\"phones\":{\"n\":\"1\"}}"}"#,
            r#"{"_id":"c","address":{"city":null},"phones":[{"n":"1"},{"n":null},null],"_elt_rescued":"{\"at\":{\"$date\":{\"$numberLong\":\"9223372036854775807\"}},\"address.city\":{\"$numberInt\":\"7\"},\"phones[1].n\":{\"$numberInt\":\"2\"},\"phones[2]\":{\"$numberInt\":\"3\"}}"}"#,
        ],
    );
}

#[test]
fn a_text_of_another_origin_stands_in_its_column_and_is_told() {
    let id = bson::oid::ObjectId::from_bytes([0xab; 12]);
    check(
        &[doc! { "_id": "a", "x": id, "y": "t" }, doc! { "_id": "b", "x": "t", "y": Bson::Symbol("s".into()) }],
        1,
        "x VARCHAR, y VARCHAR",
        &[
            r#"{"_id":"a","x":"abababababababababababab","y":"t"}"#,
            r#"{"_id":"b","x":"t","y":"s","_elt_rescued":"{\"x\":\"t\",\"y\":{\"$symbol\":\"s\"}}"}"#,
        ],
    );
}

#[test]
fn every_key_has_a_column() {
    check(
        &[doc! { "_id": "a", "Name": 1, "name": 2, "": 3, "_elt_x": 4, "o": { "": 5 } }, doc! { "name": 6, "o": {} }],
        1,
        "Name BIGINT, name_2 BIGINT, _empty BIGINT, elt_x BIGINT, o STRUCT(\"_empty\" BIGINT)",
        &[
            r#"{"_id":"a","Name":1,"name_2":2,"_empty":3,"elt_x":4,"o":{"_empty":5}}"#,
            r#"{"_id":"{\"$row\":2}","name_2":6,"o":{"_empty":null}}"#,
        ],
    );
}

#[test]
fn a_repeated_key_keeps_all_its_values() {
    let mut bytes = doc! { "_id": "a", "x": 1_i32, "y": 2_i32, "z": 3_i32 }.to_vec().unwrap();
    for byte in bytes.iter_mut().filter(|byte| matches!(**byte, b'y' | b'z')) {
        *byte = b'x';
    }
    let (question, plan) = (question(), ReadingPlan::default());
    let mut batches = Vec::new();
    let mut sink = |output| {
        if let Output::Documents(batch) = output {
            batches.push(batch);
        }
        Ok(())
    };
    let mut decoder = Decoder::new(&question, &plan).unwrap();
    assert!(decoder.push(&bytes, &mut sink).is_ok());
    decoder.finish(&mut sink).unwrap();
    let expected =
        r#"{"_id":"a","x":1,"_elt_rescued":"{\"x#2\":{\"$numberInt\":\"2\"},\"x#3\":{\"$numberInt\":\"3\"}}"}"#;
    assert_eq!(rows(&batches), [expected]);
}

#[test]
fn objects_whose_keys_are_data_land_as_json() {
    let map: Document = (0..20).map(|day| (format!("2024-01-{:02}", day + 1), Bson::Int32(day))).collect();
    let fields: Vec<_> = (0..20).map(|day| format!("\"2024-01-{:02}\":{day}", day + 1)).collect();
    let text = serde_json::Value::from(format!("{{{}}}", fields.join(",")));
    check(&[doc! { "_id": "a", "m": map }], 1, "m JSON", &[&format!("{{\"_id\":\"a\",\"m\":{text}}}")]);
}

#[test]
fn stored_and_pinned_columns_win() {
    let column = |name: &str, column_type| Column::new(name, column_type);
    let plan = ReadingPlan {
        known: vec![column("gone", ColumnType::Uuid), column("a", ColumnType::Varchar), column("n", ColumnType::Null)],
        pinned: vec![column("p", ColumnType::Decimal { scale: 2 }), column("a", ColumnType::Json)],
        ..ReadingPlan::default()
    };
    let documents =
        [doc! { "_id": "x", "a": 1, "n": 1, "p": decimal("1.234") }, doc! { "_id": "y", "p": 2, "z": true }];
    let (batches, reading) = decode(&plan, &documents, 1);
    assert_eq!(types(&reading.columns), "gone UUID, a JSON, n BIGINT, p DECIMAL(38,2), z BOOLEAN");
    let expected = [
        r#"{"_id":"x","a":"1","n":1,"_elt_rescued":"{\"p\":{\"$numberDecimal\":\"1.234\"}}"}"#,
        r#"{"_id":"y","p":"2.00","z":true}"#,
    ];
    assert_eq!(rows(&batches), expected);
}

#[test]
fn a_pin_finds_its_key_by_the_name_of_its_column() {
    let field = |name: &str| Column::new(name, ColumnType::BigInt);
    let pinned = vec![
        field("name_2"),
        field("_empty"),
        field("elt_x"),
        Column::new("o", ColumnType::Struct(vec![field("A_2"), field("_empty"), field("a")])),
    ];
    let document = || doc! { "_id": "x", "Name": 1, "name": 2, "": 3, "_elt_x": 4, "o": { "a": 5, "A": 6, "": 7 } };
    let (batches, first) = decode(&ReadingPlan { pinned: pinned.clone(), ..ReadingPlan::default() }, &[document()], 1);
    let object = r#""o":{"A_2":6,"_empty":7,"a":5}"#;
    assert_eq!(rows(&batches), [format!(r#"{{"_id":"x","name_2":2,"_empty":3,"elt_x":4,{object},"Name":1}}"#)]);
    // The sample does not have this key, but the stored columns do.
    let plan = ReadingPlan { pinned, known: first.columns, ..ReadingPlan::default() };
    let (batches, second) = decode(&plan, &[doc! { "_id": "y" }, document()], 1);
    assert_eq!(
        rows(&batches)[1],
        format!(r#"{{"_id":"x","name_2":2,"_empty":3,"elt_x":4,{object},"Name":1}}"#),
        "{}",
        types(&second.columns)
    );
}

/// The census as lines: path, type, number of values, number of rescued values, `_id` of the first document.
#[track_caller]
fn check_census(plan: &ReadingPlan, documents: &[Document], sample: usize, expected: &[&str]) {
    let (_, reading) = decode(plan, documents, sample);
    let mut rescued = 0;
    let mut shown = Vec::new();
    for (path, kinds) in &reading.census.0 {
        for (kind, count) in kinds {
            rescued += count.rescued;
            shown.push(format!("{path} {kind} {} {} {}", count.values, count.rescued, count.example));
        }
    }
    assert_eq!(shown, expected);
    assert_eq!(reading.rescued, rescued);
}

#[test]
fn the_census_counts_exactly() {
    check_census(
        &ReadingPlan::default(),
        &[
            doc! { "_id": "a", "p": [1, "x"] },
            doc! { "_id": "b", "p": [2], "o": { "k k": 1.5 } },
            doc! { "_id": "c", "p": "x" },
            doc! { "_id": "d", "o": { "k k": 2 } },
            doc! { "_id": "e", "o": { "k k": i64::MAX } },
            doc! { "_id": "f", "o": { "k k": 7_i64 } },
        ],
        1,
        &[
            "_id string 6 0 a",
            "o object 4 0 b",
            "o[\"k k\"] double 1 0 b",
            "o[\"k k\"] int 1 0 d",
            "o[\"k k\"] long 2 1 e",
            "p array 2 0 a",
            "p string 1 1 c",
            "p[] int 2 0 a",
            "p[] string 1 1 a",
        ],
    );
}

#[test]
fn the_census_counts_within_rescued_values() {
    let pinned = vec![Column::new("closed", ColumnType::Struct(vec![Column::new("a", ColumnType::BigInt)]))];
    check_census(
        &ReadingPlan { pinned, ..ReadingPlan::default() },
        &[
            doc! { "_id": "a", "s": "x", "l": [{ "k": 1 }] },
            doc! { "_id": "b", "s": { "k": [1, { "z z": Bson::Null }] }, "l": { "k": 2 } },
            doc! { "_id": "c", "s": { "k": true }, "closed": { "a": 1, "b": { "c": 1.5 } }, "l": [[7]] },
            doc! { "_id": { "y": 1, "m": [2] } },
        ],
        1,
        &[
            r#"_id object 1 0 {"$value":{"y":{"$numberInt":"1"},"m":[{"$numberInt":"2"}]}}"#,
            "_id string 3 0 a",
            r#"_id.m array 1 0 {"$value":{"y":{"$numberInt":"1"},"m":[{"$numberInt":"2"}]}}"#,
            r#"_id.m[] int 1 0 {"$value":{"y":{"$numberInt":"1"},"m":[{"$numberInt":"2"}]}}"#,
            r#"_id.y int 1 0 {"$value":{"y":{"$numberInt":"1"},"m":[{"$numberInt":"2"}]}}"#,
            "closed object 1 0 c",
            "closed.a int 1 0 c",
            "closed.b object 1 1 c",
            "closed.b.c double 1 0 c",
            "l array 2 0 a",
            "l object 1 1 b",
            "l.k int 1 0 b",
            "l[] array 1 1 c",
            "l[] object 1 0 a",
            "l[].k int 1 0 a",
            "l[][] int 1 0 c",
            "s object 2 2 b",
            "s string 1 0 a",
            "s.k array 1 0 b",
            "s.k bool 1 0 c",
            "s.k[] int 1 0 b",
            "s.k[] object 1 0 b",
            r#"s.k[]["z z"] null 1 0 b"#,
        ],
    );
}

#[test]
fn the_census_counts_the_keys_of_a_map_as_one() {
    let map = |value: Bson| (0..20).map(|day| (format!("2024-01-{:02}", day + 1), value.clone())).collect::<Document>();
    check_census(
        &ReadingPlan::default(),
        &[
            doc! { "_id": "a", "m": map(1.into()) },
            doc! { "_id": "b", "m": map(Bson::Array(vec![doc! { "x": 1, "y": "t" }.into()])) },
            doc! { "_id": "c", "m": 7 },
        ],
        1,
        &[
            "_id string 3 0 a",
            "m int 1 0 c",
            "m object 2 0 a",
            "m.* array 20 0 b",
            "m.* int 20 0 a",
            "m.*[] object 20 0 b",
            "m.*[].* int 20 0 b",
            "m.*[].* string 20 0 b",
        ],
    );
}

#[test]
fn the_census_of_a_rescued_value_is_bounded() {
    let crowd: Document = (0..1_500).map(|number| (format!("k{number}"), doc! { "x": number }.into())).collect();
    let documents = [doc! { "_id": "a", "s": "x" }, doc! { "_id": "b", "s": crowd }];
    let (_, reading) = decode(&ReadingPlan::default(), &documents, 1);
    let values = |path: &str| reading.census.0.get(path).map(|kinds| kinds.values().map(|count| count.values).sum());
    assert_eq!(values("s.k999"), Some(1_u64));
    assert_eq!(values("s.k1000"), None);
    assert_eq!(values("s.…"), Some(500));
    assert_eq!(values("s.….x"), Some(500));
}

#[test]
fn deep_nesting_lands_as_json() {
    let mut value = Bson::Int32(7);
    for _ in 0..150 {
        value = Bson::Array(vec![value]);
    }
    let (batches, reading) = decode(&ReadingPlan::default(), &[doc! { "_id": "a", "x": value }], 1);
    assert!(types(&reading.columns).starts_with("x JSON[][]"), "{}", types(&reading.columns));
    assert!(rows(&batches)[0].contains("[7]"));
}
