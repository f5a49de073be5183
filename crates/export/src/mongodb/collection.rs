//! A table as MongoDB stores it, and its staged documents.
//!
//! Knows the contract's tables, but no server.

use std::collections::{BTreeSet, HashSet};

use super::bson_type::{BsonShape, BsonType};
use super::document_id::id_alone;
use super::documents::Documents;
use super::encode::DocumentField;
use crate::contract::Table;
use crate::duck_type::DuckType;
use crate::messages;
use crate::publication::Coverage;
use crate::target::{Staged, hash_tag};
use elt_base::error::{Error, Result};

/// A table of the publication as a collection.
pub struct Collection {
    pub table: Table,
    /// The table's name, with its schema before it if the contract sets one.
    pub name: String,
    pub fields: Vec<DocumentField>,
    /// The key's columns.
    pub id: Vec<usize>,
    /// The collection of quarantined rows.
    pub beside: String,
    pub exists: bool,
    /// An earlier publication made it; None: it does not exist, or others made it. Its indexes by name.
    pub indexes: Option<BTreeSet<String>>,
    /// Documents of others stay.
    pub keeps_others: bool,
}

/// The documents and deletes of one collection that wait to be published.
pub struct StagedCollection {
    pub coverage: Coverage,
    pub documents: Documents,
    /// `_id`s alone.
    pub gone: Documents,
    /// The `_id`s alone of documents that were not published before, and their numbers; only where documents of others
    /// stay.
    pub fresh: Documents,
    pub numbers: Vec<i64>,
    /// Hashes of those of them that others have.
    pub conflicting: HashSet<u128>,
    /// Documents for the quarantine collection.
    pub quarantine: Documents,
    pub notes: Vec<String>,
}

impl Staged for StagedCollection {
    fn coverage(&self) -> Coverage {
        self.coverage
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl StagedCollection {
    pub fn new(coverage: Coverage) -> Self {
        Self {
            coverage,
            documents: Documents::new(),
            gone: Documents::new(),
            fresh: Documents::new(),
            numbers: Vec::new(),
            conflicting: HashSet::new(),
            quarantine: Documents::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a document; `number`: it was not published before, and documents of others stay.
    pub fn push(&mut self, number: Option<i64>, document: &[u8]) -> Result<()> {
        if let Some(number) = number {
            self.fresh.push(&id_alone(document))?;
            self.numbers.push(number);
        }
        self.documents.push(document)
    }
}

impl Collection {
    /// The tables as collections; all types that cannot be are one error.
    pub fn all_of(tables: &[Table]) -> Result<Vec<Self>> {
        let (mut collections, mut errors) = (Vec::new(), Vec::new());
        for table in tables {
            for index in table.indexes_of_postgres() {
                errors.push(messages::export_index_of_postgres(&table.name, &index.columns, "MongoDB"));
            }
            let mut fields = Vec::new();
            for column in &table.columns {
                let (written, place) = match &column.target_type {
                    Some((written, place)) => (Some(written.as_str()), place.clone()),
                    None => (None, None),
                };
                match BsonShape::of(written, &DuckType::parse(&column.duckdb_type)) {
                    Some(shape) => fields.push(DocumentField { name: column.name.clone(), shape }),
                    None => {
                        let error = messages::export_no_bson_type(
                            &table.name,
                            &column.name,
                            written.unwrap_or_default(),
                            &BsonType::WORDS,
                        );
                        errors.push(error.at_maybe(place));
                    }
                }
            }
            let id = (0..table.columns.len()).filter(|index| table.key.contains(&table.columns[*index].name)).collect();
            collections.push(Self {
                name: table.label.clone(),
                table: table.clone(),
                fields,
                id,
                beside: beside(table, tables),
                exists: false,
                indexes: None,
                keeps_others: false,
            });
        }
        Error::many(errors).map_or(Ok(collections), Err)
    }
}

/// The name of a table's quarantine: with a hash where another table has it.
fn beside(table: &Table, tables: &[Table]) -> String {
    let usual = format!("{}_quarantine", table.label);
    match tables.iter().any(|other| other.label == usual) {
        true => format!("{}_{}_quarantine", table.label, hash_tag(&table.label)),
        false => usual,
    }
}
