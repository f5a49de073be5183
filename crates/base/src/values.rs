//! Whether messages may quote values of rows, which only the user can allow, and how a database's text looks without
//! them.
//!
//! Knows the sentences in which Postgres quotes values. Knows no error of a driver.

use std::sync::atomic::{AtomicBool, Ordering};

static SHOWN: AtomicBool = AtomicBool::new(false);

/// What a message shows in the place of a value.
const MASK: &str = "…";

/// The ends of the sentences in which Postgres quotes a key's values.
const KEY_ENDS: [&str; 5] = [
    ") already exists",
    ") is not present in table",
    ") is still referenced from table",
    ") conflicts with existing key",
    ") is duplicated",
];

/// `--show-values`: from now on, messages quote values.
pub fn show() {
    SHOWN.store(true, Ordering::Relaxed);
}

pub fn are_shown() -> bool {
    SHOWN.load(Ordering::Relaxed)
}

/// A database's own detail of an error, with `…` for values, unless the user asked for them: `Key (id)=(…) already
/// exists.`
pub fn detail(text: &str) -> String {
    if are_shown() { text.to_owned() } else { masked_detail(text) }
}

/// A sentence that people wrote into a trigger or procedure, with `…` for its numbers and quoted parts.
pub fn sentence(text: &str) -> String {
    if are_shown() { text.to_owned() } else { masked_sentence(text) }
}

fn masked_detail(text: &str) -> String {
    for (opening, closing) in [(")=(", KEY_ENDS.as_slice()), (") = (", &[]), ("row contains (", &[])] {
        let Some(at) = text.find(opening).map(|at| at + opening.len()) else { continue };
        let end = closing.iter().filter_map(|end| text.rfind(end)).max().filter(|end| *end >= at);
        let tail = match end {
            // After a conflict, the other key's values follow.
            Some(end) if text[end..].starts_with(") conflicts") => ") conflicts with an existing key.",
            Some(end) => &text[end..],
            None => ").",
        };
        return format!("{}{MASK}{tail}", &text[..at]);
    }
    masked_sentence(text)
}

fn masked_sentence(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let is_word = before.is_alphanumeric() || before == '_';
        let length = match first {
            '"' | '\'' | '“' | '«' if !is_word => {
                let close = match first {
                    '“' => '”',
                    '«' => '»',
                    quote => quote,
                };
                let inside = &rest[first.len_utf8()..];
                let length = inside.find(close).map_or(rest.len(), |end| first.len_utf8() + end + close.len_utf8());
                shown.push(first);
                shown.push_str(MASK);
                shown.push(close);
                length
            }
            // A row or a list.
            '(' if let Some(length) = closed_list(rest) => {
                shown.push_str("(…)");
                length
            }
            digit if digit.is_ascii_digit() && !is_word => {
                shown.push_str(MASK);
                let is_number = |c: char| c.is_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '+');
                let length = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
                // A sentence's own period is not part of the number.
                rest[..length].trim_end_matches(['.', ':']).len()
            }
            other => {
                shown.push(other);
                other.len_utf8()
            }
        };
        before = rest[..length].chars().next_back().unwrap_or(' ');
        rest = &rest[length..];
    }
    shown
}

/// The length in bytes of `(a,b)` at the start of a text. None if it is no list.
fn closed_list(text: &str) -> Option<usize> {
    let end = text.find(')')?;
    text[..end].contains(',').then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::{masked_detail, masked_sentence};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(masked_detail(text), expected);
    }

    #[test]
    fn names_stay_and_values_go() {
        check("Key (id)=(17) already exists.", "Key (id)=(…) already exists.");
        check("Key (a, \"b c\")=(1, x) already exists) already exists.", "Key (a, \"b c\")=(…) already exists.");
        check(
            "Key (customer_id)=(9) is not present in table \"customers\".",
            "Key (customer_id)=(…) is not present in table \"customers\".",
        );
        check(
            "Key (during)=([1,2)) conflicts with existing key (during)=([1,3)).",
            "Key (during)=(…) conflicts with an existing key.",
        );
        check("Failing row contains (1, hush, null).", "Failing row contains (…).");
        check(
            "Partition key of the failing row contains (ts) = (2024-01-01).",
            "Partition key of the failing row contains (ts) = (…).",
        );
        check("Token \"hush\" is invalid.", "Token \"…\" is invalid.");
    }

    #[test]
    fn sentences_keep_their_words() {
        let check = |text: &str, expected: &str| assert_eq!(masked_sentence(text), expected);
        check("no row 7 please", "no row … please");
        check("customer 'Ann' has 3.5% too many.", "customer '…' has …% too many.");
        check("table t1: value \"hush", "table t1: value \"…\"");
        check("no (1,hush,\"a b\") here (really)", "no (…) here (really)");
        check("since 2024-01-01 10:00.", "since … ….");
    }
}
