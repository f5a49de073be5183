//! The greatest value at a path: tracked while documents are read, compared, and moved back by a lookback.
//!
//! Numbers, texts, objectIds, dates and timestamps can be watermarks. Values of one of these classes have BSON's order.
//! Values of different classes have the order of this list (MongoDB manual, "Comparison/Sort Order"). Between loads, a
//! watermark is stored as canonical Extended JSON. Pure.

use std::cmp::Ordering;
use std::time::Duration;

use bson::{Bson, doc};

use crate::bson::decimal::{Decimal, rescale};
use crate::bson::ejson;
use crate::bson::{self as raw, Kind, Malformed, Value};
use crate::files::json_bson;
use crate::from_text::{self, TextForm};
use crate::messages;
use crate::window::Horizon;
use elt_base::error::Result;
use elt_base::schema::ColumnType;

/// Types whose values can be compared with each other. The variants are in BSON's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkClass {
    Number,
    Text,
    ObjectId,
    Date,
    Timestamp,
}

impl MarkClass {
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Double | Kind::Int32 | Kind::Int64 | Kind::Decimal128 => Self::Number,
            Kind::String | Kind::Symbol => Self::Text,
            Kind::ObjectId => Self::ObjectId,
            Kind::Date => Self::Date,
            Kind::Timestamp => Self::Timestamp,
            _ => return None,
        })
    }

    /// Whether the values grow with the time of day.
    pub fn is_time(self) -> bool {
        matches!(self, Self::ObjectId | Self::Date | Self::Timestamp)
    }

    /// An example of the class in Extended JSON.
    pub fn example(self) -> &'static str {
        match self {
            Self::Number => "42",
            Self::Text => r#""text""#,
            Self::ObjectId => r#"{"$oid": "665a5f80a1b2c3d4e5f60718"}"#,
            Self::Date => r#"{"$date": "2024-06-01T00:00:00Z"}"#,
            Self::Timestamp => r#"{"$timestamp": {"t": 1717200000, "i": 1}}"#,
        }
    }

    /// The name of the class for MongoDB's `$type`.
    pub fn alias(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Text => "string",
            Self::ObjectId => "objectId",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        }
    }
}

/// The value at a dotted path of nested objects.
pub fn find<'a>(document: &'a [u8], path: &str) -> Result<Option<Value<'a>>, Malformed> {
    let mut keys = path.split('.');
    let Some(first) = keys.next() else { return Ok(None) };
    let mut value = raw::find(document, first.as_bytes())?;
    for key in keys {
        value = match value {
            Some(object) if object.kind == Kind::Object => raw::find(object.bytes, key.as_bytes())?,
            _ => return Ok(None),
        };
    }
    Ok(value)
}

/// Compares two values of one class. None if they have different classes, or no class.
pub fn compare(a: Value<'_>, b: Value<'_>) -> Option<Ordering> {
    let class = MarkClass::of(a.kind)?;
    if MarkClass::of(b.kind) != Some(class) {
        return None;
    }
    Some(match class {
        MarkClass::Number => compare_numbers(a, b),
        MarkClass::Text => a.text().cmp(b.text()),
        MarkClass::ObjectId => a.object_id().cmp(b.object_id()),
        MarkClass::Date => a.integer().cmp(&b.integer()),
        MarkClass::Timestamp => a.timestamp().cmp(&b.timestamp()),
    })
}

fn compare_numbers(a: Value<'_>, b: Value<'_>) -> Ordering {
    let integer = |value: Value<'_>| matches!(value.kind, Kind::Int32 | Kind::Int64).then(|| value.integer());
    match (integer(a), integer(b), a.kind, b.kind) {
        (Some(a), Some(b), ..) => a.cmp(&b),
        (Some(integer), _, _, Kind::Double) => compare_with_double(integer, b.double()),
        (_, Some(integer), Kind::Double, _) => compare_with_double(integer, a.double()).reverse(),
        (_, _, Kind::Double, Kind::Double) => compare_doubles(a.double(), b.double()),
        _ => compare_decimals(a, b).unwrap_or_else(|| compare_doubles(approximate(a), approximate(b))),
    }
}

/// NaN is less than every number.
fn compare_doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

