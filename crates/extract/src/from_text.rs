//! Texts as values of a column's type: for files whose values are all texts, such as CSV.
//!
//! A text is read in one of two forms. The canonical form is the text that the typed value itself prints, so that the
//! text comes back from the value as it was. Any other usual form of a value is accepted only for a column whose type
//! the project's YAML pins. No form loses a digit: a text that the type cannot hold exactly is not a value of it. Pure:
//! knows no column and no file.

use std::ops::Range;

use crate::bson::decimal::{power, rescale};

/// Which texts are values of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// Only the text that DuckDB prints of the value itself.
    Canonical,
    /// Any usual form.
    Any,
}

use TextForm::{Any, Canonical};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// DuckDB's range of a TIMESTAMP in microseconds: from 290309-12-22 (BC) to just below its infinity.
pub const MICROS: Range<i64> = -9_223_372_022_400_000_000..i64::MAX;

/// DuckDB's infinite dates and times.
const DAY_INFINITE: i32 = i32::MAX;
const MICROS_INFINITE: i64 = i64::MAX;

/// The most significant digits of a double that every decimal number keeps (IEEE 754 binary64).
const DOUBLE_DIGITS: usize = 15;

/// The parts of a number's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits<'t> {
    pub negative: bool,
    /// The digits before the point, and after it if there is a point.
    pub whole: &'t [u8],
    pub fraction: Option<&'t [u8]>,
}

impl<'t> Digits<'t> {
    /// Plain decimal digits as a number prints them: no plus sign, no exponent, no needless zero before the point.
    #[inline]
    pub fn plain(text: &'t [u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let (whole, rest) = digits.split_at(end);
        let fraction = match rest {
            [] => None,
            [b'.', fraction @ ..] if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) => Some(fraction),
            _ => return None,
        };
        let is_plain = match whole {
            [] => false,
            [b'0', more @ ..] => more.is_empty(),
            _ => true,
        };
        is_plain.then_some(Self { negative, whole, fraction })
    }

    pub fn scale(self) -> usize {
        self.fraction.map_or(0, <[u8]>::len)
    }

    fn is_zero(self) -> bool {
        self.whole == b"0" && self.fraction.unwrap_or_default().iter().all(|digit| *digit == b'0')
    }

    /// The digits before the point of a number that prints them: none for `0.5`.
    pub fn whole_digits(self) -> usize {
        if self.whole == b"0" { 0 } else { self.whole.len() }
    }

    /// Whether an exact number prints this text: exact numbers have no negative zero.
    #[inline]
    pub fn is_exact(self) -> bool {
        !(self.negative && self.is_zero())
    }

    /// Whether a double prints this text: one zero at most after the point, at most 15 digits, no exponent. A negative
    /// zero does not count, because DuckDB may store it without its sign.
    #[inline]
    pub fn is_double(self) -> bool {
        let Some(fraction) = self.fraction else { return false };
        if !self.is_exact() {
            return false;
        }
        let is_short = fraction == b"0" || fraction.last() != Some(&b'0');
        // Smaller numbers print an exponent.
        let is_plain = self.whole != b"0" || fraction == b"0" || fraction.iter().take(4).any(|digit| *digit != b'0');
        is_short && is_plain && self.whole.len() + fraction.len() <= DOUBLE_DIGITS
    }

    #[inline]
    fn integer(self) -> Option<i64> {
        if self.fraction.is_some() || !self.is_exact() || self.whole.len() > 19 {
            return None;
        }
        // One digit more than an i64 has, so 20 digits at most: within an i128.
        let value = self.whole.iter().fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
        i64::try_from(if self.negative { -value } else { value }).ok()
    }

    fn coefficient(self) -> Option<i128> {
        let digits = self.whole.iter().chain(self.fraction.unwrap_or_default());
        let mut value = 0_i128;
        for digit in digits {
            value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        let value = (value < power(38)?).then_some(value)?;
        Some(if self.negative { -value } else { value })
    }
}

#[inline]
pub fn integer(text: &str, form: TextForm) -> Option<i64> {
    match (Digits::plain(text.as_bytes()).and_then(Digits::integer), form) {
        (None, Any) => i64::try_from(any_decimal(text, 0)?).ok(),
        (found, _) => found,
    }
}

