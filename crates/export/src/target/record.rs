//! The record of a publication that a target stores.
//!
//! Values only; each target has its own table, collection or file for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::publication::{Counts, Publication};

/// Which program published.
pub const TOOL: &str = concat!("elt ", env!("CARGO_PKG_VERSION"));

/// One publication.
pub struct PublicationRecord<'a> {
    pub id: &'a str,
    pub project: &'a str,
    /// The target's name in the profile.
    pub target: &'a str,
    /// By label.
    pub tables: BTreeMap<&'a str, RecordedTable<'a>>,
}

/// One table of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordedTable<'a> {
    #[serde(flatten)]
    pub counts: Counts,
    /// The fingerprint of its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<&'a str>,
}

impl<'a> PublicationRecord<'a> {
    pub fn new(publication: &'a Publication, tables: &'a [(String, Counts)]) -> Self {
        let recorded = |(label, counts): &'a (String, Counts)| {
            let definition = publication.definitions.get(label).map(String::as_str);
            (label.as_str(), RecordedTable { counts: *counts, definition })
        };
        Self {
            id: &publication.id,
            project: &publication.project,
            target: &publication.target,
            tables: tables.iter().map(recorded).collect(),
        }
    }

    /// The tables as a JSON text: `{"orders": {"inserted": 1, "updated": 0, "deleted": 0, "definition": "…"}}`.
    pub fn tables_json(&self) -> String {
        serde_json::to_string(&self.tables).unwrap_or_else(|_| "{}".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_counts_and_definitions() {
        let mut publication = Publication::new("p", "dev", Vec::new());
        publication.definitions.insert("a".into(), "f".into());
        let counts = Counts { inserted: 1, ..Counts::default() };
        let tables = [("a".to_owned(), counts), ("b".to_owned(), Counts::default())];
        assert_eq!(
            PublicationRecord::new(&publication, &tables).tables_json(),
            r#"{"a":{"inserted":1,"updated":0,"deleted":0,"definition":"f"},"b":{"inserted":0,"updated":0,"deleted":0}}"#
        );
    }
}
