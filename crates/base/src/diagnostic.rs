//! The one renderer of errors: message, `--> file:line:col`, the source line with carets, cause, hint.
//!
//! Knows only the shape of `Error`. Decides nothing.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::error::{Error, Place};

/// All errors in `error`, one after the other, ready to print. The text ends with a line end.
pub fn render(error: &Error, color: bool) -> String {
    let shown: Vec<String> = error.iter().map(|error| render_one(error, Level::ERROR, color)).collect();
    shown.join("\n")
}

/// The same for warnings, which do not stop a run.
pub fn render_warning(error: &Error, color: bool) -> String {
    let shown: Vec<String> = error.iter().map(|error| render_one(error, Level::WARNING, color)).collect();
    shown.join("\n")
}

fn render_one(error: &Error, level: Level<'static>, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    let group = level.primary_title(error.message()).elements(error.places().iter().map(snippet));
    let mut text = renderer.render(&[group]);
    text.push('\n');
    if let Some(picture) = error.shown_picture() {
        text.push_str(&format!("{}\n", picture.trim_end_matches('\n')));
    }
    let (bold, reset) = if color { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
    for (name, lines) in [("caused by", error.causes()), ("hint", error.hints())] {
        for line in lines {
            text.push_str(&format!("{bold}{name}:{reset} {line}\n"));
        }
    }
    text
}

fn snippet(place: &Place) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
    let source = &place.source;
    let end = source.shown().len();
    let span = place.span.start.min(end)..place.span.end.min(end);
    // An empty text has no line to show, but the path still tells the reader where to look.
    Snippet::source(source.shown())
        .path(source.path.to_string_lossy().into_owned())
        .annotation(AnnotationKind::Primary.span(span).label(place.label.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceText;

    #[track_caller]
    fn check(error: Error, expected: &str) {
        assert_eq!(render(&error, false), expected);
    }

    #[test]
    fn shows_place_cause_and_hint() {
        let source = SourceText::new("models/a.sql", "select\n  x,\n  nmae\nfrom t\n");
        check(
            Error::failed("column `nmae` is not there")
                .at(Place::line(&source, 3))
                .because("it said so")
                .hint("`name` is"),
            "error: column `nmae` is not there
 --> models/a.sql:3:3
  |
3 |   nmae
  |   ^^^^
caused by: it said so
hint: `name` is
",
        );
        check(Error::failed("no place"), "error: no place\n");
    }

    #[test]
    fn shows_all_of_several() {
        let both = Error::many(vec![Error::failed("one"), Error::usage("two")]);
        check(both.unwrap_or_else(crate::messages::interrupted), "error: one\n\nerror: two\n");
    }
}