/// The value times 10^`scale`.
pub fn decimal(text: &str, scale: u8, form: TextForm) -> Option<i128> {
    if form == Any {
        return any_decimal(text, scale);
    }
    let digits = Digits::plain(text.as_bytes()).filter(|digits| digits.is_exact())?;
    (digits.scale() == usize::from(scale)).then(|| digits.coefficient()).flatten()
}

pub fn double(text: &str, form: TextForm) -> Option<f64> {
    if form == Canonical {
        return Digits::plain(text.as_bytes()).filter(|digits| digits.is_double()).and_then(|_| text.parse().ok());
    }
    let text = text.trim_ascii();
    let value: f64 = text.parse().ok()?;
    // A number that is too great is not infinite.
    (value.is_finite() || !text.bytes().any(|byte| byte.is_ascii_digit())).then_some(value)
}

pub fn boolean(text: &str, form: TextForm) -> Option<bool> {
    match text {
        "true" => return Some(true),
        "false" => return Some(false),
        _ if form == Canonical => return None,
        _ => {}
    }
    let is = |words: &[&str]| words.iter().any(|word| text.trim_ascii().eq_ignore_ascii_case(word));
    if is(&["t", "true", "y", "yes", "on", "1"]) {
        Some(true)
    } else if is(&["f", "false", "n", "no", "off", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// The canonical text is in lowercase with hyphens.
pub fn uuid(text: &str, form: TextForm) -> Option<[u8; 16]> {
    let uuid = uuid::Uuid::try_parse(if form == Any { text.trim_ascii() } else { text }).ok()?;
    (form == Any || uuid.hyphenated().encode_lower(&mut [0; 36]) == text).then(|| uuid.into_bytes())
}

/// Postgres' form of bytes: `\x` and hex digits.
pub fn bytes(text: &str, form: TextForm) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?;
    let is_hex =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f') || form == Any && byte.is_ascii_hexdigit();
    if digits.len() % 2 != 0 || !digits.as_bytes().iter().all(is_hex) {
        return None;
    }
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Signs, leading zeros, a missing side of the point and exponents are allowed.
fn any_decimal(text: &str, scale: u8) -> Option<i128> {
    let text = text.trim_ascii();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok().filter(|e| e.abs() < 10_000)?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    if whole.is_empty() && fraction.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = fraction.iter().rev().take_while(|digit| **digit == b'0').count();
    let fraction = &fraction[..fraction.len() - zeros];
    let mut value = 0_i128;
    for digit in whole.iter().chain(fraction) {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let value = rescale(value, i32::try_from(fraction.len()).ok()? - exponent, u32::from(scale))?;
    Some(if negative { -value } else { value })
}

/// Days since 1970.
pub fn day(text: &str, form: TextForm) -> Option<i32> {
    let mut cursor = Cursor::new(text, form);
    if let Some(sign) = cursor.infinity() {
        return Some(sign as i32 * DAY_INFINITE);
    }
    let day = cursor.date()?;
    if form == Any && !cursor.is_at_end() && !cursor.is_era() {
        // A time at midnight is the day.
        cursor.separator()?;
        let time = cursor.time()?;
        let zone = cursor.zone()?;
        if time.micros != 0 || zone.is_some_and(|seconds| seconds != 0) {
            return None;
        }
    }
    let day = cursor.era(day)?;
    i32::try_from(cursor.is_at_end().then_some(day)?).ok()
}

/// Microseconds since 1970. Without a time zone, only UTC is accepted; with one, a text without a zone is in UTC.
pub fn instant(text: &str, zoned: bool, form: TextForm) -> Option<i64> {
    let mut cursor = Cursor::new(text, form);
    if let Some(sign) = cursor.infinity() {
        return Some(sign * MICROS_INFINITE);
    }
    let day = cursor.date()?;
    let (mut micros, mut offset) = (0, None);
    if !(form == Any && (cursor.is_at_end() || cursor.is_era())) {
        let separator = cursor.separator()?;
        let time = cursor.time()?;
        if form == Canonical && (separator != b' ' || time.has_trailing_zero) {
            return None;
        }
        micros = time.micros;
        offset = cursor.zone()?;
    }
    let day = cursor.era(day)?;
    let offset = match (offset, form) {
        _ if !cursor.is_at_end() => return None,
        (Some(seconds), _) if seconds != 0 && !zoned => return None,
        (offset, Canonical) if offset.is_some() != zoned => return None,
        (offset, _) => offset.unwrap_or(0),
    };
    let micros = day.checked_mul(MICROS_PER_DAY)?.checked_add(micros - offset * MICROS_PER_SECOND)?;
    MICROS.contains(&micros).then_some(micros)
}

/// Nanoseconds since 1970, without a time zone or in UTC.
pub fn nano_instant(text: &str, form: TextForm) -> Option<i64> {
    let (at, nanos) = match text.rfind('.') {
        Some(point) if text.len() - point > 7 => (point + 7, text.get(point + 7..)?),
        _ => (text.len(), ""),
    };
    // The first six places are microseconds.
    let digits = nanos.bytes().take_while(u8::is_ascii_digit).count();
    let (nanos, zone) = nanos.split_at_checked(digits)?;
    if digits > 3 && nanos.get(3..)?.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let micros = instant(&format!("{}{zone}", text.get(..at)?), false, form)?;
    let nanos: i64 = format!("{:0<3}", nanos.get(..digits.min(3))?).parse().ok()?;
    micros.checked_mul(1_000)?.checked_add(nanos)
}

/// Nanoseconds since midnight.
pub fn nano_time(text: &str, form: TextForm) -> Option<i64> {
    nano_instant(&format!("1970-01-01 {}", if form == Any { text.trim_ascii() } else { text }), form)
}

/// Microseconds since midnight.
pub fn time_of_day(text: &str, form: TextForm) -> Option<i64> {
    let mut cursor = Cursor::new(text, form);
    let time = cursor.time()?;
    let is_canonical = form == Any || !time.has_trailing_zero;
    (cursor.is_at_end() && is_canonical).then_some(time.micros)
}

struct TimeText {
    micros: i64,
    has_trailing_zero: bool,
}

struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
    form: TextForm,
}

impl<'t> Cursor<'t> {
    fn new(text: &'t str, form: TextForm) -> Self {
        let text = if form == Any { text.trim_ascii() } else { text };
        Self { text: text.as_bytes(), at: 0, form }
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// A number of that many digits.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let digits = self.rest().iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let value = self.rest().iter().take(digits).fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        if digits < least {
            return None;
        }
        self.at += digits;
        Some(value)
    }

    /// The sign of an infinite time.
    fn infinity(&self) -> Option<i64> {
        let is = |word: &str| self.form == Any && self.text.eq_ignore_ascii_case(word.as_bytes());
        if is("infinity") { Some(1) } else { is("-infinity").then_some(-1) }
    }

    /// Days since 1970.
    fn date(&mut self) -> Option<i64> {
        let year = self.number(4, if self.form == Any { 6 } else { 4 })?;
        let (month, day) = (self.eat(b'-').then(|| self.number(2, 2))??, self.eat(b'-').then(|| self.number(2, 2))??);
        (year > 0).then(|| days(year, month, day)).flatten()
    }

    /// Whether the text goes on with the era of a year before 1.
    fn is_era(&self) -> bool {
        self.rest().eq_ignore_ascii_case(b" BC") || self.rest().eq_ignore_ascii_case(b" (BC)")
    }

    /// Ends a date, which may be before the year 1.
    fn era(&mut self, day: i64) -> Option<i64> {
        if self.form == Canonical || !self.is_era() {
            return Some(day);
        }
        self.at = self.text.len();
        // The day is read again with its real year.
        let mut date = Self { text: self.text, at: 0, form: Any };
        let year = 1 - date.number(4, 6)?;
        let (month, day) = (date.eat(b'-').then(|| date.number(2, 2))??, date.eat(b'-').then(|| date.number(2, 2))??);
        days(year, month, day)
    }

    fn separator(&mut self) -> Option<u8> {
        let found = self.text.get(self.at).copied().filter(|byte| matches!(byte, b' ' | b'T'))?;
        self.at += 1;
        Some(found)
    }

    fn time(&mut self) -> Option<TimeText> {
        let hour = self.number(2, 2)?;
        let minute = self.eat(b':').then(|| self.number(2, 2))??;
        let has_second = self.eat(b':');
        let second = match (has_second, self.form) {
            (true, _) => self.number(2, 2)?,
            (false, Any) => 0,
            (false, Canonical) => return None,
        };
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (mut fraction, mut places, mut has_trailing_zero) = (0, 0_u8, false);
        if has_second && self.eat(b'.') {
            while let Some(digit) = self.rest().first().filter(|byte| byte.is_ascii_digit()) {
                let digit = i64::from(digit - b'0');
                match places {
                    0..6 => fraction = fraction * 10 + digit,
                    6.. if digit != 0 || self.form == Canonical => return None,
                    _ => {}
                }
                has_trailing_zero = digit == 0;
                places = places.saturating_add(1);
                self.at += 1;
            }
            if places == 0 {
                return None;
            }
        }
        fraction *= 10_i64.pow(6 - u32::from(places.min(6)));
        let micros = ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + fraction;
        Some(TimeText { micros, has_trailing_zero })
    }

    /// The zone's distance from UTC in seconds. `Some(None)` if there is no zone.
    fn zone(&mut self) -> Option<Option<i64>> {
        let from = self.at;
        if self.form == Any {
            self.eat(b' ');
        }
        let rest = self.rest();
        if rest.is_empty() {
            return Some(None);
        }
        if self.form == Canonical {
            self.at = self.text.len();
            return (rest == b"+00").then_some(Some(0));
        }
        if [&b"Z"[..], b"UTC", b"GMT"].into_iter().any(|name| rest.eq_ignore_ascii_case(name)) {
            self.at = self.text.len();
            return Some(Some(0));
        }
        let sign = match rest.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => {
                self.at = from;
                return Some(None);
            }
        };
        self.at += 1;
        let mut seconds = self.number(2, 2)? * 3_600;
        for unit in [60, 1] {
            let colon = self.eat(b':');
            match self.number(2, 2) {
                Some(part) if part < 60 => seconds += part * unit,
                None if !colon => break,
                _ => return None,
            }
        }
        (seconds <= 18 * 3_600).then_some(Some(sign * seconds))
    }
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar. None if there is no such day.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March, so that a leap day is the last day of its year.
    let year = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    Some(era * 146_097 + year * 365 + year / 4 - year / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::TextForm::{Any, Canonical};
    use super::*;

    #[test]
    fn numbers() {
        #[track_caller]
        fn check(text: &str, integer_of: Option<i64>, double_of: Option<f64>, decimal_of: Option<i128>) {
            let found = (integer(text, Canonical), double(text, Canonical), decimal(text, 2, Canonical));
            assert_eq!(found, (integer_of, double_of, decimal_of), "{text}");
        }
        check("7", Some(7), None, None);
        check("-7", Some(-7), None, None);
        check("9223372036854775807", Some(i64::MAX), None, None);
        check("-9223372036854775808", Some(i64::MIN), None, None);
        check("9223372036854775808", None, None, None);
        for text in
            ["", "-", "007", "+7", "-0", "1E5", "1e3", "0x1F", "7 ", "1_000", "1,000", "NaN", "Infinity", ".5", "5."]
        {
            check(text, None, None, None);
        }
        check("12.50", None, None, Some(1250));
        check("12.25", None, Some(12.25), Some(1225));
        check("0.5", None, Some(0.5), None);
        check("1.0", None, Some(1.0), None);
        check("-0.00", None, None, None);
        check("-0.0", None, None, None);
        check("0.0001", None, Some(0.0001), None);
        check("0.00001", None, None, None);
        check("123456789012.123", None, Some(123_456_789_012.123), None);
        check("1234567890123456.7", None, None, None);
        check("00.50", None, None, None);
    }

    #[test]
    fn pinned_numbers() {
        #[track_caller]
        fn check(text: &str, scale: u8, expected: Option<i128>) {
            assert_eq!(decimal(text, scale, Any), expected, "{text}");
        }
        check("12.50", 4, Some(125_000));
        check(" +007 ", 0, Some(7));
        check(".5", 1, Some(5));
        check("5.", 1, Some(50));
        check("1.25e2", 0, Some(125));
        check("1.255", 2, None);
        check("1.2500", 2, Some(125));
        check("-0.00", 2, Some(0));
        check("1,000", 2, None);
        check("", 2, None);
        check(".", 2, None);
        check("99999999999999999999999999999999999999", 0, Some(10_i128.pow(38) - 1));
        check("199999999999999999999999999999999999999", 0, None);
        assert_eq!(integer("12.00", Any), Some(12));
        assert_eq!(integer("12.5", Any), None);
        assert_eq!(double("1e400", Any), None);
        assert_eq!(double(" -1e3", Any), Some(-1000.0));
        assert_eq!(double("Infinity", Any), Some(f64::INFINITY));
        assert_eq!(boolean("T", Any), Some(true));
        assert_eq!(boolean("no", Any), Some(false));
        assert_eq!(boolean("2", Any), None);
        assert_eq!(boolean("t", Canonical), None);
    }

    #[test]
    fn times() {
        assert_eq!(day("1970-01-02", Canonical), Some(1));
        assert_eq!(day("2000-02-29", Canonical), Some(11_016));
        for text in
            ["1900-02-29", "1970-1-2", "70-01-02", "0000-01-01", "1970-01-02 ", "1970-01-02 00:00:00", "1970/01/02"]
        {
            assert_eq!(day(text, Canonical), None, "{text}");
        }
        assert_eq!(day("1970-01-02 00:00:00", Any), Some(1));
        assert_eq!(day("1970-01-02T00:00:00.000Z", Any), Some(1));
        assert_eq!(day("1970-01-02 00:00:01", Any), None);
        assert_eq!(day("0001-01-01 BC", Any), Some(-719_528));
        assert_eq!(day("infinity", Any), Some(i32::MAX));
        assert_eq!(day("01-JAN-24", Any), None);
        #[track_caller]
        fn check(text: &str, canonical: [Option<i64>; 2], any: [Option<i64>; 2]) {
            let of = |form| [instant(text, false, form), instant(text, true, form)];
            assert_eq!((of(Canonical), of(Any)), (canonical, any), "{text}");
        }
        let second = Some(1_000_000);
        check("1970-01-01 00:00:01", [second, None], [second, second]);
        check("1970-01-01 00:00:01 ", [None, None], [second, second]);
        check("1970-01-01T00:00:01", [None, None], [second, second]);
        check("1970-01-01 00:00:01.000", [None, None], [second, second]);
        check("1970-01-01T00:00:01Z", [None, None], [second, second]);
        check("1970-01-01 00:00:01+00", [None, second], [second, second]);
        check("1970-01-01 01:00:01+01:00", [None, None], [None, second]);
        check("1970-01-01 01:00:01.0000000+0100", [None, None], [None, second]);
        check("1970-01-01 00:00:01.123456", [Some(1_123_456), None], [Some(1_123_456), Some(1_123_456)]);
        check("1970-01-01 00:00:01.1234567", [None, None], [None, None]);
        check("1970-01-01 00:00 UTC", [None, None], [Some(0), Some(0)]);
        check("1970-01-01", [None, None], [Some(0), Some(0)]);
        check("1970-01-01 24:00:00", [None, None], [None, None]);
        check("300000-01-01 00:00:00", [None, None], [None, None]);
        check("infinity", [None, None], [Some(i64::MAX), Some(i64::MAX)]);
        assert_eq!(time_of_day("00:00:01.5", Canonical), Some(1_500_000));
        assert_eq!(time_of_day("00:00:01.50", Canonical), None);
        assert_eq!(time_of_day("10:00", Canonical), None);
        assert_eq!(time_of_day("10:00", Any), Some(36_000_000_000));
        assert_eq!(time_of_day("10:00+01", Any), None);
        assert_eq!(nano_instant("1970-01-01 00:00:00.123456789", Any), Some(123_456_789));
        assert_eq!(nano_instant("1970-01-01T00:00:00.1234567800Z", Any), Some(123_456_780));
        assert_eq!(nano_instant("1970-01-01 00:00:01.5", Any), Some(1_500_000_000));
        assert_eq!(nano_instant("1970-01-01 00:00:00.1234567891", Any), None);
        assert_eq!(nano_instant("2300-01-01 00:00:00", Any), None);
        assert_eq!(nano_time("00:00:00.000000001", Any), Some(1));
    }
}
