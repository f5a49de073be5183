//! The configuration of nodes, typed.
//!
//! Values: `config` reads them from maps.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::batch_size::BatchSize;
use super::choices::{
    Deletes, HardDeletes, LoadKind, MaskWith, Materialized, OnMalformed, OnMismatch, OnSchemaChange, Severity,
    SnapshotStrategy, Strategy, Verify,
};
use elt_base::secret::Secret;
use elt_project::TableContract;

/// The keys this tool knows. Defaults are dbt's for DuckDB.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub enabled: bool,
    pub materialized: Materialized,
    pub alias: Option<String>,
    /// The custom schema, before it is joined to the target's.
    pub schema: Option<String>,
    pub tags: Vec<String>,
    pub meta: Map<String, Value>,
    /// Empty if none is given.
    pub unique_key: Vec<String>,
    pub incremental_strategy: Strategy,
    /// Of an incremental model of children: the columns that name a row's parent, whose rows are replaced all together.
    pub parent_key: Vec<String>,
    pub on_schema_change: OnSchemaChange,
    /// The column that says when a row happened: what microbatch models that read this node filter it by.
    pub event_time: Option<String>,
    /// Of an incremental model with the strategy `microbatch`.
    pub batch: Option<BatchConfig>,
    /// Whether the columns and constraints of its YAML are enforced.
    pub contract: bool,
    /// Overrides `--full-refresh` for this node.
    pub full_refresh: Option<bool>,
    pub incremental_predicates: Vec<String>,
    pub merge_update_columns: Vec<String>,
    pub merge_exclude_columns: Vec<String>,
    /// SQL over `DBT_INTERNAL_SOURCE` and `DBT_INTERNAL_DEST`: which matched rows are updated.
    pub merge_update_condition: Option<String>,
    /// SQL over `DBT_INTERNAL_SOURCE`: which new rows are inserted.
    pub merge_insert_condition: Option<String>,
    pub deletes: Deletes,
    /// SQL statements, rendered before use.
    pub pre_hook: Vec<String>,
    pub post_hook: Vec<String>,
    /// Seeds: column name and DuckDB type.
    pub column_types: Vec<(String, String)>,
    /// Seeds: one character.
    pub delimiter: char,
    /// Seeds: keep the header's letter case (DuckDB's names compare without it).
    pub quote_columns: bool,
    pub source: SourceConfig,
    /// Snapshots only.
    pub snapshot: Option<SnapshotConfig>,
    pub test: TestConfig,
    /// What is asked of the published table, without its columns: `Node::table_contract` has all.
    pub export: TableContract,
}

/// The keys of data tests.
#[derive(Debug, Clone, PartialEq)]
pub struct TestConfig {
    pub severity: Severity,
    pub warn_if: String,
    pub error_if: String,
    pub fail_calc: String,
    /// Filters the tested relation first.
    pub r#where: Option<String>,
    pub limit: Option<u64>,
    pub store_failures: bool,
    /// They are kept as a view over the test's query, not as a table.
    pub stores_view: bool,
}

/// The keys of `incremental_strategy: microbatch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchConfig {
    /// A column of the model, as SQL writes it.
    pub event_time: String,
    /// What a first run or a full refresh starts from.
    pub begin: DateTime<Utc>,
    pub batch_size: BatchSize,
    /// Batches before the newest that are built again.
    pub lookback: u32,
}

/// The keys of snapshots. Names of columns may be any SQL expression, as in dbt.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotConfig {
    pub strategy: SnapshotStrategy,
    pub updated_at: Option<String>,
    /// The columns that the check strategy compares.
    pub check_cols: CheckColumns,
    pub hard_deletes: HardDeletes,
    /// SQL for `dbt_valid_to` of rows that hold now, in the place of NULL.
    pub valid_to_current: Option<String>,
    pub names: MetaNames,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckColumns {
    All,
    Named(Vec<String>),
}

/// What the columns are called that a snapshot adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaNames {
    pub scd_id: String,
    pub updated_at: String,
    pub valid_from: String,
    pub valid_to: String,
    pub is_deleted: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SourceConfig {
    pub load: LoadKind,
    /// The path whose greatest value marks how far a load came.
    pub watermark: Option<String>,
    /// How far below the watermark an incremental load begins.
    pub lookback: Duration,
    /// A MongoDB query in Extended JSON.
    pub filter: Option<String>,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub mask: Vec<(String, MaskWith)>,
    pub mask_salt: Option<Secret>,
    pub keep_bson: bool,
    pub on_mismatch: OnMismatch,
    pub on_malformed: OnMalformed,
    pub verify: Verify,
    pub read_concern: Option<String>,
    /// Documents of a server batch, at most.
    pub batch_size: Option<u32>,
    /// Documents of a range that is read and landed by itself; 0 is no ranges.
    pub range_size: Option<u64>,
}
