//! Converts TOML text to `Written`, with the place of every key and value.
//!
//! Knows TOML, but not the content of `profiles.toml`.

use std::sync::Arc;

use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::written::{Entry, Written, WrittenValue, clamp};
use crate::messages;
use elt_base::error::{Result, SourceText};

/// Parses `text`. Errors show the lines of `shown`, which has the same length, but stars instead of passwords.
pub(super) fn parse(text: &str, shown: &Arc<SourceText>) -> Result<Written> {
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        messages::malformed_toml(error.message(), clamp(shown, span.start, span.end))
    })?;
    let entries = entries(table.get_ref(), shown)?;
    Ok(Written::new(WrittenValue::Table(entries), clamp(shown, 0, 0)))
}

fn entries(table: &DeTable<'_>, shown: &Arc<SourceText>) -> Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table.iter() {
        let span = key.span();
        let key_place = clamp(shown, span.start, span.end);
        entries.push(Entry { key: key.get_ref().to_string(), key_place, value: written(value, shown)? });
    }
    // The order in the file, so that errors have the same order.
    entries.sort_by_key(|entry| entry.key_place.span.start);
    Ok(entries)
}

fn written(value: &Spanned<DeValue<'_>>, shown: &Arc<SourceText>) -> Result<Written> {
    let span = value.span();
    let place = clamp(shown, span.start, span.end);
    let value = match value.get_ref() {
        DeValue::String(text) => WrittenValue::Text(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()) {
            Ok(number) => WrittenValue::Number(number.into()),
            Err(_) => return Err(messages::number_out_of_range(place)),
        },
        DeValue::Float(float) => match float.as_str().replace('_', "").parse().ok().and_then(Number::from_f64) {
            Some(number) => WrittenValue::Number(number),
            None => return Err(messages::number_out_of_range(place)),
        },
        DeValue::Boolean(value) => WrittenValue::Bool(*value),
        // JSON, which Jinja receives, has no dates. A date is converted to the text that a template prints.
        DeValue::Datetime(value) => WrittenValue::Text(value.to_string()),
        DeValue::Array(items) => {
            WrittenValue::List(items.iter().map(|item| written(item, shown)).collect::<Result<_>>()?)
        }
        DeValue::Table(table) => WrittenValue::Table(entries(table, shown)?),
    };
    Ok(Written::new(value, place))
}
