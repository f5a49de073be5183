//! What all targets share: each step of a publication, written once.
//!
//! A target supplies what is really its own (types, catalog queries, statements, encoding, connection) by implementing
//! `Staging` and `Applying`; `OpenPublication` makes an exporter of it. Names no target.

mod connections;
mod faults;
mod fit;
mod lock;
mod look_back;
mod merge;
mod open_publication;
mod record;
mod staged_tables;
mod steps;

pub use connections::Connections;
pub use faults::{Faults, FaultyColumn, FaultyTable, Hazard, Replacement, key_text};
pub use fit::{CheckedTable, ExistingColumn, Fitting, check};
pub use lock::{PublicationLock, wait_for};
pub use merge::{Dialect, Merge, MergeColumn};
pub use open_publication::OpenPublication;
pub use record::{PublicationRecord, TOOL};
pub use steps::{Answer, Applying, Opened, Staged, Staging, Work};
