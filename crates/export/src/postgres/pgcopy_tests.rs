//! Tests of the binary COPY encoder: the bytes of single values, and what is counted as a hazard.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, LargeStringArray, ListArray, StringArray, TimestampMicrosecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use arrow::datatypes::{Int32Type, IntervalMonthDayNano};

use super::*;
use crate::postgres_type::PostgresType;
use elt_project::OnHazard;

/// The bytes between the header and the trailer, and the faults.
fn encode(array: ArrayRef, postgres_type: PostgresType) -> (Vec<u8>, Vec<(PostgresHazard, u64)>) {
    let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).expect("a batch");
    let mut encoder = BinaryEncoder::new(vec![CopyField::plain(postgres_type)]);
    encoder.encode(&batch, |_| Ok::<_, ()>(())).expect("a type that fits").expect("sent");
    let bytes = encoder.finish().to_vec();
    assert_eq!(&bytes[..19], b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    assert_eq!(&bytes[bytes.len() - 2..], [0xff, 0xff]);
    let faults = encoder.faults().all().iter().map(|fault| (fault.hazard, fault.values)).collect();
    (bytes[19..bytes.len() - 2].to_vec(), faults)
}

/// One row of one column: its field's length and bytes, in hex.
#[track_caller]
fn check(array: impl Array + 'static, postgres_type: PostgresType, expected: &str) {
    let (bytes, faults) = encode(Arc::new(array), postgres_type);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, format!("0001{}", expected.replace(' ', "")));
    assert_eq!(faults, []);
}

#[track_caller]
fn check_hazard(array: impl Array + 'static, postgres_type: PostgresType, expected: &[(PostgresHazard, u64)]) {
    assert_eq!(encode(Arc::new(array), postgres_type).1, expected);
}

#[test]
fn scalars() {
    check(BooleanArray::from(vec![true]), PostgresType::Bool, "00000001 01");
    check(Int32Array::from(vec![-2]), PostgresType::Int4, "00000004 fffffffe");
    check(Int64Array::from(vec![None]), PostgresType::Int8, "ffffffff");
    check(Float64Array::from(vec![1.5]), PostgresType::Float8, "00000008 3ff8000000000000");
    check(StringArray::from(vec!["aé"]), PostgresType::Text, "00000003 61c3a9");
    check(LargeStringArray::from(vec![""]), PostgresType::Text, "00000000");
    check(BinaryArray::from(vec![&b"\0\xff"[..]]), PostgresType::Bytea, "00000002 00ff");
    check(StringArray::from(vec!["{\"a\":1}"]), PostgresType::Jsonb, "00000008 01 7b2261223a317d");
    check(
        StringArray::from(vec!["00112233-4455-6677-8899-aabbccddeeff"]),
        PostgresType::Uuid,
        "00000010 00112233445566778899aabbccddeeff",
    );
    let decimal = Decimal128Array::from(vec![-123_456]).with_precision_and_scale(38, 2).expect("a decimal");
    // -1234.56: two groups, 1234 and 5600.
    check(decimal, PostgresType::Numeric(Some((38, 2))), "0000000c 0002 0000 4000 0002 04d2 15e0");
    check(StringArray::from(vec!["10000"]), PostgresType::Numeric(None), "0000000c 0002 0001 0000 0000 0001 0000");
}

#[test]
fn times() {
    check(Date32Array::from(vec![10_957]), PostgresType::Date, "00000004 00000000");
    check(Date32Array::from(vec![i32::MAX]), PostgresType::Date, "00000004 7fffffff");
    check(Date32Array::from(vec![-i32::MAX]), PostgresType::Date, "00000004 80000000");
    let zoned = TimestampMicrosecondArray::from(vec![946_684_800_000_001]).with_timezone("Asia/Tokyo");
    check(zoned, PostgresType::TimestampTz, "00000008 0000000000000001");
    check(TimestampMicrosecondArray::from(vec![-i64::MAX]), PostgresType::Timestamp, "00000008 8000000000000000");
    check(
        IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(14, -3, 5_000)]),
        PostgresType::Interval,
        "00000010 0000000000000005 fffffffd 0000000e",
    );
}

