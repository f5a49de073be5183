//! What every stage of `elt` shares, and nothing that only one of them needs.
//!
//! - `error`: what every fallible function returns; `diagnostic`: the one renderer of it.
//! - `schema`, `path`: columns and their types, and how a place in a document is written.
//! - `reading`, `census`, `manifest`: what a load found, and its record on disk.
//! - `sql_error`: what DuckDB says of a statement that failed, taken apart.
//! - `sql_text`: SQL as it may be logged, without its literals.
//! - `secret`, `cancel`, `digest`, `numbers`, `failpoint`: small values with one rule each.
//!
//! Knows no stage, no driver, no DuckDB and no model.

pub mod cancel;
pub mod census;
pub mod diagnostic;
pub mod digest;
pub mod error;
pub mod failpoint;
pub mod manifest;
pub mod messages;
pub mod numbers;
pub mod path;
pub mod reading;
pub mod schema;
pub mod secret;
pub mod sql_error;
pub mod sql_text;
