//! The graph as values: nodes, their configuration, their inputs, and their relations.
//!
//! The bottom of the model: imports no other folder of it. Parses and renders nothing, and writes no SQL except names.

mod access;
mod batch;
mod batch_size;
mod call;
mod choices;
mod config;
mod dag;
mod data_test;
mod hook;
mod id;
mod key_map;
mod macro_files;
mod node;
mod origin;
mod relation;
mod snapshot_block;
mod unit_test;

pub use access::Access;
pub use batch::{BatchWindow, TimeBatch, parse_time};
pub use batch_size::BatchSize;
pub use choices::{
    Deletes, HardDeletes, LoadKind, MaskWith, Materialized, OnMalformed, OnMismatch, OnSchemaChange, OnTruncated,
    Severity, SnapshotStrategy, Strategy, TextEncoding, Verify,
};
pub use config::{BatchConfig, CheckColumns, Config, CsvConfig, MetaNames, SnapshotConfig, SourceConfig, TestConfig};
pub use dag::Graph;
pub use data_test::{DataTest, GenericTest};
pub use hook::{Hook, HookTime, RunHooks};
pub use id::NodeId;
pub use key_map::KeyMapUse;
pub use node::{Node, NodeKind};
pub use origin::Origin;
pub use relation::Relation;
pub use unit_test::{GivenInput, GivenRows, UnitTest};

pub(crate) use call::Call;
pub(crate) use macro_files::MacroFiles;
pub(crate) use relation::{CTE_PREFIX, cte_name};
#[cfg(test)]
pub(crate) use snapshot_block::body;
pub(crate) use snapshot_block::{first_line, query_of};
