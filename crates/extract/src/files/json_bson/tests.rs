//! Tests of texts and their documents: plain JSON, Extended JSON of both versions, shell syntax, and errors.

use super::convert;
use bson::{Bson, Document, doc};

#[track_caller]
fn check(text: &str, expected: Result<Document, (usize, &str)>) {
    let mut out = Vec::new();
    let result = convert(text.as_bytes(), &mut out).map_err(|invalid| (invalid.at, invalid.what));
    // Compared as texts, because NaN is not equal to itself.
    let found = result.map(|()| format!("{:?}", Document::from_reader(out.as_slice()).unwrap()));
    assert_eq!(found, expected.map(|document| format!("{document:?}")), "{text}");
}

#[test]
fn converts_plain_json() {
    check("{}", Ok(doc! {}));
    check(
        r#" {"i": 1, "l": 5000000000, "d": 1.5, "z": -0, "e": 1e3, "s": "a\"\\\u00e9\ud83d\ude00\n", "t": [true, null, {}]} "#,
        Ok(
            doc! { "i": 1_i32, "l": 5_000_000_000_i64, "d": 1.5, "z": -0.0, "e": 1e3, "s": "a\"\\é😀\n", "t": [true, Bson::Null, {}] },
        ),
    );
    check("{\"n\": 18446744073709551616}", Ok(doc! { "n": Bson::Decimal128("18446744073709551616".parse().unwrap()) }));
    let exact: bson::Decimal128 = "0.1234567890123456789".parse().unwrap();
    check("{\"n\": 0.1234567890123456789}", Ok(doc! { "n": Bson::Decimal128(exact) }));
}

#[test]
fn converts_every_type() {
    let document = doc! {
        "i": 1_i32, "l": 2_i64, "d": f64::NAN, "inf": f64::NEG_INFINITY, "dec": Bson::Decimal128("1.50".parse().unwrap()),
        "oid": bson::oid::ObjectId::from_bytes([0xab; 12]), "at": bson::DateTime::from_millis(1_500),
        "old": bson::DateTime::from_millis(-5), "bin": bson::Binary { subtype: 5.into(), bytes: vec![1, 2, 3] },
        "ts": Bson::Timestamp(bson::Timestamp { time: 7, increment: 8 }), "sym": Bson::Symbol("s".into()),
        "code": Bson::JavaScriptCode("f()".into()), "undef": Bson::Undefined, "min": Bson::MinKey, "max": Bson::MaxKey,
        "scope": Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "g()".into(), scope: doc! { "x": 1_i32 } }),
        "ref": { "$ref": "c", "$id": 1_i32 },
    };
    check(&Bson::Document(document.clone()).into_canonical_extjson().to_string(), Ok(document.clone()));
    check(&Bson::Document(document.clone()).into_relaxed_extjson().to_string(), {
        let mut relaxed = document;
        relaxed.insert("l", 2_i32);
        Ok(relaxed)
    });
}

#[test]
fn names_what_is_wrong() {
    check("{\"a\": }", Err((6, "expected value")));
    check("{\"a\": 01}", Err((6, "invalid number")));
    check("{\"a\": tru}", Err((6, "expected value")));
    check("{\"a\" 1}", Err((5, "expected `:`")));
    check("{\"a\": 1 \"b\": 2}", Err((8, "expected `,` or `}`")));
    check("{\"a\\u0000\": 1}", Err((10, "a key contains a zero byte")));
    check("{\"a\": \"\\ud800\"}", Err((13, "a string contains half of a surrogate pair")));
    check("{\"a\": \"\\ud800\\ue000\"}", Err((19, "a string contains half of a surrogate pair")));
    check("{\"a\": {\"$oid\": \"zz\"}}", Err((6, "`$oid` must be a text of 24 hexadecimal digits")));
    let date = "`$date` must be a time such as `2024-06-01T12:30:00Z`, or milliseconds since 1970";
    check("{\"a\": {\"$date\": true}}", Err((6, date)));
    let deep = format!("{}{}", "{\"a\":".repeat(300), "}".repeat(300));
    let mut out = Vec::new();
    assert_eq!(
        convert(deep.as_bytes(), &mut out).map_err(|invalid| invalid.what),
        Err("values are nested more than 250 levels deep")
    );
}

