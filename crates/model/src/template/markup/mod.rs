//! Separates raw text from Jinja in a template, and prepares the template for rendering.
//!
//! It inserts three things into a copy of the text. Place markers are part of the rendered SQL, and show where each
//! segment is in the template. In macro files, macros receive the names under which they are called. Calls replace
//! expressions that the engine does not support. Renders nothing.

mod calls;
mod expression;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use calls::{ADD, CHANGES, CONCAT, DATE_WORDS, LIST, MAP, MODULO, MULTIPLY, SUBTRACT};
pub(crate) use expression::Rewrite;

/// Opens and closes a marker; the segment's number is between them. These are private-use characters, which no SQL
/// contains.
pub(crate) const MARK_OPEN: char = '\u{E000}';
pub(crate) const MARK_CLOSE: char = '\u{E001}';
/// Enclose the text that a macro wrote.
pub(crate) const MARK_ENTER: char = '\u{E002}';
pub(crate) const MARK_LEAVE: char = '\u{E003}';
/// The digits of a marker's number: this character plus the digit. Therefore no filter treats them as a number.
const MARK_DIGIT: u32 = 0xE010;

/// The prefix for renamed macros. It keeps the macro's own name free for the function that calls it from any file.
pub(crate) const MACRO_PREFIX: &str = "macro__";

pub(crate) fn is_mark(c: char) -> bool {
    ('\u{E000}'..='\u{E01F}').contains(&c)
}

/// A text without its markers.
pub(crate) fn unmarked(text: &str) -> Cow<'_, str> {
    if !text.contains(is_mark) {
        return Cow::Borrowed(text);
    }
    // The digits of a marker are marker characters, too.
    Cow::Owned(text.chars().filter(|c| !is_mark(*c)).collect())
}

/// The number in a marker.
pub(crate) fn mark_number(digits: &str) -> Option<usize> {
    let digit = |c: char| (c as u32).checked_sub(MARK_DIGIT).filter(|digit| *digit < 10);
    digits.chars().try_fold(0usize, |number, c| Some(number * 10 + digit(c)? as usize))
}

/// A template ready to be rendered.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    pub text: String,
    /// Copied pieces, as (offset in `text`, offset in the original).
    pieces: Vec<(usize, usize)>,
    /// The segments of the markers.
    pub stretches: Vec<Stretch>,
    /// Macros that the text defines. A generic test `x` is the macro `test_x`.
    pub macros: Vec<String>,
}

/// Rendered SQL between two markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Its place in the template.
    pub template: Range<usize>,
    /// True if the SQL is the template's text, byte for byte. False if it is the result of an expression.
    pub is_exact: bool,
}

/// The changes to make in the copy.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// The number of the first marker. None inserts no markers.
    pub marks_from: Option<usize>,
    /// Also inserts markers into text that is captured into a value.
    pub marks_captured: bool,
    pub rewrite: Rewrite,
}

impl Markup {
    /// A model's or test's template.
    pub fn of_sql(original: &str, manner: Manner) -> Self {
        MarkupWriter { original, out: Self::default(), manner: manner.for_text(original), renames: false }.write()
    }

    /// A macro file, with renamed macros, and with `{% test %}` changed to `{% macro %}`.
    pub fn of_macros(original: &str, manner: Manner) -> Self {
        MarkupWriter { original, out: Self::default(), manner: manner.for_text(original), renames: true }.write()
    }

    /// The place in the original of an offset in `text`.
    pub fn original(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|(own, _)| *own <= offset);
        match after.checked_sub(1).and_then(|index| self.pieces.get(index)) {
            Some((own, original)) => {
                let next = self.pieces.get(after).map_or(usize::MAX, |(_, original)| *original);
                (original + (offset - own)).min(next)
            }
            None => 0,
        }
    }

    pub fn original_range(&self, range: Range<usize>) -> Range<usize> {
        let start = self.original(range.start);
        let end = match range.end.checked_sub(1) {
            Some(last) if range.end > range.start => self.original(last) + 1,
            _ => start,
        };
        start..end.max(start)
    }
}

