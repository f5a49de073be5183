//! Encodes the rows of a publication as documents, which are sent later.
//!
//! Opens the database and acquires its lock; writes nothing else there.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::mongodb::ClientSession;
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use bson::{Document, doc};

use super::capabilities::CAPABILITIES;
use super::collection::{Collection, StagedCollection};
use super::encode::{DOCUMENT_BYTES_MAX, DocumentField, put_row};
use super::entries::{dependent, entry, id_document, key_fields};
use super::hazard::BsonHazard;
use super::lock::{DatabaseLock, HeldLock};
use super::others::others;
use super::server::Server;
use crate::capabilities::Capabilities;
use crate::changes::{Changes, FRESH};
use crate::difference::Difference;
use crate::exporter::Opening;
use crate::ledger::cut_off;
use crate::others::Others;
use crate::publication::Coverage;
use crate::target::{
    EncodedRow, Fate, Faults, FaultyColumn, FaultyTable, OpenPublication, Opened, Screen, ScreenedColumn, Staging,
    keeps_others, wait_for,
};
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::secret::Secret;

pub const PUBLICATIONS: &str = "_elt_publications";
pub const TABLES: &str = "_elt_tables";

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
            let has_dependent = existing.contains(&collection.beside)
                && server.find_one("reading", &collection.beside, dependent(), doc! {})?.is_some();
            if !collection.exists || has_dependent {
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
        let columns = |index: usize| {
            let column = &collection.table.columns[index];
            let is_key = collection.id.contains(&index);
            ScreenedColumn { on_hazard: column.on_hazard, is_key, not_null: column.not_null }
        };
        let mut screen: Screen<BsonHazard> = Screen::new((0..collection.fields.len()).map(columns).collect());
        let key = key_fields(collection);
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
            let mut faulty: Vec<(usize, BsonHazard)> = Vec::new();
            for row in 0..batch.num_rows() {
                document.clear();
                let mut fault = |index, hazard| faulty.push((index, hazard));
                put_row(&mut document, batch, row, &collection.id, &others, &collection.fields, &mut fault);
                if document.len() > DOCUMENT_BYTES_MAX {
                    // No column is at fault alone.
                    faulty.push((0, BsonHazard::Size));
                }
                let number = fresh.filter(|fresh| fresh.is_valid(row)).map(|fresh| fresh.value(row));
                if !faulty.is_empty() {
                    let encoded = || {
                        let mut key = Vec::new();
                        put_row(&mut key, batch, row, &collection.id, &[], &collection.fields, &mut |_, _| ());
                        EncodedRow { bytes: with_number(number, &document), key }
                    };
                    if screen.judge(batch, row, seen, &mut faulty, encoded) != Fate::Published {
                        continue;
                    }
                }
                staged.push(number, &document)?;
            }
            seen += batch.num_rows() as u64;
            Ok(())
        };
        match is_marked {
            true => changes.marked_rows(&mut sink)?,
            false => changes.rows(&mut sink)?,
        }
        if screen.has_held() {
            let mut counts = screen.held_keys();
            changes.keys(&mut |batch| {
                self.cancel.check()?;
                for row in 0..batch.num_rows() {
                    if let Some(count) = counts.get_mut(&id_document(batch, row, &key)) {
                        *count += 1;
                    }
                }
                Ok(())
            })?;
            let mut pushed = Ok(());
            screen.settle_held(&counts, |bytes| {
                let (number, document) = without_number(bytes);
                if pushed.is_ok() {
                    pushed = staged.push(number, document);
                }
            });
            pushed?;
        }
        staged.notes = judge(collection, screen.faults())?;
        let set_aside = screen.take_set_aside();
        set_aside.check(&collection.name, &collection.beside, &mut staged.notes)?;
        for batch in set_aside.batches() {
            staged.quarantine.push(&entry(batch, &key, &self.id))?;
        }
        if is_marked {
            for batch in set_aside.keys(&names(&key)) {
                staged.gone.push(&id_document(&batch, 0, &key))?;
            }
            let columns = collection.id.iter().map(|index| columns(*index));
            let mut screen: Screen<BsonHazard> = Screen::of_keys(columns.collect());
            changes.deletes(&mut |batch: &RecordBatch| {
                self.cancel.check()?;
                let Some(batch) = in_order(batch, &key) else { return Ok(()) };
                let id: Vec<usize> = (0..key.len()).collect();
                for row in 0..batch.num_rows() {
                    let (mut document, mut faulty) = (Vec::new(), Vec::new());
                    put_row(&mut document, &batch, row, &id, &[], &key, &mut |index, hazard| {
                        faulty.push((index, hazard))
                    });
                    let encoded = || EncodedRow { bytes: Vec::new(), key: Vec::new() };
                    // A key that cannot be written is no document's.
                    if faulty.is_empty() || screen.judge(&batch, row, 0, &mut faulty, encoded) == Fate::Published {
                        staged.gone.push(&document)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(staged)
    }
}

/// A batch with the key's columns in the table's order; None: it has not all of them.
fn in_order(batch: &RecordBatch, key: &[DocumentField]) -> Option<RecordBatch> {
    let columns: Option<Vec<usize>> = key.iter().map(|field| batch.schema().index_of(&field.name).ok()).collect();
    batch.project(&columns?).ok()
}

fn names(key: &[DocumentField]) -> Vec<String> {
    key.iter().map(|field| field.name.clone()).collect()
}

/// A document behind the number of a fresh row.
fn with_number(number: Option<i64>, document: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(number.is_some())];
    bytes.extend_from_slice(&number.unwrap_or(0).to_le_bytes());
    bytes.extend_from_slice(document);
    bytes
}

fn without_number(bytes: &[u8]) -> (Option<i64>, &[u8]) {
    let (head, document) = bytes.split_at(9);
    let number = head[1..].try_into().map_or(0, i64::from_le_bytes);
    ((head[0] == 1).then_some(number), document)
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
