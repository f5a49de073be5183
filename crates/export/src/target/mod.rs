//! The steps of a publication that all targets share, each written once.
//!
//! A target implements `Staging` and `Applying` with its own types, catalog queries, statements, encoding and
//! connection. `OpenPublication` turns these into an exporter. Names no target.

mod account;
mod cascade;
mod chunks;
mod connections;
mod faults;
mod fit;
mod hash_tag;
mod lock;
mod look_back;
mod merge;
mod moving;
mod open_publication;
mod orphans;
mod owned;
mod quarantine;
mod record;
mod screen;
mod set_aside;
mod staged_tables;
mod steps;
mod text_encoder;
mod text_values;
mod value_text;
mod writing;

pub use account::{Account, SqlTransaction, StagedRows, UniqueSet};
pub use cascade::{Quarantining, Unsettled, keep_orphans_out, orphan_queries, settle, settle_all};
pub use chunks::{CHUNK_BYTES, Chunks, fed};
pub use connections::Connections;
pub use faults::{Faults, FaultyColumn, FaultyTable, Hazard, Replacement};
pub use fit::{CheckedTable, ExistingColumn, Fitting, check};
pub use hash_tag::hash_tag;
pub use lock::{PublicationLock, wait_for};
pub use merge::{Dialect, Merge, MergeColumn, Which};
pub use moving::refuse_twins;
pub use open_publication::OpenPublication;
pub use orphans::{ChangedTable, Pointer};
pub use owned::keeps_others;
pub use quarantine::{QuarantineDialect, QuarantineTable, Reference, is_quarantine, quarantine_name};
pub use record::{PublicationRecord, TOOL};
pub use screen::{EncodedRow, Fate, KeyCounts, RowsOf, Screen};
pub use set_aside::{Cause, SET_ASIDE_MAX, STAGED_ENTRY, ScreenedColumn, SetAside, check_set_aside};
pub use steps::{Answer, Applying, Opened, Staged, Staging, Work};
pub use text_encoder::{Content, Produce, TextEncoder, TextForm};
pub use text_values::{
    Nanos, decimal_digits, has_no_json_number, nanos_of, nearest_decimal, nearest_integer, rounded_nanos,
    without_odd_numbers,
};
pub use writing::refuse_equal_keys;
