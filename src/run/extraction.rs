//! Loads the collections of a plan, several at once, and reports which nodes cannot be built because a load failed.
//!
//! Runs `load` for all collections. Knows only the names of sources, not the models.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::report::{Console, Stage, Status};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result, nearest};
use elt_base::numbers::counted;
use elt_extract::Source;
use elt_extract::land::Landing;
use elt_model::{Graph, NodeId};
use elt_project::{Target, TargetPart};
use elt_warehouse::{Session, Warehouse};

use super::collection::{CollectionLoad, LoadMode};
use super::counting::Counting;
use super::load::{LoadExtent, LoadOutcome, Loading};
use super::plan;
use super::ranges::SpareThreads;
use super::results::{NodeResult, Results};
use super::schedule::{self, Outcome, Skip};

/// The inputs and settings of an extraction.
pub struct Extraction<'a> {
    pub graph: &'a Graph,
    pub target: &'a Target,
    pub warehouse: &'a Warehouse,
    pub console: &'a Console,
    pub results: &'a Results,
    pub cancel: &'a Cancel,
    pub extent: LoadExtent,
    pub fail_fast: bool,
    pub threads: usize,
}

impl Extraction<'_> {
    /// Loads the collections, and returns the nodes of those that failed. An error means that nothing was read.
    pub fn run(&self, loads: &[NodeId]) -> Result<Vec<NodeId>> {
        let sources = loads.iter().filter_map(|id| self.graph.node(*id).source_name.as_deref());
        self.target.require(&sources.map(TargetPart::Source).collect::<Vec<_>>())?;
        let mut collections = Vec::new();
        let mut errors = Vec::new();
        for id in loads {
            match plan::collection(self.graph.node(*id), self.target) {
                Ok(collection) => collections.push(collection),
                Err(error) => errors.extend(error.split()),
            }
        }
        if let Some(error) = Error::many(errors) {
            return Err(error);
        }
        let mut sources: BTreeMap<&str, Opened> = BTreeMap::new();
        for collection in &collections {
            if !sources.contains_key(collection.source.as_str()) {
                let profile = &self.target.sources[&collection.source];
                let opened = elt_extract::open(&collection.source, profile).and_then(|source| {
                    let names = source.collections()?;
                    Ok((Arc::from(source), names))
                });
                sources.insert(&collection.source, opened);
            }
        }
        let mut failed_sources = Vec::new();
        for opened in sources.values_mut() {
            if let Err(error) = opened {
                failed_sources.push(std::mem::replace(error, elt_base::messages::interrupted()));
            }
        }
        if let Some(error) = Error::many(failed_sources) {
            return Err(error);
        }
        self.warehouse.session()?.create_schemas(collections.iter().map(|collection| collection.schema.as_str()))?;
        let landing = Landing::new(&self.target.landing);
        // The largest first, because everything waits for a large collection that starts last.
        let sizes = self.sizes(&collections, &sources)?;
        let mut order: Vec<usize> = (0..collections.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(sizes[*index].0));
        // The threads above one per collection. When no collection is left, a waiting thread becomes spare.
        let spare = SpareThreads::new(self.threads.saturating_sub(collections.len()));
        let left = AtomicUsize::new(collections.len());
        let failed = Mutex::new(Vec::new());
        let fail = |index: usize| failed.lock().push(loads[index]);
        schedule::run(
            &vec![Vec::new(); loads.len()],
            self.threads,
            self.fail_fast,
            self.cancel,
            || (),
            |(), step| {
                let index = order[step];
                let collection = &collections[index];
                let outcome = match sources.get(collection.source.as_str()) {
                    Some(Ok((source, names))) => {
                        let counting = sizes[index].1.lock().take();
                        self.load(collection, source, names, &landing, &spare, counting)
                    }
                    _ => false,
                };
                if left.fetch_sub(1, Ordering::SeqCst) <= self.threads {
                    spare.give();
                }
                if outcome {
                    return Outcome::Done;
                }
                fail(index);
                Outcome::Failed
            },
            |step, _: Skip| fail(order[step]),
        );
        Ok(failed.into_inner())
    }

    /// The approximate number of documents of each collection: the rows of the raw table or, before the first load, the
    /// count of the source, which is requested here. A count that is not available at once is treated as large.
    fn sizes(
        &self,
        collections: &[CollectionLoad],
        sources: &BTreeMap<&str, Opened>,
    ) -> Result<Vec<(u64, CountAsked)>> {
        let rows = self.warehouse.session()?.raw_sizes()?;
        // All counts are requested before the first wait.
        let asked: Vec<_> = collections
            .iter()
            .map(|collection| {
                let known = rows.get(&(collection.source.clone(), collection.name.clone())).copied();
                let counting = match sources.get(collection.source.as_str()) {
                    Some(Ok((source, names))) if known.is_none() && names.contains(&collection.name) => {
                        Some(Counting::begin(source, collection))
                    }
                    _ => None,
                };
                (known, counting)
            })
            .collect();
        let size = |(known, mut counting): (Option<u64>, Option<Counting>)| {
            let counted = counting.as_mut().map(|counting| counting.wait().ok().flatten().unwrap_or(u64::MAX));
            (known.or(counted).unwrap_or(0), Mutex::new(counting))
        };
        Ok(asked.into_iter().map(size).collect())
    }

    fn load(
        &self,
        collection: &CollectionLoad,
        source: &Arc<dyn Source>,
        names: &[String],
        landing: &Landing,
        spare: &SpareThreads,
        counting: Option<Counting>,
    ) -> bool {
        let name = collection.label.clone();
        let unique_id = format!("load.{}.{name}", self.graph.project);
        // The number of documents of an incremental load is not known in advance.
        let whole = self.extent != LoadExtent::Usual || collection.mode == LoadMode::Full;
        let is_there = names.contains(&collection.name);
        let mut counting = counting.or_else(|| is_there.then(|| Counting::begin(source, collection)));
        let counted = match (&mut counting, whole) {
            // The load reports an error.
            (Some(counting), true) => counting.wait().ok().flatten(),
            _ => None,
        };
        let mut result = NodeResult::new(Stage::Extract, unique_id, name, Status::Success);
        let _in_load = result.enter();
        let activity = self.console.begin(Stage::Extract, &result.name, "documents", counted);
        let started = Instant::now();
        let outcome = self.load_one(collection, names, |session| {
            let cx = Loading {
                collection,
                source,
                landing,
                session,
                extent: self.extent,
                spare,
                cancel: self.cancel,
                activity: &activity,
                console: self.console,
            };
            cx.load(counting.unwrap_or(Counting::Known(None)))
        });
        drop(activity);
        result.seconds = started.elapsed().as_secs_f64();
        let done = match outcome {
            Ok(outcome) => {
                result.amount = Some((outcome.reconciliation.landed, "documents"));
                result.bytes = outcome.bytes;
                result.note = note(&outcome);
                result.details = outcome.reconciliation.artifact();
                true
            }
            Err(error) => {
                result.status = Status::Error;
                result.message = Some(error.to_string());
                if self.cancel.is_requested() {
                    // The user stopped the load; it did not fail.
                    result.status = Status::Skipped;
                    result.note = "interrupted".into();
                } else {
                    self.console.error(&error);
                }
                false
            }
        };
        self.console.line(&result.line());
        self.results.push(result);
        done
    }

    fn load_one(
        &self,
        collection: &CollectionLoad,
        names: &[String],
        load: impl FnOnce(&Session) -> Result<LoadOutcome>,
    ) -> Result<LoadOutcome> {
        if !names.contains(&collection.name) {
            let near = nearest(&collection.name, names.iter().map(String::as_str));
            return Err(elt_extract::messages::unknown_collection(&collection.source, &collection.name, near));
        }
        let session = self.warehouse.session()?;
        let interrupter = session.interrupter();
        self.cancel.on_request(move || interrupter.interrupt());
        load(&session)
    }
}

/// A count that was requested and that the load has not used yet.
type CountAsked = Mutex<Option<Counting>>;

type Opened = Result<(Arc<dyn Source>, Vec<String>)>;

fn note(outcome: &LoadOutcome) -> String {
    let mut parts = Vec::new();
    if !outcome.full {
        let applied = outcome.applied;
        let new = applied.rows.saturating_sub(applied.updated);
        let gone = if outcome.marks { "marked as deleted" } else { "gone" };
        for (count, what) in [(new, "new"), (applied.updated, "changed"), (applied.deleted, gone)] {
            if count > 0 {
                parts.push(format!("{} {what}", elt_base::numbers::thousands(count)));
            }
        }
        if parts.is_empty() {
            parts.push("nothing new".into());
        }
    }
    if outcome.is_repeated {
        parts.push("unchanged".into());
    }
    if let Some((landed, all)) = outcome.resumed {
        parts.push(format!("{landed} of {all} ranges were already on disk"));
    }
    parts.extend(outcome.reconciliation.note());
    if outcome.reconciliation.rescued > 0 {
        parts.push(format!("{} rescued", counted(outcome.reconciliation.rescued, "values")));
    }
    parts.extend(outcome.reconciliation.quarantine_note());
    parts.join(", ")
}
