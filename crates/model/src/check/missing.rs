//! Errors that may vanish with the next load: a query names a field that the documents have gained since the last one,
//! or the collection was empty then.
//!
//! Knows the columns of earlier loads. Loads nothing.

use std::collections::BTreeSet;

use super::checker::Checker;
use crate::graph::{Node, NodeId, NodeKind, Origin};
use crate::messages;
use elt_base::error::Error;
use elt_base::schema::ID;

impl Checker<'_> {
    /// Reports an error that a column of a collection may mend: one that its documents have gained since its last load.
    pub(super) fn missing(&mut self, node: &Node, error: Error) {
        let collections = self.collections_of(node);
        let empty = collections.iter().find(|id| self.has_no_fields(**id)).map(|id| self.graph.node(*id));
        let hint = empty.map(|empty| messages::collection_is_empty(&empty.display_name()));
        if !collections.is_empty() {
            self.checked.mendable += 1;
        }
        self.checked.missed.extend(collections);
        self.errors.push(error.hint_maybe(hint));
        self.broken.insert(node.id);
    }

    /// The loaded collections whose columns a node's query can name: those that it reads itself, or through models that
    /// return all columns of their inputs.
    fn collections_of(&self, node: &Node) -> BTreeSet<NodeId> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = node.parents.clone();
        while let Some(parent) = open.pop().map(|id| self.graph.node(id)) {
            if !seen.insert(parent.id) {
                continue;
            }
            if parent.kind == NodeKind::Source && parent.origin == Origin::Loaded {
                found.insert(parent.id);
            } else if returns_all(&parent.source.text) {
                open.extend(&parent.parents);
            }
        }
        found
    }

    /// Whether a node reads a collection from which no document was ever loaded.
    pub(super) fn reads_empty(&self, node: &Node) -> bool {
        self.collections_of(node).into_iter().any(|id| self.has_no_fields(id))
    }

    /// Whether a raw table has only the columns that every raw table has, because no load has seen a document.
    fn has_no_fields(&self, id: NodeId) -> bool {
        let is_own = |name: &str| name == ID || name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("_elt_"));
        self.checked.columns.get(&id).is_some_and(|columns| columns.iter().all(|(name, _)| is_own(name)))
    }
}

/// Whether a query may return all columns of an input: its text has a `*` that is neither the one of `count(*)` nor an
/// operator, or calls a macro such as `star`.
fn returns_all(text: &str) -> bool {
    let is_all = |at: usize| {
        let before = text[..at].trim_end();
        let is_count = before.ends_with('(') && text[at + 1..].trim_start().starts_with(')');
        let word = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let is_first = ["select", "distinct", "all"].iter().any(|first| word.eq_ignore_ascii_case(first));
        !is_count && !text[at + 1..].starts_with('/') && (is_first || before.ends_with([',', '.', '(']))
    };
    text.contains("star(") || text.match_indices('*').any(|(at, _)| is_all(at))
}

#[cfg(test)]
mod tests {
    use super::returns_all;

    #[test]
    fn queries_that_return_all_columns() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(returns_all(text), expected, "{text}");
        }
        check("select * from a", true);
        check("select a.* exclude (b) from a", true);
        check("select count(*), count( * ) from a", false);
        check("select a, count(*) from (select * from b)", true);
        check("select a from b", false);
        check("select a * b, (a) * 2 /* all */ from b", false);
        check("SELECT\n    *,\n    a * 2 from b", true);
        check("select a,\n * from b", true);
        check("select {{ dbt_utils.star(from=ref('a')) }} from a", true);
    }
}
