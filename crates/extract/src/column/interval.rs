//! Columns of INTERVALs: texts that DuckDB casts, because Parquet's own INTERVAL has no microseconds.
//!
//! A text is months, days and microseconds: `14 months 2 days 10800000000 microseconds`. Knows no other column.

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::bson::{Malformed, Value};
use crate::column::bytes::Bytes;
use crate::column::context::Context;
use crate::column::values::{Slot, Stored, Values};
use crate::from_text::TextForm;
use elt_base::schema::ColumnType;

#[derive(Debug, Default)]
pub struct Intervals(Bytes);

/// The text of an INTERVAL.
pub fn text(months: i32, days: i32, micros: i64) -> String {
    format!("{months} months {days} days {micros} microseconds")
}

impl Values for Intervals {
    fn column_type(&self) -> ColumnType {
        ColumnType::Interval
    }

    fn data_type(&self) -> DataType {
        DataType::Utf8
    }

    /// No BSON type is an interval.
    fn store(&mut self, _value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        Ok(Stored::Not)
    }

    fn store_text(&mut self, text: &str, _form: TextForm) -> bool {
        let parsed = parse(text).map(|(months, days, micros)| self::text(months, days, micros));
        parsed.map(|text| self.0.push(text.as_bytes())).is_some()
    }

    fn nulls(&mut self, count: usize) {
        self.0.nulls(count);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        self.0.texts(nulls)
    }
}

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Months, days and microseconds of the forms that Postgres and DuckDB print: `1 year 2 mons -3 days 04:05:06.5`.
fn parse(text: &str) -> Option<(i32, i32, i64)> {
    let (mut months, mut days, mut micros) = (0_i64, 0_i64, 0_i64);
    let mut words = text.split_ascii_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        if word.contains(':') {
            micros = micros.checked_add(clock(word)?)?;
            continue;
        }
        let number: i64 = word.parse().ok()?;
        let unit = words.next()?.to_ascii_lowercase();
        let (sum, factor) = match unit.trim_end_matches('s') {
            "year" | "yr" => (&mut months, 12),
            "month" | "mon" => (&mut months, 1),
            "week" => (&mut days, 7),
            "day" => (&mut days, 1),
            "hour" | "hr" => (&mut micros, 3_600 * MICROS_PER_SECOND),
            "minute" | "min" => (&mut micros, 60 * MICROS_PER_SECOND),
            "second" | "sec" => (&mut micros, MICROS_PER_SECOND),
            "millisecond" | "msec" => (&mut micros, 1_000),
            "microsecond" | "usec" | "u" => (&mut micros, 1),
            _ => return None,
        };
        *sum = sum.checked_add(number.checked_mul(factor)?)?;
    }
    Some((i32::try_from(months).ok()?, i32::try_from(days).ok()?, micros))
}

/// Microseconds of `[-]hours:minutes[:seconds[.fraction]]`.
fn clock(text: &str) -> Option<i64> {
    let (sign, text) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let mut parts = text.splitn(3, ':');
    let part = |text: &str| text.parse::<i64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let (hours, minutes) = (part(parts.next()?)?, part(parts.next()?)?);
    let rest = parts.next().unwrap_or("0");
    let (seconds, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let seconds = part(seconds)?;
    let fraction = fraction.trim_end_matches('0');
    if minutes > 59 || seconds > 59 || fraction.len() > 6 {
        return None;
    }
    let fraction = if fraction.is_empty() { 0 } else { part(fraction)? * 10_i64.pow(6 - fraction.len() as u32) };
    let whole = hours.checked_mul(3_600)?.checked_add(minutes * 60 + seconds)?.checked_mul(MICROS_PER_SECOND)?;
    Some(sign * whole.checked_add(fraction)?)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_the_forms_of_databases() {
        #[track_caller]
        fn check(text: &str, expected: Option<(i32, i32, i64)>) {
            assert_eq!(parse(text), expected, "{text}");
        }
        check("1 year 2 mons -3 days 04:05:06.5", Some((14, -3, 14_706_500_000)));
        check("14 months 2 days 10800000000 microseconds", Some((14, 2, 10_800_000_000)));
        check("-00:00:01", Some((0, 0, -1_000_000)));
        check("30:00", Some((0, 0, 108_000_000_000)));
        check("00:00:00.0000001", None);
        check("00:61:00", None);
        check("1", None);
        check("soon", None);
        check("", None);
    }
}
