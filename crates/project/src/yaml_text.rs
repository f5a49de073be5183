//! Converts YAML text to `Written`, with the place of every key and value.
//!
//! Knows YAML 1.2's core schema (`yes` and `no` are texts), but not dbt's schema.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Location, Spanned};

use super::written::{Entry, Written, WrittenValue, clamp};
use crate::messages;
use elt_base::error::{Place, Result, SourceText};

/// The file's document. An empty file is an empty table.
pub(super) fn parse(source: &Arc<SourceText>) -> Result<Written> {
    parse_shown(&source.text, source)
}

/// Parses `text`. Errors show the lines of `source`, which has the same length, but stars instead of secrets.
pub(super) fn parse_shown(text: &str, source: &Arc<SourceText>) -> Result<Written> {
    let nothing = text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    });
    if nothing {
        return Ok(Written::new(WrittenValue::Null, clamp(source, 0, 0)));
    }
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map_or_else(|| clamp(source, 0, 0), |location| place_of(source, &location));
        let message = error.to_string();
        // The error's place is shown separately, so the parser's own "at line 3, column 5" is removed.
        let message = message.split(" at line ").next().unwrap_or(&message);
        let message = message.rsplit_once(": line ").map_or(message, |(before, _)| before);
        messages::malformed_yaml(message.lines().next().unwrap_or(message), place)
    })?;
    Ok(raw_to_written(raw, source))
}

fn raw_to_written(raw: Spanned<Raw>, source: &Arc<SourceText>) -> Written {
    let place = place_of(source, &raw.referenced);
    let value = match raw.value {
        Raw::Null => WrittenValue::Null,
        Raw::Bool(value) => WrittenValue::Bool(value),
        Raw::Number(number) => WrittenValue::Number(number),
        Raw::Text(text) => WrittenValue::Text(text),
        Raw::List(items) => WrittenValue::List(items.into_iter().map(|item| raw_to_written(item, source)).collect()),
        Raw::Map(entries) => WrittenValue::Table(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    key_place: place_of(source, &key.referenced),
                    key: key.value.unwrap_or_else(|| "null".to_owned()),
                    value: raw_to_written(value, source),
                })
                .collect(),
        ),
    };
    // A block's own span may be empty or have many lines, so only its first line is marked.
    let place = match value {
        WrittenValue::List(_) | WrittenValue::Table(_) => first_line(place),
        _ => place,
    };
    Written::new(value, place)
}

fn first_line(place: Place) -> Place {
    let text = &place.source.text;
    let start = place.span.start;
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let end = start + text[start..end].trim_end().len();
    Place { span: start..end.max(start), ..place }
}

/// The parser returns byte offsets for texts. Otherwise, lines and columns (1-based, in characters) are converted.
fn place_of(source: &Arc<SourceText>, location: &Location) -> Place {
    let span = location.span();
    if let (Some(offset), Some(length)) = (span.byte_offset(), span.byte_len()) {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let length = usize::try_from(length).unwrap_or(0).max(1);
        return clamp(source, start, start.saturating_add(length));
    }
    let line = usize::try_from(location.line()).unwrap_or(usize::MAX);
    let column = usize::try_from(location.column()).unwrap_or(1).max(1);
    let whole = source.line_span(line);
    let text = source.text.get(whole.clone()).unwrap_or("");
    let start = whole.start + text.char_indices().nth(column - 1).map_or(text.len(), |(index, _)| index);
    clamp(source, start, whole.end)
}

#[derive(Debug)]
enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    /// YAML reads the key `null` as no text.
    Map(Vec<(Spanned<Option<String>>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        // JSON has no `.nan` and `.inf`, so they are converted to the words that other places use.
        Ok(Number::from_f64(value).map_or_else(|| Raw::Text(value.to_string()), Raw::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
