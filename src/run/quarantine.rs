//! Finds the documents of a collection that are quarantined now: by its last full load and by the loads after it, also
//! by one that was refused because none of its documents can be decoded.
//!
//! Combines `land` and the warehouse's record of loads. Does not interpret the bytes.

use std::collections::HashSet;

use elt_base::error::Result;
use elt_base::manifest::Manifest;
use elt_base::numbers::counted;
use elt_extract::land::{self, Landing, QuarantineEntry};
use elt_warehouse::Session;

/// The most reasons in the message about a refused load.
const REASONS_MAX: usize = 3;

/// The quarantined documents of a collection, oldest load first. A document that several loads quarantined is listed
/// once, as in the latest load. Two entries are the same document if they have the same bytes, or the same place in the
/// file and the same reason.
pub fn listed(session: &Session, landing: &Landing, source: &str, collection: &str) -> Result<Vec<QuarantineEntry>> {
    let mut places = HashSet::new();
    let mut texts = HashSet::new();
    let mut found = Vec::new();
    let loads = session.quarantining_loads(source, collection)?;
    let last = session.loaded(source, collection)?.map(|loaded| loaded.load_id);
    // Newest first.
    let mut manifests: Vec<Manifest> = landing.refused(source, collection)?.into_iter().collect();
    manifests.retain(|refused| last.as_ref().is_none_or(|last| refused.load_id > *last));
    for load_id in loads {
        manifests.extend(landing.load(source, collection, &load_id)?);
    }
    for manifest in manifests {
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

/// Why the documents of a load cannot be decoded: the first few reasons, each with its first place and its count.
pub fn reasons(manifest: &Manifest) -> Result<Vec<String>> {
    let mut found: Vec<(QuarantineEntry, usize)> = Vec::new();
    for entry in land::quarantined(manifest)? {
        if let Some((_, count)) = found.iter_mut().find(|(first, _)| first.reason == entry.reason) {
            *count += 1;
        } else if found.len() < REASONS_MAX {
            found.push((entry, 1));
        }
    }
    let reasons = found.into_iter().map(|(entry, count)| {
        let place = match (entry.line, entry.offset) {
            (Some(line), _) => format!("line {line}: "),
            (None, Some(offset)) => format!("byte {offset}: "),
            (None, None) => String::new(),
        };
        let others = match count {
            1 => String::new(),
            count => format!(" (and {})", counted(count as u64 - 1, "other documents")),
        };
        format!("{place}{}{others}", entry.reason)
    });
    Ok(reasons.collect())
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