fn compare_with_double(integer: i64, double: f64) -> Ordering {
    if double.is_nan() || double < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    if double >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    let whole = double.trunc();
    integer.cmp(&(whole as i64)).then(compare_doubles(whole, double))
}

/// The comparison is exact if both numbers fit in 38 digits at a common scale.
fn compare_decimals(a: Value<'_>, b: Value<'_>) -> Option<Ordering> {
    let parts = |value: Value<'_>| match value.kind {
        Kind::Decimal128 => match Decimal::from_bytes(value.decimal()) {
            Decimal::Finite { coefficient, scale } => Some((coefficient, scale)),
            Decimal::Special => None,
        },
        Kind::Double => None,
        _ => Some((i128::from(value.integer()), 0)),
    };
    let ((a, scale_a), (b, scale_b)) = (parts(a)?, parts(b)?);
    let common = u32::try_from(scale_a.max(scale_b).max(0)).ok()?;
    Some(rescale(a, scale_a, common)?.cmp(&rescale(b, scale_b, common)?))
}

fn approximate(value: Value<'_>) -> f64 {
    match value.kind {
        Kind::Double => value.double(),
        Kind::Decimal128 => bson::Decimal128::from_bytes(value.decimal()).to_string().parse().unwrap_or(f64::NAN),
        _ => value.integer() as f64,
    }
}

/// A watermark that was parsed from its text.
#[derive(Debug, Clone)]
pub struct Mark {
    /// A document `{"v": value}`.
    document: Vec<u8>,
}

impl Mark {
    pub fn parse(ejson: &str) -> Result<Self> {
        let value = serde_json::from_str::<serde_json::Value>(ejson).ok().and_then(|json| Bson::try_from(json).ok());
        let value = value.ok_or_else(|| messages::malformed_watermark(ejson))?;
        let document = doc! { "v": value }.to_vec().map_err(|_| messages::malformed_watermark(ejson))?;
        Ok(Self { document })
    }

    fn of(value: Value<'_>) -> Self {
        let mut document = Vec::with_capacity(value.bytes.len() + 8);
        document.extend_from_slice(&(value.bytes.len() as i32 + 8).to_le_bytes());
        document.extend_from_slice(&[value.kind as u8, b'v', 0]);
        document.extend_from_slice(value.bytes);
        document.push(0);
        Self { document }
    }

    pub fn value(&self) -> Option<Value<'_>> {
        raw::find(&self.document, b"v").ok().flatten()
    }

    pub fn class(&self) -> Option<MarkClass> {
        self.value().and_then(|value| MarkClass::of(value.kind))
    }

    /// The value for a driver's filter.
    pub fn bson(&self) -> Bson {
        bson::Document::from_reader(self.document.as_slice())
            .ok()
            .and_then(|mut doc| doc.remove("v"))
            .unwrap_or(Bson::Null)
    }

    fn ejson(&self) -> Option<String> {
        self.value().and_then(|value| ejson::canonical(value).ok())
    }
}

/// Converts a watermark that a person typed to canonical Extended JSON, and returns its class. The text is Extended
/// JSON in either form; a text that is not JSON is a string. `Err` is the reason why it is not valid.
pub fn written(text: &str) -> Result<(String, MarkClass), &'static str> {
    let mut document = Vec::new();
    let is_read = json_bson::convert(format!("{{\"v\": {text}}}").as_bytes(), &mut document).is_ok();
    // The text is one value, without fields of its own after it.
    if !is_read || bson::Document::from_reader(document.as_slice()).map_or(0, |fields| fields.len()) != 1 {
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            return Err("it is not valid Extended JSON");
        }
        if text.trim_start().starts_with(['{', '[', '"']) {
            return Err("it is not valid JSON");
        }
        document = doc! { "v": text }.to_vec().map_err(|_| "it cannot be written as BSON")?;
    }
    let mark = Mark { document };
    let class = mark.class().ok_or("it is not a number, string, objectId, date or timestamp")?;
    Ok((mark.ejson().ok_or("it is not valid Extended JSON")?, class))
}

