//! The text of a snapshot: the body of its block, and the line where the block begins.
//!
//! Knows texts in which everything before the body is masked as a comment. `parse` creates them.

use std::sync::Arc;

use elt_base::error::{Place, SourceText};

/// The query of a snapshot that is defined only in YAML.
pub(crate) fn query_of(relation: &str) -> String {
    let inner = relation.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
    format!("select * from {{{{ {inner} }}}}")
}

/// The text between the tags.
pub(crate) fn body(masked: &str) -> &str {
    masked.find("#}").map_or(masked, |at| &masked[at + 2..]).trim()
}

/// The line of the opening tag.
pub(crate) fn first_line(masked: &Arc<SourceText>) -> Place {
    let end = masked.text.find("#}").unwrap_or(0);
    let line = masked.text[..end].matches('\n').count() + 1;
    let span = masked.line_span(line);
    let text = masked.shown().get(span.clone()).unwrap_or_default();
    Place::new(masked, span.start + (text.len() - text.trim_start().len())..span.end)
}
