//! Loads one collection: reads the source, writes Parquet to the landing, copies it into the raw table, and removes
//! rows whose documents were deleted.
//!
//! Combines `extract`, `land` and `warehouse`. Knows no models.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::messages;
use crate::report::{Activity, Console};
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::failpoint::failpoint;
use elt_base::manifest::{LoadKind, Manifest};
use elt_base::reading::{IdKind, Reading};
use elt_base::schema::{Column, bounded};
use elt_extract::land::{Landing, Load, LoadPlan, Part};
use elt_extract::window::{IdRange, Window};
use elt_extract::{Question, ReadingPlan, Source, SurveyHints, watermark};
use elt_model::Deletes;
use elt_warehouse::{Applied, Intake, Loaded, RelationKind, Session};

use super::collection::{CollectionLoad, LoadMode};
use super::counting::Counting;
use super::quarantine;
use super::ranges::{RangeReading, SpareThreads};
use super::reconciliation::Reconciliation;

/// The largest age of an unfinished load that this run continues.
const RESUME_HOURS_MAX: i64 = 24;

/// How often a full load reads a collection until its columns have the kinds of most values. Each time decides at least
/// the outermost level.
const PASSES_MAX: u32 = 4;

/// The part of a collection that a load reads, and whether it keeps the columns of earlier loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadExtent {
    /// The part that the mode of the collection selects.
    Usual,
    /// Every document, into the existing columns. If the mode merges, rows of deleted documents stay.
    Whole,
    /// Every document, into new columns.
    Anew,
}

/// The result of a load.
#[derive(Debug, Clone, Default)]
pub struct LoadOutcome {
    pub full: bool,
    /// Whether rows of deleted documents are marked instead of removed.
    pub marks: bool,
    pub bytes: u64,
    pub applied: Applied,
    /// Whether a full load read exactly the same documents as the load before it, so that the raw table does not
    /// change.
    pub is_repeated: bool,
    /// The number of ranges that an earlier run had finished, and of all ranges.
    pub resumed: Option<(usize, usize)>,
    pub reconciliation: Reconciliation,
}

/// Loads a collection as a whole. After an error the raw table contains no part of this load.
pub struct Loading<'a> {
    pub collection: &'a CollectionLoad,
    pub source: &'a Arc<dyn Source>,
    pub landing: &'a Landing,
    pub session: &'a Session,
    pub extent: LoadExtent,
    pub spare: &'a SpareThreads,
    pub cancel: &'a Cancel,
    pub activity: &'a Activity,
    pub console: &'a Console,
}

/// The documents that were read. The load on disk is complete except for its manifest.
struct ReadLoad {
    load: Load,
    parts: Vec<Part>,
    reading: Reading,
    counts: SourceCounts,
    resumed: Option<(usize, usize)>,
}

/// The source's counts at the start and the end of the load, if the source knows them.
struct SourceCounts {
    start: Counting,
    end: Counting,
}

impl SourceCounts {
    fn wait(&mut self) -> Result<(Option<u64>, Option<u64>)> {
        Ok((self.start.wait()?, self.end.wait()?))
    }
}

