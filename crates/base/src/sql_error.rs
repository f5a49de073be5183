//! Parses DuckDB's error for a statement that failed.
//!
//! Knows DuckDB's JSON form of errors (`SET errors_as_json=true`). Does not know who ran the statement.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::error::Error;
use crate::messages;
use crate::values;

/// The error of a failed statement. It contains no value of a row: if DuckDB's message quotes one, it is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// DuckDB's exception type: `Binder`, `Catalog`, `Parser`, `Conversion`, `Constraint`, `INTERRUPT` …
    pub kind: String,
    /// Its message, without type, position and candidates.
    pub message: String,
    /// Byte offset in the statement, if DuckDB reports it.
    pub position: Option<usize>,
    /// Names that the user may have meant.
    pub candidates: Vec<String>,
}

impl SqlError {
    /// Parses DuckDB's text. A text that is not in its JSON form becomes the message.
    pub fn parse(text: &str) -> Self {
        let json = text.find('{').and_then(|start| serde_json::from_str::<Value>(&text[start..]).ok());
        let Some(Value::Object(json)) = json else {
            return Self::plain(text);
        };
        let field = |name: &str| json.get(name).and_then(Value::as_str);
        let Some(full) = field("exception_message") else { return Self::plain(text) };
        let kind = field("exception_type").unwrap_or("Unknown").to_owned();
        let (message, rest) = split_candidates(full);
        let mut candidates: Vec<String> = field("candidates")
            .map(|list| list.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect())
            .unwrap_or_default();
        if candidates.is_empty() {
            candidates = if rest.contains("Candidate functions") { signatures(rest) } else { quoted(rest) };
        }
        candidates.retain(|name| !name.is_empty());
        Self {
            message: redact(&kind, message),
            position: field("position").and_then(|position| position.parse().ok()),
            kind,
            candidates,
        }
    }

    fn plain(text: &str) -> Self {
        let (kind, message) = match text.split_once(" Error: ") {
            Some((kind, message)) if !kind.contains(' ') || kind.len() < 24 => (kind.to_owned(), message),
            _ => ("Unknown".to_owned(), text),
        };
        Self { message: redact(&kind, message.trim()), kind, position: None, candidates: Vec::new() }
    }

    /// Whether the statement was stopped by `Session::interrupter`.
    pub fn is_interrupt(&self) -> bool {
        self.kind.eq_ignore_ascii_case("interrupt")
    }
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SqlError {}

/// For a statement of `elt` itself that failed, if no better message exists.
impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        if error.is_interrupt() {
            return messages::interrupted();
        }
        Self::failed("the warehouse did not accept a statement").because(error.message)
    }
}

/// DuckDB's message in the style of our messages: it begins with a lowercase letter, and names are in backquotes.
pub fn our_manner(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default().trim_end_matches(['!', '.', ' ']);
    let is_word = message.chars().nth(1).is_some_and(char::is_lowercase);
    let mut text: String = match message.chars().next().filter(|_| is_word) {
        Some(first) => first.to_lowercase().chain(message.chars().skip(1)).collect(),
        None => message.to_owned(),
    };
    if text.matches('"').count().is_multiple_of(2) {
        text = text.replace('"', "`");
    }
    text
}

/// The name that DuckDB does not know: the word after "with name", or the last name in backquotes.
pub fn unknown_name(message: &str) -> Option<&str> {
    match message.split_once("with name ") {
        Some((_, rest)) => rest.split(' ').next(),
        None => message.rsplit('`').nth(1),
    }
}

/// Splits DuckDB's message from its lists of candidates.
fn split_candidates(message: &str) -> (&str, &str) {
    let starts = ["\nCandidate", "\n\nCandidate", "\nDid you mean", "\n\tCandidate functions", "\n\tDid you mean"];
    match starts.iter().filter_map(|start| message.find(start)).min() {
        Some(at) => (message[..at].trim_end(), &message[at..]),
        None => (message.trim_end(), ""),
    }
}

/// The functions that DuckDB lists, one on each line: `upper(VARCHAR) -> VARCHAR`.
fn signatures(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| line.contains('(') && line.contains("->"));
    lines.map(str::to_owned).collect()
}

/// The texts in double quotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Removes possible values of rows from the kinds of message that quote them: quoted texts, numbers, and all lines
/// that only picture the value.
fn redact(kind: &str, message: &str) -> String {
    let kind = kind.to_lowercase();
    if !["conversion", "out of range", "constraint", "invalid input"].contains(&kind.as_str()) {
        return message.to_owned();
    }
    if values::are_shown() {
        return message.lines().next().unwrap_or_default().to_owned();
    }
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    let mut kept = first.to_owned();
    if first.starts_with("CSV Error") {
        // After the place, DuckDB writes the line that it read, then the reason, then its settings and advice.
        let ends = |line: &&str| !line.trim().is_empty() && !line.starts_with("Possible");
        for line in lines.take_while(ends).filter(|line| !line.starts_with("Original Line")) {
            kept.push_str(", ");
            kept.push_str(line.trim());
        }
    }
    without_numbers(&without_quoted(&kept))
}

