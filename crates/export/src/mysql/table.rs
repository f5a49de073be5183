//! A table of the publication as MySQL stores it: every column has its type, and every name is checked.
//!
//! Pure. Knows no connection.

use super::capabilities::CAPABILITIES;
use super::mysql_type::MysqlType;
use crate::contract;
use crate::duck_type::DuckType;
use crate::messages;
use elt_base::error::{Error, Result};
use elt_connect::mysql::Flavour;
use elt_project::OnHazard;

pub const IDENTIFIER_CHARACTERS_MAX: usize = 64;
/// InnoDB's own limit of columns in a table.
const COLUMNS_MAX: usize = 1_017;
const KEY_BYTES_MAX: usize = 3_072;

#[derive(Debug, Clone)]
pub struct MysqlTable {
    /// The contract it comes from: keys, constraints, indexes, comments.
    pub contract: contract::Table,
    pub label: String,
    /// The database it is in.
    pub database: String,
    pub name: String,
    pub columns: Vec<MysqlColumn>,
    pub key: Vec<String>,
    /// The name of its quarantine table.
    pub beside: String,
}

#[derive(Debug, Clone)]
pub struct MysqlColumn {
    pub name: String,
    pub mysql_type: MysqlType,
    /// Of a text.
    pub collation: Option<String>,
    pub not_null: bool,
    pub is_key: bool,
    pub default: Option<String>,
    pub comment: Option<String>,
    pub on_hazard: OnHazard,
}

impl MysqlColumn {
    /// Whether the column may hold two different texts equal: by case, accents, or blanks at the end.
    pub fn is_loose(&self) -> bool {
        let is_exact = |collation: &String| {
            collation.ends_with("nopad_bin") || collation.ends_with("0900_bin") || collation == "binary"
        };
        self.mysql_type.is_text() && !self.collation.as_ref().is_some_and(is_exact)
    }
}

impl MysqlTable {
    /// # Errors
    /// Names too long, too many columns, keys too long, columns without a type: all at once.
    pub fn of(table: &contract::Table, default_database: &str, flavour: Flavour) -> Result<Self> {
        let mut errors = Vec::new();
        let mut check_name = |name: &str, what: String| {
            if name.chars().count() > IDENTIFIER_CHARACTERS_MAX {
                errors.push(messages::mysql_name_too_long(&what, name.chars().count()));
            }
        };
        check_name(&table.name, format!("table `{}`", table.name));
        for column in &table.columns {
            check_name(&column.name, format!("column `{}` of `{}`", column.name, table.name));
        }
        if table.columns.is_empty() || table.columns.len() > COLUMNS_MAX {
            errors.push(messages::mysql_column_count(&table.name, table.columns.len(), COLUMNS_MAX));
        }
        for index in table.indexes_of_postgres() {
            errors.push(messages::export_index_of_postgres(&table.name, &index.columns, CAPABILITIES.called));
        }
        let mut keys: Vec<&[String]> = vec![&table.key];
        keys.extend(table.unique.iter().map(|unique| unique.columns.as_slice()));
        keys.extend(table.foreign_keys.iter().map(|key| key.columns.as_slice()));
        for index in &table.indexes {
            match index.method.as_deref() {
                None | Some("btree" | "hash") => keys.push(&index.columns),
                Some("fulltext") => {}
                Some(method) => errors.push(messages::mysql_index_method(&table.name, method)),
            }
        }
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let in_key = keys.iter().any(|key| key.contains(&column.name));
            let Some(ours) = MysqlType::of(&DuckType::parse(&column.duckdb_type), in_key) else {
                errors.push(messages::mysql_no_type(&table.name, &column.name, &column.duckdb_type));
                continue;
            };
            let mysql_type = match &column.target_type {
                None => ours,
                Some((written, place)) => match MysqlType::parse(written) {
                    Some(wanted) if ours.fits(&wanted) => wanted,
                    _ => {
                        let ours = ours.to_string();
                        errors.push(messages::mysql_bad_type(&table.name, &column.name, written, &ours, place.clone()));
                        continue;
                    }
                },
            };
            columns.push(MysqlColumn {
                name: column.name.clone(),
                collation: mysql_type.is_text().then(|| flavour.collation().to_owned()),
                mysql_type,
                not_null: column.not_null,
                is_key: table.key.contains(&column.name),
                default: column.default.clone(),
                comment: column.comment.clone(),
                on_hazard: column.on_hazard,
            });
        }
        for key in keys {
            let parts = columns.iter().filter(|column: &&MysqlColumn| key.contains(&column.name));
            let bytes: usize = parts.map(|column| column.mysql_type.key_bytes()).sum();
            if bytes > KEY_BYTES_MAX {
                errors.push(messages::mysql_key_too_long(&table.name, bytes.min(LONGEST_TOLD), KEY_BYTES_MAX));
            }
        }
        let table = Self {
            contract: table.clone(),
            label: table.label.clone(),
            database: table.schema.clone().unwrap_or_else(|| default_database.to_owned()),
            name: table.name.clone(),
            columns,
            key: table.key.clone(),
            beside: String::new(),
        };
        Error::many(errors).map_or(Ok(table), Err)
    }

    pub fn column(&self, name: &str) -> Option<&MysqlColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// The note about a key with a text that has no length.
const LONGEST_TOLD: usize = 4_294_967_295;
