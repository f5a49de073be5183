//! The collections of the soak test: what each holds, how it changes, and how it is written to its place.
//!
//! Knows no model and no target.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document, doc};
use elt_warehouse::Session;

use super::random::Random;
use crate::csv_cells;
use crate::servers::MongoDatabase;
use crate::typed_values::{KEY_TYPES, OTHER_TYPES};

/// The first time that a document has. Every change has a later one.
const FIRST_SECOND: i64 = 1_704_067_200;
const LETTERS: [char; 9] = ['a', 'B', ' ', '"', '\\', 'é', '\u{1f4a9}', '\'', '\n'];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Mongo,
    JsonLines,
    Bson,
    Csv,
    Parquet,
}

/// A column of a CSV or Parquet file: a name, and the kinds of its texts or the index of its type.
#[derive(Debug, Clone)]
pub struct FileColumn {
    pub name: String,
    kinds: [usize; 2],
}

pub struct Collection {
    pub source: &'static str,
    pub name: &'static str,
    pub place: Place,
    /// Whether all documents have the fields of `regular`. The fields of others are random.
    pub is_regular: bool,
    is_incremental: bool,
    keeps_bson: bool,
    /// The documents by their `n`. A value of a CSV file is a text, one of a Parquet file the index of a value.
    pub rows: BTreeMap<i64, Document>,
    pub columns: Vec<FileColumn>,
    /// Fields that documents gained.
    pub fields: Vec<String>,
    next: i64,
    named: usize,
    /// Whether a model reads a field that no document has yet.
    is_due: bool,
}

/// What happened to a collection.
#[derive(Default)]
pub struct Change {
    written: Vec<Document>,
    deleted: Vec<Document>,
}

/// Seconds since the epoch, which grow with every change.
pub struct Clock(i64);

impl Clock {
    pub fn new() -> Self {
        Self(FIRST_SECOND)
    }

    fn tick(&mut self, random: &mut Random) -> DateTime {
        self.0 += 1 + random.below(40) as i64;
        DateTime::from_millis(self.0 * 1000)
    }
}

pub fn all(random: &mut Random) -> Vec<Collection> {
    [
        ("live", "orders", Place::Mongo, true),
        ("live", "anything", Place::Mongo, false),
        ("drop", "events", Place::JsonLines, true),
        ("drop", "notes", Place::JsonLines, false),
        ("drop", "dumps", Place::Bson, false),
        ("drop", "cells", Place::Csv, false),
        ("drop", "facts", Place::Parquet, false),
    ]
    .map(|(source, name, place, is_regular)| {
        let mut collection = Collection {
            source,
            name,
            place,
            is_regular,
            is_incremental: random.chance(0.6),
            keeps_bson: random.chance(0.3),
            rows: BTreeMap::new(),
            columns: Vec::new(),
            fields: Vec::new(),
            next: 1,
            named: 0,
            is_due: true,
        };
        for _ in 0..5 {
            collection.gain_field(random);
        }
        if !collection.is_file_of_columns() {
            collection.fields.clear();
        }
        collection
    })
    .into()
}

impl Collection {
    pub fn is_file_of_columns(&self) -> bool {
        matches!(self.place, Place::Csv | Place::Parquet)
    }

    /// The table in the sources' YAML.
    pub fn yaml(&self) -> String {
        let mut config = Vec::new();
        if self.is_incremental {
            config.push("load: incremental, watermark: u, deletes: sweep, sweep_limit: 100%".to_owned());
        }
        if self.is_file_of_columns() {
            config.push("key: n".into());
        } else if self.keeps_bson {
            config.push("keep_bson: true".into());
        }
        format!("      - name: {}\n        config: {{ {} }}\n", self.name, config.join(", "))
    }

    /// A new field or column. Returns its name.
    pub fn gain_field(&mut self, random: &mut Random) -> String {
        self.named += 1;
        self.is_due = true;
        let name = format!("e{}", self.named);
        let kinds = match self.place {
            Place::Parquet => [random.below(KEY_TYPES.len() + OTHER_TYPES.len()); 2],
            _ => [random.below(csv_cells::KINDS), random.below(csv_cells::KINDS)],
        };
        if self.is_file_of_columns() {
            self.columns.push(FileColumn { name: name.clone(), kinds });
        } else {
            self.fields.push(name.clone());
        }
        name
    }

    /// Removes a column from a file, and returns its name. All rows count as changed.
    pub fn lose_column(&mut self, random: &mut Random, clock: &mut Clock) -> Option<String> {
        if self.columns.len() < 3 {
            return None;
        }
        let gone = self.columns.remove(random.below(self.columns.len()));
        for row in self.rows.values_mut() {
            row.remove(&gone.name);
            let at = clock.tick(random);
            row.insert("u", at);
        }
        Some(gone.name)
    }

    pub fn is_due(&self) -> bool {
        self.is_due
    }

