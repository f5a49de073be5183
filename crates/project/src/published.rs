//! The configuration of a published table in YAML, except dbt's constraints: `grants`, `indexes`, `persist_docs`, and
//! our `export`.
//!
//! Only values: `model` reads them, `export` resolves them for a relation. Knows no target.

use std::collections::BTreeMap;

use elt_base::error::Place;

/// The configuration of one model, seed or snapshot. Names are as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableContract {
    /// `export.schema`: the schema in the target; the profile's by default.
    pub schema: Option<String>,
    /// `export.table`: the name of the table (collection, file); the relation's by default.
    pub table: Option<String>,
    /// The description, if `persist_docs.relation` is set.
    pub comment: Option<String>,
    /// `export.owner`: the role that owns the table.
    pub owner: Option<String>,
    /// dbt's `grants`: each privilege and the roles that receive it.
    pub grants: BTreeMap<String, Vec<String>>,
    /// `indexes`, as in dbt-postgres.
    pub indexes: Vec<Index>,
    /// `export.columns`: these columns are first, in this order. The others follow in the relation's order.
    pub column_order: Vec<String>,
    /// `export.partition_by`: the columns for the names of folders, for files.
    pub partition_by: Vec<String>,
    /// `export.on_hazard`. None: the profile's value.
    pub on_hazard: Option<OnHazard>,
    /// `export.rows`. None: the profile's value.
    pub rows: Option<RowsOf>,
    /// `export.on_conflict`. None: the profile's value.
    pub on_conflict: Option<OnConflict>,
    /// `export.sequences`: the sequences behind columns are advanced beyond the published values. None: the profile's
    /// value.
    pub sequences: Option<bool>,
    pub columns: Vec<ColumnContract>,
}

/// The configuration of one column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnContract {
    pub name: String,
    pub place: Option<Place>,
    /// `export.type`: the column's type in the target's notation.
    pub target_type: Option<String>,
    /// `export.default`: SQL in the target's dialect, for rows that others insert.
    pub default: Option<String>,
    /// The description, if `persist_docs.columns` is set.
    pub comment: Option<String>,
    /// `export.on_hazard`. None: the table's value.
    pub on_hazard: Option<OnHazard>,
}

/// An index in addition to those of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Columns, also with an order or operator class behind them, and expressions, in the target's SQL.
    pub columns: Vec<String>,
    pub unique: bool,
    /// `type` or `using`: the access method; `btree` if None.
    pub method: Option<String>,
    /// `include`: columns that the index has in addition to its own.
    pub include: Vec<String>,
    /// `where`: the condition of the rows that it covers.
    pub condition: Option<String>,
}

/// How a value that the target cannot store is handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnHazard {
    /// Nothing is published.
    Fail,
    /// The nearest value that the target can store replaces it, or NULL if there is none; the original row is kept in
    /// the quarantine table. A row that cannot be published so is quarantined.
    #[default]
    Replace,
    /// The row is written to a separate table, `<table>_quarantine`.
    Quarantine,
}

impl OnHazard {
    pub const CHOICES: &'static [(&'static str, Self)] =
        &[("fail", Self::Fail), ("replace", Self::Replace), ("quarantine", Self::Quarantine)];
}

/// Which rows of a published table are the model's, and may therefore be updated and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsOf {
    /// Only the rows that elt published: the default for a table that others made.
    Own,
    /// All rows: the default for a table that elt made.
    All,
}

impl RowsOf {
    pub const CHOICES: &'static [(&'static str, Self)] = &[("own", Self::Own), ("all", Self::All)];
}

/// How a row is handled whose key the target's table has already, in a row that elt did not publish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing is published.
    #[default]
    Fail,
    /// The row there is updated, and is elt's from then on.
    Update,
    /// The row there stays as it is, and the model's row is not published.
    Keep,
}

impl OnConflict {
    pub const CHOICES: &'static [(&'static str, Self)] =
        &[("fail", Self::Fail), ("update", Self::Update), ("keep", Self::Keep)];
}
