//! Encodes the rows of a publication as documents, which are sent later.
//!
//! Opens the database and acquires its lock; writes nothing else there.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::mongodb::ClientSession;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use bson::oid::ObjectId;
use bson::{Bson, Document, doc};

use super::bytes::joined;
use super::capabilities::CAPABILITIES;
use super::collection::{Collection, StagedCollection};
use super::compare::id_alone;
use super::encode::{DOCUMENT_BYTES_MAX, DocumentField, put_row};
use super::hazard::BsonHazard;
use super::lock::{DatabaseLock, HeldLock};
use super::others::others;
use super::server::Server;
use crate::capabilities::Capabilities;
use crate::changes::{Changes, FRESH};
use crate::difference::Difference;
use crate::exporter::Opening;
use crate::ledger::cut_off;
use crate::messages;
use crate::others::Others;
use crate::publication::Coverage;
use crate::target::{
    Faults, FaultyColumn, FaultyTable, Hazard, OpenPublication, Opened, Replacement, Staging, keeps_others, key_text,
    value_text, wait_for,
};
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::secret::Secret;
use elt_project::OnHazard;

pub const PUBLICATIONS: &str = "_elt_publications";
pub const TABLES: &str = "_elt_tables";
/// More rows than this are not set aside.
const QUARANTINE_MAX: u64 = 100_000;
/// The length up to which a quarantined value's text is kept.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// A database, locked until the publication ends.
pub struct MongodbPublication {
    pub(super) server: Arc<Server>,
    pub(super) id: String,
    pub(super) cancel: Cancel,
    /// In the publication's order.
    pub(super) collections: Vec<Collection>,
    /// The names of all existing collections.
    pub(super) existing: BTreeSet<String>,
    /// Of a small publication, where the server has transactions.
    pub(super) session: Option<ClientSession>,
    /// Without a transaction: some of it may be sent already.
    pub(super) is_begun: bool,
    /// The record, which is the last thing to be sent.
    pub(super) record: Document,
    /// Released last.
    _lock: HeldLock,
}

impl MongodbPublication {
    pub fn open(uri: &Secret, database: &str, opening: Opening<'_>) -> Result<OpenPublication<Self>> {
        let Opening { publication, cancel, say, .. } = opening;
        let mut collections = Collection::all_of(&publication.tables)?;
        let server = Arc::new(Server::open(uri, database)?);
        let lock = wait_for(&mut DatabaseLock { server: &server, owner: &publication.id }, cancel, say)?;
        let existing: BTreeSet<String> = server.collections()?.into_iter().collect();
        let mut opened = Opened::default();
        for collection in &mut collections {
            collection.exists = existing.contains(&collection.name);
            let ours = server.find_one("reading", TABLES, doc! { "_id": &collection.name }, doc! {})?;
            if let (Some(ours), true) = (ours, collection.exists) {
                let names = ours.get_array("indexes").map(|names| names.iter().filter_map(|name| name.as_str()));
                collection.indexes = Some(names.map(|names| names.map(str::to_owned).collect()).unwrap_or_default());
            }
            let table = &collection.table;
            if table.owner.is_some() || table.comment.is_some() || !table.grants.is_empty() {
                let note = format!("`{}`: MongoDB has no owner, grants or comments of a collection", collection.name);
                opened.notes.push(note);
            }
            let is_ours = collection.exists.then_some(collection.indexes.is_some());
            collection.keeps_others = keeps_others(table.rows, is_ours);
            if collection.keeps_others {
                opened.keeping.insert(table.label.clone());
            }
            if !collection.exists {
                opened.in_full.insert(table.label.clone());
            }
        }
        // Version 7: the later, the greater.
        let last = server.find_one("reading", PUBLICATIONS, doc! {}, doc! { "_id": -1 })?;
        opened.last = last.and_then(|last| {
            let id = last.get_str("_id").ok()?.to_owned();
            // One that was cut off left neither the old state nor the new.
            Some(if last.get_str("state").is_ok_and(|state| state == "done") { id } else { cut_off(&id) })
        });
        let target = Self {
            server,
            id: publication.id.clone(),
            cancel: cancel.clone(),
            collections,
            existing,
            session: None,
            is_begun: false,
            record: Document::new(),
            _lock: lock,
        };
        Ok(OpenPublication::new(publication, cancel.clone(), opened, target))
    }

