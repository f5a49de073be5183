//! Reads collections of a source as typed batches, and lands them as Parquet.
//!
//! Knows nothing of DuckDB, of models, or of targets. To add a source: one file or folder here that implements `Source`,
//! one variant of `project::SourceProfile`, one arm in `open`.

pub mod batch;
mod bson;
mod column;
mod decode;
mod files;
mod from_text;
mod key;
pub mod land;
mod merge;
pub mod messages;
mod mongodb;
mod open;
mod options;
mod question;
mod reshape;
mod source;
mod survey;
pub mod watermark;
pub mod window;

pub use column::majority::is_doubtful;
pub use merge::merged;
pub use open::open;
pub use options::{BATCH_SIZE, CollectionOptions, CsvOptions, Encoding, Mask, OnMismatch, RANGE_SIZE};
pub use question::{Question, ReadingPlan, SurveyHints};
pub use source::{CountMode, Sink, Source};
pub use survey::Survey;
