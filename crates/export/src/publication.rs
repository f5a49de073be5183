//! A publication: the tables of one atomic export, and how many rows it changed.
//!
//! Values only. Knows no target and no warehouse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::contract::Table;

/// One atomic export.
#[derive(Debug, Clone)]
pub struct Publication {
    /// A UUID in text form; a later publication's sorts after an earlier one's (version 7).
    pub id: String,
    pub project: String,
    /// The target's name in the profile.
    pub target: String,
    /// Parents before children, as `contract::resolve` returns them.
    pub tables: Vec<Table>,
    /// By label, a fingerprint of the model that produced the rows, for the record.
    pub definitions: BTreeMap<String, String>,
}

impl Publication {
    pub fn new(project: impl Into<String>, target: impl Into<String>, tables: Vec<Table>) -> Self {
        Self {
            id: uuid::Uuid::now_v7().to_string(),
            project: project.into(),
            target: target.into(),
            tables,
            definitions: BTreeMap::new(),
        }
    }
}

/// Which rows of a table are staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All rows of the relation: the target's other rows are deleted.
    Everything,
    /// All rows of the relation, and the keys of removed rows: the target's other rows belong to others, and stay.
    Own,
    /// New or changed rows since the last publication, and the keys of removed rows.
    Delta,
}

impl Coverage {
    /// All rows of the relation are staged.
    pub fn is_full(self) -> bool {
        self != Self::Delta
    }

    /// The keys of removed rows are staged, and each row is known as fresh or as published before. For tables with a
    /// key.
    pub fn is_marked(self) -> bool {
        self != Self::Everything
    }
}

/// How many rows a publication changes in one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

impl Counts {
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// A finished publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The id of the publication that the target has now; None: there was nothing to publish.
    pub id: Option<String>,
    /// The staged tables, by label, with the counts of rows changed in the target, in the publication's order.
    pub tables: Vec<(String, Counts)>,
    /// What else became of rows, one line each.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A natural key and its assigned id. Every target of a project with surrogate keys stores them too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    pub map: String,
    pub natural_key: String,
    pub id: Option<String>,
    pub uuid: Option<String>,
}
