//! The typed configuration of nodes.
//!
//! Values: `config` reads them from maps.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::batch_size::BatchSize;
use super::choices::{
    Deletes, HardDeletes, LoadKind, MaskWith, Materialized, OnMalformed, OnMismatch, OnSchemaChange, OnTruncated,
    Severity, SnapshotStrategy, Strategy, TextEncoding, Verify,
};
use elt_base::secret::Secret;
use elt_project::TableContract;

/// The keys that this tool knows, with dbt's defaults for DuckDB.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub enabled: bool,
    pub materialized: Materialized,
    pub alias: Option<String>,
    /// The custom schema, before it is joined to the target's schema.
    pub schema: Option<String>,
    pub tags: Vec<String>,
    pub meta: Map<String, Value>,
    /// Empty if no key is configured.
    pub unique_key: Vec<String>,
    pub incremental_strategy: Strategy,
    /// For an incremental model of children: the columns that name the parent of a row. All rows of a parent are
    /// replaced together.
    pub parent_key: Vec<String>,
    pub on_schema_change: OnSchemaChange,
    /// The column with the time of each row. Microbatch models that read this node filter it by this column.
    pub event_time: Option<String>,
    /// For an incremental model with the strategy `microbatch`.
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
    /// Seeds: keep the letter case of the header. (DuckDB compares names without letter case.)
    pub quote_columns: bool,
    pub source: SourceConfig,
    /// Snapshots only.
    pub snapshot: Option<SnapshotConfig>,
    pub test: TestConfig,
    /// The configuration of the published table, without its columns: `Node::table_contract` returns all of it.
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
    /// Failures are kept as a view over the test's query, not as a table.
    pub stores_view: bool,
}

/// The keys of `incremental_strategy: microbatch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchConfig {
    /// A column of the model, in SQL notation.
    pub event_time: String,
    /// The start of a first run or a full refresh.
    pub begin: DateTime<Utc>,
    pub batch_size: BatchSize,
    /// The number of batches before the newest that are built again.
    pub lookback: u32,
}

/// The keys of snapshots. Column names may be any SQL expression, as in dbt.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotConfig {
    pub strategy: SnapshotStrategy,
    pub updated_at: Option<String>,
    /// The columns that the check strategy compares.
    pub check_cols: CheckColumns,
    pub hard_deletes: HardDeletes,
    /// SQL for `dbt_valid_to` of the current rows, instead of NULL.
    pub valid_to_current: Option<String>,
    pub names: MetaNames,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckColumns {
    All,
    Named(Vec<String>),
}

/// The names of the columns that a snapshot adds.
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
    /// The paths whose values identify a document of a file. Empty if `_id` does.
    pub key: Vec<String>,
    /// The path whose greatest value marks the progress of a load.
    pub watermark: Option<String>,
    /// The distance below the watermark at which an incremental load begins.
    pub lookback: Duration,
    /// The most rows, in percent, that a sweep may remove.
    pub sweep_limit: f64,
    /// A MongoDB query in Extended JSON.
    pub filter: Option<String>,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub mask: Vec<(String, MaskWith)>,
    pub mask_salt: Option<Secret>,
    pub keep_bson: bool,
    pub on_mismatch: OnMismatch,
    pub on_malformed: OnMalformed,
    pub on_truncated: OnTruncated,
    pub verify: Verify,
    pub read_concern: Option<String>,
    /// The maximum number of documents in a server batch.
    pub batch_size: Option<u32>,
    /// The number of documents in a range that is read and landed separately; 0 disables ranges.
    pub range_size: Option<u64>,
    pub csv: CsvConfig,
}

/// How the CSV file of a source's table is written. The file itself shows what is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvConfig {
    /// ASCII, like `quote`.
    pub delimiter: Option<char>,
    /// `Some(None)`: there are no quotes.
    pub quote: Option<Option<char>>,
    /// The texts that are NULL in fields without quotes.
    pub nulls: Option<Vec<String>>,
    pub encoding: Option<TextEncoding>,
    /// Whether the first line names the columns.
    pub header: Option<bool>,
}
