//! Converts Jinja's errors to ours, at the innermost place and with the calls that led there.
//!
//! Knows the engine's wording. Renders nothing.

use std::sync::Arc;

use super::engine::TemplateEngine;
use super::jinja::Refusal;
use super::markup::Markup;
use super::reason::{place_of, reason, unknown_name};
use super::templates::Templates;
use crate::messages;
use elt_base::error::{Error, Place, SourceText, nearest};

impl Templates {
    /// Converts a Jinja error to ours, at the innermost place and with the calls that led there.
    pub(super) fn error(
        &self,
        engine: &TemplateEngine,
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

    /// The known function whose name is nearest to an unknown one.
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
            return Some("a macro of the project's `macros` folder is available everywhere by its name".into());
        }
        let written = unknown_name(error)?;
        if written.starts_with("dbt_") {
            return Some("packages are not supported: copy the macro into the project's `macros` folder".into());
        }
        let names = self.names.macros.iter().map(String::as_str).chain(KNOWN);
        nearest(&written, names).map(|near| format!("did you mean `{near}`?"))
    }
}
