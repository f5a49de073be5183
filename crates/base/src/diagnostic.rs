//! The one renderer of errors: message, `--> file:line:col`, the source line with carets, cause, hint.
//!
//! Knows only the shape of `Error`. Decides nothing.

use std::borrow::Cow;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::error::{Error, Place};

/// The longest message, cause or hint that is shown, in characters. A server may send megabytes.
const CHARACTERS_MAX: usize = 4_000;

/// `text` without characters that a terminal would execute or that hide text. Line ends and tabs are kept.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars() {
        match is_harmful(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The beginning of a text that may be long because others wrote it.
pub fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(CHARACTERS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

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
    let group = level
        .primary_title(harmless(&shortened(error.message())).into_owned())
        .elements(error.places().iter().map(snippet));
    let mut text = renderer.render(&[group]);
    text.push('\n');
    if let Some(picture) = error.shown_picture() {
        text.push_str(&format!("{}\n", picture.trim_end_matches('\n')));
    }
    let (bold, reset) = if color { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
    for (name, lines) in [("caused by", error.causes()), ("hint", error.hints())] {
        for line in lines {
            text.push_str(&format!("{bold}{name}:{reset} {}\n", harmless(&shortened(line))));
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
    fn shows_no_escapes_and_no_megabytes_of_others() {
        check(
            Error::failed("table `a\u{1b}[2Jb`").because("it said \u{202e}\r\u{7}no\n\tnever"),
            "error: table `a\\u{1b}[2Jb`\ncaused by: it said \\u{202e}\\u{d}\\u{7}no\n\tnever\n",
        );
        let shown = render(&Error::failed("no").because("x".repeat(5_000_000)), false);
        assert!(shown.len() < 5_000 && shown.ends_with("x…\n"), "{} bytes", shown.len());
    }

    #[test]
    fn shows_all_of_several() {
        let both = Error::many(vec![Error::failed("one"), Error::usage("two")]);
        check(both.unwrap_or_else(crate::messages::interrupted), "error: one\n\nerror: two\n");
    }
}
