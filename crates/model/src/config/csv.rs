//! The keys of a source's table that say how its CSV file is written.
//!
//! Reads values. Does not know the file.

use serde_json::Value;

use super::value::ConfigReader;
use crate::graph::{CsvConfig, TextEncoding};

impl CsvConfig {
    pub(crate) fn read(read: &mut ConfigReader<'_>) -> Self {
        let delimiter = read.value("delimiter").is_some().then(|| read.character("delimiter")).flatten();
        let quote = match read.value("quote") {
            None => None,
            Some(Value::String(text)) if text.is_empty() || text.eq_ignore_ascii_case("none") => Some(None),
            Some(_) => read.character("quote").map(Some),
        };
        for (key, letter) in [("delimiter", delimiter), ("quote", quote.flatten())] {
            if letter.is_some_and(|letter| !letter.is_ascii() || matches!(letter, '\n' | '\r')) {
                read.refuse(key, "must be one ASCII character, and not the end of a line".into());
            }
        }
        if delimiter.is_some() && quote.flatten() == delimiter {
            read.refuse("quote", "must differ from `delimiter`".into());
        }
        Self { delimiter, quote, nulls: nulls(read), encoding: encoding(read), header: read.flag("header") }
    }
}

/// An encoding, also under the names that other programs use.
fn encoding(read: &mut ConfigReader<'_>) -> Option<TextEncoding> {
    let written = read.value("encoding").and_then(Value::as_str).unwrap_or_default();
    let plain: String = written.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match plain.as_str() {
        "utf8" => Some(TextEncoding::Utf8),
        "utf16" => Some(TextEncoding::Utf16),
        "utf16le" => Some(TextEncoding::Utf16Le),
        "utf16be" => Some(TextEncoding::Utf16Be),
        "latin1" | "iso88591" => Some(TextEncoding::Latin1),
        "windows1252" | "cp1252" => Some(TextEncoding::Windows1252),
        // Told with the names that are accepted.
        _ => read.choice("encoding", TextEncoding::CHOICES),
    }
}

/// A text or a list of texts. YAML reads some of them as other values.
fn nulls(read: &mut ConfigReader<'_>) -> Option<Vec<String>> {
    let value = read.value("null")?;
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let text = |item: &Value| match item {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let texts: Option<Vec<String>> = items.iter().map(text).collect();
    if texts.is_none() {
        read.refuse("null", "must be a text or a list of texts, in quotes: `['', 'NULL']`".into());
    }
    texts
}
