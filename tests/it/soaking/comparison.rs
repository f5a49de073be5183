//! The comparisons of the soak test: each document of a source with its row of the raw table, and each row of a model
//! with its row at each target.
//!
//! A difference names the table, the column and the key, and no other value.

use std::collections::BTreeMap;

use bson::{Bson, Document};
use elt_warehouse::{Options, Session, Warehouse};

use super::Soak;
use super::sources::{Collection, Place};
use crate::conformance::target::{Kind, Row, of_warehouse};
use crate::documents::{plain, restored};

/// The targets whose rows the program itself can compare.
const VERIFIED: [&str; 4] = ["postgres", "mysql", "mongodb", "duckdb"];
/// The number of differences that are printed.
const SHOWN: usize = 10;

impl Soak {
    /// Publishes to all targets, and compares sources, warehouse and targets.
    pub fn compare(&mut self) {
        self.log("comparison");
        let names: Vec<&str> = self.targets.iter().map(|(name, _)| *name).collect();
        self.must(&["build", "--target", names[0], "--allow-destructive"]);
        for target in &names[1..] {
            self.must(&["export", "--target", target, "--allow-destructive"]);
        }
        self.sources_equal_the_warehouse();
        self.warehouse_equals_the_targets();
        for target in VERIFIED {
            self.must(&["export", "--target", target, "--verify"]);
        }
        self.compared += 1;
        self.forgotten.clear();
    }

    fn sources_equal_the_warehouse(&self) {
        let path = self.project.path().join(".elt/all/warehouse.duckdb");
        let warehouse = Warehouse::open_read_only(&path, &Options::default());
        let warehouse = warehouse.expect("the warehouse").expect("a warehouse");
        let session = warehouse.session().expect("a session");
        let mut wrong = Vec::new();
        for collection in &self.collections {
            let different = if collection.is_file_of_columns() {
                self.cells(collection, &session)
            } else {
                self.documents(collection, &session)
            };
            wrong
                .extend(different.into_iter().map(|what| format!("{}.{}: {what}", collection.source, collection.name)));
        }
        fail("the source and the raw table", wrong);
    }

    /// Documents that differ from those of their columns and rescued values.
    fn documents(&self, collection: &Collection, session: &Session) -> Vec<String> {
        let source: Vec<Document> = match collection.place {
            Place::Mongo => self.mongo.documents(collection.name),
            _ => collection.rows.values().cloned().collect(),
        };
        let sql = format!("select * from {}.{}", collection.source, collection.name);
        let (_, batches) = session.batches(&sql).unwrap_or_else(|error| panic!("`{sql}`: {error:?}"));
        let loaded = session.loaded(collection.source, collection.name).expect("the columns").expect("a load");
        let mut rows = BTreeMap::new();
        let mut wrong = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let document = restored(batch, row, &loaded.columns);
                let n = document.get_i64("n").unwrap_or_default();
                if rows.insert(n, document).is_some() {
                    wrong.push(format!("n {n} is there twice"));
                }
            }
        }
        if source.len() != collection.rows.len() {
            wrong.push(format!("{} documents at the source, {} expected", source.len(), collection.rows.len()));
        }
        for document in &source {
            let n = document.get_i64("n").unwrap_or_default();
            match rows.remove(&n) {
                None => wrong.push(format!("n {n} is missing")),
                Some(found) => {
                    let (expected, found) = (without_id(document), without_id(&found));
                    for (key, value) in &expected {
                        if found.get(key).map(|found| format!("{found:?}")) != Some(format!("{value:?}")) {
                            wrong.push(format!("n {n} differs in `{key}`"));
                        }
                    }
                    let more = found.keys().filter(|key| !expected.contains_key(key));
                    wrong.extend(more.map(|key| format!("n {n} has `{key}`")));
                }
            }
        }
        wrong.extend(rows.keys().map(|n| format!("n {n} is gone at the source")));
        wrong
    }

    /// Cells of a CSV or Parquet file that differ from those of the raw table and its rescued values.
    fn cells(&self, collection: &Collection, session: &Session) -> Vec<String> {
        let columns: Vec<&str> = collection.columns.iter().map(|column| &*column.name).collect();
        let texts: Vec<String> = columns.iter().map(|name| format!("{name}::varchar")).collect();
        let read = |session: &Session, from: &str, rescued: &str| {
            let sql = format!("select n::varchar, {}, {rescued} from {from}", texts.join(", "));
            let rows = session.rows(&sql).unwrap_or_else(|error| panic!("`{sql}`: {error:?}"));
            let mut by_key = BTreeMap::new();
            for mut row in rows {
                let key = row.remove(0).unwrap_or_default();
                assert!(by_key.insert(key.clone(), row).is_none(), "`{from}` has n {key} twice");
            }
            by_key
        };
        let mut found = read(session, &format!("{}.{}", collection.source, collection.name), "_elt_rescued::varchar");
        let expected: BTreeMap<String, Vec<Option<String>>> = match collection.place {
            Place::Parquet => {
                let file = self.project.path().join("drop/facts.parquet");
                read(&self.session, &format!("read_parquet('{}')", file.display()), "null")
            }
            _ => {
                let row = |row: &Document| {
                    columns.iter().map(|name| row.get_str(name).ok().map(str::to_owned)).chain([None]).collect()
                };
                collection.rows.iter().map(|(n, document)| (n.to_string(), row(document))).collect()
            }
        };
        let mut wrong = Vec::new();
        for (key, expected) in &expected {
            let Some(found) = found.remove(key) else {
                wrong.push(format!("n {key} is missing"));
                continue;
            };
            let rescued: serde_json::Map<String, serde_json::Value> = found[columns.len()]
                .as_deref()
                .map_or_else(Default::default, |text| serde_json::from_str(text).expect("JSON"));
            for (index, name) in columns.iter().enumerate() {
                let value = match rescued.get(*name) {
                    Some(value) => value.as_str().map(str::to_owned),
                    None => found[index].clone(),
                };
                if value != expected[index] {
                    wrong.push(format!("n {key} differs in `{name}`"));
                }
            }
        }
        wrong.extend(found.keys().map(|key| format!("n {key} is gone at the source")));
        wrong
    }

    fn warehouse_equals_the_targets(&self) {
        let kinds: Vec<Vec<(&str, Kind)>> = self.marts.iter().map(super::Mart::kinds).collect();
        let here: Vec<Vec<Row>> =
            self.marts.iter().zip(&kinds).map(|(mart, kinds)| of_warehouse(&self.project, &mart.name, kinds)).collect();
        let tables: Vec<_> = self.marts.iter().zip(&kinds).map(|(mart, kinds)| (&*mart.name, &**kinds)).collect();
        for (target, place) in &self.targets {
            let mut wrong = Vec::new();
            for (((mart, kinds), here), there) in self.marts.iter().zip(&kinds).zip(&here).zip(place.tables(&tables)) {
                let Some(there) = there else {
                    wrong.push(format!("`{}` does not exist", mart.name));
                    continue;
                };
                let mut here = here.clone();
                if *target == "postgres" {
                    here.iter_mut().for_each(|row| without_nul(row, kinds));
                }
                wrong.extend(
                    differences(&here, &there, kinds).into_iter().map(|what| format!("`{}`: {what}", mart.name)),
                );
            }
            fail(&format!("the warehouse and the target `{target}`"), wrong);
        }
    }
}

