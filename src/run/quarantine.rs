//! Finds the documents of a collection that are quarantined now: by its last full load and by the loads after it.
//!
//! Combines `land` and the warehouse's record of loads. Does not interpret the bytes.

use std::collections::HashSet;

use elt_base::error::Result;
use elt_base::manifest::Manifest;
use elt_extract::land::{self, Landing, QuarantineEntry};
use elt_warehouse::Session;

/// The quarantined documents of a collection, oldest load first. A document that several loads quarantined is listed
/// once, as in the latest load. Two entries are the same document if they have the same bytes, or the same place in the
/// file and the same reason.
pub fn listed(session: &Session, landing: &Landing, source: &str, collection: &str) -> Result<Vec<QuarantineEntry>> {
    let mut places = HashSet::new();
    let mut texts = HashSet::new();
    let mut found = Vec::new();
    // Newest first.
    for load_id in session.quarantining_loads(source, collection)? {
        let Some(manifest) = landing.load(source, collection, &load_id)? else { continue };
        let all = land::quarantined(&manifest)?;
        let is_new = |entry: &&QuarantineEntry| {
            !place(entry).is_some_and(|place| places.contains(&place))
                && !text(entry).is_some_and(|text| texts.contains(&text))
        };
        let new: Vec<QuarantineEntry> = all.iter().filter(is_new).cloned().collect();
        places.extend(all.iter().filter_map(place));
        texts.extend(all.iter().filter_map(text));
        found.push(new);
    }
    Ok(found.into_iter().rev().flatten().collect())
}

/// Whether a load quarantined other documents than the load `last`.
pub fn is_other(landing: &Landing, manifest: &Manifest, last: Option<&str>) -> Result<bool> {
    if manifest.quarantine.is_empty() {
        return Ok(false);
    }
    let last = match last {
        Some(last) => landing.load(&manifest.source, &manifest.collection, last)?,
        None => None,
    };
    let Some(last) = last else { return Ok(true) };
    let content = |manifest: &Manifest| -> Result<Vec<_>> {
        let all = land::quarantined(manifest)?.into_iter();
        Ok(all.map(|entry| (entry.offset, entry.reason, entry.digest)).collect())
    };
    Ok(content(manifest)? != content(&last)?)
}

/// The place of a document in its file, and why it was quarantined.
fn place(entry: &QuarantineEntry) -> Option<(u64, String)> {
    Some((entry.offset?, entry.reason.clone()))
}

fn text(entry: &QuarantineEntry) -> Option<([u8; 32], String)> {
    Some((entry.digest?, entry.reason.clone()))
}
