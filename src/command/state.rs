//! `elt state`: shows the watermark of each collection, and changes it by hand. Reads no source.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use crate::messages;
use crate::report::Console;
use crate::report::table::{self, Output};
use crate::run::quarantine;
use elt_base::error::Result;
use elt_base::numbers::counted;
use elt_extract::land::Landing;
use elt_extract::watermark::{self, Mark};
use elt_model::LoadKind;
use elt_warehouse::{LastLoad, Session, WatermarkChange};

use super::collections::{self, Named};
use super::workspace::Workspace;
use super::{Common, StateAction, StateOptions};

const COLUMNS: [&str; 10] = [
    "collection",
    "mode",
    "loaded_at",
    "documents",
    "rows",
    "watermark_path",
    "watermark",
    "source_count_start",
    "source_count_end",
    "quarantined",
];

pub fn run(common: &Common, options: &StateOptions, console: &Console) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    match &options.action {
        StateAction::List(output) => list(&workspace, &options.collections, *output, console),
        StateAction::Verify => verify(&workspace, &options.collections, console),
        StateAction::Set { watermark, force } => set(&workspace, &options.collections, watermark, *force, console),
        StateAction::Reset => reset(&workspace, &options.collections, console),
    }
}

fn list(workspace: &Workspace, names: &[String], output: Output, console: &Console) -> Result<bool> {
    let session = workspace.session_read_only()?;
    let landing = Landing::new(&workspace.target().landing);
    let all = collections::all(&workspace.graph, session.last_loads()?);
    let mut rows = Vec::new();
    for (one, last) in collections::loaded(all, names)? {
        rows.push(row(&session, &landing, &one, &last)?);
    }
    if rows.is_empty() {
        console.say("no collection has been loaded yet; `elt extract` loads them");
    }
    if !rows.is_empty() || output != Output::Table {
        table::write_values(&mut table::stdout(), output, &COLUMNS, &rows)?;
    }
    Ok(true)
}

/// Reads every landed file, also of loads whose rows the raw table has copied.
fn verify(workspace: &Workspace, names: &[String], console: &Console) -> Result<bool> {
    let session = workspace.session_read_only()?;
    let landing = Landing::new(&workspace.target().landing);
    let all = collections::all(&workspace.graph, session.last_loads()?);
    let mut is_intact = true;
    for (one, last) in collections::loaded(all, names)? {
        let (mut segments, mut bytes) = (0, 0);
        let mut damaged = false;
        let Some(loaded) = session.loaded(&last.source, &last.collection)? else { continue };
        let mut manifests = landing.finished(&last.source, &last.collection, None)?;
        manifests.retain(|manifest| manifest.load_id >= loaded.full_load_id);
        let ids = manifests.iter().map(|manifest| manifest.load_id.clone());
        for id in ids.chain([loaded.full_load_id.clone()]).collect::<BTreeSet<_>>() {
            if let Some((path, what)) = landing.damaged(&last.source, &last.collection, &id)? {
                console.error(&messages::damaged_segment(&one.name, &path, what));
                damaged = true;
            }
        }
        for segment in manifests.iter().flat_map(|manifest| &manifest.segments) {
            (segments, bytes) = (segments + 1, bytes + segment.bytes);
        }
        is_intact &= !damaged;
        if !damaged {
            let megabytes = bytes as f64 / 1e6;
            console.say(&format!("`{}`: {} intact ({megabytes:.1} MB)", one.name, counted(segments, "segments")));
        }
    }
    Ok(is_intact)
}

fn row(session: &Session, landing: &Landing, one: &Named<'_>, last: &LastLoad) -> Result<Vec<Value>> {
    let time = |millis: i64| DateTime::from_timestamp_millis(millis);
    let loaded_at = last.loaded_at.and_then(time).map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
    // The current number of rows. If the table does not exist, the number after the last load.
    let relation = one.node.map(|node| &node.relation);
    let rows = relation.and_then(|relation| session.raw_rows(&relation.schema, &relation.identifier).ok());
    let quarantined = quarantine::listed(session, landing, &last.source, &last.collection)?;
    Ok(vec![
        one.name.clone().into(),
        last.mode.clone().into(),
        loaded_at.into(),
        last.documents.into(),
        rows.or(last.rows).into(),
        last.watermark_path.clone().into(),
        last.watermark.as_deref().map(watermark::shown).into(),
        last.counts.0.into(),
        last.counts.1.into(),
        quarantined.len().into(),
    ])
}

