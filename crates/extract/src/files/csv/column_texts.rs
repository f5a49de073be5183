//! The type of a column whose values are texts: one from which each text comes back as it was written.
//!
//! - BOOLEAN: `true`, `false`. BIGINT: digits without a needless zero. DECIMAL(38,0): the same beyond 64 bits.
//! - DECIMAL(38,s): all texts have s places. DOUBLE: texts of different places, at most 15 digits, no trailing zero
//!   but that of `1.0`.
//! - DATE `2024-06-01`, TIME `10:00:00`, TIMESTAMP `2024-06-01 10:00:00`, TIMESTAMPTZ with `+00` at its end, without
//!   zeros at the end of a fraction.
//! - VARCHAR: all others.
//!
//! Sees each text once, and keeps a few flags for a column. Pure.

use crate::bson::decimal::DIGITS_MAX;
use crate::from_text::{self, Digits, TextForm};
use elt_base::schema::ColumnType;

/// The texts of one column so far.
#[derive(Debug, Clone, Default)]
pub struct ColumnTexts {
    texts: u64,
    /// How many of them are of each kind.
    kinds: Kinds,
    numbers: NumberTexts,
    /// Whether a time has microseconds.
    has_micros: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Kinds {
    booleans: u64,
    numbers: u64,
    days: u64,
    instants: u64,
    zoned: u64,
    times: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct NumberTexts {
    /// Texts that fit an i64, and that a double prints.
    integers: u64,
    doubles: u64,
    /// Texts of exact numbers, with no more than 38 digits.
    exact: u64,
    scale_least: usize,
    scale: usize,
    /// The most digits before the point.
    digits: usize,
    /// Four digits from 1900 to 2099.
    years: u64,
}

impl ColumnTexts {
    #[inline]
    pub fn see(&mut self, text: &[u8]) {
        self.texts += 1;
        // A column of texts is known as such after its first text.
        if self.kinds.all() + 1 < self.texts {
            return;
        }
        match text.first() {
            Some(b'-') => self.see_number(text),
            Some(b'0'..=b'9') if text.get(4) == Some(&b'-') || text.get(2) == Some(&b':') => self.see_time(text),
            Some(b'0'..=b'9') => self.see_number(text),
            Some(b't' | b'f') => self.kinds.booleans += u64::from(matches!(text, b"true" | b"false")),
            _ => {}
        }
    }

    fn see_number(&mut self, text: &[u8]) {
        let Some(digits) = Digits::plain(text) else { return };
        let numbers = &mut self.numbers;
        let scale = digits.scale();
        self.kinds.numbers += 1;
        numbers.doubles += u64::from(digits.is_double());
        let whole = digits.whole_digits();
        if digits.is_exact() && whole + scale <= DIGITS_MAX as usize {
            numbers.scale_least = if numbers.exact == 0 { scale } else { numbers.scale_least.min(scale) };
            numbers.exact += 1;
            numbers.scale = numbers.scale.max(scale);
            numbers.digits = numbers.digits.max(whole);
            let is_integer = scale == 0
                && (whole < 19
                    || std::str::from_utf8(text)
                        .is_ok_and(|text| from_text::integer(text, TextForm::Canonical).is_some()));
            numbers.integers += u64::from(is_integer);
            numbers.years += u64::from(text.len() == 4 && matches!(text, [b'1', b'9', ..] | [b'2', b'0', ..]));
        }
    }

    fn see_time(&mut self, text: &[u8]) {
        let Ok(text) = std::str::from_utf8(text) else { return };
        if from_text::day(text, TextForm::Canonical).is_some() {
            self.kinds.days += 1;
        } else if from_text::time_of_day(text, TextForm::Canonical).is_some() {
            self.kinds.times += 1;
        } else if let Some(micros) = from_text::instant(text, false, TextForm::Canonical) {
            self.kinds.instants += 1;
            self.has_micros |= micros % 1_000 != 0;
        } else if let Some(micros) = from_text::instant(text, true, TextForm::Canonical) {
            self.kinds.zoned += 1;
            self.has_micros |= micros % 1_000 != 0;
        }
    }

    /// The type. `Null` if there is no text.
    pub fn column_type(&self) -> ColumnType {
        let Self { texts, kinds, numbers, .. } = self;
        let all = |count: u64| count == *texts;
        let of_one_scale = numbers.scale == numbers.scale_least
            && numbers.scale + numbers.digits <= DIGITS_MAX as usize
            && all(numbers.exact);
        if *texts == 0 {
            ColumnType::Null
        } else if all(kinds.booleans) {
            ColumnType::Boolean
        } else if all(numbers.integers) {
            ColumnType::BigInt
        } else if of_one_scale {
            ColumnType::Decimal { scale: numbers.scale as u8 }
        } else if all(numbers.doubles) {
            ColumnType::Double
        } else if all(kinds.days) {
            ColumnType::Date
        } else if all(kinds.times) {
            ColumnType::Time
        } else if all(kinds.instants) {
            ColumnType::Timestamp
        } else if all(kinds.zoned) {
            ColumnType::TimestampTz
        } else {
            ColumnType::Varchar
        }
    }

    /// Whether all times are whole milliseconds.
    pub fn is_in_millis(&self) -> bool {
        !self.has_micros
    }

    /// The class of all texts. None if they are of several, or if one is none of these.
    pub fn class(&self) -> Option<TextClass> {
        let Kinds { booleans, numbers, days, instants, zoned, times } = self.kinds;
        let is_year = self.texts == self.numbers.years;
        let number = if is_year { TextClass::Year } else { TextClass::Number };
        let classes = [
            (TextClass::Boolean, booleans),
            (number, numbers),
            (TextClass::Day, days),
            (TextClass::Instant, instants + zoned),
            (TextClass::Time, times),
        ];
        classes.into_iter().find(|(_, count)| *count > 0 && *count == self.texts).map(|(class, _)| class)
    }

    pub fn is_empty(&self) -> bool {
        self.texts == 0
    }
}

/// What the texts of a column look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextClass {
    Boolean,
    Number,
    /// From 1900 to 2099: above other numbers, it is the name of a column.
    Year,
    Day,
    Instant,
    Time,
}

impl Kinds {
    fn all(&self) -> u64 {
        self.booleans + self.numbers + self.days + self.instants + self.zoned + self.times
    }
}

#[cfg(test)]
mod tests {
    use super::ColumnTexts;

