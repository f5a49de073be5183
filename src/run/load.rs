//! Loads one collection: reads the source, lands Parquet, takes it into the raw table, and removes what is gone.
//!
//! Composes `extract`, `land` and `warehouse`; knows no model.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use crossbeam_channel::bounded;

use crate::batch::{Batch, IdKind, Reading, Window};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::extract::{Request, Source, watermark};
use crate::failpoint::failpoint;
use crate::land::{self, Landing, Load};
use crate::report::Activity;
use crate::schema::Column;
use crate::warehouse::{Applied, Intake, Loaded, Session};

/// Batches between decoding and Parquet writing. Each is bounded by extraction.
const BATCHES_AHEAD: usize = 2;

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
    /// Whether documents that are gone from the source are removed (`deletes: sweep`).
    pub sweep: bool,
    pub pinned: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadMode {
    Full,
    Incremental { watermark: String, lookback: Duration },
}

/// What a load came to.
#[derive(Debug, Clone, Default)]
pub struct LoadOutcome {
    pub full: bool,
    /// Documents read at the source.
    pub documents: u64,
    pub bytes: u64,
    pub rescued: u64,
    pub applied: Applied,
    /// Whether a full load brought the very same as the one before it, so that the raw table stands as it is.
    pub is_repeated: bool,
}

/// Loads a collection whole: on an error nothing of this load is in the raw table.
pub fn load(
    collection: &Collection,
    source: &dyn Source,
    landing: &Landing,
    session: &Session,
    full_refresh: bool,
    cancel: &Cancel,
    activity: &Activity,
) -> Result<LoadOutcome> {
    let mut loaded = session.loaded(&collection.source, &collection.name)?;
    let incremental = matches!(collection.mode, LoadMode::Incremental { .. });
    if incremental && !full_refresh && take_in_landed(collection, landing, session, loaded.as_ref())? {
        loaded = session.loaded(&collection.source, &collection.name)?;
    }
    let window = if full_refresh { Window::Full } else { window(&collection.mode, loaded.as_ref())? };
    let full = window == Window::Full;
    let request = Request {
        collection: collection.name.clone(),
        window,
        watermark: collection.mode.watermark().map(str::to_owned),
        known: loaded.as_ref().filter(|_| !full_refresh).map(|loaded| loaded.columns.clone()).unwrap_or_default(),
        pinned: collection.pinned.clone(),
        id_kind: loaded.as_ref().filter(|_| !full_refresh).and_then(|loaded| loaded.id_kind),
        cancel: cancel.clone(),
    };
    let load_id = next_load_id(Utc::now(), loaded.as_ref().map(|loaded| loaded.load_id.as_str()));
    let mode = if full { land::LoadMode::Full } else { land::LoadMode::Incremental };
    let writer = landing.begin(&collection.source, &collection.name, &load_id, mode)?;
    let (writer, reading) = read(&request, source, writer, activity)?;
    cancel.check()?;

    let sweep = collection.sweep && !full;
    let mut outcome = LoadOutcome {
        full,
        documents: reading.documents,
        bytes: reading.bytes,
        rescued: reading.rescued,
        applied: Applied::default(),
        is_repeated: false,
    };
    if reading.documents == 0 && !full && !sweep {
        return Ok(outcome);
    }
    // Without a document ever there is no row to compare with, and any kind will do.
    let id_kind = reading.id_kind.unwrap_or(IdKind::Other);
    let manifest = writer.finish(reading)?;
    failpoint("land.manifest");
    if let Some(loaded) = &loaded
        && collection.mode == LoadMode::Full
        && !full_refresh
        && session.catalog()?.get(&collection.schema, &collection.table).is_some()
        && landing.repeats(&manifest, &loaded.load_id)?
    {
        outcome.is_repeated = true;
        return landing.discard(&manifest).map(|()| outcome);
    }
    if sweep {
        session.clear_ids()?;
        source.ids(&collection.name, id_kind, cancel, &mut |ids| Ok(session.stage_ids(ids)?))?;
    }
    outcome.applied = session.take_in(&manifest, &collection.intake(sweep))?;
    if !outcome.applied.is_recorded {
        return landing.discard(&manifest).map(|()| outcome);
    }
    if full {
        landing.prune(&collection.source, &collection.name, &load_id)?;
    }
    Ok(outcome)
}

impl Collection {
    fn intake(&self, sweep: bool) -> Intake<'_> {
        Intake { schema: &self.schema, table: &self.table, watermark_path: self.mode.watermark(), sweep }
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

/// Takes in what was landed whole before a run died, so that it need not be read again. Whether there was any.
fn take_in_landed(
    collection: &Collection,
    landing: &Landing,
    session: &Session,
    loaded: Option<&Loaded>,
) -> Result<bool> {
    let after = loaded.map(|loaded| loaded.load_id.as_str());
    let mut any = false;
    for manifest in landing.finished(&collection.source, &collection.name, after)? {
        // An incremental load says nothing without the full one before it.
        if any || loaded.is_some() || manifest.mode == land::LoadMode::Full {
            let applied = session.take_in(&manifest, &collection.intake(false))?;
            if !applied.is_recorded {
                landing.discard(&manifest)?;
            }
            any = true;
        }
    }
    Ok(any)
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

/// Decodes in this thread and writes Parquet in another.
fn read(request: &Request, source: &dyn Source, mut load: Load, activity: &Activity) -> Result<(Load, Reading)> {
    let (sender, receiver) = bounded::<Batch>(BATCHES_AHEAD);
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || -> Result<Load> {
            for batch in receiver {
                load.write(&batch)?;
                failpoint("land.batch");
            }
            Ok(load)
        });
        let reading = source.read(request, &mut |batch| {
            failpoint("extract.batch");
            activity.advance(batch.data.num_rows() as u64);
            // A writer that stopped says why when it is joined.
            sender.send(batch).map_err(|_| Error::interrupted())
        });
        drop(sender);
        let load = match writer.join() {
            Ok(load) => load?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok((load, reading?))
    })
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
