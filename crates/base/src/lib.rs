//! The types that every stage of `elt` shares. Nothing here is needed by only one stage.
//!
//! - `error`: the error that every fallible function returns; `diagnostic`: its only renderer.
//! - `schema`, `path`: columns and their types, and the written form of a path in a document.
//! - `reading`, `census`, `manifest`: the results of a load, and its record on disk.
//! - `sql_error`: DuckDB's error for a statement that failed, parsed.
//! - `sql_text`: SQL that is safe to log, without its literals.
//! - `names`: names that a database or a file system treats as one name.
//! - `stack`: threads for templates; `guarded`: panics of other people's libraries as errors.
//! - `private`: files and folders that others cannot read.
//! - `values`: whether messages may quote values of rows.
//! - `wait`: the servers that the program waits for.
//! - `secret`, `cancel`, `digest`, `numbers`, `failpoint`: small values, each with one rule.
//!
//! Knows no stage, no driver, no DuckDB and no model.

pub mod cancel;
pub mod census;
pub mod diagnostic;
pub mod digest;
pub mod error;
pub mod failpoint;
pub mod guarded;
pub mod manifest;
pub mod messages;
pub mod names;
pub mod numbers;
pub mod path;
pub mod private;
pub mod reading;
pub mod schema;
pub mod secret;
pub mod sql_error;
pub mod sql_text;
pub mod stack;
pub mod stored;
pub mod values;
pub mod wait;
