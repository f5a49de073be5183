//! A table of the publication as Postgres stores it: every column has its Postgres type, and every name is checked.
//!
//! Pure. Knows no connection.

use std::collections::BTreeMap;

use super::names::{NAME_BYTES_MAX, cut};
use super::values::Labels;
use crate::contract::{self, Check, Unique};
use crate::duck_type::DuckType;
use crate::messages;
use crate::postgres_type::PostgresType;
use elt_base::error::{Error, Place, Result};
use elt_project::{Index, OnConflict, OnHazard, RowsOf};

pub const IDENTIFIER_BYTES_MAX: usize = NAME_BYTES_MAX;
/// Postgres' own limit of columns in a table.
const COLUMNS_MAX: usize = 1_600;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresTable {
    pub label: String,
    pub schema: String,
    pub name: String,
    pub columns: Vec<PostgresColumn>,
    /// Empty: the table is replaced whole whenever it changed.
    pub key: Vec<String>,
    /// The name of the primary key in the contract.
    pub key_name: Option<String>,
    pub unique: Vec<Unique>,
    pub foreign_keys: Vec<PostgresForeignKey>,
    pub checks: Vec<Check>,
    pub indexes: Vec<Index>,
    pub comment: Option<String>,
    pub owner: Option<String>,
    pub grants: BTreeMap<String, Vec<String>>,
    /// The names of keys and indexes, by the text of their definition, where they are not the usual ones.
    pub object_names: BTreeMap<String, String>,
    /// The name of its quarantine table.
    pub beside: String,
    /// Which rows of an existing table are the model's.
    pub rows: Option<RowsOf>,
    pub on_conflict: OnConflict,
    /// Whether sequences behind its columns are advanced; None: the profile's value.
    pub sequences: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresColumn {
    pub name: String,
    pub postgres_type: PostgresType,
    /// It is a LIST, which is published as JSON.
    pub is_json_list: bool,
    /// Where the contract gives its type, if it does.
    pub type_place: Option<Place>,
    /// The labels, if the type is an enum; read from the database.
    pub labels: Option<Labels>,
    pub not_null: bool,
    pub default: Option<String>,
    pub comment: Option<String>,
    pub on_hazard: OnHazard,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresForeignKey {
    pub name: Option<String>,
    pub columns: Vec<String>,
    pub to_schema: String,
    pub to_table: String,
    pub to_columns: Vec<String>,
}

impl PostgresColumn {
    /// Whether its values can be published in a column of this type, or those that cannot are found.
    pub fn can_become(&self, wanted: &PostgresType) -> bool {
        can_become(&self.postgres_type, self.is_json_list, wanted)
    }
}

/// A LIST of nested values may be an array of JSON as well.
fn can_become(own: &PostgresType, is_json_list: bool, wanted: &PostgresType) -> bool {
    own.can_become(wanted) || is_json_list && *wanted == PostgresType::json_array()
}

impl PostgresTable {
    /// # Errors
    /// All properties of the tables that Postgres does not allow, at once.
    pub fn all_of(tables: &[contract::Table], default_schema: &str) -> Result<Vec<Self>> {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        for table in tables {
            match Self::of(table, default_schema) {
                Ok(table) => all.push(table),
                Err(error) => errors.extend(error.split()),
            }
        }
        Error::many(errors).map_or(Ok(all), Err)
    }

    /// # Errors
    /// Names over 63 bytes, too many columns or none, columns without a Postgres type: all at once.
    pub fn of(table: &contract::Table, default_schema: &str) -> Result<Self> {
        let mut errors = Vec::new();
        let mut check_name = |name: &str, what: &dyn Fn() -> String| {
            if name.len() > IDENTIFIER_BYTES_MAX {
                errors.push(messages::export_name_too_long(&what(), name.len()));
            }
        };
        check_name(&table.name, &|| format!("table `{}`", table.name));
        if let Some(schema) = &table.schema {
            check_name(schema, &|| format!("schema `{schema}`"));
        }
        for column in &table.columns {
            check_name(&column.name, &|| format!("column `{}` of `{}`", column.name, table.name));
        }
        let named = table.unique.iter().map(|unique| &unique.name);
        let named = named.chain(table.checks.iter().map(|check| &check.name));
        for name in named.chain(table.foreign_keys.iter().map(|key| &key.name)).flatten() {
            check_name(name, &|| format!("constraint `{name}` of `{}`", table.name));
        }
        if table.columns.is_empty() || table.columns.len() > COLUMNS_MAX {
            errors.push(messages::export_column_count(&table.name, table.columns.len(), COLUMNS_MAX));
        }
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let duck = DuckType::parse(&column.duckdb_type);
            let Some(own) = duck.postgres() else {
                errors.push(messages::export_no_postgres_type(&table.name, &column.name, &column.duckdb_type));
                continue;
            };
            let is_json_list = own == PostgresType::Jsonb && matches!(duck, DuckType::List(_));
            let postgres_type = match &column.target_type {
                None => own,
                Some((written, place)) => {
                    match PostgresType::written(written).filter(|wanted| can_become(&own, is_json_list, wanted)) {
                        Some(wanted) => wanted,
                        None => {
                            let error =
                                messages::export_contract_type(&table.name, &column.name, written, &own.to_string());
                            errors.push(error.at_maybe(place.clone()));
                            own
                        }
                    }
                }
            };
            columns.push(PostgresColumn {
                name: column.name.clone(),
                postgres_type,
                is_json_list,
                type_place: column.target_type.as_ref().and_then(|(_, place)| place.clone()),
                labels: None,
                not_null: column.not_null,
                default: column.default.clone(),
                comment: column.comment.clone(),
                on_hazard: column.on_hazard,
            });
        }
        let foreign_keys = table.foreign_keys.iter().map(|key| PostgresForeignKey {
            name: key.name.clone(),
            columns: key.columns.clone(),
            to_schema: key.to_schema.clone().unwrap_or_else(|| default_schema.to_owned()),
            to_table: key.to_table.clone(),
            to_columns: key.to_columns.clone(),
        });
        let table = Self {
            label: table.label.clone(),
            schema: table.schema.clone().unwrap_or_else(|| default_schema.to_owned()),
            name: table.name.clone(),
            columns,
            key: table.key.clone(),
            key_name: table.key_name.clone(),
            unique: table.unique.clone(),
            foreign_keys: foreign_keys.collect(),
            checks: table.checks.clone(),
            indexes: table.indexes.clone(),
            comment: table.comment.clone(),
            owner: table.owner.clone(),
            grants: table.grants.clone(),
            object_names: BTreeMap::new(),
            beside: cut(&table.name, "_quarantine"),
            rows: table.rows,
            on_conflict: table.on_conflict,
            sequences: table.sequences,
        };
        Error::many(errors).map_or(Ok(table), Err)
    }

    pub fn column(&self, name: &str) -> Option<&PostgresColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The key's columns.
    pub fn key_columns(&self) -> impl Iterator<Item = &PostgresColumn> {
        self.key.iter().filter_map(|name| self.column(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_postgres_cannot_have() {
        let long = "x".repeat(64);
        let table = contract::Table::plain("t", &[(&long, "BIGINT"), ("g", "GEOMETRY")], &[]);
        let error = PostgresTable::of(&table, "public").expect_err("two columns that cannot be");
        let messages: Vec<_> = error.iter().map(|error| error.message().to_owned()).collect();
        assert_eq!(
            messages,
            [
                format!("column `{long}` of `t` has 64 bytes, but Postgres allows at most 63"),
                "column `g` of `t` is GEOMETRY, which has no type in Postgres".into(),
            ]
        );
    }
}
