//! Executes the plan: loads, models with their tests, publication; threads, transactions, results.
//!
//! Connects the stages. Knows neither the command line nor drivers.

mod artifact;
pub mod binder;
mod build;
pub mod changed;
mod collection;
mod counting;
mod extraction;
mod freshness;
mod host;
pub mod impact;
pub mod intact;
mod key_import;
pub mod keys;
mod load;
mod materialize;
mod microbatch;
mod others;
mod pinned;
pub mod plan;
mod previous;
mod publish;
pub mod quarantine;
mod ranges;
mod reconciliation;
mod results;
mod row_diff;
mod run_hooks;
mod schedule;
mod snapshot;
mod statement;
mod stored_failures;
pub mod summary;
mod uncast;
mod unit_test;
mod unit_test_step;

pub use build::{Build, create_schemas, stage, write_compiled};
pub use collection::{CollectionLoad, LoadMode};
pub use extraction::Extraction;
pub use freshness::SourceAge;
pub use host::SessionHost;
pub use key_import::{ImportedKeys, KeyImport};
pub use load::{LoadExtent, LoadOutcome};
pub use microbatch::{BatchResults, Batches};
pub use plan::{Plan, PlannedExport, Scope};
pub use previous::Previous;
pub use publish::{Publish, PublishedTable, WarehouseLedger};
pub use results::{NodeResult, Results, StageTotal};
pub use run_hooks::RunHookStage;
pub use unit_test::UnitTests;
pub use unit_test_step::run_unit_tests;
