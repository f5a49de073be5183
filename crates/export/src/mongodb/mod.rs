//! Publishes to MongoDB: a relation's rows become documents, its key their `_id`.
//!
//! Documents are encoded and checked before anything is sent. A small change of collections that stand goes in one
//! transaction, where the server is a replica set; anything else goes collection by collection, parents first, between
//! a pending mark and the record in `_elt_publications`, so that a publication that was cut off is known, and repeated
//! in full. A new collection, or one without key, is written beside and renamed. With `extract/mongodb` and
//! `generate/mongodb` this folder alone names the driver.

mod apply;
mod compare;
mod encode;
mod lock;
mod server;
mod staged;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::record_batch::RecordBatch;
use bson::doc;

use self::encode::{DOCUMENT_BYTES_MAX, Field, Hazard, Wanted, key_text, put_row};
use self::lock::Lock;
use self::server::Server;
use self::staged::Documents;
use super::contract::Table;
use super::{Changes, Difference, Exporter, Extent, Opening, Publication, Published, Shape};
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::secret::Secret;
use elt_project::OnHazard;

const PUBLICATIONS: &str = "_elt_publications";
const TABLES: &str = "_elt_tables";
/// How many keys of bad rows are shown, a column and hazard.
const KEYS_SHOWN: usize = 5;
/// More rows than this are not set aside.
const QUARANTINE_MAX: u64 = 100_000;

pub struct MongodbExporter {
    server: Arc<Server>,
    publication: Publication,
    cancel: Cancel,
    collections: Vec<Collection>,
    last: Option<String>,
    notes: Vec<String>,
    /// Of all that stand.
    standing: BTreeSet<String>,
    staged: Mutex<BTreeMap<usize, Staged>>,
    has_failed: AtomicBool,
    /// Given back last.
    _lock: Lock,
}

/// A table as MongoDB has it.
struct Collection {
    table: Table,
    /// The table's name, with its schema before it where the contract gives one.
    name: String,
    fields: Vec<Field>,
    /// The key's columns.
    id: Vec<usize>,
    is_standing: bool,
    /// An earlier publication made it; None: it does not stand, or others made it. Its indexes by name.
    indexes: Option<BTreeSet<String>>,
}

/// What waits to be published of one collection.
struct Staged {
    extent: Extent,
    documents: Documents,
    /// `_id`s alone.
    gone: Documents,
    /// Documents for the collection beside.
    quarantine: Documents,
    notes: Vec<String>,
}

