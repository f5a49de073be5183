//! Reads collections of a source as typed batches.
//!
//! Knows nothing of where batches land, of DuckDB, or of models. To add a source: one file here that implements
//! `Source`, one variant of `project::SourceProfile`, one arm in `open`.

mod bson;
mod builder;
mod census;
mod columns;
mod data;
mod decimal;
mod decode;
mod ejson;
mod files;
mod id;
mod infer;
mod mongodb;
#[allow(dead_code)]
mod query;
mod rescue;
#[allow(dead_code)]
mod reshape;
pub mod watermark;

use arrow::array::StringArray;

use crate::batch::{Batch, IdKind, Reading, Window};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::project::SourceProfile;
use crate::schema::Column;

/// A place that holds collections.
pub trait Source: Send + Sync {
    /// Names of all collections, sorted.
    fn collections(&self) -> Result<Vec<String>>;

    /// Documents in a collection where the source can tell cheaply (an estimate serves progress only).
    fn count(&self, collection: &str) -> Result<Option<u64>>;

    /// Reads the window's documents, in batches, into `sink`. An error of `sink` ends the reading and is returned.
    fn read(&self, request: &Request, sink: &mut dyn FnMut(Batch) -> Result<()>) -> Result<Reading>;

    /// The `_id` of every document, in the text form that a raw table of this `kind` has, in lists of bounded length
    /// without nulls; reads nothing else.
    fn ids(
        &self,
        collection: &str,
        kind: IdKind,
        cancel: &Cancel,
        sink: &mut dyn FnMut(StringArray) -> Result<()>,
    ) -> Result<()>;
}

/// One reading of one collection.
#[derive(Debug, Clone)]
pub struct Request {
    pub collection: String,
    pub window: Window,
    /// The path whose greatest value the reading reports, if the load is incremental.
    pub watermark: Option<String>,
    /// The raw table's columns from earlier loads (empty on a first load or a full refresh).
    pub known: Vec<Column>,
    /// Columns whose types the project's YAML fixes; they win over what is inferred.
    pub pinned: Vec<Column>,
    /// What `_id`s the raw table has from earlier loads in the plain form; None on a first load or a full refresh.
    pub id_kind: Option<IdKind>,
    pub cancel: Cancel,
}

/// Opens the source that a profile names. Connects lazily or fails with the server's name and how long it tried.
pub fn open(name: &str, profile: &SourceProfile) -> Result<Box<dyn Source>> {
    Ok(match profile {
        SourceProfile::Mongodb { uri, database } => Box::new(mongodb::Mongodb::open(name, uri, database)?),
        SourceProfile::Files { path } => Box::new(files::Files::open(name, path)),
    })
}
