//! The queries for a MongoDB server, created from a question and its options.
//!
//! Pure: sends no query.

use std::time::Duration;

use ::mongodb::bson::{Bson, Document, doc};
use ::mongodb::options::ReadConcern;

use crate::messages;
use crate::options::CollectionOptions;
use crate::question::Question;
use elt_base::error::Result;

/// A query of a collection.
#[derive(Debug, Clone)]
pub struct ServerQuery {
    pub collection: String,
    pub batch_size: u32,
    pub read_concern: Option<ReadConcern>,
    pub asked: Asked,
}

#[derive(Debug, Clone)]
pub enum Asked {
    Find(Box<Find>),
    /// An aggregation: its stages, and the server's time limit for them.
    Aggregate(Vec<Document>, Option<Duration>),
}

/// Documents in the order in which the server finds them.
#[derive(Debug, Clone, Default)]
pub struct Find {
    pub filter: Document,
    pub projection: Option<Document>,
    pub sort: Option<Document>,
    pub limit: Option<i64>,
    /// A range of the index on `_id`, which has one order for all types.
    pub from: Option<Bson>,
    pub to: Option<Bson>,
}

/// A query of a collection, with the options of every query.
pub fn query(collection: &str, options: &CollectionOptions, asked: Asked) -> ServerQuery {
    let read_concern = options.read_concern.as_ref().map(|level| ReadConcern::custom(level.clone()));
    ServerQuery { collection: collection.to_owned(), batch_size: options.batch_size, read_concern, asked }
}

/// The filter of a query, from Extended JSON; `project` has checked its form.
pub fn filter(options: &CollectionOptions, collection: &str) -> Result<Document> {
    let Some(text) = &options.filter else { return Ok(doc! {}) };
    let parsed = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|json| Bson::try_from(json).ok());
    match parsed {
        Some(Bson::Document(filter)) => Ok(filter),
        _ => Err(messages::source_options(collection, "the `filter` is not an Extended JSON object")),
    }
}

/// The fields that the server sends. `elt` alone masks, so masked fields are sent.
pub fn projection(question: &Question) -> Option<Document> {
    let CollectionOptions { include, exclude, .. } = &*question.options;
    let fields = |paths: &[String], value: i32| paths.iter().map(|path| (path.clone(), Bson::Int32(value))).collect();
    match (include.is_empty(), exclude.is_empty()) {
        // A path below another included path is included with it. The server does not accept both together.
        (false, _) => {
            let mut paths = include.clone();
            if let Some(watermark) = &question.watermark {
                paths.push(watermark.clone());
            }
            paths.sort();
            paths.dedup();
            let above = |path: &str, other: &String| {
                path.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('.'))
            };
            let all = paths.clone();
            paths.retain(|path| !all.iter().any(|other| above(path, other)));
            Some(fields(&paths, 1))
        }
        (true, false) => Some(fields(exclude, 0)),
        (true, true) => None,
    }
}
