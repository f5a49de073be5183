//! The binary form of `numeric`: base-10,000 digits around the decimal point.
//!
//! As `numeric_recv` in Postgres' `numeric.c` reads it: count of digits, weight of the first, sign, digits shown after
//! the point, digits. Knows no Arrow.

const NEGATIVE: u16 = 0x4000;
/// The maximum digits of `numeric` before the decimal point.
const DIGITS_MAX: usize = 131_072;

/// Appends `value` / 10^`scale`, exactly, with its length.
pub fn put_decimal(out: &mut Vec<u8>, value: i128, scale: u8) {
    // 39 digits, of which the fraction may fill its last group only in part: at most 11 groups.
    let mut groups = [0u16; 12];
    let mut count = 0;
    let mut rest = value.unsigned_abs();
    let partial = u32::from(scale % 4);
    if partial > 0 {
        let unit = 10u128.pow(partial);
        groups[0] = (rest % unit) as u16 * 10u16.pow(4 - partial);
        rest /= unit;
        count = 1;
    }
    while rest > u128::from(u64::MAX) {
        groups[count] = (rest % 10_000) as u16;
        rest /= 10_000;
        count += 1;
    }
    // Most values fit 64 bits, where dividing is many times faster.
    let mut rest = rest as u64;
    while rest > 0 {
        groups[count] = (rest % 10_000) as u16;
        rest /= 10_000;
        count += 1;
    }
    let weight = count as i16 - i16::from(scale.div_ceil(4)) - 1;
    // Only the partial group can be a leading zero; without it the last group is not zero.
    let (count, weight) = if groups[..count].iter().all(|group| *group == 0) { (0, 0) } else { (count, weight) };
    put_head(out, count, weight, value < 0, scale);
    for group in groups[..count].iter().rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

/// Appends the integer that decimal digits with an optional sign spell; false, and nothing appended, if they do not
/// or are too many.
pub fn put_digits(out: &mut Vec<u8>, text: &str) -> bool {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let digits = digits.trim_start_matches('0').as_bytes();
    if digits.len() > DIGITS_MAX {
        return false;
    }
    let count = digits.len().div_ceil(4);
    put_head(out, count, (count as i32 - 1).max(0) as i16, negative && count > 0, 0);
    let first = digits.len() - 4 * count.saturating_sub(1);
    let (head, tail) = digits.split_at(first);
    for group in std::iter::once(head).filter(|head| !head.is_empty()).chain(tail.chunks(4)) {
        let value = group.iter().fold(0u16, |value, digit| value * 10 + u16::from(digit - b'0'));
        out.extend_from_slice(&value.to_be_bytes());
    }
    true
}

fn put_head(out: &mut Vec<u8>, groups: usize, weight: i16, negative: bool, scale: u8) {
    out.extend_from_slice(&(8 + 2 * groups as u32).to_be_bytes());
    out.extend_from_slice(&(groups as u16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&(if negative { NEGATIVE } else { 0 }).to_be_bytes());
    out.extend_from_slice(&u16::from(scale).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a value back as Postgres would print it, from groups, weight, sign and scale.
    fn read(bytes: &[u8]) -> String {
        let word = |at: usize| i16::from_be_bytes([bytes[4 + at * 2], bytes[5 + at * 2]]);
        let (count, weight, negative, scale) = (word(0), word(1), word(2) == 0x4000, word(3));
        assert_eq!(u32::from_be_bytes(bytes[..4].try_into().expect("a length")) as usize, bytes.len() - 4);
        assert_eq!(count as usize, (bytes.len() - 12) / 2);
        let group = |weight_wanted: i16| {
            let index = weight - weight_wanted;
            if (0..count).contains(&index) { word(4 + index as usize) } else { 0 }
        };
        let mut whole: String = (0..=weight.max(0)).rev().map(|at| format!("{:04}", group(at))).collect();
        whole = whole.trim_start_matches('0').to_owned();
        if whole.is_empty() {
            whole.push('0');
        }
        let fraction: String = (1..=scale / 4 + 2).map(|at| format!("{:04}", group(-at))).collect();
        let point = if scale > 0 { format!(".{}", &fraction[..scale as usize]) } else { String::new() };
        format!("{}{whole}{point}", if negative { "-" } else { "" })
    }

    #[track_caller]
    fn check(value: i128, scale: u8, expected: &str) {
        let mut out = Vec::new();
        put_decimal(&mut out, value, scale);
        assert_eq!(read(&out), expected);
    }

    #[test]
    fn decimals_are_exact() {
        check(0, 0, "0");
        check(0, 2, "0.00");
        check(1, 2, "0.01");
        check(1, 9, "0.000000001");
        check(-12345, 3, "-12.345");
        check(100_000_000, 2, "1000000.00");
        check(10_000, 4, "1.0000");
        check(99_999_999_999_999_999_999_999_999_999_999_999_999, 0, "99999999999999999999999999999999999999");
        check(-99_999_999_999_999_999_999_999_999_999_999_999_999, 37, "-9.9999999999999999999999999999999999999");
        check(99_999_999_999_999_999_999_999_999_999_999_999_999, 38, "0.99999999999999999999999999999999999999");
        check(i128::from(u64::MAX) + 1, 1, "1844674407370955161.6");
    }

    #[test]
    fn digits_are_exact() {
        for text in ["0", "7", "-10000", "123456789", "-170141183460469231731687303715884105728"] {
            let mut out = Vec::new();
            assert!(put_digits(&mut out, text));
            assert_eq!(read(&out), text);
        }
        for text in ["", "-", "1.5", "1e3", " 1"] {
            assert!(!put_digits(&mut Vec::new(), text), "{text}");
        }
    }
}
