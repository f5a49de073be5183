//! A BSON value with its type, built from the texts with which Extended JSON and the MongoDB shell write it.
//!
//! A text must have exactly its type's form: what BSON cannot store exactly has no value. Knows neither of the two
//! notations.

use crate::bson::Kind;

/// A value: its type, and its bytes as BSON stores them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

impl Typed {
    pub fn new(kind: Kind, bytes: impl Into<Vec<u8>>) -> Self {
        Self { kind, bytes: bytes.into() }
    }

    /// A string, symbol or code. None if it is too long.
    pub fn text(kind: Kind, text: &[u8]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(text.len() + 5);
        push_text(&mut bytes, text)?;
        Some(Self { kind, bytes })
    }

    /// Both texts end with a zero byte, so they cannot contain one. The server stores the options in order.
    pub fn regex(pattern: &[u8], options: &[u8]) -> Option<Self> {
        if pattern.contains(&0) || options.contains(&0) {
            return None;
        }
        let mut sorted = options.to_vec();
        sorted.sort_unstable();
        Some(Self::new(Kind::Regex, [pattern, &[0], &sorted, &[0]].concat()))
    }

    /// The old subtype 2 has an inner length (bsonspec.org, "Binary (Old)").
    pub fn binary(subtype: u8, payload: &[u8]) -> Option<Self> {
        let inner = i32::try_from(payload.len()).ok()?.to_le_bytes();
        let (inner, length) = if subtype == 2 { (&inner[..], payload.len() + 4) } else { (&[][..], payload.len()) };
        let length = i32::try_from(length).ok()?.to_le_bytes();
        Some(Self::new(Kind::Binary, [&length[..], &[subtype], inner, payload].concat()))
    }

    pub fn timestamp(seconds: u32, increment: u32) -> Self {
        Self::new(Kind::Timestamp, (u64::from(seconds) << 32 | u64::from(increment)).to_le_bytes())
    }

    pub fn date(millis: i64) -> Self {
        Self::new(Kind::Date, millis.to_le_bytes())
    }

    pub fn db_pointer(namespace: &[u8], id: &[u8]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(namespace.len() + 17);
        push_text(&mut bytes, namespace)?;
        bytes.extend_from_slice(id);
        Some(Self { kind: Kind::DbPointer, bytes })
    }

    /// `scope` is a whole document.
    pub fn code_with_scope(code: &[u8], scope: &[u8]) -> Option<Self> {
        let mut bytes = vec![0; 4];
        push_text(&mut bytes, code)?;
        bytes.extend_from_slice(scope);
        let length = i32::try_from(bytes.len()).ok()?.to_le_bytes();
        bytes.get_mut(..4)?.copy_from_slice(&length);
        Some(Self { kind: Kind::CodeWithScope, bytes })
    }
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    out.extend_from_slice(&i32::try_from(text.len() + 1).ok()?.to_le_bytes());
    out.extend_from_slice(text);
    out.push(0);
    Some(())
}

/// The bytes of an objectId: 24 hex digits.
pub fn object_id(text: &str) -> Option<[u8; 12]> {
    hex(text)?.try_into().ok()
}

/// The bytes of a UUID in the form 8-4-4-4-12.
pub fn uuid(text: &str) -> Option<Vec<u8>> {
    let groups: Vec<&str> = text.split('-').collect();
    let is_uuid = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
    if is_uuid { hex(&groups.concat()) } else { None }
}

pub fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// RFC 4648, section 4, padded.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let (groups, []) = text.as_bytes().as_chunks::<4>() else { return None };
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (index, group) in groups.iter().enumerate() {
        let is_last = index + 1 == groups.len();
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && !is_last) {
            return None;
        }
        let mut bits = 0_u32;
        for byte in group.iter().take(4 - padding) {
            let sextet = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(sextet);
        }
        let [_, group @ ..] = (bits << (6 * padding)).to_be_bytes();
        bytes.extend_from_slice(group.get(..3 - padding)?);
    }
    Some(bytes)
}

/// An integer in decimal digits, or in hexadecimal ones after `0x`.
pub fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let hex = digits.strip_prefix("0x").or(digits.strip_prefix("0X"));
    let is_plain = |digits: &str, radix| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    match hex {
        Some(digits) if is_plain(digits, 16) => i64::from_str_radix(&format!("{sign}{digits}"), 16).ok(),
        None if is_plain(digits, 10) => text.parse().ok(),
        _ => None,
    }
}

/// A double. None if the number is greater than every double.
pub fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if is_number(text) => text.parse().ok().filter(|double: &f64| double.is_finite()),
        _ => None,
    }
}

/// A decimal128. None if it would be rounded.
///
/// The form is that of the specification "BSON Decimal128 Type Handling in Drivers": a number, or a name without regard
/// to case.
pub fn decimal(text: &str) -> Option<[u8; 16]> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_name = ["nan", "inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name));
    if !is_name && !is_number(text) {
        return None;
    }
    text.parse::<bson::Decimal128>().ok().map(|decimal| decimal.bytes())
}

/// `-12.50e+3`: a sign, digits with a point among or beside them, an exponent. All but one digit may be missing.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && digits(fraction)
        && whole.len() + fraction.len() > 0
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::{base64, decimal, double, integer, uuid};

    #[test]
    fn decimals_are_strict_and_exact() {
        let check = |text: &str, expected: Option<&str>| {
            let found = decimal(text).map(|bytes| bson::Decimal128::from_bytes(bytes).to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("1.50", Some("1.50"));
        check("-0", Some("-0"));
        check("+0.5", Some("0.5"));
        check(".5", Some("0.5"));
        check("5.", Some("5"));
        check("1E+3", Some("1E+3"));
        check("inf", Some("Infinity"));
        check("-INFINITY", Some("-Infinity"));
        check("nan", Some("NaN"));
        for odd in ["", ".", "e100", "E01", "++1", "-+32.4", "+-1", "1e", "1e+", "1..2", "1.2.3", " 1", "1 ", "0x1"] {
            check(odd, None);
        }
        for odd in ["1,5", "-", "Infinit", "--1", "1e5e5", "1_000", "١"] {
            check(odd, None);
        }
        check(&"1".repeat(35), None);
        check("1e99999999999999999999999999999999999999999", None);
    }

    #[test]
    fn other_numbers_are_strict() {
        assert_eq!([integer("0x1F"), integer("-0x1"), integer("-12")], [Some(31), Some(-1), Some(-12)]);
        assert_eq!([integer(""), integer("+1"), integer("1.0"), integer("9223372036854775808")], [None; 4]);
        assert_eq!([double("1e400"), double(""), double("inf"), double("nan"), double("1e")], [None; 5]);
        assert_eq!([double("-0.0"), double("1E+10")], [Some(-0.0), Some(1e10)]);
    }

    #[test]
    fn bytes_are_strict() {
        assert_eq!(base64("AQID"), Some(vec![1, 2, 3]));
        assert_eq!(base64("AQ=="), Some(vec![1]));
        assert_eq!(base64("+/8="), Some(vec![251, 255]));
        assert_eq!(base64(""), Some(vec![]));
        for odd in ["A", "AQ", "AQ=", "A===", "=AAA", "AQ==AQID", "AQ-_", "AQ==\n"] {
            assert_eq!(base64(odd), None, "{odd}");
        }
        assert!(uuid("c8edabc3-f738-4ca3-b68d-ab92a91478a3").is_some());
        assert!(uuid("c8edabc3f7384ca3b68dab92a91478a3").is_none());
        assert!(uuid("c8edabc3-f738-4ca3-b68d-ab92a91478").is_none());
    }
}
