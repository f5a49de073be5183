//! MongoDB as a target under test.

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;

use super::target::{Columns, Hand, Hazard, Kind, Relayed, Row, Target, canonical_rows};
use crate::servers::{Mongo, MongoDatabase};
use crate::wire::{Side, Wire};

const URI: &str = "MONGODB_URI";

pub struct MongoTarget {
    database: MongoDatabase,
}

impl MongoTarget {
    pub fn fresh() -> Self {
        Self { database: Mongo::shared().database() }
    }

    /// None if the table does not exist.
    fn rows(&self, table: &str, columns: &[(&str, Kind)]) -> Option<Vec<Row>> {
        if !self.database.collections().iter().any(|name| name == table) {
            return None;
        }
        let row =
            |document: &Document| columns.iter().map(|(name, _)| document.get(name).and_then(text)).collect::<Row>();
        Some(canonical_rows(self.database.documents(table).iter().map(row).collect(), columns))
    }
}

impl Target for MongoTarget {
    fn profile(&self) -> String {
        format!("type = \"mongodb\"\nuri = \"${{{URI}}}\"\ndatabase = \"${{MONGODB_DATABASE}}\"\n")
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![(URI, self.database.uri.clone()), ("MONGODB_DATABASE", self.database.name.clone())]
    }

    fn tables(&self, tables: &[Columns]) -> Vec<Option<Vec<Row>>> {
        tables.iter().map(|(table, columns)| self.rows(table, columns)).collect()
    }

    fn change(&self, hand: Hand) {
        match hand {
            Hand::Edit => {
                let found = self.database.documents("parents");
                let mut edited = found
                    .into_iter()
                    .find(|document| document.get_i64("parent_id").is_ok_and(|id| id == 2))
                    .expect("parent 2");
                edited.insert("name", "other");
                self.database.delete("parents", doc! { "parent_id": 2_i64 });
                self.database.insert("parents", vec![edited]);
            }
            Hand::Delete => self.database.delete("totals", doc! { "parent_id": 3_i64 }),
            Hand::Insert => {
                self.database.insert("parents", vec![doc! { "_id": 99_i64, "parent_id": 99_i64, "name": "new" }]);
            }
        }
    }

    fn forget(&self) {
        self.database.delete("_elt_publications", doc! {});
    }

    fn record(&self) -> String {
        self.database.count("_elt_publications").to_string()
    }

    fn hazard(&self) -> Option<Hazard> {
        Some(Hazard { odd: "'secret'", fits: "'65a1b2c3d4e5f60718293a4b'", column_type: Some("objectId") })
    }

    fn relay(&self) -> Option<Relayed> {
        Some(Relayed {
            wire: Wire::before(&self.database.uri),
            variable: URI,
            is_commit: |message| message.from == Side::Client && message.text.contains("commitTransaction"),
        })
    }
}

/// None for null.
fn text(value: &Bson) -> Option<String> {
    Some(match value {
        Bson::Null => return None,
        Bson::String(text) => text.clone(),
        Bson::Boolean(value) => value.to_string(),
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => number.to_string(),
        Bson::Double(number) => format!("{number:?}"),
        Bson::Decimal128(number) => number.to_string(),
        Bson::ObjectId(id) => id.to_hex(),
        Bson::DateTime(date) => date.try_to_rfc3339_string().expect("a date"),
        Bson::Binary(binary) if binary.subtype == BinarySubtype::Uuid => {
            uuid::Uuid::from_slice(&binary.bytes).expect("16 bytes").to_string()
        }
        Bson::Binary(binary) => binary.bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        other => json(other).to_string(),
    })
}

fn json(value: &Bson) -> Value {
    match value {
        Bson::Array(values) => values.iter().map(json).collect(),
        Bson::Document(fields) => fields.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
        Bson::Int32(number) => (*number).into(),
        Bson::Int64(number) => (*number).into(),
        Bson::Double(number) => (*number).into(),
        Bson::Boolean(value) => (*value).into(),
        Bson::Decimal128(number) => number.to_string().parse::<f64>().map_or(Value::Null, Value::from),
        other => text(other).map_or(Value::Null, Value::String),
    }
}