/// How many values of a column have one hazard.
struct Fault {
    values: u64,
    keys: Vec<String>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MongodbExporter {
    pub fn open(uri: &Secret, database: &str, opening: Opening<'_>) -> Result<Self> {
        let Opening { publication, cancel, say, .. } = opening;
        let mut collections = collections(&publication)?;
        let server = Arc::new(Server::open(uri, database)?);
        let lock = Lock::take(&server, &publication.id, cancel, say)?;
        let standing: BTreeSet<String> = server.collections()?.into_iter().collect();
        let mut notes = Vec::new();
        for collection in &mut collections {
            collection.is_standing = standing.contains(&collection.name);
            let ours = server.find_one("reading", TABLES, doc! { "_id": &collection.name }, doc! {})?;
            if let (Some(ours), true) = (ours, collection.is_standing) {
                let names = ours.get_array("indexes").map(|names| names.iter().filter_map(|name| name.as_str()));
                collection.indexes = Some(names.map(|names| names.map(str::to_owned).collect()).unwrap_or_default());
            }
            let table = &collection.table;
            if table.owner.is_some() || table.comment.is_some() || !table.grants.is_empty() {
                notes.push(format!("`{}`: MongoDB has no owner, grants or comments of a collection", collection.name));
            }
        }
        // Version 7: the later, the greater.
        let last = server.find_one("reading", PUBLICATIONS, doc! {}, doc! { "_id": -1 })?;
        let last = last.and_then(|last| {
            let id = last.get_str("_id").ok()?.to_owned();
            // One that was cut off left neither the old state nor the new.
            Some(if last.get_str("state").is_ok_and(|state| state == "done") { id } else { format!("{id}, cut off") })
        });
        Ok(Self {
            server,
            publication,
            cancel: cancel.clone(),
            collections,
            last,
            notes,
            standing,
            staged: Mutex::default(),
            has_failed: AtomicBool::new(false),
            _lock: lock,
        })
    }

    fn encode(&self, collection: &Collection, extent: Extent, changes: &mut dyn Changes) -> Result<Staged> {
        let mut staged = Staged {
            extent,
            documents: Documents::new(),
            gone: Documents::new(),
            quarantine: Documents::new(),
            notes: Vec::new(),
        };
        let mut faults: BTreeMap<(usize, Hazard), Fault> = BTreeMap::new();
        let others: Vec<(usize, &Field)> =
            collection.fields.iter().enumerate().filter(|(_, field)| field.name != "_id").collect();
        changes.rows(&mut |batch: &RecordBatch| {
            self.cancel.check()?;
            let mut document = Vec::new();
            let mut found: Vec<(usize, Hazard)> = Vec::new();
            for row in 0..batch.num_rows() {
                document.clear();
                found.clear();
                let mut fault = |index, hazard| found.push((index, hazard));
                put_row(&mut document, batch, row, &collection.id, &others, &collection.fields, &mut fault);
                if document.len() > DOCUMENT_BYTES_MAX {
                    // No column is at fault alone.
                    found.push((0, Hazard::Size));
                }
                if found.is_empty() {
                    staged.documents.push(&document)?;
                    continue;
                }
                found.dedup();
                let key = key_text(batch, row, &collection.id);
                for (index, hazard) in &found {
                    let fault =
                        faults.entry((*index, *hazard)).or_insert_with(|| Fault { values: 0, keys: Vec::new() });
                    fault.values += 1;
                    if fault.keys.len() < KEYS_SHOWN {
                        fault.keys.push(key.clone());
                    }
                }
                let policy = |index: usize| collection.table.columns[index].on_hazard;
                let is_too_large = found.iter().any(|(_, hazard)| *hazard == Hazard::Size);
                if !found.iter().any(|(index, _)| policy(*index) == OnHazard::Quarantine) {
                    if !is_too_large {
                        staged.documents.push(&document)?;
                    }
                    continue;
                }
                // Its key, and why; the warehouse has the row.
                let mut entry = Vec::new();
                put_row(&mut entry, batch, row, &collection.id, &[], &collection.fields, &mut |_, _| {});
                if extent == Extent::Delta && !collection.id.is_empty() {
                    staged.gone.push(&entry)?;
                }
                let (index, hazard) = found[0];
                let more = doc! {
                    "column": &collection.fields[index].name,
                    "hazard": hazard.text(),
                    "publication": &self.publication.id,
                    "quarantined_at": bson::DateTime::now(),
                };
                staged.quarantine.push(&joined(&entry, &more))?;
            }
            Ok(())
        })?;
        if extent == Extent::Delta && !collection.id.is_empty() {
            changes.deletes(&mut |batch: &RecordBatch| {
                self.cancel.check()?;
                // The key's columns alone, in the table's order.
                let fields: Vec<Field> = collection.id.iter().map(|index| collection.fields[*index].clone()).collect();
                let id: Vec<usize> = (0..fields.len()).collect();
                for row in 0..batch.num_rows() {
                    let mut document = Vec::new();
                    put_row(&mut document, batch, row, &id, &[], &fields, &mut |_, _| {});
                    staged.gone.push(&document)?;
                }
                Ok(())
            })?;
        }
        staged.notes = judge(collection, &faults)?;
        if staged.quarantine.count > QUARANTINE_MAX {
            return Err(messages::export_too_many_aside(
                &collection.name,
                staged.quarantine.count,
                QUARANTINE_MAX as usize,
            ));
        }
        Ok(staged)
    }
}

/// The tables as collections; all types that cannot be are one error.
fn collections(publication: &Publication) -> Result<Vec<Collection>> {
    let (mut collections, mut errors) = (Vec::new(), Vec::new());
    for table in &publication.tables {
        let mut fields = Vec::new();
        for column in &table.columns {
            let (written, place) = match &column.target_type {
                Some((written, place)) => (Some(written.as_str()), place.clone()),
                None => (None, None),
            };
            match Wanted::of(written, &column.duckdb_type) {
                Some(wanted) => fields.push(Field { name: column.name.clone(), wanted }),
                None => {
                    let error = messages::export_no_bson_type(
                        &table.name,
                        &column.name,
                        written.unwrap_or_default(),
                        &Wanted::WORDS,
                    );
                    errors.push(error.at_maybe(place));
                }
            }
        }
        let id = (0..table.columns.len()).filter(|index| table.key.contains(&table.columns[*index].name)).collect();
        collections.push(Collection {
            name: table.label.clone(),
            table: table.clone(),
            fields,
            id,
            is_standing: false,
            indexes: None,
        });
    }
    Error::many(errors).map_or(Ok(collections), Err)
}

/// A document with more elements behind its own.
fn joined(document: &[u8], more: &bson::Document) -> Vec<u8> {
    let more = bson::serialize_to_vec(more).unwrap_or_default();
    let tail = more.get(4..).unwrap_or(&[0]);
    let mut joined = document[..document.len() - 1].to_vec();
    joined.extend_from_slice(tail);
    let length = (joined.len() as i32).to_le_bytes();
    joined[..4].copy_from_slice(&length);
    joined
}

/// An error if there are faults that may not pass; else what became of the others, a line each.
fn judge(collection: &Collection, faults: &BTreeMap<(usize, Hazard), Fault>) -> Result<Vec<String>> {
    let (mut bad, mut notes) = (Vec::new(), Vec::new());
    for ((index, hazard), fault) in faults {
        let column = &collection.fields[*index].name;
        let values = if fault.values == 1 { "1 value".to_owned() } else { format!("{} values", fault.values) };
        let more = if fault.values > fault.keys.len() as u64 { ", …" } else { "" };
        let of = match collection.table.key.as_slice() {
            [] => String::new(),
            key => format!(" (`{}` {}{more})", key.join("`, `"), fault.keys.join(", ")),
        };
        let line = match hazard {
            Hazard::Size => format!("{}: {values}{of}", hazard.text()),
            _ => format!("column `{column}`, {}: {values}{of}", hazard.text()),
        };
        match collection.table.columns[*index].on_hazard {
            OnHazard::Quarantine => {
                notes.push(format!("`{0}`, {line}; they are in `{0}_quarantine`", collection.name));
            }
            OnHazard::Replace if *hazard != Hazard::Size => {
                notes.push(format!("`{}`, {line}; replaced by {}", collection.name, hazard.replacement()));
            }
            _ => bad.push(line),
        }
    }
    if bad.is_empty() { Ok(notes) } else { Err(messages::export_mongodb_hazards(&collection.name, &bad)) }
}

impl Exporter for MongodbExporter {
    fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    fn shape(&self) -> Shape {
        Shape::Nested
    }

