//! Compares staged documents with the documents of a collection, by their bytes.
//!
//! Reads the collection once, and remembers 32 bytes for each staged document.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use bson::raw::CString;
use bson::{RawDocument, RawDocumentBuf};

use super::collection::{Collection, StagedCollection};
use super::document_id::{id_alone, id_of};
use super::documents::Documents;
use super::server::Server;
use crate::difference::Difference;
use elt_base::error::Result;
use elt_project::OnConflict;

/// The changes that make a collection equal to its staged documents.
pub struct Compared {
    /// Documents that it lacks.
    pub missing: u64,
    /// Documents with other content.
    pub differing: u64,
    /// The documents of both, and nothing else.
    pub to_send: Documents,
    /// `_id`s that were not staged; where documents of others stay, those that are to be removed.
    pub unknown: Documents,
    /// Documents of others that stay, and that nothing is published to.
    pub left: u64,
}

/// Compares a collection with its documents, which are staged in full.
pub fn compare(server: &Server, collection: &Collection, staged: &mut StagedCollection) -> Result<Compared> {
    // By a hash of its `_id`: a hash of the document, and whether the collection has it as it is.
    let mut known: HashMap<u128, (u128, bool)> = HashMap::new();
    let is_ours = collection.indexes.is_some();
    let id = |document: &[u8]| if is_ours { hash(id_of(document)) } else { equal_id(document) };
    staged.documents.batches(|batch| {
        for document in batch {
            // In a collection of others, an equal `_id` of another type stays as it is.
            let compared = if is_ours { document } else { behind_id(document) };
            known.insert(id(document), (hash(compared), false));
        }
        Ok(())
    })?;
    let mut removed = HashSet::new();
    if staged.coverage.is_marked() {
        staged.gone.batches(|batch| {
            removed.extend(batch.iter().map(|gone| id(gone)));
            Ok(())
        })?;
    }
    let is_own = staged.coverage.is_marked();
    let (mut unknown, mut left) = (Documents::new(), 0);
    let mut met = 0;
    server.documents(&collection.name, |document| {
        let bytes = document.as_bytes();
        match known.get_mut(&id(bytes)) {
            Some((staged_hash, is_same)) => {
                met += 1;
                *is_same = *staged_hash
                    == if is_ours { hash(bytes) } else { hash(behind_id(&of_fields(document, collection))) };
                Ok(())
            }
            None if is_own && !removed.contains(&id(bytes)) => {
                left += 1;
                Ok(())
            }
            None => unknown.push(&id_alone(bytes)),
        }
    })?;
    let mut to_send = Documents::new();
    staged.documents.batches(|batch| {
        for document in batch {
            if !known.get(&id(document)).is_some_and(|(_, is_same)| *is_same) {
                to_send.push(document)?;
            }
        }
        Ok(())
    })?;
    let missing = staged.documents.count - met;
    Ok(Compared { missing, differing: to_send.count - missing, to_send, unknown, left })
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
        differing: match collection.table.on_conflict {
            OnConflict::Update => compared.differing.saturating_sub(staged.conflicting.len() as u64),
            _ => compared.differing,
        },
        unknown: compared.unknown.count,
        conflicts: match collection.table.on_conflict {
            OnConflict::Keep => 0,
            _ => staged.conflicting.len() as u64,
        },
        ..Difference::default()
    })
}

/// A document of others with our fields alone, in our order.
fn of_fields(document: &RawDocument, collection: &Collection) -> Vec<u8> {
    let mut ours = RawDocumentBuf::new();
    let fields = collection.fields.iter().map(|field| field.name.as_str()).filter(|name| *name != "_id");
    for name in fields {
        if let (Ok(Some(value)), Ok(name)) = (document.get(name), CString::try_from(name)) {
            ours.append(name, value);
        }
    }
    ours.into_bytes()
}

/// A hash that two `_id`s share if the server holds them equal: numbers of all types are compared by value.
pub fn equal_id(document: &[u8]) -> u128 {
    let id = id_of(document);
    // The type, the name with its end, and the value.
    let (kind, value) = (id.first().copied(), id.get(5..).unwrap_or_default());
    let number = match kind {
        Some(0x10) => value.try_into().ok().map(|bytes| i64::from(i32::from_le_bytes(bytes))),
        Some(0x12) => value.try_into().ok().map(i64::from_le_bytes),
        Some(0x01) => value.try_into().ok().map(f64::from_le_bytes).and_then(|number| {
            let whole = number as i64;
            (whole as f64 == number && whole != i64::MAX).then_some(whole)
        }),
        _ => None,
    };
    match number {
        Some(number) => hash(&number.to_le_bytes()),
        None => hash(id),
    }
}

/// The elements of a document after its `_id`.
fn behind_id(document: &[u8]) -> &[u8] {
    document.get(4 + id_of(document).len()..).unwrap_or_default()
}

pub fn hash(bytes: &[u8]) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, bytes).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
