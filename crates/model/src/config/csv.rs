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
        Self {
            delimiter,
            quote,
            nulls: nulls(read),
            encoding: read.choice("encoding", TextEncoding::CHOICES),
            header: read.flag("header"),
        }
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
