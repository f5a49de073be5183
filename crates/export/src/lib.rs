//! Publishes relations to a target: exactly the changed rows, and all tables or none.
//!
//! `delta` writes the SQL that computes the changes, and the run executes it in the warehouse. An exporter reads the
//! rows through `Changes`. Knows no documents, no models and no connection to DuckDB.
//!
//! A publication, as the run composes it:
//!
//! 1. `contract::resolve` turns relations into tables.
//! 2. `target(place).open` connects, acquires the target's lock, and compares the target's tables with ours.
//!    `Ledger::reconcile` compares the target's last publication with the warehouse's ledger.
//! 3. For each table the run executes `Delta::compute` and reads `Delta::counts`. Tables with changes are staged, several
//!    at the same time if the run chooses to.
//! 4. `Reconciled::begin` records the id in the warehouse, `Exporter::commit` publishes, `Pending::settle` makes the
//!    warehouse's snapshots current.
//!
//! `target` contains the steps that all targets share. The folder of a target contains its own code.

mod capabilities;
mod changes;
pub mod contract;
pub mod delta;
mod difference;
mod duck_type;
mod duckdb;
mod exact_json;
mod exporter;
mod file_format;
mod files;
pub mod ledger;
mod ledger_names;
pub mod messages;
mod missing_right;
mod mongodb;
mod mysql;
mod others;
mod plan;
mod postgres;
mod postgres_type;
mod publication;
mod registry;
mod sql_screen;
mod target;
mod type_text;

pub use capabilities::Capabilities;
pub use changes::{Changes, FRESH, Queries, Shape, Sink};
pub use contract::{Relation, Table};
pub use difference::Difference;
pub use duck_type::DuckType;
pub use exporter::{Exporter, Opening, Target};
pub use missing_right::MissingRight;
pub use others::Others;
pub use plan::PlannedStep;
pub use postgres_type::PostgresType;
pub use publication::{Counts, Coverage, Publication, Published, PublishedKey};
pub use registry::target;
