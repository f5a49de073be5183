//! Trims texts that contain markers: removes the blanks and keeps the markers.
//!
//! It is used only if a text is rendered again for its places. Other filters either keep markers unchanged, or the
//! result of the rendering differs and is not used.

use minijinja::Environment;
use minijinja::value::Value;

use crate::template::markup::{is_mark, unmarked};

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_filter("trim", |value: Value, characters: Option<String>| match characters {
        Some(characters) => {
            Value::from(unmarked(&value.to_string()).trim_matches(|c| characters.contains(c)).to_owned())
        }
        None => Value::from(trimmed(&value.to_string(), true, true)),
    });
    env.add_filter("length", length);
    env.add_filter("count", length);
}

fn length(value: Value) -> Option<usize> {
    match value.as_str() {
        Some(text) => Some(unmarked(text).chars().count()),
        None => value.len(),
    }
}

/// `strip`, `lstrip` and `rstrip` of a text with markers. None for everything else.
pub(super) fn method(value: &Value, method: &str, args: &[Value]) -> Option<Value> {
    let text = value.as_str().filter(|text| args.is_empty() && text.contains(is_mark))?;
    let (start, end) = match method {
        "strip" => (true, true),
        "lstrip" => (true, false),
        "rstrip" => (false, true),
        _ => return None,
    };
    Some(Value::from(trimmed(text, start, end)))
}

fn trimmed(text: &str, start: bool, end: bool) -> String {
    let is_kept = |c: char| !c.is_whitespace() && !is_mark(c);
    let first = text.find(is_kept).unwrap_or(text.len());
    let last = text.rfind(is_kept).map_or(first, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    let (first, last) = (if start { first } else { 0 }, if end { last } else { text.len() });
    let marks = |part: &str| part.chars().filter(|c| is_mark(*c)).collect::<String>();
    format!("{}{}{}", marks(&text[..first]), &text[first..last], marks(&text[last..]))
}