#[test]
fn arrays() {
    let list = |values: Vec<Option<i32>>| ListArray::from_iter_primitive::<Int32Type, _, _>([Some(values)]);
    let array = || PostgresType::Array(Box::new(PostgresType::Int4));
    check(list(Vec::new()), array(), "0000000c 00000000 00000000 00000017");
    check(
        list(vec![Some(7), None]),
        array(),
        "00000020 00000001 00000001 00000017 00000002 00000001 00000004 00000007 ffffffff",
    );
}

#[test]
fn hazards_are_counted() {
    check_hazard(StringArray::from(vec!["a\0b", "fine", "\0"]), PostgresType::Text, &[(PostgresHazard::Nul, 2)]);
    check_hazard(
        StringArray::from(vec![
            r#"{"a":"x\u0000"}"#,
            r#"{"a":"\\u0000"}"#,
            r#"{"a":"NaN","b":"Infinity"}"#,
            r#"{"a":NaN}"#,
            r#"[-Infinity]"#,
            r#"["\ud83d\ude00"]"#,
            r#"["\ud83d x"]"#,
            r#"["\uDE00", "\\ud83d"]"#,
        ]),
        PostgresType::Jsonb,
        &[(PostgresHazard::Nul, 1), (PostgresHazard::NotFiniteInJson, 2), (PostgresHazard::Surrogate, 2)],
    );
    check_hazard(Date32Array::from(vec![-2_500_000, 0]), PostgresType::Date, &[(PostgresHazard::YearRange, 1)]);
    check_hazard(
        TimestampMicrosecondArray::from(vec![i64::MIN + 2]),
        PostgresType::Timestamp,
        &[(PostgresHazard::YearRange, 1)],
    );
    check_hazard(StringArray::from(vec!["no"]), PostgresType::Uuid, &[(PostgresHazard::NotUuid, 1)]);
    check_hazard(StringArray::from(vec!["1.5"]), PostgresType::Numeric(None), &[(PostgresHazard::Digits, 1)]);
}

#[test]
fn refuses_what_is_another_type() {
    let batch =
        RecordBatch::try_from_iter([("c", Arc::new(StringArray::from(vec!["1"])) as ArrayRef)]).expect("a batch");
    let refused = BinaryEncoder::new(vec![CopyField::plain(PostgresType::Bool)]).encode(&batch, |_| Ok::<_, ()>(()));
    assert_eq!(refused, Err(BinaryMismatch { column: 0, arrow: "Utf8".into() }));
}

/// The rows of a table of a key and a text of two characters, by policy: how many were encoded and how many set aside.
fn rows_of(on_hazard: OnHazard) -> (u64, u64, Vec<(u64, Vec<String>)>) {
    let key = CopyField { is_key: true, ..CopyField::plain(PostgresType::Int8) };
    let text = CopyField { on_hazard, ..CopyField::plain(PostgresType::Varchar(2)) };
    let mut encoder = BinaryEncoder::new(vec![key, text]);
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![7, 8, 9])) as ArrayRef),
        ("name", Arc::new(StringArray::from(vec!["ab", "abc", "a  "])) as ArrayRef),
    ])
    .expect("a batch");
    encoder.encode(&batch, |_| Ok::<_, ()>(())).expect("types that fit").expect("sent");
    let faults = encoder.faults().all().iter().map(|fault| (fault.values, fault.keys.clone())).collect();
    (encoder.rows(), encoder.take_set_aside().rows, faults)
}

#[test]
fn rows_are_replaced_or_set_aside() {
    let faults = vec![(1, vec!["8".to_owned()])];
    assert_eq!(rows_of(OnHazard::Replace), (3, 0, faults.clone()));
    assert_eq!(rows_of(OnHazard::Quarantine), (2, 1, faults));
}