    /// Inserts, updates and deletes documents.
    pub fn change(&mut self, random: &mut Random, clock: &mut Clock) -> Change {
        self.is_due = false;
        let mut change = Change::default();
        let least = if self.rows.is_empty() { 40 } else { 5 };
        for _ in 0..least + random.below(12) {
            let n = self.next;
            self.next += 1;
            let id = self.id(random, n);
            change.written.push(self.document(random, clock, n, id));
        }
        let known: Vec<i64> = self.rows.keys().copied().collect();
        for _ in 0..if known.is_empty() { 0 } else { random.below(8) } {
            let n = *random.one_of(&known);
            let id = self.rows[&n].get("_id").cloned().unwrap_or(Bson::Null);
            change.written.push(self.document(random, clock, n, id));
        }
        if self.place == Place::Mongo {
            for document in &mut change.written {
                *document = document.iter().map(|(key, value)| (key.clone(), for_server(value.clone()))).collect();
            }
        }
        for document in &change.written {
            self.rows.insert(document.get_i64("n").expect("a number"), document.clone());
        }
        for _ in 0..random.below(6) {
            if !known.is_empty()
                && self.rows.len() > 25
                && let Some(gone) = self.rows.remove(random.one_of(&known))
            {
                change.deleted.push(gone);
            }
        }
        // A document that was changed and then deleted.
        change.written.retain(|document| self.rows.contains_key(&document.get_i64("n").expect("a number")));
        change
    }

    fn id(&self, random: &mut Random, n: i64) -> Bson {
        let kind = if random.chance(0.03) { random.below(3) } else { self.name.len() % 3 };
        match kind {
            0 => Bson::Int64(n),
            1 => Bson::String(format!("id {n}")),
            _ => {
                let mut bytes = [7; 12];
                bytes[4..].copy_from_slice(&n.to_be_bytes());
                ObjectId::from_bytes(bytes).into()
            }
        }
    }

    fn document(&self, random: &mut Random, clock: &mut Clock, n: i64, id: Bson) -> Document {
        let mut document = doc! { "_id": id, "n": n };
        if !self.is_file_of_columns() && random.chance(0.02) {
            // Without the watermark.
            clock.tick(random);
        } else {
            document.insert("u", clock.tick(random));
        }
        match self.place {
            Place::Csv => {
                for column in &self.columns {
                    if random.chance(0.9) {
                        let kind = column.kinds[usize::from(random.chance(0.1))];
                        document.insert(&column.name, csv_cells::text(kind, &mut random.numbers));
                    }
                }
                return document;
            }
            Place::Parquet => {
                for column in &self.columns {
                    if random.chance(0.9) {
                        // DuckDB writes no negative intervals, which are the fifth.
                        document.insert(&column.name, [0_i64, 1, 2, 3, 5][random.below(5)]);
                    }
                }
                return document;
            }
            _ => {}
        }
        if self.is_regular {
            document.extend(regular(random));
        } else {
            for _ in 0..random.below(6) {
                let key = random.key();
                // A server has rules of its own for such keys, and Extended JSON has for some.
                if !(key.is_empty() || key.starts_with('$') || key == "n" || key == "u") {
                    document.insert(key, random.value());
                }
            }
        }
        for (index, field) in self.fields.iter().enumerate() {
            // Every document has the newest field, because a model may read it from now on.
            if index + 1 == self.fields.len() {
                document.insert(field, random.text(&LETTERS, 6));
            } else if random.chance(0.5) {
                let text = random.text(&LETTERS, 6);
                document.insert(field, if random.chance(0.9) { text.into() } else { random.value() });
            }
        }
        document
    }

    pub fn write(&self, change: &Change, mongo: &MongoDatabase, drop: &Path, session: &Session) {
        let text = match self.place {
            Place::Mongo => {
                for document in &change.written {
                    mongo.replace(self.name, document.clone());
                }
                for document in &change.deleted {
                    mongo.delete(self.name, doc! { "_id": document.get("_id").cloned() });
                }
                return;
            }
            Place::Parquet => {
                let path = drop.join("facts.parquet");
                let new = drop.join(".facts.new");
                let sql = format!("copy ({}) to '{}' (format parquet)", self.parquet_rows(), new.display());
                session.execute(&sql).unwrap_or_else(|error| panic!("`{sql}`: {error:?}"));
                fs::rename(new, path).expect("the file of facts");
                return;
            }
            Place::Csv => self.csv().into_bytes(),
            Place::JsonLines => self.json_lines().into_bytes(),
            Place::Bson => self.rows.values().flat_map(|document| document.to_vec().expect("a document")).collect(),
        };
        let ending = match self.place {
            Place::Csv => "csv",
            Place::Bson => "bson",
            _ => "jsonl",
        };
        let new = drop.join(".new");
        fs::write(&new, text).expect("a file");
        fs::rename(new, drop.join(format!("{}.{ending}", self.name))).expect("a file in its place");
    }

