//! The messages of the engine's errors, and their places.
//!
//! Knows the engine's wording. Renders nothing.

use std::sync::Arc;

use super::markup::Markup;
use elt_base::error::{Place, SourceText};

/// The name in the engine's message "unknown function: x is unknown" or "`x` is undefined".
pub(super) fn unknown_name(error: &minijinja::Error) -> Option<String> {
    let detail = error.detail()?;
    match error.kind() {
        minijinja::ErrorKind::UnknownFunction => detail.split(' ').next().map(str::to_owned),
        minijinja::ErrorKind::UndefinedError | minijinja::ErrorKind::UnknownMethod => {
            detail.split('`').nth(1).map(str::to_owned)
        }
        _ => None,
    }
}

/// The engine's message in our style.
pub(super) fn reason(error: &minijinja::Error) -> String {
    use minijinja::ErrorKind;
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownFunction => match unknown_name(error) {
            Some(name) => format!("function or macro `{name}` does not exist"),
            None => detail.to_owned(),
        },
        ErrorKind::UnknownMethod if detail.ends_with("` is undefined)") => match unknown_name(error) {
            Some(name) => format!("`{name}` is undefined"),
            None => detail.to_owned(),
        },
        ErrorKind::OutOfFuel => format!("it does not end within {} million steps", super::jinja::STEPS_MAX / 1_000_000),
        ErrorKind::TemplateNotFound => "`import`, `include` and `extends` are not supported".to_owned(),
        ErrorKind::UndefinedError if !detail.is_empty() => detail.to_owned(),
        ErrorKind::InvalidOperation | ErrorKind::SyntaxError if !detail.is_empty() => detail.to_owned(),
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    }
}

pub(super) fn place_of(error: &minijinja::Error, source: &Arc<SourceText>, markup: &Markup) -> Option<Place> {
    match error.range() {
        Some(range) if !range.is_empty() => {
            let mut span = markup.original_range(range);
            let text = &source.text;
            // A method's range begins at its dot. The text before the dot is added.
            if text.get(span.start..).is_some_and(|rest| rest.starts_with('.')) {
                let before = &text[..span.start];
                span.start = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '.').len();
            }
            let is_good =
                span.end <= text.len() && text.is_char_boundary(span.start) && text.is_char_boundary(span.end);
            let line = || error.line().map(|line| Place::line(source, line));
            if is_good { Some(Place::new(source, span)) } else { line() }
        }
        _ => error.line().map(|line| Place::line(source, line)),
    }
}