#[test]
fn narrower_columns_take_what_fits() {
    check(Int64Array::from(vec![-2]), PostgresType::Int2, "00000002 fffe");
    check_hazard(Int64Array::from(vec![40_000, 1]), PostgresType::Int2, &[(PostgresHazard::IntegerRange, 1)]);
    check(Float64Array::from(vec![0.5]), PostgresType::Numeric(Some((5, 2))), "0000000a 0001 ffff 0000 0002 1388");
    check_hazard(Float64Array::from(vec![f64::NAN]), PostgresType::Numeric(None), &[(PostgresHazard::NotFinite, 1)]);
    check_hazard(Float64Array::from(vec![0.125]), PostgresType::Numeric(Some((5, 2))), &[(PostgresHazard::Scale, 1)]);
    check(StringArray::from(vec!["[1]"]), PostgresType::Json, "00000003 5b315d");
}

#[test]
fn rows_of_a_gigabyte_are_never_sent() {
    let mut encoder = BinaryEncoder::with_rows_of(vec![CopyField::plain(PostgresType::Text)], 100);
    let text = "x".repeat(200);
    let array: ArrayRef = Arc::new(StringArray::from(vec!["short", text.as_str()]));
    let batch = RecordBatch::try_from_iter([("c", array)]).expect("a batch");
    encoder.encode(&batch, |_| Ok::<_, ()>(())).expect("a type that fits").expect("sent");
    assert_eq!(
        (encoder.rows(), encoder.faults().all()[0].hazard, encoder.faults().all()[0].keys[0].as_str()),
        (1, PostgresHazard::Size, "row 2")
    );
}

#[test]
fn contracts_take_other_times_and_print_numbers() {
    let stamps = |micros: i64| TimestampMicrosecondArray::from(vec![946_684_800_000_000 + micros]);
    let precise = |base, digits| PostgresType::Precise(Box::new(base), digits);
    check(stamps(1_234_000), precise(PostgresType::Timestamp, 3), "00000008 000000000012d450");
    check(
        TimestampMicrosecondArray::from(vec![i64::MAX]),
        precise(PostgresType::Timestamp, 0),
        "00000008 7fffffffffffffff",
    );
    check_hazard(stamps(1_234_567), precise(PostgresType::TimestampTz, 3), &[(PostgresHazard::Scale, 1)]);
    check(stamps(86_400_000_000), PostgresType::Date, "00000004 00000001");
    check_hazard(stamps(1), PostgresType::Date, &[(PostgresHazard::TimeOfDay, 1)]);
    let nanos = TimestampNanosecondArray::from(vec![1_000, 1_001, i64::MAX, -i64::MAX]);
    check_hazard(nanos, PostgresType::Timestamp, &[(PostgresHazard::Scale, 1)]);
    let seconds = TimestampSecondArray::from(vec![i64::MAX, i64::MAX - 1, 0]);
    check_hazard(seconds, PostgresType::Timestamp, &[(PostgresHazard::YearRange, 1)]);
    check(Date32Array::from(vec![10_958]), PostgresType::Timestamp, "00000008 000000141dd76000");
    check(Date32Array::from(vec![i32::MAX]), PostgresType::TimestampTz, "00000008 7fffffffffffffff");
    check_hazard(Date32Array::from(vec![i32::MAX - 1]), PostgresType::Timestamp, &[(PostgresHazard::YearRange, 1)]);
    check(StringArray::from(vec!["12:30:00.5+02"]), PostgresType::TimeTz, "0000000c 0000000a7a3d2320 ffffe3e0");
    check(StringArray::from(vec!["00:00:00-05:30:15"]), PostgresType::TimeTz, "0000000c 0000000000000000 00004d67");
    for wrong in ["12:30", "12:30:00", "25:00:00+00", "+02", "12:30:00+99", "12:3x:00+00", "12:30:00+1:2:3:4"] {
        check_hazard(StringArray::from(vec![wrong]), PostgresType::TimeTz, &[(PostgresHazard::NotTime, 1)]);
    }
    check(Int64Array::from(vec![-12]), PostgresType::Text, "00000003 2d3132");
    check(BooleanArray::from(vec![true]), PostgresType::Varchar(4), "00000004 74727565");
    check_hazard(Int64Array::from(vec![-12]), PostgresType::Varchar(2), &[(PostgresHazard::Width, 1)]);
    check(Float64Array::from(vec![0.1]), PostgresType::Float4, "00000004 3dcccccd");
    check_hazard(Float64Array::from(vec![0.123_456_789_012]), PostgresType::Float4, &[(PostgresHazard::Scale, 1)]);
    check_hazard(Float64Array::from(vec![1e300]), PostgresType::Float4, &[(PostgresHazard::Digits, 1)]);
}

