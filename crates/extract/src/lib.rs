//! Reads collections of a source as typed batches.
//!
//! Knows nothing of where batches land, of DuckDB, or of models. To add a source: one file here that implements
//! `Source`, one variant of `project::SourceProfile`, one arm in `open`.

mod agreed;
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
pub mod land;
pub mod messages;
mod mongodb;
mod names;
mod options;
mod query;
mod rescue;
mod reshape;
mod survey;
pub mod watermark;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::StringArray;

use elt_base::batch::{Census, IdKind, Output, Range, Reading, Window};
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::path::push_key;
use elt_base::schema::{Column, widen_columns};
use elt_project::SourceProfile;
use reshape::Reshape;

pub use agreed::Agreed;
pub use options::{BATCH_SIZE, Mask, OnMismatch, Options, RANGE_SIZE};
pub use survey::Survey;

/// Takes what a reading gives. An error ends the reading and is returned by it.
pub type Sink<'s> = dyn FnMut(Output) -> Result<()> + 's;

/// How a source counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Those that pass `options.filter`, one by one.
    Exact,
    /// What it can tell without reading them, of a collection without a filter.
    Estimate,
    /// The same, if it takes no longer than that: some servers have it at hand, others count.
    AtHand(Duration),
}

/// A place that holds collections.
pub trait Source: Send + Sync {
    /// Names of all collections, sorted.
    fn collections(&self) -> Result<Vec<String>>;

    /// Documents in a collection; None where the source cannot tell.
    fn count(&self, collection: &str, options: &Options, how: Count) -> Result<Option<u64>>;

    /// Looks at a collection before it is read: a sample for the columns' types, where to split it, and what its
    /// watermark may not pass.
    fn survey(&self, request: &Request) -> Result<Survey>;

    /// Reads the window's documents within the request's range into `sink`.
    fn read(&self, request: &Request, sink: &mut Sink<'_>) -> Result<Reading>;

    /// The `_id` of every document that passes the filter, in the text form that a raw table of the request's
    /// `id_kind` has, in lists of bounded length without nulls; reads nothing else.
    fn ids(&self, request: &Request, sink: &mut dyn FnMut(StringArray) -> Result<()>) -> Result<()>;
}

/// One reading of one collection, or of a range of it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub collection: String,
    pub window: Window,
    /// Of a full window only.
    pub range: Range,
    /// The path whose greatest value the reading reports, if the load is incremental.
    pub watermark: Option<String>,
    /// The raw table's columns from earlier loads (empty on a first load or a full refresh).
    pub known: Vec<Column>,
    /// Columns whose types the project's YAML fixes; they win over what is inferred.
    pub pinned: Vec<Column>,
    /// What `_id`s the raw table has from earlier loads in the plain form; None on a first load or a full refresh.
    pub id_kind: Option<IdKind>,
    pub options: Arc<Options>,
    /// Whether where to split is known already, so that a survey need not find out.
    pub is_split: bool,
    /// What the source's count said just now, for the survey; None where it is not at hand.
    pub counted: Option<u64>,
    pub survey: Arc<Survey>,
    /// What the ranges of one load agree on.
    pub agreed: Arc<Agreed>,
    pub cancel: Cancel,
}

impl Request {
    /// How documents are rewritten before anything else sees them; None if they stay as they are.
    fn reshape(&self) -> Result<Option<Reshape>> {
        let Options { include, exclude, mask, mask_salt, .. } = &*self.options;
        let salt = mask_salt.as_ref().map_or("", |salt| salt.reveal());
        Reshape::new(include, exclude, mask, salt.as_bytes())
            .map_err(|complaint| messages::source_options(&self.collection, &complaint))
    }
}

/// How paths, of the census and elsewhere, call a top-level key.
pub fn path_of_key(key: &str) -> String {
    let mut path = String::new();
    push_key(&mut path, key);
    path
}

/// Opens the source that a profile names. Connects lazily or fails with the server's name and how long it tried.
pub fn open(name: &str, profile: &SourceProfile) -> Result<Box<dyn Source>> {
    Ok(match profile {
        SourceProfile::Mongodb { uri, database, snapshot } => {
            Box::new(mongodb::Mongodb::open(name, uri, database, *snapshot)?)
        }
        SourceProfile::Files { path } => Box::new(files::Files::open(name, path)),
    })
}

/// What the parts of one load found, together. `collection` is for the error's message.
pub fn merged(collection: &str, parts: impl IntoIterator<Item = Reading>) -> Result<Reading> {
    let mut all = Reading::default();
    for part in parts {
        all.documents += part.documents;
        all.bytes += part.bytes;
        all.rescued += part.rescued;
        all.quarantined += part.quarantined;
        all.skipped += part.skipped;
        all.columns = widen_columns(&all.columns, &part.columns).ok_or_else(|| messages::parts_conflict(collection))?;
        all.watermark = match (all.watermark, part.watermark) {
            (Some(one), Some(other)) => Some(watermark::greater(&one, &other)?),
            (one, other) => one.or(other),
        };
        all.id_kind = all.id_kind.or(part.id_kind);
        add(&mut all.census, part.census);
    }
    Ok(all)
}

fn add(all: &mut Census, part: Census) {
    for (path, kinds) in part.0 {
        let have = all.0.entry(path).or_default();
        for (kind, count) in kinds {
            match have.get_mut(&kind) {
                Some(sum) => {
                    if sum.rescued == 0 && count.rescued > 0 {
                        sum.example = count.example;
                    }
                    sum.values += count.values;
                    sum.rescued += count.rescued;
                }
                None => drop(have.insert(kind, count)),
            }
        }
    }
}