fn set(workspace: &Workspace, names: &[String], text: &str, force: bool, console: &Console) -> Result<bool> {
    let (written, class) = watermark::written(text).map_err(messages::watermark_written)?;
    let warehouse = workspace.warehouse_there()?;
    let session = warehouse.session()?;
    let landing = Landing::new(&workspace.target().landing);
    let all = collections::all(&workspace.graph, session.last_loads()?);
    let chosen = collections::loaded(all, names)?;
    let mut changes = Vec::new();
    let mut said = Vec::new();
    for (one, last) in &chosen {
        let Some(node) = one.node else { return Err(messages::watermark_not_in_project(&one.name)) };
        let config = &node.config.source;
        let (LoadKind::Incremental, Some(path)) = (config.load, &config.watermark) else {
            return Err(messages::watermark_unused(&one.name).at(node.place()));
        };
        // A watermark of another path is ignored.
        let stored = last.watermark.as_deref().filter(|_| last.watermark_path.as_ref() == Some(path));
        if let Some(stored) = stored.and_then(|stored| Mark::parse(stored).ok()?.class())
            && stored != class
            && !force
        {
            return Err(messages::watermark_type(&one.name, class.alias(), stored.alias(), stored.example()));
        }
        if !landing.finished(&last.source, &last.collection, Some(&last.load_id))?.is_empty() {
            return Err(messages::watermark_landed(&one.name));
        }
        let lookback = if config.lookback.is_zero() { "" } else { ", less its lookback" };
        said.push(format!(
            "`{}`: `{path}` {} → {}; the next load starts there{lookback}",
            one.name,
            stored.map_or("(none)".into(), watermark::shown),
            watermark::shown(&written)
        ));
        changes.push(WatermarkChange {
            source: &last.source,
            collection: &last.collection,
            watermark: Some(&written),
            path: Some(path),
        });
    }
    session.change_watermarks(&changes)?;
    said.iter().for_each(|line| console.say(line));
    Ok(true)
}

/// Without names: all collections.
fn reset(workspace: &Workspace, names: &[String], console: &Console) -> Result<bool> {
    let warehouse = workspace.warehouse_there()?;
    let session = warehouse.session()?;
    let landing = Landing::new(&workspace.target().landing);
    let all = collections::all(&workspace.graph, session.last_loads()?);
    let chosen = collections::loaded(all, names)?;
    let (with, without): (Vec<_>, Vec<_>) = chosen.iter().partition(|(_, last)| last.watermark.is_some());
    if !names.is_empty() {
        for (one, _) in &without {
            console.say(&format!("`{}` has no watermark, so its next load is a full one anyway", one.name));
        }
    }
    let change = |(_, last): &&(Named<'_>, LastLoad)| (last.source.clone(), last.collection.clone());
    let forgotten: Vec<(String, String)> = with.iter().map(change).collect();
    let changes: Vec<_> = forgotten
        .iter()
        .map(|(source, collection)| WatermarkChange { source, collection, watermark: None, path: None })
        .collect();
    session.change_watermarks(&changes)?;
    for (one, last) in &with {
        // A finished load of a run that died would restore its watermark. The full load reads its documents again.
        for manifest in landing.finished(&last.source, &last.collection, Some(&last.load_id))? {
            landing.discard(&manifest)?;
        }
        let path = last.watermark_path.as_deref().unwrap_or_default();
        let before = last.watermark.as_deref().map(watermark::shown).unwrap_or_default();
        console.say(&format!("`{}`: `{path}` {before} → (none); the next load is a full one", one.name));
    }
    if names.is_empty() {
        console.say(&format!("{} forgotten", counted(with.len() as u64, "watermarks")));
    }
    Ok(true)
}