    /// The documents as Extended JSON, half of them relaxed.
    pub fn json_lines(&self) -> String {
        let mut lines = String::new();
        for (n, document) in &self.rows {
            let value = Bson::Document(document.clone());
            // The relaxed form of the `bson` crate has no dates beyond the year 9999.
            let is_plain = for_server(value.clone()) == value;
            let json =
                if is_plain && n % 2 == 0 { value.into_relaxed_extjson() } else { value.into_canonical_extjson() };
            lines += &format!("{json}\n");
        }
        lines
    }

    fn csv(&self) -> String {
        let mut text = format!("n,u,{}", self.columns.iter().map(|column| &*column.name).collect::<Vec<_>>().join(","));
        for (n, row) in &self.rows {
            let time = time(row);
            let cell = |column: &FileColumn| row.get_str(&column.name).ok().map(str::to_owned);
            let cells: Vec<Option<String>> = self.columns.iter().map(cell).collect();
            text += &format!("\n{n},{time},{}", csv_cells::line(&cells));
        }
        text + "\n"
    }

    fn parquet_rows(&self) -> String {
        let rows = self.rows.iter().map(|(n, row)| {
            let mut values = vec![format!("{n}::bigint as n"), format!("'{}+00'::timestamptz as u", time(row))];
            for column in &self.columns {
                let all = KEY_TYPES.iter().chain(&OTHER_TYPES);
                let (name, literals) = all.clone().nth(column.kinds[0]).expect("a type");
                let literal = row.get_i64(&column.name).map_or("null", |index| literals[index as usize]);
                values.push(format!("cast({literal} as {name}) as {}", column.name));
            }
            format!("select {}", values.join(", "))
        });
        rows.collect::<Vec<_>>().join(" union all ")
    }
}

/// The value without what the MongoDB-compatible server of the tests refuses or alters: dates beyond the year 9999, symbols
/// and undefined. Files have them.
fn for_server(value: Bson) -> Bson {
    const YEAR_10000: i64 = 253_402_300_800_000;
    match value {
        Bson::DateTime(time) => {
            DateTime::from_millis(time.timestamp_millis().clamp(-YEAR_10000 / 5, YEAR_10000 - 1)).into()
        }
        Bson::Symbol(text) => text.into(),
        Bson::Undefined => Bson::Null,
        Bson::Document(fields) => {
            fields.into_iter().map(|(key, value)| (key, for_server(value))).collect::<Document>().into()
        }
        Bson::Array(values) => Bson::Array(values.into_iter().map(for_server).collect()),
        other => other,
    }
}

fn time(row: &Document) -> String {
    let time = row.get_datetime("u").expect("a time");
    let text = time.try_to_rfc3339_string().expect("a time");
    text.replace('T', " ").trim_end_matches('Z').to_owned()
}

/// The fields of a regular document. A few are missing, or have a value of any kind.
fn regular(random: &mut Random) -> Document {
    let lines: Vec<Bson> = (0..random.below(4))
        .map(|_| Bson::Document(doc! { "sku": random.text(&LETTERS, 4), "qty": random.below(9) as i32 }))
        .collect();
    let cents = random.below(10_000_000) as i64 - 5_000_000;
    let decimal = format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100);
    let number = match random.below(3) {
        0 => Bson::Int32(random.below(1_000) as i32 - 500),
        1 => Bson::Int64(random.below(usize::MAX / 4) as i64),
        _ => Bson::Int64(random.below(5_000_000_000) as i64),
    };
    let double = random.below(1_000_000) as f64 / [1.0, 3.0, 7.0, 1e9][random.below(4)];
    let mut text = random.text(&LETTERS, 8);
    if random.chance(0.02) {
        text.push('\u{0}');
    }
    let milliseconds = random.below(1_900_000_000_000) as i64 + 1_000;
    let uuid = uuid::Builder::from_random_bytes(rand::RngExt::random(&mut random.numbers)).into_uuid();
    let fields: [(&str, Bson); 9] = [
        ("a", number),
        ("d", decimal.parse::<bson::Decimal128>().expect("a decimal").into()),
        ("x", double.into()),
        ("t", text.into()),
        ("w", DateTime::from_millis(milliseconds).into()),
        ("f", random.chance(0.5).into()),
        ("g", bson::Binary { subtype: 4.into(), bytes: uuid.as_bytes().to_vec() }.into()),
        ("o", doc! { "s": random.text(&LETTERS, 5), "v": random.below(100) as i32 }.into()),
        ("lines", lines.into()),
    ];
    let mut document = Document::new();
    for (name, value) in fields {
        match random.below(100) {
            0..4 => drop(document.insert(name, random.value())),
            4..8 => {}
            _ => drop(document.insert(name, value)),
        }
    }
    document
}
