//! Merges the readings of a load's parts into one.
//!
//! Knows only values.

use crate::messages;
use crate::watermark;
use elt_base::error::Result;
use elt_base::reading::Reading;
use elt_base::schema::widen_columns;

/// The sum of the parts of one load. `collection` is for the error's message.
pub fn merged(collection: &str, parts: impl IntoIterator<Item = Reading>) -> Result<Reading> {
    let mut all = Reading::default();
    for part in parts {
        all.documents += part.documents;
        all.bytes += part.bytes;
        all.rescued += part.rescued;
        all.quarantined += part.quarantined;
        all.skipped += part.skipped;
        all.columns = widen_columns(&all.columns, &part.columns).ok_or_else(|| messages::parts_conflict(collection))?;
        all.watermark = match (all.watermark, part.watermark) {
            (Some(one), Some(other)) => Some(watermark::greater(&one, &other)?),
            (one, other) => one.or(other),
        };
        all.id_kind = all.id_kind.or(part.id_kind);
        all.census.add(part.census);
    }
    Ok(all)
}