impl Loading<'_> {
    /// `counting` is the source's count, which was just requested.
    pub fn load(&self, counting: Counting) -> Result<LoadOutcome> {
        let Self { collection, session, landing, .. } = *self;
        let mut loaded = session.loaded(&collection.source, &collection.name)?;
        let incremental = matches!(collection.mode, LoadMode::Incremental { .. });
        let raw = match &loaded {
            Some(_) => session.catalog()?.get(&collection.schema, &collection.table),
            None => None,
        };
        // Without its own raw table, nothing of the earlier loads can be used.
        let is_held = loaded.is_none()
            || raw.is_some()
                && session.holds(&collection.schema, &collection.table, &collection.source, &collection.name)?;
        let mut anew = self.extent == LoadExtent::Anew || !is_held;
        if incremental
            && !anew
            && let Some(loaded) = &loaded
            && raw == Some(RelationKind::View)
            && let Some(damage) = self.damaged(loaded)?
        {
            self.console.say(&format!("  note: {damage}; loading `{}` again in full", collection.shown()));
            anew = true;
        }
        let is_healed = !anew && loaded.as_ref().is_some_and(|loaded| self.is_too_deep(loaded));
        if incremental && !anew && !is_healed && self.take_in_landed(loaded.as_ref())? {
            loaded = session.loaded(&collection.source, &collection.name)?;
        }
        // Another key gives every row another `_id`.
        let same = loaded.as_ref().filter(|loaded| loaded.key == collection.options.key);
        let window = if anew || is_healed { Window::Full } else { window(&collection.mode, same)? };
        let (window, mode) = match (window, self.extent) {
            (Window::Full, _) => (Window::Full, LoadKind::Full),
            (_, LoadExtent::Whole) => (Window::Full, LoadKind::Whole),
            (since, _) => (since, LoadKind::Incremental),
        };
        let full = mode.replaces();
        let known = loaded.as_ref().filter(|_| !anew);
        let question = Question {
            collection: collection.name.clone(),
            options: collection.options.clone(),
            window,
            watermark: collection.mode.watermark().map(str::to_owned),
            cancel: self.cancel.clone(),
        };
        let last = loaded.as_ref().map(|loaded| loaded.load_id.as_str());
        let ReadLoad { load, parts, reading, mut counts, resumed } =
            self.read(&question, mode, counting, known, last)?;
        self.cancel.check()?;
        if reading.documents + reading.skipped == 0 && reading.quarantined > 0 {
            let quarantined = reading.quarantined;
            let refused = load.refuse(parts, reading)?;
            let name = format!("{}.{}", collection.source, collection.table);
            return Err(messages::all_quarantined(&name, quarantined, quarantine::reasons(&refused)?));
        }

        let sweep = collection.deletes != Deletes::Keep && !full;
        let mut outcome = LoadOutcome {
            full,
            marks: collection.deletes == Deletes::Mark,
            bytes: reading.bytes,
            resumed,
            reconciliation: Reconciliation {
                landed: reading.documents,
                rescued: reading.rescued,
                quarantined: reading.quarantined,
                rows: reading.documents,
                keeps_deleted: !full && collection.deletes == Deletes::Keep,
                ..Reconciliation::default()
            },
            ..LoadOutcome::default()
        };
        let is_empty = reading.documents + reading.quarantined == 0;
        if mode == LoadKind::Incremental && is_empty && !sweep {
            outcome.reconciliation.rows = session.raw_rows(&collection.schema, &collection.table)?;
            outcome.reconciliation.counts = counts.wait()?;
            self.verify(&outcome.reconciliation)?;
            return Ok(outcome);
        }
        // If there has never been a document, there is no row to compare with, and any kind works.
        let id_kind = reading.id_kind.unwrap_or(IdKind::Other);
        let manifest = load.finish(parts, reading)?;
        failpoint("land.manifest");
        if let Some(loaded) = &loaded
            && collection.mode == LoadMode::Full
            && !anew
            && landing.repeats(&manifest, &loaded.load_id)?
        {
            outcome.is_repeated = true;
            outcome.reconciliation.counts = counts.wait()?;
            self.verify(&outcome.reconciliation)?;
            return landing.discard(&manifest).map(|()| outcome);
        }
        if sweep {
            session.clear_ids()?;
            self.source.ids(&question, id_kind, &mut |ids| Ok(session.stage_ids(ids)?))?;
        }
        let mut reconciliation = outcome.reconciliation.clone();
        let intake = self.intake(&manifest, loaded.as_ref(), sweep)?;
        let applied = session.take_in(&manifest, &intake, &mut |rows| {
            reconciliation.rows = rows;
            reconciliation.counts = counts.wait()?;
            self.verify(&reconciliation).map(|()| reconciliation.counts)
        });
        if applied.is_err() && (sweep || !collection.options.key.is_empty()) && !self.cancel.is_requested() {
            // The next run must not take in what was refused.
            landing.discard(&manifest)?;
        }
        outcome.applied = applied?;
        outcome.reconciliation = reconciliation;
        if !outcome.applied.is_recorded {
            return landing.discard(&manifest).map(|()| outcome);
        }
        if full {
            landing.prune(&collection.source, &collection.name, &manifest.load_id)?;
        }
        Ok(outcome)
    }

    /// Whether the raw table has columns that are too deep, from an older version of elt. Only a full load changes them.
    fn is_too_deep(&self, loaded: &Loaded) -> bool {
        let is_pinned =
            |column: &&Column| self.collection.pinned.iter().any(|pin| pin.name.eq_ignore_ascii_case(&column.name));
        let own: Vec<Column> = loaded.columns.iter().filter(|column| !is_pinned(column)).cloned().collect();
        loaded.is_cut || bounded(&own) != own
    }

    /// Reads the documents of the question into a load, and continues a load that an earlier run started. `known` is
    /// the raw table that the load extends.
    fn read(
        &self,
        question: &Question,
        kind: LoadKind,
        mut start: Counting,
        known: Option<&Loaded>,
        last: Option<&str>,
    ) -> Result<ReadLoad> {
        let Self { collection, landing, .. } = *self;
        let mut columns = known.map(|loaded| loaded.columns.clone()).unwrap_or_default();
        if kind.replaces() {
            columns = bounded(&columns);
        }
        let fingerprint = collection.fingerprint(&columns);
        let mut resumed = None;
        if kind.replaces() && collection.is_resumable {
            let age_max = TimeDelta::hours(RESUME_HOURS_MAX);
            resumed = landing.resume(&collection.source, &collection.name, &fingerprint, age_max)?;
        }
        // A window is neither split nor sampled by its count. If the counts must agree, the source counts before the
        // first read.
        let count = if question.window == Window::Full || collection.is_strict { start.wait()? } else { None };
        let mut survey = self.source.survey(question, SurveyHints { count, is_split: resumed.is_some() })?;
        let (load_plan, mut load) = match resumed {
            Some(resumed) => resumed,
            None => {
                let load_id = next_load_id(Utc::now(), last);
                let mut load = landing.begin(&collection.source, &collection.name, &load_id, kind)?;
                let load_plan = LoadPlan {
                    version: 1,
                    load_id,
                    fingerprint,
                    started_at: Utc::now().to_rfc3339(),
                    ranges: IdRange::between(&survey.cuts),
                    id_kind: known
                        .filter(|loaded| loaded.key == collection.options.key)
                        .and_then(|loaded| loaded.id_kind)
                        .or(survey.id_kind(&question.options.key)),
                    horizon: survey.horizon.take(),
                    count,
                };
                if load_plan.ranges.len() > 1 {
                    load.plan(&load_plan)?;
                }
                (load_plan, load)
            }
        };
        let mut landed: Vec<Part> = load.landed().to_vec();
        let first_columns = columns.clone();
        if !landed.is_empty() {
            let readings = landed.iter().map(|part| part.reading.clone());
            columns = elt_extract::merged(&collection.name, readings)?.columns;
            self.activity.advance(landed.iter().map(|part| part.reading.documents).sum());
        }
        let is_fixed = |name: &str| {
            let is_it = |column: &Column| column.name.eq_ignore_ascii_case(name);
            first_columns.iter().any(is_it) || collection.pinned.iter().any(is_it)
        };
        let has_fixed_ids = !collection.options.key.is_empty() || known.is_some_and(|loaded| loaded.id_kind.is_some());
        let (mut id_kind, mut survey) = (load_plan.id_kind, Some(survey));
        let mut passes = 1;
        let (parts, mut reading) = loop {
            let mut plan =
                ReadingPlan::new(columns, collection.pinned.clone(), id_kind, survey.take().unwrap_or_default());
            if kind.replaces() {
                plan = plan.weighing();
            }
            let ranges = RangeReading {
                source: self.source.as_ref(),
                question,
                plan: &plan,
                load: &load,
                ranges: &load_plan.ranges,
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
            let reading = elt_extract::merged(&collection.name, all.into_iter().map(|part| part.reading.clone()))?;
            if !kind.replaces() || passes == PASSES_MAX {
                break (parts, reading);
            }
            // A sample may have chosen kinds that most values do not have. Now that all are known, they are read again.
            (columns, id_kind) = if !landed.is_empty() && elt_extract::is_doubtful(&reading) {
                (first_columns.clone(), load_plan.id_kind)
            } else if let Some(better) = plan.better(&reading, &is_fixed, has_fixed_ids) {
                (better.columns, better.id_kind)
            } else {
                break (parts, reading);
            };
            passes += 1;
            landed.clear();
            load.restart()?;
            self.activity.retreat(reading.documents);
        };
        if let Some(horizon) = &load_plan.horizon {
            reading.watermark = reading.watermark.take().map(|mark| watermark::cap(mark, horizon)).transpose()?;
        }
        let is_resumed = !landed.is_empty();
        let start = if is_resumed { Counting::Known(load_plan.count) } else { start };
        let counts = SourceCounts { start, end: Counting::end(self.source, collection) };
        let resumed = is_resumed.then_some((landed.len(), load_plan.ranges.len()));
        Ok(ReadLoad { load, parts, reading, counts, resumed })
    }

    /// What is wrong with the segments that the raw table is a view over. None: nothing.
    fn damaged(&self, loaded: &Loaded) -> Result<Option<String>> {
        let Self { collection, landing, .. } = *self;
        let damaged = landing.damaged(&collection.source, &collection.name, &loaded.full_load_id)?;
        Ok(damaged.map(|(path, what)| format!("the landed segment `{}` is damaged: {what}", path.display())))
    }

    fn verify(&self, reconciliation: &Reconciliation) -> Result<()> {
        match reconciliation.difference(&self.collection.shown()) {
            Some(difference) if self.collection.is_strict => Err(difference.hint(messages::STRICT)),
            Some(difference) => {
                self.console.warning(&difference.hint(messages::NOT_STRICT));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Copies complete loads on disk into the raw table if a run died before it did so. Then they need not be read
    /// again. True if there was one.
    fn take_in_landed(&self, loaded: Option<&Loaded>) -> Result<bool> {
        let Self { collection, landing, session, .. } = *self;
        let after = loaded.map(|loaded| loaded.load_id.as_str());
        let mut any = false;
        for manifest in landing.finished(&collection.source, &collection.name, after)? {
            // An incremental load is useless without the full load before it.
            if any || loaded.is_some() || manifest.mode == LoadKind::Full {
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

    /// How a load changes the raw table. `loaded` is the last load. A load without new documents is recorded only if it
    /// quarantined other documents than the last one.
    fn intake(&self, manifest: &Manifest, loaded: Option<&Loaded>, sweep: bool) -> Result<Intake<'_>> {
        let Self { collection, landing, .. } = *self;
        let last = loaded.map(|loaded| loaded.load_id.as_str());
        Ok(Intake {
            schema: &collection.schema,
            table: &collection.table,
            watermark_path: collection.mode.watermark(),
            sweep,
            mark: collection.deletes == Deletes::Mark,
            sweep_limit: collection.sweep_limit,
            key: &collection.options.key,
            is_kept: manifest.mode == LoadKind::Whole || quarantine::is_other(landing, manifest, last)?,
        })
    }
}

/// Reads from the last watermark minus the lookback if a watermark with the same path exists; otherwise everything.
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

/// An id that sorts after the last one even if the clock goes back: `20240630T120000123456Z`.
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