/// A watermark for people: a date in ISO 8601, a plain number, or another value as canonical Extended JSON.
pub fn shown(ejson: &str) -> String {
    let Ok(mark) = Mark::parse(ejson) else { return ejson.to_owned() };
    match mark.bson() {
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => number.to_string(),
        Bson::Double(number) => number.to_string(),
        Bson::Decimal128(number) => number.to_string(),
        Bson::DateTime(date) => {
            let date = chrono::DateTime::from_timestamp_millis(date.timestamp_millis());
            let form = |date: chrono::DateTime<chrono::Utc>| date.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            date.map_or_else(|| ejson.to_owned(), form)
        }
        _ => mark.ejson().unwrap_or_else(|| ejson.to_owned()),
    }
}

/// How a text becomes a watermark, in a source whose values are all texts.
#[derive(Debug, Clone)]
pub struct TextMark {
    column_type: ColumnType,
    form: TextForm,
}

impl TextMark {
    pub fn new(column_type: &ColumnType, form: TextForm) -> Self {
        Self { column_type: column_type.clone(), form }
    }

    fn of_value(&self, value: Value<'_>) -> Option<Mark> {
        self.mark(std::str::from_utf8(value.text()).ok()?)
    }

    /// The value of a text. A time is cut to milliseconds, so that no row is lost. None if the text is not a value of
    /// the column's type, or has no exact value in BSON.
    fn mark(&self, text: &str) -> Option<Mark> {
        let date = |micros: i64| Bson::DateTime(bson::DateTime::from_millis(micros.div_euclid(1_000)));
        let value = match &self.column_type {
            ColumnType::Date => date(i64::from(from_text::day(text, self.form)?).checked_mul(86_400_000_000)?),
            ColumnType::Timestamp => date(from_text::instant(text, false, self.form)?),
            ColumnType::TimestampTz => date(from_text::instant(text, true, self.form)?),
            column_type if column_type.sql() == ColumnType::Varchar.sql() => Bson::String(text.to_owned()),
            _ => return None,
        };
        doc! { "v": value }.to_vec().ok().map(|document| Mark { document })
    }
}

/// Keeps the greatest value at a path.
#[derive(Debug)]
pub struct Tracker {
    path: String,
    texts: Option<TextMark>,
    best: Option<Mark>,
}

impl Tracker {
    pub fn new(path: &str, texts: Option<TextMark>) -> Self {
        Self { path: path.to_owned(), texts, best: None }
    }

    pub fn see(&mut self, document: &[u8]) -> Result<(), Malformed> {
        let Some(value) = find(document, &self.path)?.filter(|value| MarkClass::of(value.kind).is_some()) else {
            return Ok(());
        };
        let converted = match &self.texts {
            Some(texts) if value.kind == Kind::String => match texts.of_value(value) {
                Some(mark) => Some(mark),
                None => return Ok(()),
            },
            _ => None,
        };
        let value = converted.as_ref().and_then(Mark::value).unwrap_or(value);
        let best = self.best.as_ref().and_then(Mark::value);
        if best.is_none_or(|best| is_greater(value, best)) {
            self.best = Some(Mark::of(value));
        }
        Ok(())
    }

    /// Canonical Extended JSON.
    pub fn greatest(&self) -> Option<String> {
        self.best.as_ref().and_then(Mark::ejson)
    }
}

fn is_greater(a: Value<'_>, b: Value<'_>) -> bool {
    compare(a, b).map_or_else(|| MarkClass::of(a.kind) > MarkClass::of(b.kind), Ordering::is_gt)
}

/// Whether a document is in `Window::Since`: its value is at or after the mark, has another type, or is missing.
pub fn is_since(document: &[u8], path: &str, from: &Mark, texts: Option<&TextMark>) -> Result<bool, Malformed> {
    let value = find(document, path)?;
    let converted = match (texts, value) {
        (Some(texts), Some(value)) if value.kind == Kind::String => match texts.of_value(value) {
            Some(mark) => Some(mark),
            None => return Ok(true),
        },
        _ => None,
    };
    let value = converted.as_ref().and_then(Mark::value).or(value);
    Ok(match (value, from.value()) {
        (Some(value), Some(from)) => compare(value, from) != Some(Ordering::Less),
        _ => true,
    })
}