#[test]
fn keeps_repeated_keys() {
    let mut out = Vec::new();
    convert(br#"{"a": 1, "a": 2}"#, &mut out).unwrap();
    assert_eq!(out.len(), 4 + 7 + 7 + 1);
}

fn binary(subtype: u8, bytes: &[u8]) -> bson::Binary {
    bson::Binary { subtype: subtype.into(), bytes: bytes.to_vec() }
}

fn regex(pattern: &str, options: &str) -> Bson {
    let text = |text: &str| bson::raw::CString::try_from(text).unwrap();
    Bson::RegularExpression(bson::Regex { pattern: text(pattern), options: text(options) })
}

fn millis(millis: i64) -> bson::DateTime {
    bson::DateTime::from_millis(millis)
}

#[test]
fn converts_the_forms_of_version_1() {
    check(r#"{"v": {"$date": 42}}"#, Ok(doc! { "v": millis(42) }));
    check(r#"{"v": {"$date": -42.0}}"#, Ok(doc! { "v": millis(-42) }));
    check(r#"{"v": {"$date": {"$numberLong": "-42"}}}"#, Ok(doc! { "v": millis(-42) }));
    check(r#"{"v": {"$date": NumberLong(42)}}"#, Ok(doc! { "v": millis(42) }));
    check(r#"{"v": {"$date": "1970-01-01T00:00:01.500-0700"}}"#, Ok(doc! { "v": millis(25_201_500) }));
    check(r#"{"v": {"$date": "1970-01-02"}}"#, Ok(doc! { "v": millis(86_400_000) }));
    check(r#"{"v": {"$binary": "AQ==", "$type": "03"}}"#, Ok(doc! { "v": binary(3, &[1]) }));
    check(r#"{"v": {"$type": "3", "$binary": "AQ=="}}"#, Ok(doc! { "v": binary(3, &[1]) }));
    check(r#"{"v": {"$binary": "AQ==", "$type": 128}}"#, Ok(doc! { "v": binary(128, &[1]) }));
    check(r#"{"v": {"$binary": "AQ==", "$type": "ffffff80"}}"#, Ok(doc! { "v": binary(128, &[1]) }));
    check(r#"{"v": {"$binary": "AQ==", "$type": "02"}}"#, Ok(doc! { "v": binary(2, &[1]) }));
    check(r#"{"v": {"$options": "mi", "$regex": "a/b"}}"#, Ok(doc! { "v": regex("a/b", "im") }));
    check(r#"{"v": {"$scope": {"x": {"$numberLong": "1"}}, "$code": "f"}}"#, {
        let scope = doc! { "x": 1_i64 };
        Ok(doc! { "v": Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "f".into(), scope }) })
    });
    check("{\"v\": [NaN, Infinity, +Infinity, -Infinity]}", {
        Ok(doc! { "v": [f64::NAN, f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY] })
    });
    check(r#"{"v": {"$timestamp": {"t": 4294967295, "i": 2}}}"#, {
        Ok(doc! { "v": Bson::Timestamp(bson::Timestamp { time: u32::MAX, increment: 2 }) })
    });
    check(r#"{"v": {"$uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f"}}"#, {
        Ok(doc! { "v": binary(4, &(0..16).collect::<Vec<_>>()) })
    });
}

#[test]
fn other_dollar_keys_are_fields() {
    let same = [
        doc! { "v": { "$ref": "c", "$id": 1, "$db": "d" } },
        doc! { "v": { "$type": "string" } },
        doc! { "v": { "$type": 2 } },
        doc! { "v": { "$regex": "a" } },
        doc! { "v": { "$options": "i", "x": 1 } },
        doc! { "v": { "$set": { "a": 1 } } },
        doc! { "v": { "x": 1, "$oid": "a" } },
    ];
    for document in same {
        check(&Bson::Document(document.clone()).into_relaxed_extjson().to_string(), Ok(document));
    }
    check(
        r#"{"v": {"$regex": {"$regularExpression": {"pattern": "a", "options": ""}}, "$options": "i"}}"#,
        Ok(doc! { "v": { "$regex": regex("a", ""), "$options": "i" } }),
    );
}

#[test]
fn converts_what_shells_print() {
    let id = bson::oid::ObjectId::from_bytes([0xab; 12]);
    let hex = "ab".repeat(12);
    check(
        &format!("{{ _id: ObjectId('{hex}'), $b: new ObjectId(\"{hex}\"), 'c d': ObjectId ( \"{hex}\" ), 1: 2 }}"),
        Ok(doc! { "_id": id, "$b": id, "c d": id, "1": 2 }),
    );
    check(
        "{a: NumberLong(5), b: NumberLong(\"-9223372036854775808\"), c: NumberInt(\"7\"), d: NumberInt(7), e: Long('5')}",
        Ok(doc! { "a": 5_i64, "b": i64::MIN, "c": 7, "d": 7, "e": 5_i64 }),
    );
    check("{a: NumberDecimal(\"1.50\"), b: Decimal128('1.50'), c: NumberDecimal(2), d: NumberDecimal(1.5)}", {
        let decimal = |text: &str| Bson::Decimal128(text.parse().unwrap());
        Ok(doc! { "a": decimal("1.50"), "b": decimal("1.50"), "c": decimal("2"), "d": decimal("1.5") })
    });
    check(
        "{a: ISODate(\"1970-01-01T00:00:01Z\"), b: new Date(1000), c: new Date('1970-01-01'), d: Date(1000)}",
        Ok(doc! { "a": millis(1000), "b": millis(1000), "c": millis(0), "d": millis(1000) }),
    );
    check("{a: Timestamp(7, 8), b: Timestamp({ t: 7, i: 8 }), c: MinKey, d: MaxKey(), e: undefined}", {
        let timestamp = Bson::Timestamp(bson::Timestamp { time: 7, increment: 8 });
        Ok(doc! { "a": timestamp.clone(), "b": timestamp, "c": Bson::MinKey, "d": Bson::MaxKey, "e": Bson::Undefined })
    });
    check(
        "{a: BinData(0, \"AQ==\"), b: HexData(5, '01'), c: UUID('00010203-0405-0607-0809-0a0b0c0d0e0f'), \
         d: Binary.createFromBase64('AQ==', 3), e: MD5('01')}",
        Ok(doc! {
            "a": binary(0, &[1]), "b": binary(5, &[1]), "c": binary(4, &(0..16).collect::<Vec<_>>()),
            "d": binary(3, &[1]), "e": binary(5, &[1]),
        }),
    );
    check(
        &format!(
            "{{a: DBRef(\"c\", ObjectId(\"{hex}\")), b: DBRef('c', 1, 'd'), c: /a[/]\\/b/mi, d: RegExp('x', 'i')}}"
        ),
        Ok(doc! {
            "a": { "$ref": "c", "$id": id }, "b": { "$ref": "c", "$id": 1, "$db": "d" },
            "c": regex("a[/]\\/b", "im"), "d": regex("x", "i"),
        }),
    );
    check("{a: Code('f()'), b: BSONSymbol('s'), c: 0x1F, d: -0x1f, e: Boolean(true), f: Double(5)}", {
        let code = Bson::JavaScriptCode("f()".into());
        Ok(doc! { "a": code, "b": Bson::Symbol("s".into()), "c": 31, "d": -31, "e": true, "f": 5.0 })
    });
    check("{a: 'it\\'s \"so\"' +\n  ' \\x41', b: `'`}", Ok(doc! { "a": "it's \"so\" A", "b": "'" }));
    check("{\"a\": { \"$date\" : ISODate(\"1970-01-01\") } }", Ok(doc! { "a": millis(0) }));
}

#[track_caller]
fn check_reason(text: &str, expected: &str) {
    let mut out = Vec::new();
    assert_eq!(convert(text.as_bytes(), &mut out).map_err(|invalid| invalid.reason()), Err(expected.to_owned()));
}

#[test]
fn names_the_path_of_what_is_wrong() {
    check_reason(
        r#"{"a": {"b c": [1, {"d": {"$numberDecimal": ""}}]}}"#,
        "at `a[\"b c\"][1].d`: `$numberDecimal` must be a text with a number of at most 34 digits, `Infinity` or `NaN`",
    );
    check_reason(r#"{"a": [1, {"b": tru}]}"#, "at `a[1].b`: expected value");
    check_reason("{a: NumberLong('x')}", "at `a`: the argument of `NumberLong` must be an integer of 64 bits");
    check_reason("{a: Whatever(1)}", "at `a`: an unknown function");
    check_reason("{a: ... 5 more items}", "at `a`: expected value");
    check_reason("{a: NumberInt(2147483648)}", "at `a`: the argument of `NumberInt` must be an integer of 32 bits");
    check_reason("{a.b: 1}", "expected a key");
    check_reason("{a: /x}", "at `a`: a regular expression does not end");
    check_reason(r#"{"a": {"$oid": "ab", "x": 1}}"#, "at `a`: `$oid` must be a text of 24 hexadecimal digits");
    let long = "k".repeat(500);
    check_reason(&format!("{{\"{long}\": x}}"), &format!("at `{}…`: expected value", "k".repeat(200)));
}

#[test]
fn what_is_not_of_its_form_is_refused() {
    let odd = [
        r#"{"$numberDecimal": "E01"}"#,
        r#"{"$numberDecimal": 5}"#,
        r#"{"$numberLong": 5}"#,
        r#"{"$numberInt": ""}"#,
        r#"{"$numberInt": "2147483648"}"#,
        r#"{"$numberDouble": "1e400"}"#,
        r#"{"$numberDouble": ""}"#,
        r#"{"$date": "yesterday"}"#,
        r#"{"$date": ""}"#,
        r#"{"$date": 1.5}"#,
        r#"{"$date": {}}"#,
        r#"{"$date": null}"#,
        r#"{"$binary": "AQ=="}"#,
        r#"{"$binary": "A", "$type": "00"}"#,
        r#"{"$binary": "AQ==", "$type": "xx"}"#,
        r#"{"$type": "000", "$binary": "AQ=="}"#,
        r#"{"$binary": {"base64": "AQ==", "subType": 0}}"#,
        r#"{"$timestamp": {"t": -1, "i": 0}}"#,
        r#"{"$timestamp": {"t": 4294967296, "i": 0}}"#,
        r#"{"$timestamp": {"t": 1}}"#,
        r#"{"$timestamp": "1"}"#,
        r#"{"$minKey": 2}"#,
        r#"{"$maxKey": true}"#,
        r#"{"$undefined": false}"#,
        r#"{"$uuid": "00010203040506070809-0a0b0c0d0e0f"}"#,
        r#"{"$code": 1}"#,
        r#"{"$symbol": 1}"#,
        r#"{"$code": "f", "$scope": 1}"#,
        r#"{"$scope": {}}"#,
        r#"{"$oid": "ab"}"#,
        r#"{"$regularExpression": {"pattern": "a"}}"#,
        r#"{"$dbPointer": {"$ref": "c", "$id": "x"}}"#,
        "ObjectId()",
        "ObjectId(1)",
        "ISODate()",
        "NumberLong()",
        "Timestamp(1)",
        "BinData(256, 'AQ==')",
        "UUID('x')",
        "DBRef('c')",
        "MinKey(1)",
        "new",
        "new Thing",
        "function() {}",
        "1n",
        "0x",
        "'a' + b",
        "//",
    ];
    for text in odd {
        let mut out = Vec::new();
        assert!(convert(format!("{{\"v\": {text}}}").as_bytes(), &mut out).is_err(), "{text}");
    }
}
