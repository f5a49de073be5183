//! Loads one collection: reads the source, lands Parquet, takes it into the raw table, and removes what is gone.
//!
//! Composes `extract`, `land` and `warehouse`; knows no model.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::messages;
use crate::report::{Activity, Console};
use elt_base::batch::{IdKind, Range, Reading, Window};
use elt_base::cancel::Cancel;
use elt_base::digest::sha256;
use elt_base::error::Result;
use elt_base::failpoint::failpoint;
use elt_base::schema::Column;
use elt_extract::land::{Landing, Load, Manifest, Part, Plan};
use elt_extract::{Agreed, Options, Request, Source, Survey, watermark};
use elt_model::Deletes;
use elt_warehouse::{Applied, Intake, Loaded, Session};

use super::counting::Counting;
use super::proof::Proof;
use super::quarantine;
use super::reading::{Ranges, Spare};

/// How old a load may be that another run did not finish and this one goes on with.
const RESUME_HOURS_MAX: i64 = 24;

/// A collection to load, and how.
#[derive(Debug, Clone)]
pub struct Collection {
    /// The source's name.
    pub source: String,
    /// The collection's own name.
    pub name: String,
    /// The raw table: DuckDB schema and name.
    pub schema: String,
    pub table: String,
    pub mode: LoadMode,
    /// What becomes of rows whose documents are gone from the source.
    pub deletes: Deletes,
    pub pinned: Vec<Column>,
    pub options: Arc<Options>,
    /// Whether a proof that does not hold fails the load.
    pub is_strict: bool,
    /// Whether an unfinished load may be gone on with: not where all is read as it was at one moment.
    pub is_resumable: bool,
    /// What the source is, without its secrets.
    pub origin: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadMode {
    Full,
    Incremental { watermark: String, lookback: Duration },
}

/// How much of a collection a load reads, and what it keeps of the loads before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What its mode says.
    Usual,
    /// Every document, into the columns that are there; where a mode would merge, rows of documents that are gone stay.
    Whole,
    /// Every document, and the columns from nothing.
    Anew,
}

/// What a load came to.
#[derive(Debug, Clone, Default)]
pub struct LoadOutcome {
    pub full: bool,
    /// Whether rows of deleted documents are marked, not removed.
    pub marks: bool,
    pub bytes: u64,
    pub applied: Applied,
    /// Whether a full load brought the very same as the one before it, so that the raw table stands as it is.
    pub is_repeated: bool,
    /// Ranges that an earlier run had landed, and all.
    pub resumed: Option<(usize, usize)>,
    pub proof: Proof,
}

/// Loads a collection whole: on an error nothing of this load is in the raw table.
pub struct Loading<'a> {
    pub collection: &'a Collection,
    pub source: &'a Arc<dyn Source>,
    pub landing: &'a Landing,
    pub session: &'a Session,
    pub extent: Extent,
    pub spare: &'a Spare,
    pub cancel: &'a Cancel,
    pub activity: &'a Activity,
    pub console: &'a Console,
}

/// What was read, as it lies on disk but for its manifest.
struct Read {
    load: Load,
    parts: Vec<Part>,
    reading: Reading,
    counts: Counts,
    resumed: Option<(usize, usize)>,
}

/// The source's counts when the load began and when it ended, as far as they are there.
struct Counts {
    start: Counting,
    end: Counting,
}

impl Counts {
    fn wait(&mut self) -> Result<(Option<u64>, Option<u64>)> {
        Ok((self.start.wait()?, self.end.wait()?))
    }
}