/// Replaces quoted texts by `…`, except the names of columns.
fn without_quoted(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(open) = rest.find(['\'', '"']) {
        // The apostrophe in "can't" is not a quote.
        let is_apostrophe = rest[..open].ends_with(char::is_alphanumeric) && rest[open + 1..].starts_with("t ");
        if is_apostrophe {
            shown.push_str(&rest[..=open]);
            rest = &rest[open + 1..];
            continue;
        }
        let quote = &rest[open..=open];
        let inner = &rest[open + 1..];
        let is_column = quote == "\"" && rest[..open].ends_with("column ");
        let Some(length) = inner.rfind(quote).filter(|_| quote == "'").or_else(|| inner.find(quote)) else {
            // DuckDB shortened this value.
            shown.push_str(&rest[..open]);
            shown.push('…');
            return shown;
        };
        shown.push_str(&rest[..open]);
        shown.push_str(if is_column { &rest[open..open + length + 2] } else { "…" });
        rest = &inner[length + 1..];
    }
    shown.push_str(rest);
    shown
}

/// Replaces numbers by `…`, except numbers that are part of a type's name or of a place.
fn without_numbers(message: &str) -> String {
    static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(?:Line:|Columns:|Found:|byte) \d+|[A-Za-z_][\w-]*(?:\(\d+, ?\d+\))?|"[^"]*"|[-+]?\d[\w.:+-]*"#)
            .ok()
    });
    let Some(token) = TOKEN.as_ref() else { return message.to_owned() };
    let kept = |found: &regex::Captures<'_>| {
        let text = &found[0];
        let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
        if is_number { "…".to_owned() } else { text.to_owned() }
    };
    token.replace_all(message, kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, kind: &str, message: &str, position: Option<usize>, candidates: &[&str]) {
        let error = SqlError::parse(text);
        let found: Vec<&str> = error.candidates.iter().map(String::as_str).collect();
        assert_eq!(
            (error.kind.as_str(), error.message.as_str(), error.position, found.as_slice()),
            (kind, message, position, candidates)
        );
    }

    #[test]
    fn takes_errors_apart() {
        check(
            r#"Binder Error: {"exception_type":"Binder","exception_message":"Referenced column \"nmae\" not found in FROM clause!\nCandidate bindings: \"n\"","candidates":"n","position":"7"}"#,
            "Binder",
            "Referenced column \"nmae\" not found in FROM clause!",
            Some(7),
            &["n"],
        );
        check(
            r#"{"exception_type":"Binder","exception_message":"Could not find key \"zz\" in struct\n\nCandidate Entries: \"p\""}"#,
            "Binder",
            "Could not find key \"zz\" in struct",
            None,
            &["p"],
        );
        check("IO Error: no such file", "IO", "no such file", None, &[]);
    }

    #[test]
    fn leaves_values_out() {
        check(
            r#"{"exception_type":"Conversion","exception_message":"Could not convert string 'it's 5' to INT32","position":"7"}"#,
            "Conversion",
            "Could not convert string … to INT32",
            Some(7),
            &[],
        );
        check(
            r#"{"exception_type":"Conversion","exception_message":"Failed to cast value to numerical: {\"number\":\"+254707..."}"#,
            "Conversion",
            "Failed to cast value to numerical: {…:…",
            None,
            &[],
        );
        check(
            r#"{"exception_type":"Constraint","exception_message":"Duplicate key \"id: 5\" violates primary key constraint"}"#,
            "Constraint",
            "Duplicate key … violates primary key constraint",
            None,
            &[],
        );
    }

    #[test]
    fn leaves_unquoted_values_out() {
        #[track_caller]
        fn check(kind: &str, message: &str, expected: &str) {
            assert_eq!(super::redact(kind, message), expected);
        }
        check(
            "Out of Range",
            "Overflow in multiplication of INT64 (9223372036854775807 * 2)!",
            "Overflow in multiplication of INT64 (… * …)!",
        );
        check(
            "Conversion",
            "Type DOUBLE with value -1e+300 can't be cast because the value is out of range for the destination type DECIMAL(3,1)",
            "Type DOUBLE with value … can't be cast because the value is out of range for the destination type DECIMAL(3,1)",
        );
        check(
            "Invalid Input",
            "Could not parse string \"x y\" according to format specifier \"%Y\"\nx y\n^\nError: Expected a number",
            "Could not parse string … according to format specifier …",
        );
        check("Invalid Input", "This file is not utf-8 encoded.", "This file is not utf-8 encoded.");
        check("Conversion", "Date out of range: 99999999-1-1", "Date out of range: …");
        check(
            "Invalid Input",
            "CSV Error on Line: 3\nOriginal Line: 1,2,secret\nExpected Number of Columns: 2 Found: 3\nPossible fixes:\n* x",
            "CSV Error on Line: 3, Expected Number of Columns: 2 Found: 3",
        );
        check(
            "Conversion",
            "CSV Error on Line: 9\nOriginal Line: 1,secret\nError when converting column \"ssn\". Could not convert string \"secret\" to 'BIGINT'\n\n  file = x",
            "CSV Error on Line: 9, Error when converting column \"ssn\". Could not convert string … to …",
        );
    }
}
