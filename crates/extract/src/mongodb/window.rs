//! The filter of an incremental window, in a form that a real server can answer from an index.
//!
//! Pure: creates a query, but sends none.

use ::mongodb::bson::oid::ObjectId;
use ::mongodb::bson::spec::BinarySubtype;
use ::mongodb::bson::{Binary, Bson, DateTime, Document, JavaScriptCodeWithScope, Timestamp, doc};

use crate::watermark::{Mark, MarkClass};

/// 0001-01-01. Some servers do not support earlier dates.
const YEAR_ONE_MILLIS: i64 = -62_135_596_800_000;

/// The documents at or after `from`, and those whose value is missing or of another type.
///
/// Each clause is a range of an index on `path`, if there is one. `$not` and `$type` are not used, because they make
/// some servers read the whole collection. A comparison only finds values of its operand's type (MongoDB manual, "Type
/// Bracketing"), so a comparison with the least value of each other type finds all values of that type. No comparison
/// finds a regular expression, a DBPointer, a date before the year 1 if `from` is not a date, or an array whose
/// elements are all before `from`, because an index contains an array's elements instead of the array.
pub fn since(path: &str, from: &Mark) -> Document {
    let Some(own) = from.class() else { return doc! {} };
    let empty = |subtype| Bson::Binary(Binary { subtype, bytes: Vec::new() });
    let brackets = [
        (Some(MarkClass::Number), Bson::Double(f64::NEG_INFINITY)),
        (Some(MarkClass::Text), Bson::String(String::new())),
        (None, Bson::Document(doc! {})),
        (None, empty(BinarySubtype::Generic)),
        (Some(MarkClass::ObjectId), Bson::ObjectId(ObjectId::from_bytes([0; 12]))),
        (Some(MarkClass::Date), Bson::DateTime(DateTime::from_millis(YEAR_ONE_MILLIS))),
        (Some(MarkClass::Timestamp), Bson::Timestamp(Timestamp { time: 0, increment: 0 })),
        (None, Bson::JavaScriptCode(String::new())),
        (None, Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code: String::new(), scope: doc! {} })),
    ];
    // This clause also finds missing fields, and the types with few values.
    let mut values = vec![
        Bson::Null,
        Bson::Array(Vec::new()),
        Bson::Boolean(false),
        Bson::Boolean(true),
        Bson::MinKey,
        Bson::MaxKey,
    ];
    if own != MarkClass::Number {
        values.push(Bson::Double(f64::NAN));
    }
    let mut clauses = vec![doc! { path: { "$gte": from.bson() } }, doc! { path: { "$in": values } }];
    for (class, least) in brackets {
        if class != Some(own) {
            clauses.push(doc! { path: { "$gte": least } });
        }
    }
    doc! { "$or": clauses }
}

#[cfg(test)]
mod tests {
    use super::since;
    use crate::watermark::Mark;

    /// The operands of the range clauses, in relaxed Extended JSON.
    #[track_caller]
    fn check(from: &str, expected: &[&str]) {
        let filter = since("at", &Mark::parse(from).unwrap());
        let clauses = filter.get_array("$or").unwrap().iter().filter_map(|clause| clause.as_document());
        let ranges: Vec<_> = clauses
            .filter_map(|clause| clause.get_document("at").ok()?.get("$gte"))
            .map(|operand| operand.clone().into_relaxed_extjson().to_string())
            .collect();
        assert_eq!(ranges, expected);
    }

    #[test]
    fn a_window_has_a_range_for_each_other_type() {
        let numbers = r#"{"$numberDouble":"-Infinity"}"#;
        let bytes = r#"{"$binary":{"base64":"","subType":"00"}}"#;
        let id = r#"{"$oid":"000000000000000000000000"}"#;
        let dates = r#"{"$date":{"$numberLong":"-62135596800000"}}"#;
        let timestamps = r#"{"$timestamp":{"t":0,"i":0}}"#;
        let (code, scoped) = (r#"{"$code":""}"#, r#"{"$code":"","$scope":{}}"#);
        check(
            r#"{"$date":{"$numberLong":"0"}}"#,
            &[r#"{"$date":"1970-01-01T00:00:00Z"}"#, numbers, r#""""#, "{}", bytes, id, timestamps, code, scoped],
        );
        check(r#"{"$numberInt":"7"}"#, &["7", r#""""#, "{}", bytes, id, dates, timestamps, code, scoped]);
    }
}