/// Prints how fast batches are encoded; by hand, in an optimised build: `-- --ignored --nocapture encodes_fast`.
#[test]
#[ignore = "measures"]
fn encodes_fast() {
    const ROWS: i64 = 100_000;
    const ROUNDS: u32 = 20;
    let texts = |of: &dyn Fn(i64) -> String| Arc::new((0..ROWS).map(|row| Some(of(row))).collect::<StringArray>());
    let ints = || Int64Array::from_iter_values(0..ROWS);
    let decimals = (0..ROWS).map(|row| Some(i128::from(row) * 977)).collect::<Decimal128Array>();
    let stamps = (0..ROWS).map(|row| Some(1_700_000_000_000_000 + row * 1_000)).collect::<TimestampMicrosecondArray>();
    let cases: Vec<(&str, ArrayRef, PostgresType)> = vec![
        ("bigint", Arc::new(ints()), PostgresType::Int8),
        ("integer of bigint", Arc::new(ints()), PostgresType::Int4),
        ("text", texts(&|row| format!("customer number {row}")), PostgresType::Text),
        ("varchar(40)", texts(&|row| format!("customer number {row}")), PostgresType::Varchar(40)),
        ("timestamp", Arc::new(stamps), PostgresType::Timestamp),
        (
            "numeric(18,2)",
            Arc::new(decimals.with_precision_and_scale(18, 2).expect("decimals")),
            PostgresType::Numeric(Some((18, 2))),
        ),
        ("uuid", texts(&|row| format!("00112233-4455-6677-8899-{row:012}")), PostgresType::Uuid),
        (
            "jsonb",
            texts(&|row| {
                format!(
                    "{{\"id\": {row}, \"tags\": [\"first\", \"second of {row}\"], \"amount\": 12.5, \"done\": true}}"
                )
            }),
            PostgresType::Jsonb,
        ),
    ];
    let measure = |name: &str, columns: &[(&str, ArrayRef, PostgresType)]| {
        let arrays = columns.iter().map(|(name, array, _)| (*name, array.clone()));
        let batch = RecordBatch::try_from_iter(arrays).expect("a batch");
        let mut encoder =
            BinaryEncoder::new(columns.iter().map(|(_, _, wanted)| CopyField::plain(wanted.clone())).collect());
        let (started, mut bytes) = (std::time::Instant::now(), 0);
        for _ in 0..ROUNDS {
            let sent = encoder.encode(&batch, |sent| {
                bytes += sent.len();
                Ok::<_, ()>(())
            });
            sent.expect("types that fit").expect("sent");
        }
        let seconds = started.elapsed().as_secs_f64();
        let rows = f64::from(ROUNDS) * ROWS as f64;
        println!("{name:20} {:7.1} ns a row {:8.0} MB/s", seconds * 1e9 / rows, bytes as f64 / seconds / 1e6);
    };
    for case in &cases {
        measure(case.0, std::slice::from_ref(case));
    }
    measure("all", &cases);
}