impl Manner {
    /// A text that already contains such characters receives no markers.
    fn for_text(self, original: &str) -> Self {
        if self.marks_from.is_some() && original.contains(is_mark) { Self { marks_from: None, ..self } } else { self }
    }
}

struct MarkupWriter<'a> {
    original: &'a str,
    out: Markup,
    manner: Manner,
    renames: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Expression,
    Statement,
    Comment,
}

impl MarkupWriter<'_> {
    fn write(mut self) -> Markup {
        let text = self.original;
        let mut at = 0;
        let mut after_trim = false;
        let mut captures = 0usize;
        while at < text.len() {
            let (open, tag) = next_tag(text, at);
            let before_trim = tag.is_some() && text.as_bytes().get(open + 2) == Some(&b'-');
            let marks_expression = tag == Some(Tag::Expression);
            let Some(tag) = tag else {
                self.raw(at..open, after_trim, false, None, captures > 0);
                break;
            };
            let Some(close) = tag_end(text, open, tag) else {
                // The engine reports the error.
                self.raw(at..open, after_trim, before_trim, None, true);
                self.copy(open..text.len());
                break;
            };
            let mut end = close;
            let inner = text[open + 2..close.saturating_sub(2).max(open + 2)].trim_matches(['-', '+']).trim();
            let word = inner.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let mut expression = marks_expression.then_some(open..close);
            if tag == Tag::Statement && word == "raw" {
                end = raw_end(text, close);
                expression = Some(open..end);
            }
            self.raw(at..open, after_trim, before_trim, expression, captures > 0);
            if tag == Tag::Statement {
                let opens =
                    matches!(word, "macro" | "test" | "call" | "filter") || (word == "set" && !inner.contains('='));
                let closes = matches!(word, "endmacro" | "endtest" | "endcall" | "endfilter" | "endset");
                captures = if opens { captures + 1 } else { captures.saturating_sub(usize::from(closes)) };
            }
            let rest = if word == "macro" || word == "test" { inner } else { "" };
            match tag {
                Tag::Statement if self.renames => self.statement(open..close, word, rest),
                Tag::Comment => self.copy(open..close),
                _ => self.tag(open..close),
            }
            self.copy(close..end);
            after_trim = end - open > 4 && text.as_bytes().get(end - 3) == Some(&b'-');
            at = end;
        }
        self.out
    }

    fn copy(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.out.pieces.push((self.out.text.len(), range.start));
            self.out.text.push_str(&self.original[range]);
        }
    }

    /// Copies a tag, with calls instead of unsupported expressions.
    fn tag(&mut self, range: Range<usize>) {
        let bytes = self.original.as_bytes();
        let is_trim = |at: usize| matches!(bytes.get(at), Some(b'-' | b'+'));
        let start = range.start + 2 + usize::from(is_trim(range.start + 2));
        let end = (range.end - 2).saturating_sub(usize::from(is_trim(range.end - 3)));
        if start >= end {
            return self.copy(range);
        }
        let inner = start..end;
        let mut at = range.start;
        for edit in expression::edits(&self.original[inner.clone()], self.manner.rewrite) {
            let place = inner.start + edit.at;
            self.copy(at..place);
            self.out.text.push_str(edit.text);
            at = place + edit.replaces;
        }
        self.copy(at..range.end);
    }

    fn mark(&mut self, template: Range<usize>, is_exact: bool) {
        self.out.text.push(MARK_OPEN);
        let number = self.manner.marks_from.unwrap_or(0) + self.out.stretches.len();
        let digits = number.to_string();
        self.out.text.extend(digits.bytes().filter_map(|digit| char::from_u32(MARK_DIGIT + u32::from(digit - b'0'))));
        self.out.text.push(MARK_CLOSE);
        self.out.stretches.push(Stretch { template, is_exact });
    }

    /// Copies raw text with its markers. A marker is never between a tag and the blanks that the tag trims.
    fn raw(
        &mut self,
        range: Range<usize>,
        after_trim: bool,
        before_trim: bool,
        expression: Option<Range<usize>>,
        is_captured: bool,
    ) {
        if self.manner.marks_from.is_none() || (is_captured && !self.manner.marks_captured) {
            return self.copy(range);
        }
        let text = &self.original[range.clone()];
        let lead = text.len() - text.trim_start().len();
        let tail = range.start + text.trim_end().len();
        let is_blank = lead == text.len();
        let start = range.start + if after_trim { lead } else { 0 };
        let end = match (is_blank, before_trim, after_trim) {
            (true, true, false) => range.start,
            (true, _, _) | (false, false, _) => range.end,
            (false, true, _) => tail,
        };
        let mut at = range.start;
        if !is_blank {
            self.copy(at..start);
            self.mark(start..range.end, true);
            at = start;
        }
        if let Some(expression) = expression {
            self.copy(at..end);
            self.mark(expression, false);
            at = end;
        }
        self.copy(at..range.end);
    }

    /// A statement of a macro file.
    fn statement(&mut self, range: Range<usize>, word: &str, rest: &str) {
        let text = &self.original[range.clone()];
        let (replacement, prefix) = match word {
            "macro" => ("macro", MACRO_PREFIX.to_owned()),
            "test" => ("macro", format!("{MACRO_PREFIX}test_")),
            "endtest" => ("endmacro", String::new()),
            _ => return self.tag(range),
        };
        let Some(found) = text.find(word) else { return self.copy(range) };
        let word_end = found + word.len();
        let name_at = word_end + (text[word_end..].len() - text[word_end..].trim_start().len());
        self.copy(range.start..range.start + found);
        self.out.text.push_str(replacement);
        self.copy(range.start + word_end..range.start + name_at);
        if word != "endtest" && !prefix.is_empty() {
            let name: String = text[name_at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let name = format!("{}{name}", &prefix[MACRO_PREFIX.len()..]);
            self.out.macros.push(name);
            self.out.text.push_str(&prefix);
        }
        // Parameters for unexpected arguments, for macros that use them.
        let wanted: Vec<&str> =
            ["varargs", "kwargs"].into_iter().filter(|name| self.reads(range.end, word, name)).collect();
        let Some(close) = self.original[range.clone()].rfind(')').filter(|_| !wanted.is_empty()) else {
            return self.copy(range.start + name_at..range.end);
        };
        self.copy(range.start + name_at..range.start + close);
        let has_some =
            rest.split_once('(').is_some_and(|(_, rest)| !rest.trim_end_matches([')', ' ']).trim().is_empty());
        let added: Vec<String> = wanted.iter().map(|name| format!("{name}=none")).collect();
        self.out.text.push_str(if has_some { ", " } else { "" });
        self.out.text.push_str(&added.join(", "));
        self.copy(range.start + close..range.end);
    }
}

