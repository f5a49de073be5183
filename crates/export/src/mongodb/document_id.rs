//! The `_id` in the bytes of a document.
//!
//! Knows BSON, but no collection.

use bson::RawDocument;

/// The bytes of a document's `_id`, its type before them; none where it has none.
pub fn id_of(document: &[u8]) -> &[u8] {
    let raw = RawDocument::from_bytes(document).ok();
    let first = raw.and_then(|raw| raw.iter_elements().find_map(|element| element.ok().filter(|e| e.key() == "_id")));
    match (first, raw) {
        // We write it first, and so does the server.
        (Some(_), Some(raw)) => {
            let mut elements = raw.iter_elements().filter_map(|element| element.ok());
            let end = match elements.nth(1) {
                Some(second) => {
                    let key = second.key().as_str().as_ptr() as usize - document.as_ptr() as usize;
                    key - 1
                }
                None => document.len() - 1,
            };
            document.get(4..end).unwrap_or_default()
        }
        _ => &[],
    }
}

/// A document of the `_id` alone.
pub fn id_alone(document: &[u8]) -> Vec<u8> {
    let id = id_of(document);
    let mut alone = ((id.len() + 5) as i32).to_le_bytes().to_vec();
    alone.extend_from_slice(id);
    alone.push(0);
    alone
}
