//! Jinja's errors as ours: at the innermost place, with the calls that led there.
//!
//! Knows the engine's words; renders nothing.

use std::sync::Arc;

use super::super::jinja::Refusal;
use super::super::markup::Markup;
use super::{Engine, Templates};
use crate::messages;
use elt_base::error::{Error, Place, SourceText, nearest};

impl Templates {
    /// A Jinja error as ours: at the innermost place, with the calls that led there.
    pub(super) fn error(
        &self,
        engine: &Engine,
        owner: &str,
        error: &minijinja::Error,
        main: Option<(&str, &Arc<SourceText>, &Markup)>,
        fallback: Option<&Place>,
    ) -> Error {
        let mut frames = vec![error];
        let mut refusal = None;
        let mut next = std::error::Error::source(error);
        while let Some(cause) = next {
            if let Some(inner) = cause.downcast_ref::<minijinja::Error>() {
                frames.push(inner);
            } else if let Some(found) = cause.downcast_ref::<Refusal>() {
                refusal = Some(found);
            }
            next = cause.source();
        }
        let mut places = Vec::new();
        for frame in frames.iter().rev() {
            let named = frame.name().unwrap_or_default();
            let place = match main {
                Some((path, source, markup)) if path == named => place_of(frame, source, markup),
                _ => engine.macro_files.get(named).and_then(|(source, markup)| place_of(frame, source, markup)),
            };
            let place = match place {
                Some(place) => Some(place),
                None => fallback.cloned(),
            };
            if let Some(place) = place
                && !places.contains(&place)
            {
                places.push(place);
            }
        }
        let innermost = frames.last().copied().unwrap_or(error);
        let (message, hint) = match refusal {
            Some(refusal) => (refusal.message.clone(), refusal.hint.clone()),
            None => (reason(innermost), self.suggestion(innermost)),
        };
        let mut ours = messages::template(owner, &message).hint_maybe(hint);
        for (number, place) in places.into_iter().enumerate() {
            ours = ours.at(if number == 0 { place } else { place.label("called from here") });
        }
        ours
    }

    /// The function nearest to one that is not known.
    fn suggestion(&self, error: &minijinja::Error) -> Option<String> {
        const KNOWN: [&str; 16] = [
            "ref",
            "source",
            "config",
            "var",
            "env_var",
            "is_incremental",
            "this",
            "target",
            "log",
            "execute",
            "run_query",
            "statement",
            "load_result",
            "adapter",
            "exceptions",
            "return",
        ];
        if error.kind() == minijinja::ErrorKind::TemplateNotFound {
            return Some("a macro of the project's `macros` folder is known everywhere by its name".into());
        }
        let written = unknown_name(error)?;
        if written.starts_with("dbt_") {
            return Some("packages are not supported: copy the macro into the project's `macros` folder".into());
        }
        let names = self.names.macros.iter().map(String::as_str).chain(KNOWN);
        nearest(&written, names).map(|near| format!("did you mean `{near}`?"))
    }
}

/// The name in the engine's "unknown function: x is unknown" or "`x` is undefined".
fn unknown_name(error: &minijinja::Error) -> Option<String> {
    let detail = error.detail()?;
    match error.kind() {
        minijinja::ErrorKind::UnknownFunction => detail.split(' ').next().map(str::to_owned),
        minijinja::ErrorKind::UndefinedError | minijinja::ErrorKind::UnknownMethod => {
            detail.split('`').nth(1).map(str::to_owned)
        }
        _ => None,
    }
}

/// What the engine says, in our manner.
pub(super) fn reason(error: &minijinja::Error) -> String {
    use minijinja::ErrorKind;
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownFunction => match unknown_name(error) {
            Some(name) => format!("no function or macro `{name}` exists"),
            None => detail.to_owned(),
        },
        ErrorKind::UnknownMethod if detail.ends_with("` is undefined)") => match unknown_name(error) {
            Some(name) => format!("`{name}` is undefined"),
            None => detail.to_owned(),
        },
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
            // A method's range begins at its dot: take what stands before it along.
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
