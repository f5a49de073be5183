//! The project's nodes as one checked graph: parse, select, order, render, and the SQL that makes a relation.
//!
//! How a run uses it: `Graph::parse`, `Graph::select`, `Graph::with_missing_parents`, `check`, then `Graph::order`; for each
//! step `Graph::compile` and the statements of `materialize`, then for each of its tests `Graph::compile` and
//! `Compiled::failures`. A `Compiled` statement's `place(SqlError::position)` is where an error stands in the analyst's file.
//!
//! Works on a `Project` value and gives values and SQL text back. Opens no file and no connection; `check` alone
//! speaks to a database, through the small trait `Binder`.

mod analysis;
mod batch_config;
mod batches;
mod check;
mod compile;
mod config;
mod config_value;
mod contract;
mod default_folder;
mod export_config;
mod exposure;
mod field_change;
mod fixture;
mod freshness;
mod generic_test;
mod host;
mod invocation;
mod jinja;
pub mod keys;
pub mod lineage;
mod manifest;
mod markup;
mod materialize;
pub mod messages;
mod naming;
mod node;
mod node_value;
mod operation;
mod order;
mod overrides;
mod parse;
mod python;
mod relation;
mod resolve;
#[cfg(test)]
mod sample;
mod schema_change;
mod select;
mod snapshot;
mod snapshot_config;
mod snapshot_file;
mod source_config;
mod source_map;
mod source_table;
mod template;
mod unit_test;
mod unrendered;
mod volatile;

pub use batch_config::BatchConfig;
pub use batches::{Batch, BatchSize, Window, parse_time};
pub use check::{Binder, Checked, KnownColumns, bind, bound_ephemeral, check};
pub use compile::{Compile, Compiled};
pub use config::{
    Config, Deletes, HardDeletes, Load, MaskWith, Materialized, OnMalformed, OnMismatch, OnSchemaChange, Severity,
    SnapshotStrategy, Strategy, TestConfig, Verify,
};
pub use contract::Contract;
pub use exposure::Access;
pub use field_change::{FieldChange, field_changes, missing_field};
pub use fixture::{own_types, value_sql};
pub use freshness::{Age, Freshness};
pub use host::{Answer, Cell, Host, Said};
pub use invocation::Invocation;
pub use manifest::CompiledSql;
pub use materialize::{
    Existing, Incremental, Key, children_only, create_table, create_view, doubled_keys, drop_existing, duplicate_keys,
    sweep,
};
pub use node::{DataTest, GenericTest, Graph, Node, NodeId, NodeKind};
pub use operation::{Hook, HookTime, RunHooks};
pub use order::{Gate, Step, Steps};
pub use relation::Relation;
pub use schema_change::{NewColumn, SchemaChange};
pub use select::{Indirect, Previous, Request, Selection};
pub use snapshot::Snapshot;
pub use snapshot_config::{CheckColumns, MetaNames, SnapshotConfig};
pub use source_config::SourceConfig;
pub use source_map::SourceMap;
pub use source_table::Origin;
pub use unit_test::{Given, Rows, UnitTest};
pub use volatile::is_volatile;