    #[track_caller]
    fn check(texts: &[&str], expected: &str) {
        let mut column = ColumnTexts::default();
        for text in texts {
            column.see(text.as_bytes());
        }
        assert_eq!(column.column_type().sql(), expected, "{texts:?}");
    }

    #[test]
    fn a_type_gives_every_text_back() {
        check(&["1", "-20", "0"], "BIGINT");
        check(&["1", "9223372036854775808"], "DECIMAL(38,0)");
        check(&["12345678901234567890123456789012345678"], "DECIMAL(38,0)");
        check(&["123456789012345678901234567890123456789"], "VARCHAR");
        check(&["12.50", "3.00", "-0.05"], "DECIMAL(38,2)");
        check(&["12345678901234567890123456789.12345678901234567890"], "VARCHAR");
        check(&["0.1234567890123456789"], "DECIMAL(38,19)");
        check(&["1.5", "2.25", "1.0"], "DOUBLE");
        check(&["1", "1.5"], "VARCHAR");
        check(&["1.5", "2.250"], "VARCHAR");
        check(&["1.5", "0.00001"], "VARCHAR");
        check(&["1.5", "1234567890.1234567"], "VARCHAR");
        check(&["true", "false"], "BOOLEAN");
        check(&["2024-06-01", "1999-12-31"], "DATE");
        check(&["2024-06-01", "2024-06-01 10:00:00"], "VARCHAR");
        check(&["2024-06-01 10:00:00", "2024-06-01 10:00:00.5"], "TIMESTAMP");
        check(&["2024-06-01 10:00:00", "2024-06-01 10:00:00.50"], "VARCHAR");
        check(&["2024-06-01 10:00:00.500"], "VARCHAR");
        check(&["2024-06-01T10:00:00"], "VARCHAR");
        check(&["2024-06-01T10:00:00Z"], "VARCHAR");
        check(&["2024-06-01 10:00:00+00", "2024-06-01 10:00:00.123456+00"], "TIMESTAMP WITH TIME ZONE");
        check(&["2024-06-01 10:00:00+00", "2024-06-01 10:00:00"], "VARCHAR");
        check(&["2024-06-01T10:00:00+02:00"], "VARCHAR");
        check(&["10:00:00", "23:59:59.5"], "TIME");
        check(&["10:00"], "VARCHAR");
        for text in [
            "",
            "007",
            "+4915112345",
            "1E5",
            "1e3",
            "0x1F",
            "NaN",
            "Infinity",
            "-0",
            "1,5",
            "1,000",
            ".5",
            "t",
            "yes",
            "True",
            "01/02/2024",
            "2024-6-1",
            "24:00:00",
            " 1",
            "1 ",
            "-",
        ] {
            check(&[text], "VARCHAR");
            check(&["7", text], "VARCHAR");
        }
        check(&[], "VARCHAR");
    }
}