    fn encode(
        &self,
        collection: &Collection,
        coverage: Coverage,
        changes: &mut dyn Changes,
    ) -> Result<StagedCollection> {
        let mut staged = StagedCollection::new(coverage);
        let mut faults: Faults<BsonHazard> = Faults::default();
        let mut seen = 0;
        let others: Vec<(usize, &DocumentField)> =
            collection.fields.iter().enumerate().filter(|(_, field)| field.name != "_id").collect();
        let is_marked = coverage.is_marked() && !collection.id.is_empty();
        let mut sink = |batch: &RecordBatch| {
            self.cancel.check()?;
            let fresh = (is_marked && collection.keeps_others)
                .then(|| batch.column_by_name(FRESH)?.as_primitive_opt::<Int64Type>())
                .flatten();
            let mut document = Vec::new();
            let mut found: Vec<(usize, BsonHazard)> = Vec::new();
            for row in 0..batch.num_rows() {
                document.clear();
                found.clear();
                let mut fault = |index, hazard| found.push((index, hazard));
                put_row(&mut document, batch, row, &collection.id, &others, &collection.fields, &mut fault);
                if document.len() > DOCUMENT_BYTES_MAX {
                    // No column is at fault alone.
                    found.push((0, BsonHazard::Size));
                }
                if let Some(fresh) = fresh.filter(|fresh| fresh.is_valid(row)) {
                    staged.fresh.push(&id_alone(&document))?;
                    staged.numbers.push(fresh.value(row));
                }
                if found.is_empty() {
                    staged.documents.push(&document)?;
                    continue;
                }
                found.dedup();
                let is_aside = is_aside(collection, &found);
                for (index, hazard) in &found {
                    let shown = || key_text(batch, row, collection.id.iter().copied(), seen);
                    faults.add(*index, *hazard, is_aside, shown);
                }
                let policy = |index: usize| collection.table.columns[index].on_hazard;
                let is_too_large = found.iter().any(|(_, hazard)| *hazard == BsonHazard::Size);
                if !is_aside && !is_too_large {
                    staged.documents.push(&document)?;
                }
                let is_kept = is_aside || found.iter().any(|(index, _)| policy(*index) == OnHazard::Replace);
                if !is_kept || staged.quarantine.count >= QUARANTINE_MAX && !is_aside {
                    continue;
                }
                // Its key, and why, and its values as texts.
                let mut entry = Vec::new();
                put_row(&mut entry, batch, row, &collection.id, &[], &collection.fields, &mut |_, _| {});
                let is_of_key =
                    |(index, hazard): &(usize, BsonHazard)| hazard.is_of_column() && collection.id.contains(index);
                if is_aside && is_marked && !found.iter().any(is_of_key) {
                    staged.gone.push(&entry)?;
                }
                if found.iter().any(is_of_key) {
                    // Its key cannot be written: the entry gets an `_id` of its own.
                    entry = bson::serialize_to_vec(&doc! { "_id": ObjectId::new() }).unwrap_or_default();
                }
                let (index, hazard) = found[0];
                let more = doc! {
                    "column": &collection.fields[index].name,
                    "hazard": hazard.text(),
                    "row": texts(batch, row),
                    "published": !is_aside,
                    "publication": &self.id,
                    "quarantined_at": bson::DateTime::now(),
                };
                staged.quarantine.push(&joined(&entry, &more))?;
            }
            seen += batch.num_rows() as u64;
            Ok(())
        };
        match is_marked {
            true => changes.marked_rows(&mut sink)?,
            false => changes.rows(&mut sink)?,
        }
        if is_marked {
            changes.deletes(&mut |batch: &RecordBatch| {
                self.cancel.check()?;
                // The key's columns alone, in the table's order.
                let fields: Vec<DocumentField> =
                    collection.id.iter().map(|index| collection.fields[*index].clone()).collect();
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
            let max = QUARANTINE_MAX as usize;
            return Err(messages::export_too_many_aside(&collection.name, staged.quarantine.count, max));
        }
        Ok(staged)
    }
}

/// Whether a row is quarantined: its columns' policy says so, or a replacement is not possible. Two keys that become one
/// would be a row lost.
fn is_aside(collection: &Collection, found: &[(usize, BsonHazard)]) -> bool {
    found.iter().any(|(index, hazard)| {
        let column = &collection.table.columns[*index];
        match (column.on_hazard, hazard.replacement()) {
            (OnHazard::Quarantine, _) | (OnHazard::Replace, Replacement::None) => true,
            (OnHazard::Replace, _) if hazard.is_of_column() && collection.id.contains(index) => true,
            (OnHazard::Replace, Replacement::Null) => column.not_null,
            _ => false,
        }
    })
}

/// A row's values as texts, cut where they are very long.
fn texts(batch: &RecordBatch, row: usize) -> Document {
    let text = |array: &ArrayRef| -> Bson {
        if array.is_null(row) {
            return Bson::Null;
        }
        let mut text = value_text(array, row);
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        Bson::String(text)
    };
    let named = batch.schema();
    let named = named.fields().iter().zip(batch.columns());
    named.map(|(field, array)| (field.name().replace('\0', ""), text(array))).collect()
}

/// An error if there are faults that may not pass; else what became of the others, a line each.
fn judge(collection: &Collection, faults: &Faults<BsonHazard>) -> Result<Vec<String>> {
    let columns = collection.table.columns.iter().map(|column| FaultyColumn {
        name: &column.name,
        on_hazard: column.on_hazard,
        may_be_null: true,
    });
    faults.judge(&FaultyTable {
        capabilities: &CAPABILITIES,
        name: &collection.name,
        beside: &collection.beside,
        key: &collection.table.key,
        columns: columns.collect(),
    })
}

impl Staging for MongodbPublication {
    type Staged = StagedCollection;

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn place(&self) -> String {
        self.server.place()
    }

    fn stage(&self, index: usize, coverage: Coverage, changes: &mut dyn Changes) -> Result<StagedCollection> {
        self.encode(&self.collections[index], coverage, changes)
    }

    fn difference(&self, index: usize, staged: &mut StagedCollection) -> Result<Difference> {
        super::compare::difference(&self.server, &self.collections[index], staged)
    }

    fn others(&self, index: usize, staged: &mut StagedCollection) -> Result<Others> {
        others(&self.server, &self.collections[index], staged)
    }
}
