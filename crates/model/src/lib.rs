//! The project's nodes as one checked graph: parse, select, order, render, and the SQL that builds a relation.
//!
//! There is one folder per step. Each folder imports only folders that are above it in this list:
//!
//! | folder | holds |
//! |---|---|
//! | `graph` | values: nodes, the graph, configuration, relations, hooks, tests |
//! | `config` | from maps to configuration, and where its keys are written |
//! | `sql` | SQL as text: statements, strategies, schema changes, places, the tokenizer |
//! | `template` | the Jinja engine, its context, markup, and generic tests rendered |
//! | `parse` | from files to drafts of nodes |
//! | `resolve` | from drafts to the graph |
//! | `compile` | the `Compiler`: a graph with its templates; the SQL of one node, hook, macro or unit test |
//! | `describe` | the manifest, column lineage, freshness |
//! | `select` | selectors, and the steps in which nodes are built |
//! | `check` | binds every query before anything runs |
//!
//! A run calls `Compiler::parse_for`, `Graph::select`, `Graph::with_missing_parents`, `check`, then `Graph::order`. For each
//! step it runs `Compiler::compile` and the statements of `sql`, then for each of the step's tests `Compiler::compile` and
//! `Compiled::failures`. `Compiled::place(SqlError::position)` is the place of an error in the analyst's file.
//!
//! Reads a `Project` value and returns values and SQL text. Opens no file and no connection. It queries a database only
//! through the traits `Binder` and `Host`.

mod check;
mod compile;
mod config;
mod describe;
mod graph;
pub mod messages;
mod parse;
mod resolve;
#[cfg(test)]
mod sample;
mod select;
mod sql;
mod template;

pub use check::{Checked, bind, bound_ephemeral, check};
pub use compile::{Compile, Compiler};
pub use config::{Age, Freshness};
pub use describe::{CompiledSql, lineage};
pub use graph::{
    Access, BatchConfig, BatchSize, BatchWindow, CheckColumns, Config, CsvConfig, DataTest, Deletes, GenericTest,
    GivenInput, GivenRows, Graph, HardDeletes, Hook, HookTime, KeyMapUse, LoadKind, MaskWith, Materialized, MetaNames,
    Node, NodeId, NodeKind, OnMalformed, OnMismatch, OnSchemaChange, OnTruncated, Origin, Relation, RunHooks, Severity,
    SnapshotConfig, SnapshotStrategy, SourceConfig, Strategy, TestConfig, TextEncoding, TimeBatch, UnitTest, Verify,
    parse_time,
};
pub use select::{BuildStep, EarlierArtifacts, Gate, Indirect, SelectedNodes, SelectionRequest, Steps};
pub use sql::{
    Binder, Compiled, Contract, Existing, FieldChange, Incremental, Key, KnownColumns, NewColumn, SchemaChange,
    Snapshot, SourceMap, children_only, create_table, create_view, doubled_keys, drop_existing, duplicate_keys,
    field_changes, is_volatile, keys, missing_field, own_types, sweep, value_sql,
};
pub use template::{Answer, Cell, Host, Invocation, TemplateMessage};
