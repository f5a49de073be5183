//! Which documents of a collection are set apart now: by its last load that read all, and by those since.
//!
//! Composes `land` and the warehouse's record of loads. Knows nothing of what the bytes should have been.

use std::collections::HashSet;

use elt_base::error::Result;
use elt_base::manifest::Manifest;
use elt_extract::land::{self, Landing, QuarantineEntry};
use elt_warehouse::Session;

/// A collection's quarantined documents, oldest load first. One that several loads met is listed once, as the latest met
/// it: at the same place of the file for the same reason, or with the same bytes.
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

/// Whether a load set other documents apart than the load `last` did.
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

/// Where a document of a file stands, and why it was set apart.
fn place(entry: &QuarantineEntry) -> Option<(u64, String)> {
    Some((entry.offset?, entry.reason.clone()))
}

fn text(entry: &QuarantineEntry) -> Option<([u8; 32], String)> {
    Some((entry.digest?, entry.reason.clone()))
}
