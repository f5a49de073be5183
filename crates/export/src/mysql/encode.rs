//! Encodes Arrow batches as the text of `load data` or of a multi-row `insert`, and finds values that MySQL cannot
//! store.
//!
//! Every value is text that the server converts exactly. Knows no connection.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta};

use super::hazard::MysqlHazard;
use super::mysql_type::MysqlType;
use super::table::MysqlColumn;
use crate::target::{EncodedRow, Fate, KeyCounts, Screen, ScreenedColumn};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Tabs and lines, `\N` for NULL.
    Load,
    /// `(…)` after `(…)`, with commas between.
    Insert,
}

/// A column whose Arrow type is not the one that its MySQL type is encoded from.
pub struct TextMismatch {
    pub column: usize,
    pub arrow: String,
}

/// The rows that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Rows,
    /// The keys of removed rows.
    Keys,
    /// Entries of a quarantine: nobody asks what does not fit there.
    Entries,
}

/// Writes row after row. The nearest value is written in the place of one that does not fit; a row that is not published
/// is set aside. Whether faults may pass is the caller's to decide, by `screen`.
pub struct TextEncoder<'a> {
    columns: Vec<&'a MysqlColumn>,
    form: Form,
    packet_bytes_max: usize,
    /// None for entries.
    pub screen: Option<Screen<MysqlHazard>>,
    /// Those written.
    pub rows: u64,
    /// Those of the batches before.
    seen: u64,
    cell: String,
    faulty: Vec<(usize, MysqlHazard)>,
}

impl<'a> TextEncoder<'a> {
    pub fn new(columns: Vec<&'a MysqlColumn>, form: Form, packet_bytes_max: usize, content: Content) -> Self {
        let screened = columns.iter().map(|column| ScreenedColumn {
            on_hazard: column.on_hazard,
            is_key: column.is_key,
            not_null: column.not_null,
        });
        let screen = match content {
            Content::Rows => Some(Screen::new(screened.collect())),
            Content::Keys => Some(Screen::of_keys(screened.collect())),
            Content::Entries => None,
        };
        Self { columns, form, packet_bytes_max, screen, rows: 0, seen: 0, cell: String::new(), faulty: Vec::new() }
    }

