//! Reads configuration: turns layers of maps into the typed values of `graph`.
//!
//! Knows maps and their places in files. Does not know templates or the inputs of a node.

mod batch;
mod csv;
pub(crate) mod export;
mod freshness;
mod key_place;
mod node;
pub(crate) mod repr;
mod snapshot;
mod source;
mod unrendered;
pub(crate) mod value;

pub use freshness::{Age, Freshness};

pub(crate) use key_place::{key_in_sql, key_in_yaml};
pub(crate) use node::Of;
pub(crate) use unrendered::unrendered;
pub(crate) use value::{BadConfig, UnreadKey, canonical, folder_defaults, merge, texts};
