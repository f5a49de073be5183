//! The questions to a server before a collection is read: a sample from all of it, where to split it, the server's
//! clock.
//!
//! Knows which questions are cheap for a server. Does not know how the answers are used.

use std::time::{Duration, Instant};

use ::mongodb::bson::{Bson, DateTime, Document, doc};

use super::query::{Asked, Find, filter, query};
use super::{Mongodb, twice};
use crate::bson::ejson;
use crate::bson::find;
use crate::decode::Fault;
use crate::messages;
use crate::options::RANGE_SIZE;
use crate::question::{Question, SurveyHints};
use crate::source::Source;
use crate::survey::{Draw, SAMPLE_DOCUMENTS_MAX, Survey};
use crate::watermark::{self, Mark, MarkClass};
use crate::window::{Horizon, Window};
use elt_base::error::{Result, nearest};

/// The number of documents that are drawn from a larger collection.
const DRAWN: u64 = 1_000;

/// The time limit of the server for the sample. From a collection of so many documents it may read all documents. For a
/// larger one the limit is a thousandth of a second for so many documents, within bounds.
const DRAW_ALL_MAX: u64 = 20_000;
const DRAW_ALL_MILLIS: u64 = 2_000;
const DRAW_DOCUMENTS_PER_MILLI: u64 = 20_000;
const DRAW_MILLIS_MIN: u64 = 40;
const DRAW_MILLIS_MAX: u64 = 5_000;

/// By default, a collection of at least so many bytes is read in ranges of `_id`. For a smaller one, a single cursor in
/// the order of storage is much faster, and a lost cursor costs only seconds.
const RANGES_FROM_BYTES: u64 = 2 << 30;

/// The number of `_id`s that are drawn for each range, and the most for all ranges.
const CUTS_DRAWN: u64 = 20;
const CUTS_DRAWN_MAX: u64 = 20_000;

impl Mongodb {
    /// Looks at a collection before it is read.
    pub(super) fn look(&self, question: &Question, hints: SurveyHints) -> Result<Survey> {
        let mut survey = Survey::default();
        let mut class = None;
        if let Window::Since { from, .. } = &question.window {
            class = Mark::parse(from)?.class();
        } else {
            // For the server, an unknown collection is empty. A full load of it would empty the raw table.
            let kind = self.type_of(&question.collection)?;
            if kind.is_none() {
                let names = self.collections()?;
                let near = nearest(&question.collection, names.iter().map(String::as_str));
                return Err(messages::unknown_collection(&self.name, &question.collection, near));
            }
            // With a filter, a sample would cost the server as much as the reading. A small collection is its own
            // sample.
            let is_cheap = |count: u64| count <= DRAW_ALL_MAX || !self.pace.counts_by_reading();
            let count = hints.count.filter(|count| *count > SAMPLE_DOCUMENTS_MAX as u64 && is_cheap(*count));
            let mut bytes = 0;
            if let Some(count) = count.filter(|_| question.options.filter.is_none()) {
                let drawn = draw(self, question, count)?;
                class = drawn.class;
                bytes = drawn.draw.bytes / drawn.draw.documents.max(1) * count;
                survey.sample = drawn.draw.shape();
            }
            if kind.as_deref() == Some("collection") && question.options.filter.is_none() && !hints.is_split {
                survey.cuts = cuts(self, question, hints.count.unwrap_or_default(), bytes)?;
            }
        }
        if question.watermark.is_some() {
            survey.horizon = Some(horizon(self, question, class)?);
        }
        Ok(survey)
    }
}

/// A sample from the whole collection.
struct Drawn {
    draw: Draw,
    /// The class of the greatest watermark.
    class: Option<MarkClass>,
}

/// Draws a sample, if the server can do so quickly. A server that must read the whole collection for it would do all
/// the work twice, so it is stopped. Then the sample is empty, and the reading uses its own first documents.
fn draw(source: &Mongodb, question: &Question, count: u64) -> Result<Drawn> {
    let mut draw = Draw::new(question.reshape()?);
    let mut class = None;
    let millis = match count {
        ..=DRAW_ALL_MAX => DRAW_ALL_MILLIS,
        _ => (count / DRAW_DOCUMENTS_PER_MILLI).clamp(DRAW_MILLIS_MIN, DRAW_MILLIS_MAX),
    };
    let time = Duration::from_millis(millis);
    let stages = vec![doc! { "$sample": { "size": DRAWN as i64 } }];
    let drawn = source.all(
        query(&question.collection, &question.options, Asked::Aggregate(stages, Some(time))),
        &question.cancel,
        &mut |document| {
            if let Some(path) = &question.watermark {
                let kind = watermark::find(document, path)?.map(|value| value.kind);
                class = class.max(kind.and_then(MarkClass::of));
            }
            draw.take(document);
            Ok(())
        },
    );
    match drawn {
        Err(error) if error.is_timeout() => Ok(Drawn { draw: Draw::new(question.reshape()?), class: None }),
        drawn => drawn.map(|()| Drawn { draw, class }),
    }
}