/// The row as Postgres has it, whose text cannot hold U+0000.
fn without_nul(row: &mut Row, kinds: &[(&str, Kind)]) {
    for (text, (_, kind)) in row.iter_mut().zip(kinds) {
        *text = text.take().map(|text| match kind {
            Kind::Json => text.replace("\\u0000", ""),
            _ => text.replace('\u{0}', ""),
        });
    }
}

/// The rows that differ, by the first column.
fn differences(here: &[Row], there: &[Row], kinds: &[(&str, Kind)]) -> Vec<String> {
    let by_key = |rows: &[Row]| {
        let mut by_key: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in rows {
            by_key.entry(row[0].clone().unwrap_or_default()).or_default().push(row.clone());
        }
        by_key
    };
    let (here, mut there) = (by_key(here), by_key(there));
    let first = kinds[0].0;
    let mut wrong = Vec::new();
    for (key, here) in &here {
        let Some(there) = there.remove(key) else {
            wrong.push(format!("{first} {key} is missing"));
            continue;
        };
        if *here == there {
            continue;
        }
        if here.len() != there.len() {
            wrong.push(format!("{first} {key} is there {} times instead of {}", there.len(), here.len()));
            continue;
        }
        for (index, (name, _)) in kinds.iter().enumerate() {
            if here.iter().zip(&there).any(|(here, there)| here[index] != there[index]) {
                wrong.push(format!("{first} {key} differs in `{name}`"));
            }
        }
    }
    wrong.extend(there.keys().map(|key| format!("{first} {key} is in the target only")));
    wrong
}

fn without_id(document: &Document) -> Document {
    let mut document = plain(&document.iter().map(|(key, value)| (key.clone(), unsigned(value.clone()))).collect());
    document.remove("_id");
    document
}

/// The value without the sign of zeros, which DuckDB loses when it stores a column of nothing but zeros.
fn unsigned(value: Bson) -> Bson {
    match value {
        Bson::Double(0.0) => 0.0.into(),
        Bson::Document(fields) => {
            fields.into_iter().map(|(key, value)| (key, unsigned(value))).collect::<Document>().into()
        }
        Bson::Array(values) => Bson::Array(values.into_iter().map(unsigned).collect()),
        other => other,
    }
}

fn fail(what: &str, wrong: Vec<String>) {
    let more = wrong.len().saturating_sub(SHOWN);
    assert!(
        wrong.is_empty(),
        "{what} differ:\n{}{}",
        wrong[..wrong.len().min(SHOWN)].join("\n"),
        if more > 0 { format!("\nand {more} more") } else { String::new() }
    );
}