impl MarkupWriter<'_> {
    /// Whether the macro body that begins at `from`, after the macro's tag, contains a name.
    fn reads(&self, from: usize, word: &str, name: &str) -> bool {
        if word != "macro" {
            return false;
        }
        let rest = &self.original[from..];
        let body = rest.find("endmacro").map_or(rest, |end| &rest[..end]);
        body.contains(name)
    }
}

/// The next tag from `at` on and its start; the text's end if there is none.
fn next_tag(text: &str, at: usize) -> (usize, Option<Tag>) {
    let bytes = text.as_bytes();
    let mut from = at;
    while let Some(found) = text[from..].find('{') {
        let open = from + found;
        let tag = match bytes.get(open + 1) {
            Some(b'{') => Tag::Expression,
            Some(b'%') => Tag::Statement,
            Some(b'#') => Tag::Comment,
            _ => {
                from = open + 1;
                continue;
            }
        };
        return (open, Some(tag));
    }
    (text.len(), None)
}

/// The offset after a tag's closing delimiter. None if the tag is not closed.
fn tag_end(text: &str, open: usize, tag: Tag) -> Option<usize> {
    let close = match tag {
        Tag::Expression => "}}",
        Tag::Statement => "%}",
        Tag::Comment => return text[open + 2..].find("#}").map(|found| open + 2 + found + 2),
    };
    let bytes = text.as_bytes();
    let mut at = open + 2;
    let mut quote = None;
    // Braces of a map literal are counted, so that `{{ {"a": {}} }}` ends at the right place.
    let mut depth = 0usize;
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, _) if depth == 0 && bytes[at..].starts_with(close.as_bytes()) => return Some(at + 2),
            (None, b'{') => depth += 1,
            (None, b'}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        at += 1;
    }
    None
}