/// The `_id`s that split a collection into ranges of about `range_size` documents. Empty if it is read as a whole.
/// `bytes` is the approximate size of the collection, or 0 if it is not known.
fn cuts(source: &Mongodb, question: &Question, count: u64, bytes: u64) -> Result<Vec<String>> {
    let size = match question.options.range_size {
        Some(size) => size,
        None if bytes >= RANGES_FROM_BYTES => RANGE_SIZE,
        None => 0,
    };
    if size == 0 || count < size.saturating_mul(2) {
        return Ok(Vec::new());
    }
    let ranges = count / size;
    let drawn = (ranges * CUTS_DRAWN).min(CUTS_DRAWN_MAX).max(ranges);
    // The index has the server's own order.
    let stages = vec![
        doc! { "$sample": { "size": drawn as i64 } },
        doc! { "$project": { "_id": 1 } },
        doc! { "$sort": { "_id": 1 } },
    ];
    let mut ids = Vec::new();
    source.all(
        query(&question.collection, &question.options, Asked::Aggregate(stages, None)),
        &question.cancel,
        &mut |document| {
            if let Some(id) = find(document, b"_id")? {
                ids.push(ejson::canonical(id)?);
            }
            Ok(())
        },
    )?;
    let each = (ids.len() as u64 / ranges).max(1);
    let mut cuts: Vec<String> = Vec::new();
    for (index, id) in ids.into_iter().enumerate().skip(1) {
        // A sample may draw a document twice.
        if (index as u64).is_multiple_of(each) && cuts.last() != Some(&id) {
            cuts.push(id);
        }
    }
    Ok(cuts)
}

/// The limit of the watermark. A document that changes during the reading gets a time after now, or a value that is
/// greater than all current values.
fn horizon(source: &Mongodb, question: &Question, class: Option<MarkClass>) -> Result<Horizon> {
    let millis = clock(source)?;
    let mut horizon = Horizon { millis, greatest: None };
    let Some(path) = &question.watermark else { return Ok(horizon) };
    // Without a sample, the first document shows it.
    let class = match class {
        Some(class) => Some(class),
        None => first(source, question, path, None)?.and_then(|mark| Mark::parse(&mark).ok()?.class()),
    };
    // Without an index, the server reads the collection for this.
    if class.is_some_and(|class| !class.is_time()) {
        horizon.greatest = first(source, question, path, Some(doc! { path: -1 }))?;
    }
    Ok(horizon)
}

/// The watermark of the first document in an order, as canonical Extended JSON. None if it has none.
fn first(source: &Mongodb, question: &Question, path: &str, sort: Option<Document>) -> Result<Option<String>> {
    let find = Find {
        filter: filter(&question.options, &question.collection)?,
        projection: Some(doc! { path: 1 }),
        sort,
        limit: Some(1),
        ..Find::default()
    };
    let mut found = None;
    source.all(
        query(&question.collection, &question.options, Asked::Find(Box::new(find))),
        &question.cancel,
        &mut |document| {
            found = match watermark::find(document, path)? {
                Some(value) if MarkClass::of(value.kind).is_some() => Some(ejson::canonical(value)?),
                _ => None,
            };
            Ok::<_, Fault>(())
        },
    )?;
    Ok(found)
}

/// The server's clock, in milliseconds since 1970. The local clock may differ.
fn clock(source: &Mongodb) -> Result<i64> {
    let started = Instant::now();
    let _wait = source.wait("asking for its clock");
    let ask = async || source.client.database("admin").run_command(doc! { "hello": 1 }).await;
    let hello = twice(|| source.runtime.block_on(ask()));
    let hello: Document = hello.map_err(|error| {
        source.failed(&error, started, |said| {
            messages::mongodb_command(&source.name, "ask the server for its time", said)
        })
    })?;
    let now = || DateTime::now().timestamp_millis();
    Ok(hello.get("localTime").and_then(Bson::as_datetime).map_or_else(now, |time| time.timestamp_millis()))
}
