//! Tests of Parquet files as a source: each type, values that do not fit, watermarks and keys.

use std::fs::File;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema, i256};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;

use super::misfit::text_of;
use crate::batch::Output;
use crate::options::CollectionOptions;
use crate::question::{Question, ReadingPlan};
use crate::window::Window;
use elt_base::reading::Reading;
use elt_base::schema::{Column, ColumnType};

/// Writes columns to a file, and reads it: the batches and the reading.
fn read(columns: Vec<(Field, ArrayRef)>, question: &Question, plan: &ReadingPlan) -> (Vec<RecordBatch>, Reading) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loans.parquet");
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut batches = Vec::new();
    let reading = super::read(&path, question, plan, &mut |output| {
        if let Output::Documents(batch) = output {
            batches.push(batch.data);
        }
        Ok(())
    });
    (batches, reading.unwrap())
}

fn field(data: &DataType) -> Field {
    Field::new("v", data.clone(), true)
}

/// The column's type, its values, and the rescued values.
#[track_caller]
fn check_field(field: Field, array: ArrayRef, column_type: &str, values: &[&str], rescued: &[&str]) {
    let (batches, reading) = read(vec![(field, array)], &Question::default(), &ReadingPlan::default());
    let column = |index: usize| {
        let array = batches[0].column(index);
        let values = (0..array.len()).map(|row| if array.is_null(row) { "-".into() } else { text_of(array, row) });
        values.collect::<Vec<String>>()
    };
    assert_eq!(reading.columns[0].column_type.sql(), column_type);
    assert_eq!(column(1), values, "values of {column_type}");
    let lost: Vec<String> = column(2).into_iter().filter(|text| text != "-").collect();
    assert_eq!(lost, rescued, "rescued values of {column_type}");
    assert_eq!(reading.rescued, rescued.len() as u64);
}

#[track_caller]
fn check(array: ArrayRef, column_type: &str, values: &[&str], rescued: &[&str]) {
    check_field(field(array.data_type()), array, column_type, values, rescued);
}