/// The offset after `{% endraw %}`; the text's end if it is missing.
fn raw_end(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(found) = text[at..].find("{%") {
        let open = at + found;
        if text[open + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
            return text[open..].find("%}").map_or(text.len(), |close| open + close + 2);
        }
        at = open + 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{Manner, Markup};

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let markup = Markup::of_sql(template, Manner { marks_from: Some(0), ..Manner::default() });
        let digit = |c: char| super::mark_number(&c.to_string()).map(|digit| digit.to_string());
        let shown: String = markup.text.chars().map(|c| digit(c).unwrap_or(c.to_string())).collect();
        let shown = shown.replace(super::MARK_OPEN, "<").replace(super::MARK_CLOSE, ">");
        assert_eq!(shown, expected);
        for (own, original) in &markup.pieces {
            assert_eq!(markup.text[*own..].chars().next(), template[*original..].chars().next());
        }
    }

    #[test]
    fn markers() {
        check("select 1", "<0>select 1");
        check("a {{ b }} c", "<0>a <1>{{ b }}<2> c");
        check("a {{- b -}} c", "<0>a<1> {{- b -}} <2>c");
        check("{{ a }}  {{ b }}", "<0>{{ a }}  <1>{{ b }}");
        check("{{ a -}}  {{- b }}", "<0>{{ a -}}  <1>{{- b }}");
        check("{{ a }}  {{- b }}", "<0>{{ a }}<1>  {{- b }}");
        check("{% if x %}a{% endif %}", "{% if x %}<0>a{% endif %}");
        check("{% set x %}a {{ b }}{% endset %}c", "{% set x %}a {{ b }}{% endset %}<0>c");
        check("{% set x = 1 %}c", "{% set x = 1 %}<0>c");
        check("{# a {{ #}c", "{# a {{ #}<0>c");
        check("{{ '}}' }}c", "<0>{{ '}}' }}<1>c");
        check("{{ {'a': {}} }}c", "<0>{{ {'a': {}} }}<1>c");
        check("{% raw %}{{ x }}{% endraw %}c", "<0>{% raw %}{{ x }}{% endraw %}<1>c");
        check("a {{ b", "a {{ b");
    }

    #[test]
    fn macro_names() {
        fn check(text: &str, expected: &str, names: &[&str]) {
            let markup = Markup::of_macros(text, Manner::default());
            assert_eq!(markup.text, expected);
            assert_eq!(markup.macros, names);
        }
        check("{% macro a(b) %}x{% endmacro %}", "{% macro macro__a(b) %}x{% endmacro %}", &["a"]);
        check(
            "{% macro a(b) %}{{ varargs }}{% endmacro %}{% macro c() %}{{ kwargs }}{% endmacro %}",
            "{% macro macro__a(b, varargs=none) %}{{ varargs }}{% endmacro %}{% macro macro__c(kwargs=none) %}{{ kwargs \
             }}{% endmacro %}",
            &["a", "c"],
        );
        check("{%- test a(b) -%}x{%- endtest -%}", "{%- macro macro__test_a(b) -%}x{%- endmacro -%}", &["test_a"]);
    }
}