    /// Appends a batch's rows; `after_row` is called behind each row that was written.
    pub fn put_batch<E: From<TextMismatch>>(
        &mut self,
        batch: &RecordBatch,
        out: &mut Vec<u8>,
        mut after_row: impl FnMut(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        for row in 0..batch.num_rows() {
            if self.put_row(batch, row, out)? {
                after_row(out)?;
            }
        }
        self.seen += batch.num_rows() as u64;
        Ok(())
    }

    /// Appends one row; false if it is not published.
    fn put_row(&mut self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<bool, TextMismatch> {
        let (open, between, close): (&[u8], u8, &[u8]) = match self.form {
            Form::Load => (b"", b'\t', b"\n"),
            Form::Insert => (b"(", b',', b")"),
        };
        let start = out.len();
        out.extend_from_slice(open);
        for index in 0..self.columns.len() {
            if index > 0 {
                out.push(between);
            }
            self.put_cell(batch, row, (index, index), out)?;
        }
        out.extend_from_slice(close);
        self.rows += 1;
        if self.faulty.is_empty() {
            return Ok(true);
        }
        self.judge(batch, row, start, out)
    }

    #[cold]
    fn judge(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, TextMismatch> {
        let mut faulty = std::mem::take(&mut self.faulty);
        let Some(mut screen) = self.screen.take() else { return Ok(true) };
        let key = self.key_of(batch, row, |index| index)?;
        let fate = screen.judge(batch, row, self.seen, &mut faulty, || EncodedRow { bytes: out.split_off(start), key });
        (self.screen, self.faulty) = (Some(screen), faulty);
        if fate != Fate::Published {
            out.truncate(start);
            self.rows -= 1;
        }
        Ok(fate == Fate::Published)
    }

    /// A row's key, encoded; `at` is where the batch has a column.
    fn key_of(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        at: impl Fn(usize) -> usize,
    ) -> Result<Vec<u8>, TextMismatch> {
        let mut key = Vec::new();
        for index in (0..self.columns.len()).filter(|index| self.columns[*index].is_key).collect::<Vec<_>>() {
            self.put_cell(batch, row, (index, at(index)), &mut key)?;
            key.push(b'\t');
        }
        self.faulty.clear();
        Ok(key)
    }

    /// Counts the keys of a batch that has the key's columns alone, in the order of the columns.
    pub fn count_keys(&mut self, batch: &RecordBatch, counts: &mut KeyCounts) -> Result<(), TextMismatch> {
        let keys: Vec<usize> = (0..self.columns.len()).filter(|index| self.columns[*index].is_key).collect();
        for row in 0..batch.num_rows() {
            let at = |index| keys.iter().position(|key| *key == index).unwrap_or(0);
            let key = self.key_of(batch, row, at)?;
            if let Some(count) = counts.get_mut(&key) {
                *count += 1;
            }
        }
        Ok(())
    }

    /// Appends the rows that waited for the keys of all rows, as far as they are published.
    pub fn settle_held(&mut self, counts: &KeyCounts, mut put: impl FnMut(&[u8])) {
        let Some(screen) = &mut self.screen else { return };
        let rows = &mut self.rows;
        screen.settle_held(counts, |bytes| {
            put(bytes);
            *rows += 1;
        });
    }

    /// One value; `at` are the column, and its place in the batch.
    fn put_cell(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        (index, at): (usize, usize),
        out: &mut Vec<u8>,
    ) -> Result<(), TextMismatch> {
        let (column, array) = (self.columns[index], batch.column(at));
        if array.is_null(row) {
            self.put_null(out);
            return Ok(());
        }
        self.cell.clear();
        let Some(fault) = write(array, row, &column.mysql_type, self.packet_bytes_max, &mut self.cell) else {
            return Err(TextMismatch { column: index, arrow: array.data_type().to_string() });
        };
        if let Some((hazard, nearest)) = fault {
            self.faulty.push((index, hazard));
            let Some(nearest) = nearest else {
                self.put_null(out);
                return Ok(());
            };
            self.cell = nearest;
        }
        let is_insert = self.form == Form::Insert;
        if array.data_type() == &DataType::Binary {
            // Hexadecimal already.
            let (open, close): (&[u8], &[u8]) = if is_insert { (b"x'", b"'") } else { (b"", b"") };
            out.extend_from_slice(open);
            out.extend_from_slice(self.cell.as_bytes());
            out.extend_from_slice(close);
            return Ok(());
        }
        if is_insert {
            out.push(b'\'');
        }
        escape(self.cell.as_bytes(), out);
        if is_insert {
            out.push(b'\'');
        }
        Ok(())
    }

    fn put_null(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.form == Form::Load { b"\\N" } else { b"NULL" });
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
            digits(&decimal(array.as_primitive::<Decimal128Type>().value(row), *scale), target, out)
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

/// A time in nanoseconds.
struct Nanos {
    nanos: i128,
    /// It is infinite: before all times (-1) or behind them (1).
    end: i8,
}

fn nanos_of(array: &dyn Array, row: usize) -> Option<Nanos> {
    let (value, unit) = match array.data_type() {
        DataType::Time64(TimeUnit::Microsecond) => (array.as_primitive::<Time64MicrosecondType>().value(row), 1_000),
        DataType::Time64(_) => (array.as_primitive::<Time64NanosecondType>().value(row), 1),
        DataType::Timestamp(TimeUnit::Second, _) => {
            (array.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => (array.as_primitive::<TimestampNanosecondType>().value(row), 1),
        _ => return None,
    };
    // DuckDB's infinities are the ends of the range.
    let end = i8::from(value == i64::MAX) - i8::from(value <= -i64::MAX);
    Some(Nanos { nanos: i128::from(value) * unit, end })
}

/// Rounds to the digits of a second that the column has, half away from zero; true if nothing was lost.
fn rounded(nanos: i128, target: &MysqlType) -> (i128, u32, bool) {
    let digits = match target {
        MysqlType::Time(digits) | MysqlType::Datetime(digits) | MysqlType::Timestamp(digits) => {
            u32::from(*digits).min(6)
        }
        _ => 6,
    };
    let unit = 10i128.pow(9 - digits);
    let rest = nanos % unit;
    let down = nanos - rest;
    let near = if rest.abs() * 2 >= unit { down + unit * rest.signum() } else { down };
    (near, digits, rest == 0)
}

fn time_of_day(nanos: i128, target: &MysqlType, out: &mut String) -> Faulty {
    let (near, _, is_exact) = rounded(nanos, target);
    let (seconds, fraction) = (near / 1_000_000_000, near % 1_000_000_000 / 1_000);
    let _ = write!(out, "{:02}:{:02}:{:02}.{fraction:06}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    (!is_exact).then(|| (MysqlHazard::Precision, Some(out.clone())))
}

fn moment(nanos: i128, end: i8, target: &MysqlType, out: &mut String) -> Faulty {
    let (near, digits, is_exact) = rounded(nanos, target);
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
    let (least, most) = match target {
        MysqlType::Bool | MysqlType::Int(..) => {
            let (bits, unsigned) = match target {
                MysqlType::Int(bytes, unsigned) => (u32::from(*bytes) * 8, *unsigned),
                _ => (8, false),
            };
            let range =
                if unsigned { (0, (1i128 << bits) - 1) } else { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) };
            if text.parse::<i128>().is_ok_and(|value| value >= range.0 && value <= range.1) {
                out.push_str(text);
                return Some(None);
            }
            (range.0.to_string(), range.1.to_string())
        }
        MysqlType::Decimal(precision, scale) => {
            let whole = text.trim_start_matches('-').split('.').next().unwrap_or_default().trim_start_matches('0');
            let room = usize::from(precision - scale);
            if whole.len() <= room {
                out.push_str(text);
                return Some(None);
            }
            let most = format!("{}.{}", "9".repeat(room.max(1)), "9".repeat(usize::from(*scale)));
            let most = most.trim_end_matches('.').to_owned();
            (format!("-{most}"), most)
        }
        _ => return None,
    };
    Some(Some((MysqlHazard::Range, Some(if text.starts_with('-') { least } else { most }))))
}

fn decimal(value: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
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

/// Whether NaN or Infinity stands outside of strings, however it is spelled.
fn has_no_json_number(text: &str) -> bool {
    let (mut in_string, mut is_escaped) = (false, false);
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'i' if !in_string => return true,
            b'n' if !in_string && bytes.get(at + 1) == Some(&b'a') => return true,
            _ => {}
        }
    }
    false
}

/// JSON text with `null` for each NaN and Infinity.
fn without_odd_numbers(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut mended = String::with_capacity(text.len());
    let (mut at, mut copied, mut in_string) = (0, 0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'a'..=b'z' | b'A'..=b'Z' if !in_string => {
                let rest = &bytes[at..];
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
                let end = at + rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                let token = &text[at..end];
                let is_number = token.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
                if !is_number && !matches!(token, "null" | "true" | "false") {
                    mended.push_str(&text[copied..at]);
                    mended.push_str("null");
                    copied = end;
                }
                at = end;
                continue;
            }
            // `1e5` has a letter that begins no word.
            b'0'..=b'9' if !in_string => {
                let rest = &bytes[at..];
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
                at += rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    mended.push_str(&text[copied..]);
    mended
}

#[cfg(test)]
mod tests {
    use super::{
        Faulty, MysqlHazard, MysqlType, decimal, digits, escape, float, has_no_json_number, moment, text, time_of_day,
        without_odd_numbers,
    };

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
    fn replaces_odd_numbers_alone() {
        assert_eq!(
            without_odd_numbers(r#"{"a": [NaN, -1, 1e5, -inf], "b\"": "NaN \" -Infinity", "c": true, "d": null}"#),
            r#"{"a": [null, -1, 1e5, null], "b\"": "NaN \" -Infinity", "c": true, "d": null}"#
        );
    }

    #[test]
    fn writes_text() {
        assert_eq!(decimal(-5, 3), "-0.005");
        assert_eq!(decimal(i128::from(i64::MAX), 0), "9223372036854775807");
        let mut out = Vec::new();
        escape(b"a\tb'c\\d\0e\n", &mut out);
        assert_eq!(out, b"a\\tb\\'c\\\\d\\0e\\n");
    }
}
