//! Descriptions of the graph: the manifest, the lineage of columns, the freshness of sources.
//!
//! Returns values. Prints and writes nothing.

mod freshness;
pub mod lineage;
mod manifest;

pub use manifest::CompiledSql;
