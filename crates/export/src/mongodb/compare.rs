//! Compares staged documents with the documents of a collection, by their bytes.
//!
//! Reads the collection once, and remembers 32 bytes for each staged document.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bson::RawDocument;

use super::collection::{Collection, StagedCollection};
use super::documents::Documents;
use super::server::Server;
use crate::difference::Difference;
use elt_base::error::Result;

/// The changes that make a collection equal to its staged documents.
pub struct Compared {
    /// Documents that it lacks.
    pub missing: u64,
    /// Documents with other content.
    pub differing: u64,
    /// The documents of both, and nothing else.
    pub to_send: Documents,
    /// `_id`s that were not staged.
    pub unknown: Documents,
}

/// Compares a collection with its documents, which are staged in full.
pub fn compare(server: &Server, collection: &Collection, staged: &mut StagedCollection) -> Result<Compared> {
    // By a hash of its `_id`: a hash of the document, and whether the collection has it as it is.
    let mut known: HashMap<u128, (u128, bool)> = HashMap::new();
    staged.documents.batches(|batch| {
        for document in batch {
            known.insert(hash(id_of(document)), (hash(document), false));
        }
        Ok(())
    })?;
    let mut unknown = Documents::new();
    let mut met = 0;
    server.documents(&collection.name, |document| {
        let bytes = document.as_bytes();
        match known.get_mut(&hash(id_of(bytes))) {
            Some((staged_hash, is_same)) => {
                met += 1;
                *is_same = *staged_hash == hash(bytes);
                Ok(())
            }
            None => unknown.push(&id_alone(bytes)),
        }
    })?;
    let mut to_send = Documents::new();
    staged.documents.batches(|batch| {
        for document in batch {
            if !known.get(&hash(id_of(document))).is_some_and(|(_, is_same)| *is_same) {
                to_send.push(document)?;
            }
        }
        Ok(())
    })?;
    let missing = staged.documents.count - met;
    Ok(Compared { missing, differing: to_send.count - missing, to_send, unknown })
}

/// The same, counted.
pub fn difference(server: &Server, collection: &Collection, staged: &mut StagedCollection) -> Result<Difference> {
    let table = format!("{}.{}", server.database(), collection.name);
    if !collection.exists {
        return Ok(Difference { table, missing: staged.documents.count, ..Difference::default() });
    }
    if collection.id.is_empty() {
        // The server assigned its `_id`s, which identify no row.
        return Ok(Difference { table, ..Difference::default() });
    }
    let compared = compare(server, collection, staged)?;
    Ok(Difference {
        table,
        missing: compared.missing,
        differing: compared.differing,
        unknown: compared.unknown.count,
        ..Difference::default()
    })
}

/// The bytes of a document's `_id`, its type before them; none where it has none.
fn id_of(document: &[u8]) -> &[u8] {
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
fn id_alone(document: &[u8]) -> Vec<u8> {
    let id = id_of(document);
    let mut alone = ((id.len() + 5) as i32).to_le_bytes().to_vec();
    alone.extend_from_slice(id);
    alone.push(0);
    alone
}

fn hash(bytes: &[u8]) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, bytes).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
