//! From an offset in rendered SQL back to the place in the analyst's template.
//!
//! Knows stretches and offsets; neither Jinja nor SQL, but for where a word ends.

use std::ops::Range;
use std::sync::Arc;

use super::markup::{MARK_CLOSE, MARK_OPEN, Stretch};
use crate::error::{Place, SourceText};

/// Where each stretch of an SQL text comes from.
#[derive(Debug, Clone)]
pub struct SourceMap {
    /// Pointed at where nothing better is known.
    fallback: Place,
    /// Sorted by `start`.
    segments: Vec<Segment>,
}

#[derive(Debug, Clone)]
struct Segment {
    /// Offset in the SQL; it ends where the next begins.
    start: usize,
    source: Arc<SourceText>,
    template: Range<usize>,
    is_exact: bool,
}

impl SourceMap {
    /// All of the SQL comes from one place.
    pub fn whole(place: Place) -> Self {
        Self { fallback: place, segments: Vec::new() }
    }

    /// Takes the markers out of a rendered text.
    pub(super) fn strip(rendered: &str, source: &Arc<SourceText>, stretches: &[Stretch]) -> (String, Self) {
        let mut map = Self::whole(Place::line(source, 1));
        let mut sql = String::with_capacity(rendered.len());
        if stretches.is_empty() {
            return (rendered.to_owned(), map);
        }
        let mut rest = rendered;
        while let Some(open) = rest.find(MARK_OPEN) {
            sql.push_str(&rest[..open]);
            let inner = &rest[open + MARK_OPEN.len_utf8()..];
            let Some(close) = inner.find(MARK_CLOSE) else { break };
            if let Some(stretch) = inner[..close].parse().ok().and_then(|number: usize| stretches.get(number)) {
                map.segments.push(Segment {
                    start: sql.len(),
                    source: source.clone(),
                    template: stretch.template.clone(),
                    is_exact: stretch.is_exact,
                });
            }
            rest = &inner[close + MARK_CLOSE.len_utf8()..];
        }
        sql.push_str(rest);
        (sql, map)
    }

    /// The place of a byte offset in the SQL: the word that stands there, or the `{{ … }}` that made it.
    pub fn place(&self, offset: usize) -> Place {
        let after = self.segments.partition_point(|segment| segment.start <= offset);
        let Some(segment) = after.checked_sub(1).and_then(|index| self.segments.get(index)) else {
            return self.fallback.clone();
        };
        if !segment.is_exact {
            return Place::new(&segment.source, segment.template.clone());
        }
        let start = segment.template.start + (offset - segment.start);
        if start >= segment.template.end || !segment.source.text.is_char_boundary(start) {
            let line = segment.source.text[..segment.template.start].matches('\n').count() + 1;
            return Place::line(&segment.source, line);
        }
        let length = word_len(&segment.source.text[start..segment.template.end]);
        Place::new(&segment.source, start..start + length)
    }

    /// The place of the whole text, for an error without a position.
    pub fn whole_place(&self) -> Place {
        self.fallback.clone()
    }

    /// Appends another text's map, whose SQL begins at `at` in this one's.
    pub(super) fn append(&mut self, at: usize, other: &Self) {
        self.segments.push(Segment {
            start: at,
            source: other.fallback.source.clone(),
            template: other.fallback.span.clone(),
            is_exact: false,
        });
        self.segments
            .extend(other.segments.iter().map(|segment| Segment { start: segment.start + at, ..segment.clone() }));
    }

    /// The map of `self`'s SQL with another text put in at `at`. What stood behind moves.
    pub(super) fn insert(&mut self, at: usize, length: usize, other: &Self) {
        let split = self.segments.partition_point(|segment| segment.start < at);
        let behind = self.segments.split_off(split);
        // The text behind goes on in the stretch that the insertion cuts in two.
        let cut = self.segments.last().filter(|_| behind.first().is_none_or(|next| next.start > at)).map(|segment| {
            let gone = if segment.is_exact { at - segment.start } else { 0 };
            let start = (segment.template.start + gone).min(segment.template.end);
            Segment { start: at + length, template: start..segment.template.end, ..segment.clone() }
        });
        self.append(at, other);
        self.segments.extend(cut);
        self.segments.extend(behind.into_iter().map(|segment| Segment { start: segment.start + length, ..segment }));
    }
}

/// The length of the name or number at the start of a text, dotted parts included; one character if it is neither. A
/// quoted name or text counts with its quotes, as far as its line goes.
fn word_len(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    let mut length = part_len(text);
    while let Some(next) = text[length..].strip_prefix('.').map(part_len).filter(|next| *next > 0) {
        length += 1 + next;
    }
    if length > 0 { length } else { first.len_utf8() }
}

fn part_len(text: &str) -> usize {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let line = text.lines().next().unwrap_or(text);
            line[1..].find(quote).map_or(line.trim_end().len(), |end| end + 2)
        }
        _ => text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::word_len;

    #[test]
    fn words() {
        fn check(text: &str, expected: &str) {
            assert_eq!(&text[..word_len(text)], expected);
        }
        check("a_1, b", "a_1");
        check("q.\"a b\".c from", "q.\"a b\".c");
        check("q. b", "q");
        check("'it', 1", "'it'");
        check("\"open\nnext", "\"open");
        check("+ 1", "+");
        check("über x", "über");
        check("", "");
    }
}
