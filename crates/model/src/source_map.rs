//! From an offset in rendered SQL back to the place in the analyst's template.
//!
//! Knows stretches and offsets; neither Jinja nor SQL, but for where a word ends.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::markup::{MARK_CLOSE, MARK_ENTER, MARK_LEAVE, MARK_OPEN, Stretch, is_mark, mark_number};
use elt_base::error::{Place, SourceText};

/// Where each stretch of an SQL text comes from. Found out only when a place is asked for.
#[derive(Debug, Clone)]
pub struct SourceMap {
    /// Pointed at where nothing better is known.
    fallback: Place,
    base: Option<Arc<Base>>,
    /// What was done to the text since, in order.
    changes: Vec<Change>,
}

/// The segments of the text as it was rendered.
struct Base {
    segments: OnceLock<Vec<Segment>>,
    find: Box<dyn Fn() -> Vec<Segment> + Send + Sync>,
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").field("segments", &self.segments.get()).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
enum Change {
    /// Another text begins at `at`; what lies before it comes from the fallback.
    Append(usize, Box<SourceMap>),
    /// Another text of a length was put in at `at`.
    Insert(usize, usize, Box<SourceMap>),
}

#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// Offset in the SQL; it ends where the next begins.
    start: usize,
    source: Arc<SourceText>,
    template: Range<usize>,
    is_exact: bool,
    /// The calls that led to the macro that wrote it, the innermost first.
    calls: Arc<[Place]>,
}

impl SourceMap {
    /// All of the SQL comes from one place.
    pub fn whole(place: Place) -> Self {
        Self { fallback: place, base: None, changes: Vec::new() }
    }

    /// Its segments are found when they are needed.
    pub(super) fn found_by(place: Place, find: impl Fn() -> Vec<Segment> + Send + Sync + 'static) -> Self {
        let base = Base { segments: OnceLock::new(), find: Box::new(find) };
        Self { fallback: place, base: Some(Arc::new(base)), changes: Vec::new() }
    }

    /// The place of a byte offset in the SQL: the word that stands there, or the `{{ … }}` that made it. In what a macro
    /// wrote it is the macro's own.
    pub fn place(&self, offset: usize) -> Place {
        self.places(offset).swap_remove(0)
    }

    /// The place of an offset, and behind it the calls of the macros that wrote it, from the inside out. Never empty.
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

    /// Appends another text's map, whose SQL begins at `at` in this one's.
    pub(super) fn append(&mut self, at: usize, other: &Self) {
        self.changes.push(Change::Append(at, Box::new(other.clone())));
    }

    /// The map of `self`'s SQL with another text put in at `at`. What stood behind moves.
    pub(super) fn insert(&mut self, at: usize, length: usize, other: &Self) {
        self.changes.push(Change::Insert(at, length, Box::new(other.clone())));
    }

    fn segments(&self) -> Vec<Segment> {
        let base = self.base.as_ref().map(|base| base.segments.get_or_init(|| (base.find)()).clone());
        let mut segments = base.unwrap_or_default();
        for change in &self.changes {
            match change {
                Change::Append(at, other) => segments.extend(other.moved(*at)),
                Change::Insert(at, length, other) => insert(&mut segments, *at, *length, other),
            }
        }
        segments
    }

    /// This map's segments as they stand in a text that has this one's at `at`.
    fn moved(&self, at: usize) -> Vec<Segment> {
        let whole = Segment {
            start: at,
            source: self.fallback.source.clone(),
            template: self.fallback.span.clone(),
            is_exact: false,
            calls: Arc::from([]),
        };
        let own = self.segments().into_iter().map(|segment| Segment { start: segment.start + at, ..segment });
        std::iter::once(whole).chain(own).collect()
    }
}

fn insert(segments: &mut Vec<Segment>, at: usize, length: usize, other: &SourceMap) {
    let split = segments.partition_point(|segment| segment.start < at);
    let behind = segments.split_off(split);
    // The text behind goes on in the stretch that the insertion cuts in two.
    let cut = segments.last().filter(|_| behind.first().is_none_or(|next| next.start > at)).map(|segment| {
        let gone = if segment.is_exact { at - segment.start } else { 0 };
        let start = (segment.template.start + gone).min(segment.template.end);
        Segment { start: at + length, template: start..segment.template.end, ..segment.clone() }
    });
    segments.extend(other.moved(at));
    segments.extend(cut);
    segments.extend(behind.into_iter().map(|segment| Segment { start: segment.start + length, ..segment }));
}

impl Segment {
    fn place(&self, offset: usize) -> Place {
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

/// Takes the markers out of a rendered text. `stretch` knows what a marker's number stands for; `caller` is what called
/// the macros that no marked text calls.
pub(super) fn strip(
    rendered: &str,
    caller: &Place,
    stretch: impl Fn(usize) -> Option<(Arc<SourceText>, Stretch)>,
) -> (String, Vec<Segment>) {
    let mut sql = String::with_capacity(rendered.len());
    let mut segments: Vec<Segment> = Vec::new();
    let mut calls: Arc<[Place]> = Arc::from([]);
    // What goes on behind a macro's text: the segment around it and its calls.
    let mut around: Vec<(Option<Segment>, Arc<[Place]>)> = Vec::new();
    let mut current: Option<Segment> = None;
    let mut rest = rendered;
    while let Some(open) = rest.find(is_mark) {
        sql.push_str(&rest[..open]);
        let mark = rest[open..].chars().next().unwrap_or(MARK_LEAVE);
        rest = &rest[open + mark.len_utf8()..];
        match mark {
            MARK_OPEN => {
                let Some(close) = rest.find(MARK_CLOSE) else { break };
                if let Some((source, found)) = mark_number(&rest[..close]).and_then(&stretch) {
                    let segment = Segment {
                        start: sql.len(),
                        source,
                        template: found.template,
                        is_exact: found.is_exact,
                        calls: calls.clone(),
                    };
                    current = Some(segment.clone());
                    segments.push(segment);
                }
                rest = &rest[close + MARK_CLOSE.len_utf8()..];
            }
            MARK_ENTER => {
                let call = current.as_ref().map_or_else(|| caller.clone(), |segment| segment.place(sql.len()));
                let deeper: Vec<Place> = std::iter::once(call).chain(calls.iter().cloned()).collect();
                around.push((current.clone(), std::mem::replace(&mut calls, deeper.into())));
            }
            MARK_LEAVE => {
                if let Some((segment, outer)) = around.pop() {
                    calls = outer;
                    if let Some(segment) = segment {
                        let gone = if segment.is_exact { sql.len() - segment.start } else { 0 };
                        let start = (segment.template.start + gone).min(segment.template.end);
                        let segment = Segment { start: sql.len(), template: start..segment.template.end, ..segment };
                        current = Some(segment.clone());
                        segments.push(segment);
                    }
                }
            }
            _ => {}
        }
    }
    sql.push_str(rest);
    (sql, segments)
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
