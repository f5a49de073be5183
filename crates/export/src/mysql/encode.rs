//! Encodes Arrow batches as the text of `load data` or of a multi-row `insert`, and finds values that MySQL cannot
//! store.
//!
//! Every value is text that the server converts exactly. Knows no connection.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta};

use super::hazard::MysqlHazard;
use super::mysql_type::MysqlType;
use super::table::MysqlColumn;
use crate::messages;
use crate::target::{
    Nanos, TextForm, decimal_digits, has_no_json_number, nanos_of, nearest_decimal, nearest_integer, rounded_nanos,
    without_odd_numbers,
};
use elt_base::error::Error;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Tabs and lines, `\N` for NULL.
    Load,
    /// `(…)` after `(…)`, with commas between.
    Insert,
}

/// Rows of these columns.
pub struct MysqlForm<'a> {
    pub table: &'a str,
    pub columns: &'a [&'a MysqlColumn],
    pub form: Form,
    pub packet_bytes_max: usize,
}

impl TextForm for MysqlForm<'_> {
    type Hazard = MysqlHazard;

    fn frame(&self) -> [&'static [u8]; 3] {
        match self.form {
            Form::Load => [b"", b"\t", b"\n"],
            Form::Insert => [b"(", b",", b")"],
        }
    }

    fn null(&self) -> &'static [u8] {
        if self.form == Form::Load { b"\\N" } else { b"NULL" }
    }

    fn put(
        &self,
        column: usize,
        array: &dyn Array,
        row: usize,
        cell: &mut String,
        out: &mut Vec<u8>,
    ) -> Option<Option<MysqlHazard>> {
        let fault = write(array, row, &self.columns[column].mysql_type, self.packet_bytes_max, cell)?;
        let hazard = fault.as_ref().map(|(hazard, _)| *hazard);
        if let Some((_, nearest)) = fault {
            let Some(nearest) = nearest else {
                out.extend_from_slice(self.null());
                return Some(hazard);
            };
            *cell = nearest;
        }
        let is_hex = array.data_type() == &DataType::Binary;
        let (open, close): (&[u8], &[u8]) = match (self.form, is_hex) {
            (Form::Load, _) => (b"", b""),
            (Form::Insert, true) => (b"x'", b"'"),
            (Form::Insert, false) => (b"'", b"'"),
        };
        out.extend_from_slice(open);
        escape(cell.as_bytes(), out);
        out.extend_from_slice(close);
        Some(hazard)
    }

    fn mismatch(&self, column: usize, arrow: String) -> Error {
        let column = self.columns[column];
        messages::mysql_batch_type(self.table, &column.name, &arrow, &column.mysql_type.to_string())
    }
}

/// One escaping for both forms.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let letter = match byte {
            b'\\' => b'\\',
            b'\'' => b'\'',
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            0 => b'0',
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..at]);
        out.extend_from_slice(&[b'\\', letter]);
        start = at + 1;
    }
    out.extend_from_slice(&bytes[start..]);
}

type Faulty = Option<(MysqlHazard, Option<String>)>;

/// Writes a value's text; Some with what is wrong with it, and the nearest value that fits. None: no such pair of
/// types.
fn write(
    array: &dyn Array,
    row: usize,
    target: &MysqlType,
    packet_bytes_max: usize,
    out: &mut String,
) -> Option<Faulty> {
    match array.data_type() {
        DataType::Boolean => {
            out.push(if array.as_boolean().value(row) { '1' } else { '0' });
            Some(None)
        }
        DataType::Int16 => whole(array.as_primitive::<Int16Type>().value(row).into(), target, out),
        DataType::Int32 => whole(array.as_primitive::<Int32Type>().value(row).into(), target, out),
        DataType::Int64 => whole(array.as_primitive::<Int64Type>().value(row), target, out),
        // Through the double of the same value: the server reads a double first.
        DataType::Float32 => Some(float(array.as_primitive::<Float32Type>().value(row).into(), f32::MAX.into(), out)),
        DataType::Float64 => Some(float(array.as_primitive::<Float64Type>().value(row), f64::MAX, out)),
        DataType::Decimal128(_, scale) => {
            digits(&decimal_digits(array.as_primitive::<Decimal128Type>().value(row), *scale), target, out)
        }
        DataType::Utf8 => {
            let value = array.as_string::<i32>().value(row);
            match target {
                MysqlType::Decimal(..) | MysqlType::Int(..) | MysqlType::Bool => digits(value, target, out),
                _ => Some(text(value, target, packet_bytes_max, out)),
            }
        }
        DataType::Binary => {
            let value = array.as_binary::<i32>().value(row);
            let max = match target {
                MysqlType::Blob(max) => *max as usize,
                MysqlType::Varbinary(max) => *max as usize,
                _ => return None,
            };
            let hex = |bytes: &[u8], out: &mut String| {
                bytes.iter().for_each(|byte| {
                    let _ = write!(out, "{byte:02x}");
                })
            };
            hex(&value[..value.len().min(max)], out);
            // Twice as long on its way.
            let packet = packet_bytes_max / 2;
            if value.len() > packet {
                return Some(Some((MysqlHazard::LongValue, None)));
            }
            Some((value.len() > max).then(|| (MysqlHazard::Length, Some(out.clone()))))
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            let date = NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(TimeDelta::try_days(days.into())?);
            match date.filter(|date| (1000..=9999).contains(&date.year())) {
                Some(date) => {
                    let _ = write!(out, "{date}");
                    Some(None)
                }
                None => {
                    Some(Some((MysqlHazard::Year, Some(if days < 0 { "1000-01-01" } else { "9999-12-31" }.into()))))
                }
            }
        }
        DataType::Time64(_) | DataType::Timestamp(..) => {
            let Nanos { nanos, end } = nanos_of(array, row)?;
            match array.data_type() {
                DataType::Time64(_) => Some(time_of_day(nanos, target, out)),
                _ => Some(moment(nanos, end, target, out)),
            }
        }
        _ => None,
    }
}