impl Loading<'_> {
    /// `counting` is the source's count, asked for just now.
    pub fn load(&self, counting: Counting) -> Result<LoadOutcome> {
        let Self { collection, session, landing, .. } = *self;
        let mut loaded = session.loaded(&collection.source, &collection.name)?;
        let incremental = matches!(collection.mode, LoadMode::Incremental { .. });
        let anew = self.extent == Extent::Anew;
        if incremental && !anew && self.take_in_landed(loaded.as_ref())? {
            loaded = session.loaded(&collection.source, &collection.name)?;
        }
        let window = if anew { Window::Full } else { window(&collection.mode, loaded.as_ref())? };
        let (window, mode) = match (window, self.extent) {
            (Window::Full, _) => (Window::Full, elt_extract::land::LoadMode::Full),
            (_, Extent::Whole) => (Window::Full, elt_extract::land::LoadMode::Whole),
            (since, _) => (since, elt_extract::land::LoadMode::Incremental),
        };
        let full = mode.replaces();
        let known = loaded.as_ref().filter(|_| !anew);
        let request = Request {
            collection: collection.name.clone(),
            window,
            watermark: collection.mode.watermark().map(str::to_owned),
            known: known.map(|loaded| loaded.columns.clone()).unwrap_or_default(),
            pinned: collection.pinned.clone(),
            id_kind: known.and_then(|loaded| loaded.id_kind),
            options: collection.options.clone(),
            agreed: Arc::new(Agreed::default()),
            cancel: self.cancel.clone(),
            ..Request::default()
        };
        let Read { load, parts, reading, mut counts, resumed } =
            self.read(request.clone(), mode, counting, loaded.as_ref().map(|loaded| loaded.load_id.as_str()))?;
        self.cancel.check()?;
        if reading.documents + reading.skipped == 0 && reading.quarantined > 0 {
            return Err(messages::all_quarantined(&collection.shown(), reading.quarantined));
        }

        let sweep = collection.deletes != Deletes::Keep && !full;
        let mut outcome = LoadOutcome {
            full,
            marks: collection.deletes == Deletes::Mark,
            bytes: reading.bytes,
            resumed,
            proof: Proof {
                landed: reading.documents,
                rescued: reading.rescued,
                quarantined: reading.quarantined,
                rows: reading.documents,
                keeps_deleted: !full && collection.deletes == Deletes::Keep,
                ..Proof::default()
            },
            ..LoadOutcome::default()
        };
        let is_empty = reading.documents + reading.quarantined == 0;
        if mode == elt_extract::land::LoadMode::Incremental && is_empty && !sweep {
            outcome.proof.rows = session.raw_rows(&collection.schema, &collection.table)?;
            outcome.proof.counts = counts.wait()?;
            self.verify(&outcome.proof)?;
            return Ok(outcome);
        }
        // Without a document ever there is no row to compare with, and any kind will do.
        let id_kind = reading.id_kind.unwrap_or(IdKind::Other);
        let manifest = load.finish(parts, reading)?;
        failpoint("land.manifest");
        if let Some(loaded) = &loaded
            && collection.mode == LoadMode::Full
            && !anew
            && session.catalog()?.get(&collection.schema, &collection.table).is_some()
            && landing.repeats(&manifest, &loaded.load_id)?
        {
            outcome.is_repeated = true;
            outcome.proof.counts = counts.wait()?;
            self.verify(&outcome.proof)?;
            return landing.discard(&manifest).map(|()| outcome);
        }
        if sweep {
            session.clear_ids()?;
            let request = Request { id_kind: Some(id_kind), ..request };
            self.source.ids(&request, &mut |ids| Ok(session.stage_ids(ids)?))?;
        }
        let mut proof = outcome.proof.clone();
        let intake = self.intake(&manifest, loaded.as_ref(), sweep)?;
        outcome.applied = session.take_in(&manifest, &intake, &mut |rows| {
            proof.rows = rows;
            proof.counts = counts.wait()?;
            self.verify(&proof).map(|()| proof.counts)
        })?;
        outcome.proof = proof;
        if !outcome.applied.is_recorded {
            return landing.discard(&manifest).map(|()| outcome);
        }
        if full {
            landing.prune(&collection.source, &collection.name, &manifest.load_id)?;
        }
        Ok(outcome)
    }

    /// Reads what the request asks for into a load; one that an earlier run began is gone on with.
    fn read(
        &self,
        mut request: Request,
        mode: elt_extract::land::LoadMode,
        mut start: Counting,
        last: Option<&str>,
    ) -> Result<Read> {
        let Self { collection, landing, .. } = *self;
        let fingerprint = collection.fingerprint(&request);
        let mut resumed = None;
        if mode.replaces() && collection.is_resumable {
            let age_max = TimeDelta::hours(RESUME_HOURS_MAX);
            resumed = landing.resume(&collection.source, &collection.name, &fingerprint, age_max)?;
            // Its cuts are known.
            request.is_split = resumed.is_some();
        }
        // A window is neither split nor sampled by it; what must hold is counted before anything is read.
        if request.window == Window::Full || collection.is_strict {
            request.counted = start.wait()?;
        }
        let mut survey: Survey = self.source.survey(&request)?;
        let (plan, load) = match resumed {
            Some(resumed) => resumed,
            None => {
                let load_id = next_load_id(Utc::now(), last);
                let mut load = landing.begin(&collection.source, &collection.name, &load_id, mode)?;
                let plan = Plan {
                    version: 1,
                    load_id,
                    fingerprint,
                    started_at: Utc::now().to_rfc3339(),
                    ranges: Range::between(&survey.cuts),
                    id_kind: request.id_kind.or(survey.id_kind()),
                    horizon: survey.horizon.take(),
                    count: request.counted,
                };
                if plan.ranges.len() > 1 {
                    load.plan(&plan)?;
                }
                (plan, load)
            }
        };
        request.id_kind = plan.id_kind;
        let landed: Vec<Part> = load.landed().to_vec();
        if !landed.is_empty() {
            let readings = landed.iter().map(|part| part.reading.clone());
            request.known = elt_extract::merged(&collection.name, readings)?.columns;
            self.activity.advance(landed.iter().map(|part| part.reading.documents).sum());
        }
        request.survey = Arc::new(survey);
        let ranges = Ranges {
            source: self.source.as_ref(),
            request: &request,
            load: &load,
            ranges: &plan.ranges,
            name: &collection.shown(),
            spare: self.spare,
            cancel: self.cancel,
            activity: self.activity,
            console: self.console,
        };
        let mut parts = ranges.read()?;
        parts.sort_by_key(|part| part.number);
        let mut all: Vec<&Part> = landed.iter().chain(&parts).collect();
        all.sort_by_key(|part| part.number);
        let mut reading = elt_extract::merged(&collection.name, all.into_iter().map(|part| part.reading.clone()))?;
        if let Some(horizon) = &plan.horizon {
            reading.watermark = reading.watermark.take().map(|mark| watermark::cap(mark, horizon)).transpose()?;
        }
        let is_resumed = !landed.is_empty();
        let start = if is_resumed { Counting::Known(plan.count) } else { start };
        let counts = Counts { start, end: Counting::end(self.source, collection) };
        let resumed = is_resumed.then_some((landed.len(), plan.ranges.len()));
        Ok(Read { load, parts, reading, counts, resumed })
    }

    fn verify(&self, proof: &Proof) -> Result<()> {
        match proof.difference(&self.collection.shown()) {
            Some(difference) if self.collection.is_strict => Err(difference.hint(messages::STRICT)),
            Some(difference) => {
                self.console.warning(&difference.hint(messages::NOT_STRICT));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes in what was landed whole before a run died, so that it need not be read again. Whether there was any.
    fn take_in_landed(&self, loaded: Option<&Loaded>) -> Result<bool> {
        let Self { collection, landing, session, .. } = *self;
        let after = loaded.map(|loaded| loaded.load_id.as_str());
        let mut any = false;
        for manifest in landing.finished(&collection.source, &collection.name, after)? {
            // An incremental load says nothing without the full one before it.
            if any || loaded.is_some() || manifest.mode == elt_extract::land::LoadMode::Full {
                let before = session.loaded(&collection.source, &collection.name)?;
                let intake = self.intake(&manifest, before.as_ref(), false)?;
                let applied = session.take_in(&manifest, &intake, &mut |_| Ok((None, None)))?;
                if !applied.is_recorded {
                    landing.discard(&manifest)?;
                }
                any = true;
            }
        }
        Ok(any)
    }

    /// How a load is taken in. `loaded` is what stands: a load is worth a record for what it set apart, if the last one did
    /// not set apart the same.
    fn intake(&self, manifest: &Manifest, loaded: Option<&Loaded>, sweep: bool) -> Result<Intake<'_>> {
        let Self { collection, landing, .. } = *self;
        let last = loaded.map(|loaded| loaded.load_id.as_str());
        Ok(Intake {
            schema: &collection.schema,
            table: &collection.table,
            watermark_path: collection.mode.watermark(),
            sweep,
            mark: collection.deletes == Deletes::Mark,
            is_kept: manifest.mode == elt_extract::land::LoadMode::Whole
                || quarantine::is_other(landing, manifest, last)?,
        })
    }
}

impl Collection {
    /// How messages call it.
    pub fn shown(&self) -> String {
        format!("{}.{}", self.source, self.name)
    }

    /// What a load depends on, beside the documents.
    fn fingerprint(&self, request: &Request) -> String {
        let known = serde_json::to_string(&(&request.known, &request.pinned)).unwrap_or_default();
        let watermark = request.watermark.as_deref().unwrap_or_default();
        sha256(&format!("{:?}", (&self.origin, self.options.fingerprint(), known, watermark)))
    }
}

impl LoadMode {
    fn watermark(&self) -> Option<&str> {
        match self {
            Self::Full => None,
            Self::Incremental { watermark, .. } => Some(watermark),
        }
    }
}

/// From the last watermark minus the lookback, where there is one of the same path; else everything.
fn window(mode: &LoadMode, loaded: Option<&Loaded>) -> Result<Window> {
    let LoadMode::Incremental { watermark: path, lookback } = mode else { return Ok(Window::Full) };
    let from = loaded
        .filter(|loaded| loaded.watermark_path.as_ref() == Some(path))
        .and_then(|loaded| loaded.watermark.as_ref());
    match from {
        Some(from) => Ok(Window::Since { path: path.clone(), from: watermark::minus(from, *lookback)? }),
        None => Ok(Window::Full),
    }
}

/// Sorts after the last one, whatever the clock does: `20240630T120000123456Z`.
fn next_load_id(now: DateTime<Utc>, last: Option<&str>) -> String {
    const FORMAT: &str = "%Y%m%dT%H%M%S%6fZ";
    let id = now.format(FORMAT).to_string();
    match last {
        Some(last) if *last >= *id => {
            let after =
                chrono::NaiveDateTime::parse_from_str(last, FORMAT).ok().map(|time| time + TimeDelta::microseconds(1));
            after.map_or_else(|| format!("{last}+"), |time| time.format(FORMAT).to_string())
        }
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_ids_grow() {
        let now = DateTime::from_timestamp(1_700_000_000, 123_456_000).unwrap_or_default();
        assert_eq!(next_load_id(now, None), "20231114T221320123456Z");
        assert_eq!(next_load_id(now, Some("20231114T221320123455Z")), "20231114T221320123456Z");
        assert_eq!(next_load_id(now, Some("20231114T221320123456Z")), "20231114T221320123457Z");
        assert_eq!(next_load_id(now, Some("20991231T235959999999Z")), "21000101T000000000000Z");
    }
}
