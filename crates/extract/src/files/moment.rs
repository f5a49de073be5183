//! Reads the texts of times that MongoDB's tools and shells write: the milliseconds since 1970.
//!
//! A date, then optionally a time with or without seconds and their fraction, then optionally a zone: `Z`, `+0200`,
//! `+02:00` or `+02`. Without a zone it is UTC, as in the shell's `ISODate`. Digits after the milliseconds are cut off,
//! as MongoDB does, because a BSON date has none. Knows nothing around the text.

use crate::from_text::days;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// None if the text has another form, or if there is no such time.
pub fn millis(text: &str) -> Option<i64> {
    let mut reader = Reader(text.as_bytes());
    let year = reader.year()?;
    reader.expect(b"-")?;
    let month = reader.number(2)?;
    reader.expect(b"-")?;
    let day = reader.number(2)?;
    let mut millis = days(year, month, day)? * MILLIS_PER_DAY;
    if reader.0.is_empty() {
        return Some(millis);
    }
    reader.expect(b"Tt ")?;
    millis += reader.time()?;
    millis -= reader.zone()?;
    reader.0.is_empty().then_some(millis)
}

struct Reader<'t>(&'t [u8]);

impl Reader<'_> {
    fn expect(&mut self, any_of: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        any_of.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
    }

    /// Four digits, or a sign and six, as JavaScript writes the years before 0 and after 9999.
    fn year(&mut self) -> Option<i64> {
        match self.expect(b"+-") {
            None => self.number(4),
            Some(b'+') => self.number(6),
            // There is no year −0.
            Some(_) => self.number(6).filter(|year| *year > 0).map(|year| -year),
        }
    }

    fn time(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        self.expect(b":")?;
        let minute = self.number(2)?;
        let (mut second, mut thousandths) = (0, 0);
        if self.expect(b":").is_some() {
            second = self.number(2)?;
            if self.expect(b".,").is_some() {
                let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (digits, rest) = self.0.split_at(length);
                self.0 = rest;
                let first = digits.first()?;
                let digit = |index: usize| i64::from(digits.get(index).map_or(0, |digit| digit - b'0'));
                thousandths = i64::from(first - b'0') * 100 + digit(1) * 10 + digit(2);
            }
        }
        (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1000 + thousandths)
    }

    /// The zone's distance from UTC.
    fn zone(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.expect(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.expect(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(2)?;
        let minutes = match (self.expect(b":"), self.0.is_empty()) {
            (None, true) => 0,
            _ => self.number(2)?,
        };
        (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::millis;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let expected = expected.map(|text| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis());
        assert_eq!(millis(text), expected, "{text}");
    }

    #[test]
    fn reads_the_forms_of_mongodbs_tools() {
        check("2009-04-01T10:20:30.123Z", Some("2009-04-01T10:20:30.123Z"));
        check("2009-04-01T10:20:30Z", Some("2009-04-01T10:20:30Z"));
        check("2009-04-01T10:20Z", Some("2009-04-01T10:20:00Z"));
        check("2009-04-01T00:00:00.000-0700", Some("2009-04-01T07:00:00Z"));
        check("2009-04-01T00:00:00+0200", Some("2009-03-31T22:00:00Z"));
        check("2009-04-01T00:00-0730", Some("2009-04-01T07:30:00Z"));
        check("2009-04-01T00:00:00+02:00", Some("2009-03-31T22:00:00Z"));
        check("2009-04-01T00:00:00.5+02:00", Some("2009-03-31T22:00:00.5Z"));
        check("2009-04-01T00:00:00+02", Some("2009-03-31T22:00:00Z"));
        check("2009-04-01", Some("2009-04-01T00:00:00Z"));
        check("2009-04-01T10:20:30", Some("2009-04-01T10:20:30Z"));
        check("2009-04-01 10:20:30.1", Some("2009-04-01T10:20:30.1Z"));
        check("1969-12-31T23:59:59.999999Z", Some("1969-12-31T23:59:59.999Z"));
        check("0000-02-29T00:00:00Z", Some("0000-02-29T00:00:00Z"));
        check("2000-02-29T00:00:00Z", Some("2000-02-29T00:00:00Z"));
        assert_eq!(millis("+275760-09-13T00:00:00.000Z"), Some(8_640_000_000_000_000));
        assert_eq!(millis("-271821-04-20T00:00:00.000Z"), Some(-8_640_000_000_000_000));
    }

    #[test]
    fn accepts_nothing_else() {
        let odd = [
            "",
            "2009",
            "2009-04",
            "2009-4-1",
            "2009-04-31",
            "2009-13-01",
            "1900-02-29",
            "2009-04-01T",
            "2009-04-01T10",
            "2009-04-01T24:00:00Z",
            "2009-04-01T10:60Z",
            "2009-04-01T10:20:60Z",
            "2009-04-01T10:20:30.Z",
            "2009-04-01T10:20:30+",
            "2009-04-01T10:20:30+2",
            "2009-04-01T10:20:30+02:",
            "2009-04-01T10:20:30+0260",
            "2009-04-01T10:20:30Zx",
            "2009-04-01T10:20:30 UTC",
            " 2009-04-01",
            "2009-04-01Z",
            "1238544000000",
            "Wed Apr 01 2009",
            "-000000-01-01",
            "20090401T000000Z",
            "２００９-04-01",
        ];
        for text in odd {
            check(text, None);
        }
    }
}