/// A watermark moved back in time. Only dates and timestamps are times. Other watermarks do not change.
pub fn minus(ejson: &str, lookback: Duration) -> Result<String> {
    let mark = Mark::parse(ejson)?;
    let moved = match mark.bson() {
        Bson::DateTime(date) => {
            let millis = i64::try_from(lookback.as_millis()).unwrap_or(i64::MAX);
            Bson::DateTime(bson::DateTime::from_millis(date.timestamp_millis().saturating_sub(millis)))
        }
        Bson::Timestamp(timestamp) => {
            let seconds = u32::try_from(lookback.as_secs()).unwrap_or(u32::MAX);
            Bson::Timestamp(bson::Timestamp { time: timestamp.time.saturating_sub(seconds), increment: 0 })
        }
        _ => return Ok(ejson.to_owned()),
    };
    Ok(moved.into_canonical_extjson().to_string())
}

/// The watermark, or the greatest watermark that the horizon allows if that is less.
pub fn cap(ejson: String, horizon: &Horizon) -> Result<String> {
    let mark = Mark::parse(&ejson)?;
    let seconds = u32::try_from(horizon.millis.div_euclid(1000)).unwrap_or(0);
    let most = match mark.class() {
        Some(MarkClass::Date) => Bson::DateTime(bson::DateTime::from_millis(horizon.millis)),
        Some(MarkClass::Timestamp) => Bson::Timestamp(bson::Timestamp { time: seconds, increment: 0 }),
        Some(MarkClass::ObjectId) => {
            let mut bytes = [0; 12];
            bytes[..4].copy_from_slice(&seconds.to_be_bytes());
            Bson::ObjectId(bson::oid::ObjectId::from_bytes(bytes))
        }
        _ => match &horizon.greatest {
            Some(greatest) => Mark::parse(greatest)?.bson(),
            None => return Ok(ejson),
        },
    };
    let most = most.into_canonical_extjson().to_string();
    let most_mark = Mark::parse(&most)?;
    Ok(match (mark.value(), most_mark.value()) {
        (Some(value), Some(limit)) if compare(value, limit) == Some(Ordering::Greater) => most,
        _ => ejson,
    })
}

