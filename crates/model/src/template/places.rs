//! Removes the markers from a rendered text, and returns their information: the place where each part was written.
//!
//! Knows markers and segments. Does not know Jinja or SQL.

use std::sync::Arc;

use super::markup::{MARK_CLOSE, MARK_ENTER, MARK_LEAVE, MARK_OPEN, Stretch, is_mark, mark_number};
use crate::sql::MapSegment;
use elt_base::error::{Place, SourceText};

/// Removes the markers from a rendered text. `stretch` returns the segment of a marker's number. `caller` is the call
/// of macros that are not called by marked text.
pub(crate) fn strip(
    rendered: &str,
    caller: &Place,
    stretch: impl Fn(usize) -> Option<(Arc<SourceText>, Stretch)>,
) -> (String, Vec<MapSegment>) {
    let mut sql = String::with_capacity(rendered.len());
    let mut segments: Vec<MapSegment> = Vec::new();
    let mut calls: Arc<[Place]> = Arc::from([]);
    // The state that continues after a macro's text: the enclosing segment and its calls.
    let mut around: Vec<(Option<MapSegment>, Arc<[Place]>)> = Vec::new();
    let mut current: Option<MapSegment> = None;
    let mut rest = rendered;
    while let Some(open) = rest.find(is_mark) {
        sql.push_str(&rest[..open]);
        let mark = rest[open..].chars().next().unwrap_or(MARK_LEAVE);
        rest = &rest[open + mark.len_utf8()..];
        match mark {
            MARK_OPEN => {
                let Some(close) = rest.find(MARK_CLOSE) else { break };
                if let Some((source, found)) = mark_number(&rest[..close]).and_then(&stretch) {
                    let segment = MapSegment {
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
                        let segment = MapSegment { start: sql.len(), template: start..segment.template.end, ..segment };
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
