//! Formats numbers for people: digits in groups of three, and a count with its noun.
//!
//! Pure text. Knows no console, and not what is counted.

/// 1234567 → `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A count with its noun, in the singular if the count is 1: `1 row`, `2 rows`. The caller passes the plural of the
/// noun.
pub fn counted(number: u64, plural: &str) -> String {
    let noun = if number == 1 { singular(plural) } else { plural.to_owned() };
    format!("{} {noun}", thousands(number))
}

fn singular(plural: &str) -> String {
    if plural == "analyses" {
        return "analysis".into();
    }
    match plural.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None if plural.ends_with("ches") => plural.trim_end_matches("es").to_owned(),
        None => plural.strip_suffix('s').unwrap_or(plural).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[track_caller]
    fn check(number: u64, plural: &str, expected: &str) {
        assert_eq!(counted(number, plural), expected);
    }

    #[test]
    fn counts_read_well() {
        check(0, "rows", "0 rows");
        check(1, "rows", "1 row");
        check(1, "queries", "1 query");
        check(1, "batches", "1 batch");
        check(999, "rows", "999 rows");
        check(1000, "rows", "1,000 rows");
        check(1234567, "documents", "1,234,567 documents");
    }
}