/// The greater of two watermarks.
pub fn greater(a: &str, b: &str) -> Result<String> {
    let (mark_a, mark_b) = (Mark::parse(a)?, Mark::parse(b)?);
    Ok(match (mark_a.value(), mark_b.value()) {
        (Some(value_a), Some(value_b)) if is_greater(value_b, value_a) => b.to_owned(),
        (None, Some(_)) => b.to_owned(),
        _ => a.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Horizon, Mark, MarkClass, Tracker, cap, greater, is_since, minus, shown, written};
    use bson::{Bson, Document, doc};

    #[track_caller]
    fn check(path: &str, documents: &[Document], expected: Option<&str>) {
        let mut tracker = Tracker::new(path, None);
        for document in documents {
            tracker.see(&document.to_vec().unwrap()).unwrap();
        }
        assert_eq!(tracker.greatest().as_deref(), expected);
    }

    fn date(millis: i64) -> Bson {
        Bson::DateTime(bson::DateTime::from_millis(millis))
    }

    #[test]
    fn finds_the_greatest() {
        check(
            "at",
            &[doc! { "at": date(5) }, doc! { "at": date(9) }, doc! { "at": date(7) }, doc! {}],
            Some(r#"{"$date":{"$numberLong":"9"}}"#),
        );
        check(
            "a.b",
            &[doc! { "a": { "b": 1_i32 } }, doc! { "a": { "b": 1.5 } }, doc! { "a": 7 }],
            Some(r#"{"$numberDouble":"1.5"}"#),
        );
        check(
            "at",
            &[doc! { "at": date(5) }, doc! { "at": "zzz" }, doc! { "at": Bson::Null }],
            Some(r#"{"$date":{"$numberLong":"5"}}"#),
        );
        check("at", &[doc! { "at": Bson::Null }], None);
        let decimals = ["2", "1E+1", "9.99"].map(|text| doc! { "n": text.parse::<bson::Decimal128>().unwrap() });
        check("n", &decimals, Some(r#"{"$numberDecimal":"1E+1"}"#));
    }

    #[test]
    fn windows_read_what_may_be_new() {
        let from = Mark::parse(r#"{"$date":{"$numberLong":"5"}}"#).unwrap();
        let since = |document: Document| is_since(&document.to_vec().unwrap(), "at", &from, None).unwrap();
        assert!(since(doc! { "at": date(5) }));
        assert!(!since(doc! { "at": date(4) }));
        assert!(since(doc! { "at": "old" }));
        assert!(since(doc! {}));
    }

    #[test]
    fn moves_back_and_picks() {
        let date = r#"{"$date":{"$numberLong":"90000"}}"#;
        assert_eq!(minus(date, Duration::from_secs(60)).unwrap(), r#"{"$date":{"$numberLong":"30000"}}"#);
        assert_eq!(minus(r#"{"$numberInt":"7"}"#, Duration::from_secs(60)).unwrap(), r#"{"$numberInt":"7"}"#);
        assert_eq!(greater(r#"{"$numberInt":"7"}"#, r#"{"$numberLong":"8"}"#).unwrap(), r#"{"$numberLong":"8"}"#);
        assert_eq!(greater(date, r#"{"$numberInt":"7"}"#).unwrap(), date);
        assert!(minus("{", Duration::ZERO).is_err());
    }

    #[test]
    fn people_write_and_read_them() {
        #[track_caller]
        fn check(text: &str, expected: Result<(&str, MarkClass, &str), &str>) {
            let found = written(text).map(|(ejson, class)| (ejson.clone(), class, shown(&ejson)));
            assert_eq!(found, expected.map(|(ejson, class, shown)| (ejson.to_owned(), class, shown.to_owned())));
        }
        let date = (r#"{"$date":{"$numberLong":"1717200000000"}}"#, MarkClass::Date, "2024-06-01T00:00:00Z");
        check(r#"{"$date": "2024-06-01T00:00:00Z"}"#, Ok(date));
        check(r#"{"$date": {"$numberLong": "1717200000000"}}"#, Ok(date));
        check("7", Ok((r#"{"$numberInt":"7"}"#, MarkClass::Number, "7")));
        check("-1.5", Ok((r#"{"$numberDouble":"-1.5"}"#, MarkClass::Number, "-1.5")));
        check(r#"{"$numberDecimal": "1.50"}"#, Ok((r#"{"$numberDecimal":"1.50"}"#, MarkClass::Number, "1.50")));
        check("2024-06-01", Ok((r#""2024-06-01""#, MarkClass::Text, r#""2024-06-01""#)));
        check(r#""7""#, Ok((r#""7""#, MarkClass::Text, r#""7""#)));
        let oid = r#"{"$oid":"665a5f80a1b2c3d4e5f60718"}"#;
        check(oid, Ok((oid, MarkClass::ObjectId, oid)));
        check(r#"{"$date": "soon"}"#, Err("it is not valid Extended JSON"));
        check(r#"{"$date": "#, Err("it is not valid JSON"));
        check("true", Err("it is not a number, string, objectId, date or timestamp"));
        check(r#"{"a": 1}"#, Err("it is not a number, string, objectId, date or timestamp"));
        for class in [MarkClass::Number, MarkClass::Text, MarkClass::ObjectId, MarkClass::Date, MarkClass::Timestamp] {
            assert_eq!(written(class.example()).unwrap().1, class);
        }
    }

    #[test]
    fn no_watermark_passes_the_horizon() {
        #[track_caller]
        fn check(mark: &str, greatest: Option<&str>, expected: &str) {
            let horizon = Horizon { millis: 60_500, greatest: greatest.map(str::to_owned) };
            assert_eq!(cap(mark.into(), &horizon).unwrap(), expected);
        }
        let date = |millis: i64| format!(r#"{{"$date":{{"$numberLong":"{millis}"}}}}"#);
        check(&date(60_499), None, &date(60_499));
        check(&date(60_501), None, &date(60_500));
        check(r#"{"$timestamp":{"t":61,"i":1}}"#, None, r#"{"$timestamp":{"t":60,"i":0}}"#);
        check(r#"{"$oid":"0000003d0000000000000001"}"#, None, r#"{"$oid":"0000003c0000000000000000"}"#);
        check(r#"{"$numberInt":"9"}"#, Some(r#"{"$numberLong":"7"}"#), r#"{"$numberLong":"7"}"#);
        check(r#"{"$numberInt":"9"}"#, None, r#"{"$numberInt":"9"}"#);
    }
}
