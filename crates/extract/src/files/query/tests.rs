//! Tests of queries against documents, with the results that the server returns.

use bson::{Bson, Document};

use super::Query;

fn document(json: &str) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    Document::try_from(json.as_object().unwrap().clone()).unwrap().to_vec().unwrap()
}

/// The documents that match.
#[track_caller]
fn check(query: &str, expected: &[&str], others: &[&str]) {
    let parsed = Query::parse(query).unwrap();
    for json in expected {
        assert_eq!(parsed.matches(&document(json)), Ok(true), "{query} is to match {json}");
    }
    for json in others {
        assert_eq!(parsed.matches(&document(json)), Ok(false), "{query} is not to match {json}");
    }
}

#[track_caller]
fn check_error(query: &str, expected: &str) {
    assert_eq!(Query::parse(query).unwrap_err(), expected, "{query}");
}

#[test]
fn equality() {
    check("{}", &["{}", r#"{"a":1}"#], &[]);
    check(
        r#"{"a":1}"#,
        &[r#"{"a":1}"#, r#"{"a":1.0}"#, r#"{"a":{"$numberDecimal":"1.0"}}"#, r#"{"a":[0,1]}"#],
        &["{}", r#"{"a":"1"}"#, r#"{"a":true}"#, r#"{"a":[[1]]}"#, r#"{"a":{"$numberDecimal":"1.01"}}"#],
    );
    check(r#"{"a":1,"b":2}"#, &[r#"{"a":1,"b":2}"#], &[r#"{"a":1}"#]);
    check(
        r#"{"a":{"b":1,"c":2}}"#,
        &[r#"{"a":{"b":1.0,"c":2}}"#, r#"{"a":[{"b":1,"c":2}]}"#],
        &[r#"{"a":{"c":2,"b":1}}"#, r#"{"a":{"b":1}}"#, r#"{"a":{"b":1,"c":2,"d":3}}"#],
    );
    check(r#"{"a":{}}"#, &[r#"{"a":{}}"#], &["{}", r#"{"a":{"b":1}}"#]);
    check(r#"{"a":[1,2]}"#, &[r#"{"a":[1,2]}"#, r#"{"a":[[1,2],3]}"#], &[r#"{"a":[2,1]}"#, r#"{"a":[1,2,3]}"#]);
    check(r#"{"a":[]}"#, &[r#"{"a":[]}"#, r#"{"a":[[]]}"#], &["{}", r#"{"a":null}"#]);
    check(r#"{"a":{"$ref":"x","$id":1}}"#, &[r#"{"a":{"$ref":"x","$id":1}}"#], &[r#"{"a":{"$ref":"x","$id":2}}"#]);
    check(r#"{"a.$id":1}"#, &[r#"{"a":{"$ref":"x","$id":1}}"#], &["{}"]);
    check(
        r#"{"a":{"$eq":{"$date":"2024-01-01T00:00:00Z"}}}"#,
        &[r#"{"a":{"$date":{"$numberLong":"1704067200000"}}}"#],
        &[],
    );
    check(
        r#"{"_id":{"$oid":"0123456789abcdef01234567"}}"#,
        &[r#"{"_id":{"$oid":"0123456789abcdef01234567"}}"#],
        &[r#"{"_id":"0123456789abcdef01234567"}"#],
    );
}

#[test]
fn null_is_also_what_is_missing() {
    for query in [r#"{"a":null}"#, r#"{"a":{"$in":[null]}}"#, r#"{"a":{"$gte":null}}"#, r#"{"a":{"$lte":null}}"#] {
        let (matching, others) = (["{}", r#"{"a":null}"#, r#"{"a":[null]}"#], [r#"{"a":0}"#, r#"{"a":[]}"#]);
        check(query, &matching, &others);
        check(query, &[], &[r#"{"a":{"$undefined":true}}"#]);
    }
    check(r#"{"a":{"$gt":null}}"#, &[], &["{}", r#"{"a":null}"#, r#"{"a":1}"#]);
    check(r#"{"a":{"$ne":null}}"#, &[r#"{"a":0}"#, r#"{"a":[]}"#], &["{}", r#"{"a":null}"#, r#"{"a":[1,null]}"#]);
    check(
        r#"{"a.b":null}"#,
        &["{}", r#"{"a":5}"#, r#"{"a":{}}"#, r#"{"a":[{"b":1},{}]}"#, r#"{"a":[{"b":null}]}"#],
        &[r#"{"a":[]}"#, r#"{"a":[1,2]}"#, r#"{"a":[{"b":1}]}"#, r#"{"a":{"b":[]}}"#],
    );
}

#[test]
fn comparisons_stay_within_their_type() {
    check(
        r#"{"a":{"$gt":5}}"#,
        &[r#"{"a":6}"#, r#"{"a":5.5}"#, r#"{"a":{"$numberDecimal":"5.0001"}}"#, r#"{"a":[1,9]}"#],
        &["{}", r#"{"a":5}"#, r#"{"a":"6"}"#, r#"{"a":null}"#, r#"{"a":{"b":9}}"#, r#"{"a":{"$numberDouble":"NaN"}}"#],
    );
    check(r#"{"a":{"$gte":"m"}}"#, &[r#"{"a":"m"}"#, r#"{"a":"z"}"#], &[r#"{"a":"a"}"#, r#"{"a":99}"#]);
    // Different elements may satisfy the two bounds.
    check(r#"{"a":{"$gt":5,"$lt":3}}"#, &[r#"{"a":[1,9]}"#], &[r#"{"a":4}"#]);
    check(r#"{"a":{"$lt":true}}"#, &[r#"{"a":false}"#], &[r#"{"a":true}"#, r#"{"a":0}"#]);
    check(
        r#"{"a":{"$lt":{"$date":"2024-01-01T00:00:00Z"}}}"#,
        &[r#"{"a":{"$date":"1969-01-01T00:00:00Z"}}"#],
        &[r#"{"a":{"$timestamp":{"t":1,"i":1}}}"#, r#"{"a":1}"#],
    );
    check(
        r#"{"a":{"$gt":{"b":1}}}"#,
        &[r#"{"a":{"b":2}}"#, r#"{"a":{"b":1,"c":0}}"#],
        &[r#"{"a":{"b":1}}"#, r#"{"a":2}"#],
    );
    check(r#"{"a":{"$gt":[1,2]}}"#, &[r#"{"a":[1,3]}"#, r#"{"a":[[2]]}"#], &[r#"{"a":[1,2]}"#, r#"{"a":7}"#]);
    check(
        r#"{"a":{"$gte":{"$binary":{"base64":"AQI=","subType":"00"}}}}"#,
        &[
            r#"{"a":{"$binary":{"base64":"AQI=","subType":"00"}}}"#,
            r#"{"a":{"$binary":{"base64":"AAAA","subType":"00"}}}"#,
        ],
        &[r#"{"a":{"$binary":{"base64":"AQE=","subType":"00"}}}"#],
    );
    let nan = r#"{"a":{"$numberDouble":"NaN"}}"#;
    check(nan, &[nan, r#"{"a":{"$numberDecimal":"NaN"}}"#], &[r#"{"a":0}"#]);
    check(r#"{"a":{"$lte":{"$numberDouble":"NaN"}}}"#, &[nan], &[r#"{"a":0}"#]);
    check(r#"{"a":{"$lt":{"$numberDouble":"NaN"}}}"#, &[], &[nan, r#"{"a":0}"#]);
    check(r#"{"a":{"$gt":{"$minKey":1}}}"#, &["{}", r#"{"a":1}"#, r#"{"a":null}"#], &[r#"{"a":{"$minKey":1}}"#]);
    check(r#"{"a":{"$lte":{"$maxKey":1}}}"#, &[r#"{"a":1}"#, r#"{"a":{"$maxKey":1}}"#], &[]);
    check(r#"{"a":{"$gte":{"$maxKey":1}}}"#, &[r#"{"a":{"$maxKey":1}}"#], &[r#"{"a":1}"#]);
    check(r#"{"a":{"$symbol":"x"}}"#, &[r#"{"a":"x"}"#], &[]);
}

#[test]
fn lists_of_values() {
    check(
        r#"{"a":{"$in":[3,"x",{"$regularExpression":{"pattern":"^b","options":""}},1,{"k":1}]}}"#,
        &[r#"{"a":1.0}"#, r#"{"a":"x"}"#, r#"{"a":"bc"}"#, r#"{"a":[9,3]}"#, r#"{"a":{"k":1}}"#],
        &["{}", r#"{"a":2}"#, r#"{"a":"ab"}"#, r#"{"a":null}"#, r#"{"a":{"k":2}}"#],
    );
    check(r#"{"a":{"$in":[[1,2]]}}"#, &[r#"{"a":[1,2]}"#, r#"{"a":[[1,2]]}"#], &[r#"{"a":1}"#]);
    check(r#"{"a":{"$in":[]}}"#, &[], &["{}", r#"{"a":1}"#]);
    check(r#"{"a":{"$nin":[1,2]}}"#, &["{}", r#"{"a":3}"#, r#"{"a":[]}"#], &[r#"{"a":1}"#, r#"{"a":[2,3]}"#]);
    check(r#"{"a":{"$nin":[null]}}"#, &[r#"{"a":3}"#], &["{}", r#"{"a":null}"#]);
    check(
        r#"{"a":{"$all":[1,"x"]}}"#,
        &[r#"{"a":["x",1]}"#, r#"{"a":["x",1,2]}"#],
        &["{}", r#"{"a":1}"#, r#"{"a":["x"]}"#],
    );
    check(r#"{"a":{"$all":[1]}}"#, &[r#"{"a":1}"#], &[r#"{"a":2}"#]);
    check(r#"{"a":{"$all":[[1,2]]}}"#, &[r#"{"a":[1,2]}"#, r#"{"a":[[1,2]]}"#], &[r#"{"a":[2]}"#]);
    check(r#"{"a":{"$all":[]}}"#, &[], &["{}", r#"{"a":[]}"#]);
    check(
        r#"{"a":{"$all":[{"$regularExpression":{"pattern":"^b","options":""}},"x"]}}"#,
        &[r#"{"a":["x","bc"]}"#],
        &[r#"{"a":["x"]}"#],
    );
    check(
        r#"{"a":{"$all":[{"$elemMatch":{"b":1}},{"$elemMatch":{"b":2}}]}}"#,
        &[r#"{"a":[{"b":2},{"b":1}]}"#],
        &[r#"{"a":[{"b":1}]}"#],
    );
}

#[test]
fn existence_and_types() {
    check(r#"{"a":{"$exists":true}}"#, &[r#"{"a":null}"#, r#"{"a":[]}"#], &["{}", r#"{"b":1}"#]);
    check(r#"{"a":{"$exists":0}}"#, &["{}"], &[r#"{"a":null}"#]);
    check(
        r#"{"a.b":{"$exists":1}}"#,
        &[r#"{"a":[1,{"b":2}]}"#, r#"{"a":{"b":null}}"#],
        &[r#"{"a":[{}]}"#, r#"{"a":1}"#],
    );
    check(r#"{"a.b":{"$exists":false}}"#, &[r#"{"a":[]}"#, r#"{"a":[{}]}"#, r#"{"a":1}"#], &[r#"{"a":[{},{"b":2}]}"#]);
    check(r#"{"a":{"$type":"string"}}"#, &[r#"{"a":"x"}"#, r#"{"a":[1,"x"]}"#], &["{}", r#"{"a":1}"#]);
    check(r#"{"a":{"$type":2}}"#, &[r#"{"a":"x"}"#], &[r#"{"a":1}"#]);
    check(
        r#"{"a":{"$type":"number"}}"#,
        &[r#"{"a":1}"#, r#"{"a":1.5}"#, r#"{"a":{"$numberLong":"1"}}"#, r#"{"a":{"$numberDecimal":"1"}}"#],
        &[r#"{"a":"1"}"#, r#"{"a":true}"#],
    );
    check(r#"{"a":{"$type":["null",8.0]}}"#, &[r#"{"a":null}"#, r#"{"a":true}"#], &["{}", r#"{"a":1}"#]);
    check(r#"{"a":{"$type":"array"}}"#, &[r#"{"a":[]}"#, r#"{"a":[1]}"#], &[r#"{"a":1}"#]);
    check(r#"{"a":{"$type":-1}}"#, &[r#"{"a":{"$minKey":1}}"#], &[r#"{"a":{"$maxKey":1}}"#]);
    check(r#"{"a":{"$type":127}}"#, &[r#"{"a":{"$maxKey":1}}"#], &[r#"{"a":{"$minKey":1}}"#]);
}

#[test]
fn logic() {
    check(r#"{"$or":[{"a":1},{"b":1}],"c":1}"#, &[r#"{"b":1,"c":1}"#], &[r#"{"b":1}"#, r#"{"c":1}"#]);
    check(r#"{"$and":[{"a":{"$gt":1}},{"a":{"$lt":3}}]}"#, &[r#"{"a":2}"#], &[r#"{"a":3}"#]);
    check(r#"{"$nor":[{"a":1},{"b":1}]}"#, &["{}", r#"{"a":2}"#], &[r#"{"b":1}"#]);
    check(r#"{"a":{"$not":{"$gt":5}}}"#, &["{}", r#"{"a":5}"#, r#"{"a":"x"}"#], &[r#"{"a":6}"#, r#"{"a":[1,6]}"#]);
    check(r#"{"a":{"$not":{"$gt":5,"$lt":9}}}"#, &[r#"{"a":9}"#], &[r#"{"a":7}"#, r#"{"a":[4,10]}"#]);
    check(
        r#"{"a":{"$not":{"$regularExpression":{"pattern":"x","options":""}}}}"#,
        &["{}", r#"{"a":"y"}"#],
        &[r#"{"a":"x"}"#],
    );
    check(r#"{"a":{"$not":{"$not":{"$eq":1}}}}"#, &[r#"{"a":1}"#], &["{}"]);
    check(r#"{"a":{"$ne":1}}"#, &["{}", r#"{"a":[2]}"#], &[r#"{"a":1}"#, r#"{"a":[1,2]}"#]);
    check(r#"{"$comment":"why","a":1}"#, &[r#"{"a":1}"#], &["{}"]);
}

#[test]
fn regular_expressions() {
    check(
        r#"{"a":{"$regex":"^ab","$options":"i"}}"#,
        &[r#"{"a":"ABc"}"#, r#"{"a":["x","ab"]}"#],
        &["{}", r#"{"a":"xab"}"#, r#"{"a":1}"#],
    );
    check(r#"{"a":{"$options":"i","$regex":"AB"}}"#, &[r#"{"a":"xab"}"#], &[]);
    check(r#"{"a":{"$regularExpression":{"pattern":"b$","options":"i"}}}"#, &[r#"{"a":"aB"}"#], &[r#"{"a":"ba"}"#]);
    check(
        r#"{"a":{"$regex":{"$regularExpression":{"pattern":"b","options":""}},"$options":"i"}}"#,
        &[r#"{"a":"B"}"#],
        &[],
    );
    check(r#"{"a":{"$regex":"b","$ne":"ab"}}"#, &[r#"{"a":"b"}"#], &[r#"{"a":"ab"}"#]);
    let regex = r#"{"a":{"$regularExpression":{"pattern":"b","options":"i"}}}"#;
    check(regex, &[regex], &[r#"{"a":{"$regularExpression":{"pattern":"b","options":""}}}"#]);
    check(r#"{"a":{"$eq":{"$regularExpression":{"pattern":"b","options":"i"}}}}"#, &[regex], &[r#"{"a":"b"}"#]);
}

#[test]
fn arrays() {
    check(r#"{"a":{"$size":2}}"#, &[r#"{"a":[1,2]}"#], &["{}", r#"{"a":[1]}"#, r#"{"a":[[1,2]]}"#, r#"{"a":2}"#]);
    check(r#"{"a.b":{"$size":1}}"#, &[r#"{"a":[{"b":[1]}]}"#], &[r#"{"a":{"b":1}}"#]);
    check(
        r#"{"a":{"$elemMatch":{"$gt":5,"$lt":9}}}"#,
        &[r#"{"a":[1,7]}"#],
        &[r#"{"a":[4,10]}"#, r#"{"a":7}"#, r#"{"a":[[7]]}"#],
    );
    check(
        r#"{"a":{"$elemMatch":{"b":1,"c":{"$gt":2}}}}"#,
        &[r#"{"a":[{"b":1,"c":3}]}"#],
        &[r#"{"a":[{"b":1,"c":1},{"b":2,"c":3}]}"#, r#"{"a":{"b":1,"c":3}}"#],
    );
    check(r#"{"a":{"$elemMatch":{"$or":[{"b":1},{"c":1}]}}}"#, &[r#"{"a":[{"c":1}]}"#], &[r#"{"a":[1]}"#]);
    check(r#"{"a":{"$elemMatch":{"0":1}}}"#, &[r#"{"a":[[1]]}"#], &[r#"{"a":[1]}"#]);
    check(r#"{"a":{"$elemMatch":{"$elemMatch":{"$eq":1}}}}"#, &[r#"{"a":[[1]]}"#], &[r#"{"a":[1]}"#]);
    check(r#"{"a":{"$elemMatch":{"$not":{"$gt":5}}}}"#, &[r#"{"a":[9,1]}"#], &[r#"{"a":[9]}"#, r#"{"a":[]}"#]);
    check(r#"{"a":{"$elemMatch":{"$nin":[1,2]}}}"#, &[r#"{"a":[1,3]}"#], &[r#"{"a":[1,2]}"#]);
    check(r#"{"a":{"$elemMatch":{}}}"#, &[r#"{"a":[{}]}"#], &[r#"{"a":[1]}"#, r#"{"a":[]}"#]);
    check(
        r#"{"a":{"$mod":[4,1]}}"#,
        &[r#"{"a":5}"#, r#"{"a":5.9}"#, r#"{"a":{"$numberDecimal":"9"}}"#, r#"{"a":[2,5]}"#],
        &["{}", r#"{"a":4}"#, r#"{"a":"5"}"#, r#"{"a":-3}"#, r#"{"a":{"$numberDouble":"Infinity"}}"#],
    );
    check(r#"{"a":{"$mod":[-1,0]}}"#, &[r#"{"a":{"$numberLong":"-9223372036854775808"}}"#], &[]);
}

#[test]
fn paths() {
    check(
        r#"{"a.b.c":1}"#,
        &[r#"{"a":{"b":{"c":1}}}"#, r#"{"a":[{"b":[{"c":[0,1]}]}]}"#],
        &[r#"{"a.b.c":1}"#, r#"{"a":{"b":1}}"#],
    );
    check(
        r#"{"a.0":1}"#,
        &[r#"{"a":[1,2]}"#, r#"{"a":{"0":1}}"#, r#"{"a":[5,{"0":1}]}"#],
        &[r#"{"a":[2,1]}"#, r#"{"a":[[1]]}"#],
    );
    check(r#"{"a.0":[1]}"#, &[r#"{"a":[[1]]}"#], &[]);
    check(r#"{"a.1.b":1}"#, &[r#"{"a":[{},{"b":1}]}"#], &[r#"{"a":[{"b":1},{}]}"#]);
    check(r#"{"a.0.b":1}"#, &[r#"{"a":[[{"b":1}]]}"#], &[r#"{"a":[{},[{"b":1}]]}"#]);
    check(r#"{"a.0.1":5}"#, &[r#"{"a":[[4,5]]}"#], &[r#"{"a":[[5,4]]}"#]);
    check(r#"{"a.00":1}"#, &[], &[r#"{"a":[1]}"#]);
    // A path does not enter arrays that are directly within arrays.
    check(r#"{"a.b":1}"#, &[], &[r#"{"a":[[{"b":1}]]}"#]);
    check(r#"{"a.0":null}"#, &[r#"{"a":[null]}"#, r#"{"a":[{"b":1}]}"#], &[r#"{"a":[1]}"#]);
    check(r#"{"a.0":{"$exists":true}}"#, &[r#"{"a":[1]}"#], &[r#"{"a":[]}"#]);
}

#[test]
fn refuses_by_name() {
    check_error("{", "invalid JSON: EOF while parsing an object at line 1 column 1");
    check_error("[]", "a query must be a JSON object");
    check_error(r#"{"a":{"$date":"soon"}}"#, "a value is not valid Extended JSON");
    check_error(r#"{"$where":"1"}"#, "operator `$where` is not supported on files");
    check_error(r#"{"$or":[{"$expr":{}}]}"#, "operator `$expr` is not supported on files");
    check_error(r#"{"a":{"$near":[0,0]}}"#, "operator `$near` is not supported on files");
    check_error(r#"{"a":{"$gt":1,"b":2}}"#, "unknown operator `b`");
    check_error(r#"{"a":{"$like":1}}"#, "unknown operator `$like`");
    check_error(r#"{"$like":1}"#, "unknown operator `$like`");
    check_error(r#"{"$or":[]}"#, "`$or` requires a list of at least one object");
    check_error(r#"{"$and":[1]}"#, "`$and` requires a list of at least one object");
    check_error(r#"{"a":{"$in":1}}"#, "`$in` requires a list");
    check_error(r#"{"a":{"$in":[{"$gt":1}]}}"#, "`$in` does not accept operators");
    check_error(r#"{"a":{"$all":[{"$gt":1}]}}"#, "`$all` accepts no operator except `$elemMatch`");
    check_error(r#"{"a":{"$all":[{"$elemMatch":{}},1]}}"#, "`$all` accepts only values, or only `$elemMatch`");
    check_error(r#"{"a":{"$not":1}}"#, "`$not` requires operators or a regular expression");
    check_error(r#"{"a":{"$not":{}}}"#, "`$not` requires operators or a regular expression");
    check_error(
        r#"{"a":{"$ne":{"$regularExpression":{"pattern":"a","options":""}}}}"#,
        "`$ne` does not accept a regular expression",
    );
    check_error(r#"{"a":{"$undefined":true}}"#, "`a` cannot be compared with undefined");
    check_error(r#"{"a":{"$options":"i"}}"#, "`$options` requires a `$regex`");
    check_error(r#"{"a":{"$regex":"(?=x)"}}"#, "a regular expression is invalid or not supported on files");
    check_error(r#"{"a":{"$size":-1}}"#, "`$size` requires a whole number of at least 0");
    check_error(r#"{"a":{"$size":1.5}}"#, "`$size` requires a whole number of at least 0");
    check_error(r#"{"a":{"$type":"text"}}"#, "`$type` requires the name or the number of a type, or a list of them");
    check_error(r#"{"a":{"$type":0}}"#, "`$type` requires the name or the number of a type, or a list of them");
    check_error(r#"{"a":{"$type":[]}}"#, "`$type` requires at least one type");
    check_error(r#"{"a":{"$mod":[0,1]}}"#, "the divisor of `$mod` is 0");
    check_error(r#"{"a":{"$mod":[1]}}"#, "`$mod` requires a list of two numbers: the divisor and the remainder");
    check_error(r#"{"a":{"$elemMatch":1}}"#, "`$elemMatch` requires an object");
}

#[test]
fn a_long_list_finds_each_of_its_values() {
    let ids: Vec<Bson> =
        (0..1000).map(|id| if id % 2 == 0 { Bson::Int64(id) } else { Bson::Double(id as f64) }).collect();
    let query = serde_json::json!({ "_id": { "$in": Bson::Array(ids).into_canonical_extjson() } }).to_string();
    let query = Query::parse(&query).unwrap();
    for id in 0..1000 {
        assert_eq!(query.matches(&document(&format!("{{\"_id\":{id}}}"))), Ok(true));
    }
    assert_eq!(query.matches(&document(r#"{"_id":1000}"#)), Ok(false));
    assert_eq!(query.matches(&document(r#"{"_id":0.5}"#)), Ok(false));
}

#[test]
fn the_first_of_repeated_keys_counts() {
    let (a, b) = (document(r#"{"a":1}"#), document(r#"{"a":2}"#));
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&a[4..a.len() - 1]);
    bytes.extend_from_slice(&b[4..]);
    let length = bytes.len() as u32;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    let holds = |query: &str| Query::parse(query).unwrap().matches(&bytes);
    assert_eq!(holds(r#"{"a":1}"#), Ok(true));
    assert_eq!(holds(r#"{"a":2}"#), Ok(false));
    assert!(Query::parse(r#"{"b":1}"#).unwrap().matches(&bytes[..9]).is_err());
}
