//! A value of a configuration file, TOML or YAML, as written: its kind, its parts, and the place of each.
//!
//! Does not know the schema of either file. `profiles` and `properties` know the meaning of a key.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::messages;
use elt_base::error::{Error, Place, Result, SourceText};

/// A value and its byte range in the file.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub value: WrittenValue,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub(super) enum WrittenValue {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Written>),
    Table(Vec<Entry>),
}

/// A key of a table with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Written,
}

impl Written {
    pub fn new(value: WrittenValue, place: Place) -> Self {
        Self { value, place }
    }

    /// A value that a template rendered. All its parts have the place of the template.
    pub fn from_json(value: Value, place: &Place) -> Self {
        let value = match value {
            Value::Null => WrittenValue::Null,
            Value::Bool(value) => WrittenValue::Bool(value),
            Value::Number(value) => WrittenValue::Number(value),
            Value::String(text) => WrittenValue::Text(text),
            Value::Array(items) => {
                WrittenValue::List(items.into_iter().map(|item| Self::from_json(item, place)).collect())
            }
            Value::Object(map) => WrittenValue::Table(
                map.into_iter()
                    .map(|(key, value)| Entry { key, key_place: place.clone(), value: Self::from_json(value, place) })
                    .collect(),
            ),
        };
        Self::new(value, place.clone())
    }

    /// The kind of value, as messages name it.
    pub fn kind(&self) -> &'static str {
        match self.value {
            WrittenValue::Null => "nothing",
            WrittenValue::Bool(_) => "a boolean",
            WrittenValue::Number(_) => "a number",
            WrittenValue::Text(_) => "a text",
            WrittenValue::List(_) => "a list",
            WrittenValue::Table(_) => "a table",
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, WrittenValue::Null)
    }

    /// The value without its places.
    pub fn to_json(&self) -> Value {
        match &self.value {
            WrittenValue::Null => Value::Null,
            WrittenValue::Bool(value) => Value::Bool(*value),
            WrittenValue::Number(value) => Value::Number(value.clone()),
            WrittenValue::Text(text) => Value::String(text.clone()),
            WrittenValue::List(items) => items.iter().map(Written::to_json).collect(),
            WrittenValue::Table(entries) => Value::Object(to_json_map(entries)),
        }
    }

    /// The entries of a table. An empty value counts as an empty table. `key` names the value in the error.
    pub fn table(&self, key: &str) -> Result<&[Entry]> {
        match &self.value {
            WrittenValue::Table(entries) => Ok(entries),
            WrittenValue::Null => Ok(&[]),
            _ => Err(messages::wrong_kind(key, "a table", self.kind(), self.place.clone())),
        }
    }

    /// The items of a list. An empty value counts as an empty list.
    pub fn list(&self, key: &str) -> Result<&[Written]> {
        match &self.value {
            WrittenValue::List(items) => Ok(items),
            WrittenValue::Null => Ok(&[]),
            _ => Err(messages::wrong_kind(key, "a list", self.kind(), self.place.clone())),
        }
    }

    pub fn text(&self, key: &str) -> Result<&str> {
        match &self.value {
            WrittenValue::Text(text) => Ok(text),
            _ => Err(messages::wrong_kind(key, "a text", self.kind(), self.place.clone())),
        }
    }

    /// A text, or a list of texts, which dbt accepts for `columns:` and similar keys.
    pub fn texts(&self, key: &str) -> Result<Vec<String>> {
        match &self.value {
            WrittenValue::Text(text) => Ok(vec![text.clone()]),
            WrittenValue::List(items) => items.iter().map(|item| item.text(key).map(str::to_owned)).collect(),
            WrittenValue::Null => Ok(Vec::new()),
            _ => Err(messages::wrong_kind(key, "a list of texts", self.kind(), self.place.clone())),
        }
    }

    /// A count of at least one. A text that contains a number is accepted, because variables are replaced as text.
    pub fn count(&self, key: &str) -> Result<usize> {
        let count = match &self.value {
            WrittenValue::Number(number) => number.as_u64(),
            WrittenValue::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        match count.and_then(|count| usize::try_from(count).ok()) {
            Some(count) if count > 0 => Ok(count),
            _ => Err(messages::wrong_kind(key, "a whole number of at least 1", self.kind(), self.place.clone())),
        }
    }

    /// True or false. A text `true` or `false` is accepted, because variables are replaced as text.
    pub fn flag(&self, key: &str) -> Result<bool> {
        match &self.value {
            WrittenValue::Bool(flag) => Ok(*flag),
            WrittenValue::Text(text) if text.trim() == "true" => Ok(true),
            WrittenValue::Text(text) if text.trim() == "false" => Ok(false),
            _ => Err(messages::wrong_kind(key, "`true` or `false`", self.kind(), self.place.clone())),
        }
    }

    /// Calls `change` with every text in the value and the place of the text.
    pub fn each_text(&mut self, change: &mut dyn FnMut(&mut String, &Place)) {
        match &mut self.value {
            WrittenValue::Text(text) => change(text, &self.place),
            WrittenValue::List(items) => items.iter_mut().for_each(|item| item.each_text(change)),
            WrittenValue::Table(entries) => entries.iter_mut().for_each(|entry| entry.value.each_text(change)),
            WrittenValue::Null | WrittenValue::Bool(_) | WrittenValue::Number(_) => {}
        }
    }
}

pub(super) fn to_json_map(entries: &[Entry]) -> Map<String, Value> {
    entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
}

pub(super) fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Written> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

/// An error for each key that is not among `known`. `of` names the table: "a target".
pub(super) fn unknown_keys(entries: &[Entry], known: &[&str], of: &str) -> Vec<Error> {
    entries
        .iter()
        .filter(|entry| !known.contains(&entry.key.as_str()))
        .map(|entry| messages::unknown_key(&entry.key, of, known, entry.key_place.clone()))
        .collect()
}

/// Collects optional values, and the errors of values of the wrong kind.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub errors: Vec<Error>,
}

impl Kept {
    pub fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.errors.extend(error.split())).ok()
    }

    pub fn text<'a>(&mut self, entries: &'a [Entry], key: &str) -> Option<&'a str> {
        find(entries, key).and_then(|written| self.keep(written.text(key)))
    }

    pub fn count(&mut self, entries: &[Entry], key: &str) -> Option<usize> {
        find(entries, key).and_then(|written| self.keep(written.count(key)))
    }

    pub fn map(&mut self, entries: &[Entry], key: &str) -> Map<String, Value> {
        find(entries, key).and_then(|written| self.keep(written.table(key).map(to_json_map))).unwrap_or_default()
    }
}

/// The value that was read, if there are no errors. Otherwise all errors.
pub(super) fn together<T>(read: Result<T>, mut errors: Vec<Error>) -> Result<T> {
    let read = read.map_err(|error| errors.extend(error.split())).ok();
    match (read, Error::many(errors)) {
        (Some(read), None) => Ok(read),
        (_, Some(error)) => Err(error),
        (None, None) => unreachable!("a failed value always leaves an error"),
    }
}

/// Limits a span to the text and to whole characters. Spans come from parsers, and a wrong one must not cause a panic.
pub(super) fn clamp(source: &Arc<SourceText>, start: usize, end: usize) -> Place {
    let text = &source.text;
    let mut start = start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    Place::new(source, start..end)
}