#[test]
fn numbers_land_as_they_are() {
    check(Arc::new(Int8Array::from(vec![Some(-1), None])), "BIGINT", &["-1", "-"], &[]);
    check(Arc::new(UInt32Array::from(vec![u32::MAX])), "BIGINT", &["4294967295"], &[]);
    check(Arc::new(UInt64Array::from(vec![u64::MAX])), "DECIMAL(38,0)", &["18446744073709551615"], &[]);
    check(Arc::new(Float32Array::from(vec![1.1])), "FLOAT", &["1.1"], &[]);
    let half = arrow::compute::cast(&Float32Array::from(vec![0.5]), &DataType::Float16).unwrap();
    check(half, "FLOAT", &["0.5"], &[]);
    let decimals = Decimal128Array::from(vec![1250]).with_precision_and_scale(12, 2).unwrap();
    check(Arc::new(decimals), "DECIMAL(38,2)", &["12.50"], &[]);
    let wide = vec![i256::from(125), i256::from_string(&format!("1{}", "0".repeat(40))).unwrap()];
    let wide = Decimal256Array::from(wide).with_precision_and_scale(50, 2).unwrap();
    check(
        Arc::new(wide),
        "DECIMAL(38,2)",
        &["1.25", "-"],
        &[r#"{"v":{"$numberDecimal":"1.000000000000000000000000000000000E+38"}}"#],
    );
}

#[test]
fn times_land_as_they_are() {
    let nanos = vec![1_700_000_000_000_001_000, 1_700_000_000_000_000_001];
    check(
        Arc::new(TimestampNanosecondArray::from(nanos.clone()).with_timezone("UTC")),
        "TIMESTAMP WITH TIME ZONE",
        &["2023-11-14 22:13:20.000001", "-"],
        &[r#"{"v":"2023-11-14 22:13:20.000000001"}"#],
    );
    check(
        Arc::new(TimestampNanosecondArray::from(nanos)),
        "TIMESTAMP_NS",
        &["2023-11-14 22:13:20.000001", "2023-11-14 22:13:20.000000001"],
        &[],
    );
    check(
        Arc::new(TimestampMillisecondArray::from(vec![1, i64::MAX]).with_timezone("Europe/Paris")),
        "TIMESTAMP WITH TIME ZONE",
        &["1970-01-01 00:00:00.001", "-"],
        &[r#"{"v":{"$date":{"$numberLong":"9223372036854775807"}}}"#],
    );
    check(Arc::new(TimestampSecondArray::from(vec![1])), "TIMESTAMP", &["1970-01-01 00:00:01"], &[]);
    check(Arc::new(Date64Array::from(vec![86_400_000])), "DATE", &["1970-01-02"], &[]);
    check(Arc::new(Time32SecondArray::from(vec![1])), "TIME", &["00:00:01"], &[]);
    check(Arc::new(Time64NanosecondArray::from(vec![1])), "TIME_NS", &["00:00:00.000000001"], &[]);
    check(
        Arc::new(DurationNanosecondArray::from(vec![1_000, 1])),
        "INTERVAL",
        &["0 months 0 days 1 microseconds", "-"],
        &[r#"{"v":"PT0.000000001S"}"#],
    );
    check(Arc::new(IntervalYearMonthArray::from(vec![14])), "INTERVAL", &["14 months 0 days 0 microseconds"], &[]);
}

/// Spark's and Impala's times: a Julian day, and the nanoseconds of that day.
#[test]
fn int96_times_land_beyond_the_years_of_nanoseconds() {
    use parquet::data_type::{Int96, Int96Type};
    use parquet::file::writer::SerializedFileWriter;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loans.parquet");
    let schema = parquet::schema::parser::parse_message_type("message m { required int96 v; }").unwrap();
    let time = |day: u32, nanos: u64| {
        let mut time = Int96::new();
        time.set_data(nanos as u32, (nanos >> 32) as u32, day);
        time
    };
    // 9999-12-31, 1970-01-02, and one nanosecond.
    let times = [time(5_373_484, 0), time(2_440_589, 1_000), time(2_440_588, 1)];
    let file = File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&times, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let mut batches = Vec::new();
    let reading = super::read(&path, &Question::default(), &ReadingPlan::default(), &mut |output| {
        if let Output::Documents(batch) = output {
            batches.push(batch.data);
        }
        Ok(())
    });
    assert_eq!(reading.unwrap().columns[0].column_type.sql(), "TIMESTAMP");
    assert_eq!(text_of(batches[0].column(1), 0), "9999-12-31 00:00:00");
    assert_eq!(text_of(batches[0].column(1), 1), "1970-01-02 00:00:00.000001");
    assert_eq!(text_of(batches[0].column(2), 2), r#"{"v":"1970-01-01 00:00:00.000000001"}"#);
}

#[test]
fn texts_and_bytes_land_as_they_are() {
    check(Arc::new(LargeStringArray::from(vec!["a"])), "VARCHAR", &["a"], &[]);
    check(Arc::new(StringViewArray::from(vec!["a"])), "VARCHAR", &["a"], &[]);
    let words: DictionaryArray<Int32Type> = vec!["a", "b", "a"].into_iter().collect();
    check(Arc::new(words), "VARCHAR", &["a", "b", "a"], &[]);
    check(Arc::new(BinaryViewArray::from(vec![&b"\xff\x00"[..]])), "BLOB", &["ff00"], &[]);
    let fixed = FixedSizeBinaryArray::try_from_iter([[1_u8; 16]].into_iter()).unwrap();
    check(Arc::new(fixed.clone()), "BLOB", &["01010101010101010101010101010101"], &[]);
    let of = |name: &str, data: &DataType| {
        field(data).with_metadata([("ARROW:extension:name".to_owned(), name.to_owned())].into())
    };
    let uuid = of("arrow.uuid", fixed.data_type());
    check_field(uuid, Arc::new(fixed), "UUID", &["01010101010101010101010101010101"], &[]);
    let json = StringArray::from(vec![Some("{\"a\": 1.10}"), Some("{"), None]);
    let rescued: &[&str] = &[r#"{"v":"{"}"#];
    check_field(of("arrow.json", &DataType::Utf8), Arc::new(json), "JSON", &["{\"a\": 1.10}", "-", "-"], rescued);
}

fn nested(data: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data, true))
}

#[test]
fn nested_values_land_as_they_are() {
    let durations: ArrayRef = Arc::new(DurationNanosecondArray::from(vec![1_000, 1, 2_000]));
    let list = ListArray::try_new(
        nested(durations.data_type().clone()),
        OffsetBuffer::from_lengths([1, 2]),
        durations.clone(),
        None,
    );
    check(
        Arc::new(list.unwrap()),
        "INTERVAL[]",
        &["[0 months 0 days 1 microseconds]", "[, 0 months 0 days 2 microseconds]"],
        &[r#"{"v[0]":"PT0.000000001S"}"#],
    );
    let inner = Fields::from(vec![Field::new("d", durations.data_type().clone(), true)]);
    let objects = StructArray::try_new(inner, vec![durations], Some(NullBuffer::from(vec![true, true, false])));
    check(
        Arc::new(objects.unwrap()),
        "STRUCT(\"d\" INTERVAL)",
        &["{d: 0 months 0 days 1 microseconds}", "{d: }", "-"],
        &[r#"{"v.d":"PT0.000000001S"}"#],
    );
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        [Some(vec![Some(1), None]), None, Some(vec![Some(3), Some(4)])],
        2,
    );
    check(Arc::new(fixed), "BIGINT[]", &["[1, ]", "-", "[3, 4]"], &[]);
}

#[test]
fn maps_land_as_they_are() {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("a, b: c");
    map.values().append_value(1);
    map.keys().append_value("");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    for value in [1, 2] {
        map.keys().append_value("twice");
        map.values().append_value(value);
    }
    map.append(true).unwrap();
    check(
        Arc::new(map.finish()),
        "MAP(VARCHAR, BIGINT)",
        &["{a, b: c: 1, : }", "-", "{}", "-"],
        &[r#"{"v":[{"key":"twice","value":{"$numberLong":"1"}},{"key":"twice","value":{"$numberLong":"2"}}]}"#],
    );
}

/// The rows since a watermark, and the greatest one.
#[track_caller]
fn check_mark(array: ArrayRef, from: Option<&str>, rows: usize, expected: &str) {
    let window = match from {
        Some(from) => Window::Since { path: "v".into(), from: from.into() },
        None => Window::Full,
    };
    let question = Question { window, watermark: Some("v".into()), ..Question::default() };
    let (batches, reading) = read(vec![(field(array.data_type()), array)], &question, &ReadingPlan::default());
    let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!((found, reading.watermark.as_deref().unwrap_or_default()), (rows, expected));
}

#[test]
fn every_time_and_number_can_be_a_watermark() {
    let date = |millis: i64| format!("{{\"$date\":{{\"$numberLong\":\"{millis}\"}}}}");
    let day = 86_400_000;
    let days: ArrayRef = Arc::new(Date32Array::from(vec![1, 2, 3]));
    check_mark(days.clone(), None, 3, &date(3 * day));
    check_mark(days, Some(&date(2 * day)), 2, &date(3 * day));
    let micros = || TimestampMicrosecondArray::from(vec![1_000, 2_999, 3_000]);
    check_mark(Arc::new(micros()), Some(&date(3)), 1, &date(3));
    check_mark(Arc::new(micros().with_timezone("UTC")), Some(&date(2)), 2, &date(3));
    check_mark(Arc::new(TimestampNanosecondArray::from(vec![Some(5_000_000), None])), Some(&date(6)), 1, "");
    check_mark(Arc::new(TimestampMillisecondArray::from(vec![1, 2])), Some(&date(2)), 1, &date(2));
    check_mark(Arc::new(Int64Array::from(vec![1, 2])), Some("2"), 1, r#"{"$numberLong":"2"}"#);
    check_mark(Arc::new(Float32Array::from(vec![1.5, f32::NAN])), Some("1.5"), 1, r#"{"$numberDouble":"1.5"}"#);
    let decimals = Decimal128Array::from(vec![150, 250]).with_precision_and_scale(10, 2).unwrap();
    check_mark(Arc::new(decimals), Some(r#"{"$numberDecimal":"2"}"#), 1, r#"{"$numberDecimal":"2.50"}"#);
    check_mark(Arc::new(StringArray::from(vec!["a", "b"])), Some("\"b\""), 1, "\"b\"");
    // A time that never ends is no watermark.
    check_mark(Arc::new(TimestampMicrosecondArray::from(vec![1_000, i64::MAX])), None, 2, &date(1));
}

#[test]
fn a_watermark_of_another_type_is_an_error() {
    let question = Question { watermark: Some("v".into()), ..Question::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loans.parquet");
    let batch = RecordBatch::try_from_iter([("v", Arc::new(BooleanArray::from(vec![true])) as ArrayRef)]).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let message = |question: &Question| {
        let error = super::read(&path, question, &ReadingPlan::default(), &mut |_| Ok(())).unwrap_err();
        error.message().replace(&path.display().to_string(), "loans.parquet")
    };
    assert_eq!(message(&question), "column `v` of `loans.parquet` has type BOOLEAN, which cannot be a watermark");
    let missing = Question { watermark: Some("w".into()), ..Question::default() };
    assert_eq!(message(&missing), "`loans.parquet` has no column `w`, which `watermark` of its table names");
}

#[test]
fn keys_take_the_place_of_ids() {
    let columns = || -> Vec<(Field, ArrayRef)> {
        vec![
            (Field::new("_id", DataType::Int64, true), Arc::new(Int64Array::from(vec![1, 2, 3]))),
            (Field::new("a", DataType::Utf8, true), Arc::new(StringArray::from(vec![Some("x\""), None, Some("z")]))),
            (Field::new("n", DataType::Int64, true), Arc::new(Int64Array::from(vec![7, 8, 9]))),
        ]
    };
    let ids = |key: &[&str]| {
        let key = key.iter().map(|path| (*path).to_owned()).collect();
        let options = Arc::new(CollectionOptions { key, ..CollectionOptions::default() });
        let (batches, reading) = read(columns(), &Question { options, ..Question::default() }, &ReadingPlan::default());
        let ids = batches[0].column(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>();
        (ids, reading.quarantined, reading.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>())
    };
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&[]), (own(&["1", "2", "3"]), 0, own(&["a", "n"])));
    assert_eq!(ids(&["n"]), (own(&["7", "8", "9"]), 0, own(&["_id_2", "a", "n"])));
    assert_eq!(ids(&["a", "n"]), (own(&[r#"["x\"",7]"#, r#"["z",9]"#]), 1, own(&["_id_2", "a", "n"])));
}

#[test]
fn known_and_pinned_columns_keep_their_types() {
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![Some(3.0), None, Some(3.5)]));
    let plan = ReadingPlan { known: vec![Column::new("v", ColumnType::BigInt)], ..ReadingPlan::default() };
    let (batches, reading) = read(vec![(field(&DataType::Float64), doubles.clone())], &Question::default(), &plan);
    assert_eq!(reading.columns[0].column_type.sql(), "BIGINT");
    assert_eq!(text_of(batches[0].column(1), 0), "3");
    assert_eq!(text_of(batches[0].column(2), 2), r#"{"v":{"$numberDouble":"3.5"}}"#);
    let plan = ReadingPlan { pinned: vec![Column::new("v", ColumnType::Varchar)], ..ReadingPlan::default() };
    let (batches, _) = read(vec![(field(&DataType::Float64), doubles)], &Question::default(), &plan);
    assert_eq!(text_of(batches[0].column(1), 2), "3.5");
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["2024-06-01", "soon"]));
    let plan = ReadingPlan { pinned: vec![Column::new("v", ColumnType::Date)], ..ReadingPlan::default() };
    let (batches, reading) = read(vec![(field(&DataType::Utf8), texts)], &Question::default(), &plan);
    assert_eq!((text_of(batches[0].column(1), 0).as_str(), reading.rescued), ("2024-06-01", 1));
}

#[test]
fn the_census_counts_values_and_nulls() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(2)]));
    let (_, reading) = read(vec![(field(&DataType::Int64), numbers)], &Question::default(), &ReadingPlan::default());
    let counts = &reading.census.0["v"];
    assert_eq!((counts["long"].values, counts["long"].example.as_str(), counts["null"].values), (2, "1", 1));
}
