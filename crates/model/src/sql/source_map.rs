//! Finds the place in the analyst's template for an offset in rendered SQL.
//!
//! Knows segments and offsets. Does not know Jinja, and of SQL only where a word ends.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::token::{SqlToken, SqlTokenKind, tokens};
use elt_base::error::{Place, SourceText};

/// The origin of each segment of an SQL text. It is computed only when a place is needed.
#[derive(Debug, Clone)]
pub struct SourceMap {
    /// The place that is used if no better one is known.
    fallback: Place,
    base: Option<Arc<Base>>,
    /// The changes to the text since then, in order.
    changes: Vec<MapChange>,
}

/// The segments of the text as it was rendered.
struct Base {
    segments: OnceLock<Vec<MapSegment>>,
    find: Box<dyn Fn() -> Vec<MapSegment> + Send + Sync>,
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").field("segments", &self.segments.get()).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
enum MapChange {
    /// Another text begins at `at`. The text before it comes from the fallback.
    Append(usize, Box<SourceMap>),
    /// A text of a certain length was inserted at `at`.
    Insert(usize, usize, Box<SourceMap>),
}

#[derive(Debug, Clone)]
pub(crate) struct MapSegment {
    /// Offset in the SQL. The segment ends where the next one begins.
    pub start: usize,
    pub source: Arc<SourceText>,
    pub template: Range<usize>,
    pub is_exact: bool,
    /// The calls that led to the macro that wrote the segment, the innermost first.
    pub calls: Arc<[Place]>,
}

impl SourceMap {
    /// A map in which all of the SQL comes from one place.
    pub fn whole(place: Place) -> Self {
        Self { fallback: place, base: None, changes: Vec::new() }
    }

    /// A map whose segments are computed when they are needed.
    pub(crate) fn found_by(place: Place, find: impl Fn() -> Vec<MapSegment> + Send + Sync + 'static) -> Self {
        let base = Base { segments: OnceLock::new(), find: Box::new(find) };
        Self { fallback: place, base: Some(Arc::new(base)), changes: Vec::new() }
    }

    /// The place of a byte offset in the SQL: the word at that offset, or the `{{ … }}` that rendered it. For SQL that
    /// a macro wrote, it is the place in the macro.
    pub fn place(&self, offset: usize) -> Place {
        self.places(offset).swap_remove(0)
    }

    /// The place of an offset, followed by the calls of the macros that wrote it, innermost first. Never empty.
    pub fn places(&self, offset: usize) -> Vec<Place> {
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.start <= offset);
        let Some(segment) = after.checked_sub(1).and_then(|index| segments.get(index)) else {
            return vec![self.fallback.clone()];
        };
        let mut places = vec![segment.place(offset)];
        for call in segment.calls.iter() {
            if !places.contains(call) {
                places.push(call.clone());
            }
        }
        let mut places = places.into_iter();
        let first = places.next();
        first.into_iter().chain(places.map(|place| place.label("called from here"))).collect()
    }

    /// The place of the whole text, for an error without a position.
    pub fn whole_place(&self) -> Place {
        self.fallback.clone()
    }

    /// Appends another text's map, whose SQL begins at `at` in this text.
    pub(crate) fn append(&mut self, at: usize, other: &Self) {
        self.changes.push(MapChange::Append(at, Box::new(other.clone())));
    }

    /// The map of `self`'s SQL after another text is inserted at `at`. The SQL after it moves.
    pub(crate) fn insert(&mut self, at: usize, length: usize, other: &Self) {
        self.changes.push(MapChange::Insert(at, length, Box::new(other.clone())));
    }

    fn segments(&self) -> Vec<MapSegment> {
        let base = self.base.as_ref().map(|base| base.segments.get_or_init(|| (base.find)()).clone());
        let mut segments = base.unwrap_or_default();
        for change in &self.changes {
            match change {
                MapChange::Append(at, other) => segments.extend(other.moved(*at)),
                MapChange::Insert(at, length, other) => insert(&mut segments, *at, *length, other),
            }
        }
        segments
    }

    /// This map's segments in a text that contains this map's text at `at`.
    fn moved(&self, at: usize) -> Vec<MapSegment> {
        let whole = MapSegment {
            start: at,
            source: self.fallback.source.clone(),
            template: self.fallback.span.clone(),
            is_exact: false,
            calls: Arc::from([]),
        };
        let own = self.segments().into_iter().map(|segment| MapSegment { start: segment.start + at, ..segment });
        std::iter::once(whole).chain(own).collect()
    }
}

fn insert(segments: &mut Vec<MapSegment>, at: usize, length: usize, other: &SourceMap) {
    let split = segments.partition_point(|segment| segment.start < at);
    let behind = segments.split_off(split);
    // The text after the insertion continues the segment that the insertion splits.
    let cut = segments.last().filter(|_| behind.first().is_none_or(|next| next.start > at)).map(|segment| {
        let gone = if segment.is_exact { at - segment.start } else { 0 };
        let start = (segment.template.start + gone).min(segment.template.end);
        MapSegment { start: at + length, template: start..segment.template.end, ..segment.clone() }
    });
    segments.extend(other.moved(at));
    segments.extend(cut);
    segments.extend(behind.into_iter().map(|segment| MapSegment { start: segment.start + length, ..segment }));
}

impl MapSegment {
    pub(crate) fn place(&self, offset: usize) -> Place {
        if !self.is_exact {
            return Place::new(&self.source, self.template.clone());
        }
        let start = self.template.start + (offset - self.start);
        if start >= self.template.end || !self.source.text.is_char_boundary(start) {
            let line = self.source.text[..self.template.start].matches('\n').count() + 1;
            return Place::line(&self.source, line);
        }
        let length = word_len(&self.source.text[start..self.template.end]);
        Place::new(&self.source, start..start + length)
    }
}

/// The length of the name or number at the start of a text, including parts after dots; one character for anything
/// else. A quoted name or text is included with its quotes, up to the end of its line.
fn word_len(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    let mut length = part_len(text);
    while let Some(next) = text[length..].strip_prefix('.').map(part_len).filter(|next| *next > 0) {
        length += 1 + next;
    }
    if length > 0 { length } else { first.len_utf8() }
}

fn part_len(text: &str) -> usize {
    let line = text.lines().next().unwrap_or_default().trim_end();
    let is_part = |token: &SqlToken<'_>| {
        use SqlTokenKind::{Number, QuotedName, Text, Word};
        matches!(token.kind, Word | Number | QuotedName | Text)
    };
    tokens(line).next().filter(is_part).map_or(0, |token| token.text.len())
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
