//! Writes batches as immutable Parquet segments with a manifest, so that any engine can read what has landed.
//!
//! Layout: `<root>/<source>/<collection>/<load_id>/segment-00001.parquet …` and, last, `manifest.json`; a folder
//! without a manifest is a load that did not finish. A load that lands range by range has `plan.json` from the start
//! and `part-00001.json …` for each complete range, so that another run can continue it. Knows nothing of sources, of
//! DuckDB or of models.

mod disk;
mod folder;
mod landing;
mod load;
mod load_plan;
mod part;
mod quarantine;
mod quarantine_reader;
mod segment;
#[cfg(test)]
mod tests;
mod written;

pub use landing::Landing;
pub use load::Load;
pub use load_plan::LoadPlan;
pub use part::{Part, PartWriter};
pub use quarantine_reader::{QuarantineEntry, quarantined};
