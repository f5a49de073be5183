//! What YAML asks of a published table beside dbt's constraints: `grants`, `indexes`, `persist_docs`, and our `export`.
//!
//! Values only: `model` reads them, `export` resolves them against a relation. Knows no target.

use std::collections::BTreeMap;

use elt_base::error::Place;

/// Of one model, seed or snapshot. Names are as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableContract {
    /// `export.schema`: the target's schema; the profile's by default.
    pub schema: Option<String>,
    /// `export.table`: the table's (collection's, file's) name; the relation's by default.
    pub table: Option<String>,
    /// The description, where `persist_docs.relation` says so.
    pub comment: Option<String>,
    /// `export.owner`: the role that owns the table.
    pub owner: Option<String>,
    /// dbt's `grants`: a privilege and the roles that get it.
    pub grants: BTreeMap<String, Vec<String>>,
    /// `indexes`, as dbt-postgres has them.
    pub indexes: Vec<Index>,
    /// `export.columns`: these first, in this order; the others follow in the relation's.
    pub column_order: Vec<String>,
    /// `export.partition_by`: the columns that name folders, for files.
    pub partition_by: Vec<String>,
    /// `export.on_hazard`; None: the profile's.
    pub on_hazard: Option<OnHazard>,
    pub columns: Vec<ColumnContract>,
}

/// Of one column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnContract {
    pub name: String,
    pub place: Option<Place>,
    /// `export.type`: the column's type in the target's own words.
    pub target_type: Option<String>,
    /// `export.default`: SQL in the target's dialect, for rows that others insert.
    pub default: Option<String>,
    /// The description, where `persist_docs.columns` says so.
    pub comment: Option<String>,
    /// `export.on_hazard`; None: the table's.
    pub on_hazard: Option<OnHazard>,
}

/// An index beside those of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    pub columns: Vec<String>,
    pub unique: bool,
    /// `type`: the access method, `btree` where None.
    pub method: Option<String>,
}

/// What happens to a value that the target cannot hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnHazard {
    /// Nothing is published.
    #[default]
    Fail,
    /// The nearest value that it can hold stands in its place; where there is none, NULL.
    Replace,
    /// The row goes to a table beside, `<table>_quarantine`.
    Quarantine,
}

impl OnHazard {
    pub const CHOICES: &'static [(&'static str, Self)] =
        &[("fail", Self::Fail), ("replace", Self::Replace), ("quarantine", Self::Quarantine)];
}