    fn wants_everything(&self, table: &str) -> bool {
        !self.standing.contains(table)
    }

    fn compares(&self) -> bool {
        true
    }

    fn differences(&self, labels: &[String]) -> Result<Vec<Difference>> {
        let mut staged = locked(&self.staged);
        let mut differences = Vec::new();
        for (index, collection) in self.collections.iter().enumerate() {
            let Some(staged) = staged.get_mut(&index).filter(|staged| staged.extent == Extent::Everything) else {
                continue;
            };
            if labels.contains(&collection.table.label) {
                let difference = self.difference(collection, staged)?;
                differences.extend(Some(difference).filter(|difference| !difference.is_zero()));
            }
        }
        Ok(differences)
    }

    fn notes(&self) -> Vec<String> {
        let staged = locked(&self.staged);
        self.notes.iter().chain(staged.values().flat_map(|staged| &staged.notes)).cloned().collect()
    }

    fn stage(&self, table: &str, extent: Extent, changes: &mut dyn Changes) -> Result<()> {
        let found = self.collections.iter().enumerate().find(|(_, collection)| collection.table.label == table);
        let Some((index, collection)) = found else { return Err(messages::export_not_planned(table)) };
        let staged = self.encode(collection, extent, changes);
        let staged = staged.inspect_err(|_| self.has_failed.store(true, Ordering::SeqCst))?;
        locked(&self.staged).insert(index, staged);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<Published> {
        self.cancel.check()?;
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(messages::export_incomplete());
        }
        self.apply()
    }
}

/// Connects, and says in one line what answered; changes nothing.
pub fn probe(uri: &Secret, database: &str) -> Result<String> {
    let server = Server::open(uri, database)?;
    let build = server.run("asking the version of", doc! { "buildInfo": 1 }, None)?;
    let version = build.get_str("version").unwrap_or("of an unknown version").to_owned();
    Ok(format!("MongoDB {version} at `{}`", server.place()))
}