/// The digits of a second that a column has.
fn second_digits(target: &MysqlType) -> u32 {
    match target {
        MysqlType::Time(digits) | MysqlType::Datetime(digits) | MysqlType::Timestamp(digits) => {
            u32::from(*digits).min(6)
        }
        _ => 6,
    }
}

fn time_of_day(nanos: i128, target: &MysqlType, out: &mut String) -> Faulty {
    let (near, is_exact) = rounded_nanos(nanos, second_digits(target));
    let (seconds, fraction) = (near / 1_000_000_000, near % 1_000_000_000 / 1_000);
    let _ = write!(out, "{:02}:{:02}:{:02}.{fraction:06}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    (!is_exact).then(|| (MysqlHazard::Precision, Some(out.clone())))
}

fn moment(nanos: i128, end: i8, target: &MysqlType, out: &mut String) -> Faulty {
    let digits = second_digits(target);
    let (near, is_exact) = rounded_nanos(nanos, digits);
    let (least, most) = match target {
        MysqlType::Timestamp(_) => ("1970-01-01 00:00:01.000000", "2038-01-19 03:14:07.999999"),
        _ => ("1000-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"),
    };
    let written = i64::try_from(near / 1_000)
        .ok()
        .filter(|_| end == 0)
        .and_then(DateTime::from_timestamp_micros)
        .filter(|time| (1000..=9999).contains(&time.year()))
        .map(|time| time.format("%Y-%m-%d %H:%M:%S%.6f").to_string());
    match written.filter(|written| written.as_str() >= least && written.as_str() <= most) {
        Some(written) => {
            out.push_str(&written);
            (!is_exact).then_some((MysqlHazard::Precision, Some(written)))
        }
        // The last one that the column's digits can write.
        None => {
            let nearest = if nanos <= 0 { least } else { most };
            let length = if digits == 0 { 19 } else { 20 + digits as usize };
            Some((MysqlHazard::Year, Some(nearest[..length].to_owned())))
        }
    }
}

fn whole(value: i64, target: &MysqlType, out: &mut String) -> Option<Faulty> {
    match target {
        MysqlType::Double | MysqlType::Float => {
            let _ = write!(out, "{value}");
            Some(None)
        }
        _ => digits(&value.to_string(), target, out),
    }
}

/// `{:e}`: as short as reads back the same.
fn float(value: f64, most: f64, out: &mut String) -> Faulty {
    if value.is_finite() {
        let _ = write!(out, "{value:e}");
        return None;
    }
    Some(match value.is_nan() {
        true => (MysqlHazard::NotANumber, None),
        false => (MysqlHazard::Infinite, Some(format!("{:e}", most.copysign(value)))),
    })
}

/// A decimal number's text into a number of so many digits.
fn digits(text: &str, target: &MysqlType, out: &mut String) -> Option<Faulty> {
    let nearest = match target {
        MysqlType::Bool => nearest_integer(text, 8, false),
        MysqlType::Int(bytes, unsigned) => nearest_integer(text, u32::from(*bytes) * 8, *unsigned),
        MysqlType::Decimal(precision, scale) => nearest_decimal(text, *precision, *scale),
        _ => return None,
    };
    if nearest.is_none() {
        out.push_str(text);
    }
    Some(nearest.map(|nearest| (MysqlHazard::Range, Some(nearest))))
}

fn text(value: &str, target: &MysqlType, packet_bytes_max: usize, out: &mut String) -> Faulty {
    let cut = |bytes: usize| value[..value.floor_char_boundary(bytes.min(value.len()))].to_owned();
    if value.len() > packet_bytes_max {
        return Some(match target {
            MysqlType::Json => (MysqlHazard::LongValue, None),
            _ => (MysqlHazard::LongText, Some(cut(packet_bytes_max))),
        });
    }
    match target {
        MysqlType::Char(length) | MysqlType::Varchar(length) => {
            let length = *length as usize;
            if value.len() > length && value.chars().count() > length {
                return Some((MysqlHazard::Length, Some(value.chars().take(length).collect())));
            }
        }
        MysqlType::Text(max) if value.len() as u64 > *max => {
            return Some((MysqlHazard::Length, Some(cut(*max as usize))));
        }
        MysqlType::Json if has_no_json_number(value) => {
            return Some((MysqlHazard::NotFiniteInJson, Some(without_odd_numbers(value))));
        }
        _ => {}
    }
    out.push_str(value);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: (String, Faulty), expected: &str, hazard: Option<MysqlHazard>) {
        let (written, fault) = found;
        assert_eq!(fault.as_ref().map(|(hazard, _)| *hazard), hazard);
        assert_eq!(fault.map_or(written, |(_, nearest)| nearest.unwrap_or("NULL".into())), expected);
    }

    fn written(write: impl FnOnce(&mut String) -> Faulty) -> (String, Faulty) {
        let mut out = String::new();
        let fault = write(&mut out);
        (out, fault)
    }

    #[test]
    fn finds_what_cannot_stand() {
        let number = |text, target| written(|out| digits(text, &target, out).expect("a number"));
        check(number("-12.50", MysqlType::Decimal(4, 2)), "-12.50", None);
        check(number("123.50", MysqlType::Decimal(4, 2)), "99.99", Some(MysqlHazard::Range));
        check(number("-300", MysqlType::Int(1, false)), "-128", Some(MysqlHazard::Range));
        check(number("18446744073709551615", MysqlType::Int(8, true)), "18446744073709551615", None);
        check(
            written(|out| float(f64::NEG_INFINITY, f64::MAX, out)),
            "-1.7976931348623157e308",
            Some(MysqlHazard::Infinite),
        );
        check(written(|out| float(f64::NAN, f64::MAX, out)), "NULL", Some(MysqlHazard::NotANumber));
        check(written(|out| text("äöü", &MysqlType::Varchar(2), 99, out)), "äö", Some(MysqlHazard::Length));
        check(written(|out| text("äöü", &MysqlType::Varchar(3), 99, out)), "äöü", None);
        assert!(has_no_json_number("[1, nan]") && has_no_json_number("{\"a\": -inf}"));
        assert!(!has_no_json_number("{\"NaN\\\"I\": null, \"b\": [true, 1e5]}"));
    }

    #[test]
    fn rounds_times_to_the_columns_digits() {
        let at = |nanos, digits| written(|out| moment(nanos, 0, &MysqlType::Datetime(digits), out));
        check(at(1_500_000_000, 0), "1970-01-01 00:00:02.000000", Some(MysqlHazard::Precision));
        check(at(2_000_000_000, 0), "1970-01-01 00:00:02.000000", None);
        check(at(123_456_000, 6), "1970-01-01 00:00:00.123456", None);
        check(at(123_456_500, 6), "1970-01-01 00:00:00.123457", Some(MysqlHazard::Precision));
        let infinite = written(|out| moment(i128::from(i64::MAX) * 1_000, 1, &MysqlType::Datetime(3), out));
        check(infinite, "9999-12-31 23:59:59.999", Some(MysqlHazard::Year));
        let day = |nanos| written(|out| time_of_day(nanos, &MysqlType::Time(6), out));
        check(day(86_399_999_999_999), "24:00:00.000000", Some(MysqlHazard::Precision));
    }

    #[test]
    fn writes_text() {
        assert_eq!(decimal_digits(i128::from(i64::MAX), 0), "9223372036854775807");
        let mut out = Vec::new();
        escape(b"a\tb'c\\d\0e\n", &mut out);
        assert_eq!(out, b"a\\tb\\'c\\\\d\\0e\\n");
    }
}
