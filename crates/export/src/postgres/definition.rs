//! The definition that a contract requires of a table, apart from column types, as named pieces of SQL. The same text
//! is executed, recorded, compared and printed.
//!
//! Pure. Knows no connection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::index_sql;
use super::names::{cut, names, qualified};
use super::table::{PostgresForeignKey, PostgresTable};
use elt_base::schema::{literal, quote};
use elt_project::Index;

/// The definition of one table; recorded in `_elt.tables` after it was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Definition {
    pub columns: BTreeMap<String, DefinedColumn>,
    /// By name: `primary key ("id")`, `unique ("a")`, `check (a > 0)`, `foreign key …`.
    pub constraints: BTreeMap<String, String>,
    /// By name, the text after `create index … on t`; `unique` is a separate field.
    pub indexes: BTreeMap<String, DefinedIndex>,
    pub comment: Option<String>,
    pub owner: Option<String>,
    pub grants: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DefinedColumn {
    #[serde(rename = "type")]
    pub sql_type: String,
    pub not_null: bool,
    pub default: Option<String>,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinedIndex {
    pub unique: bool,
    /// `using btree ("a", "b")`
    pub definition: String,
}

/// The text of an index, by which its name is remembered.
pub fn object_text(index: &DefinedIndex) -> String {
    format!("{}index {}", if index.unique { "unique " } else { "" }, index.definition)
}

impl Definition {
    pub fn of(table: &PostgresTable) -> Self {
        let mut definition = Self {
            comment: table.comment.clone(),
            owner: table.owner.clone(),
            grants: table.grants.clone(),
            ..Self::default()
        };
        for column in &table.columns {
            definition.columns.insert(
                column.name.clone(),
                DefinedColumn {
                    sql_type: column.postgres_type.to_string(),
                    not_null: column.not_null,
                    default: column.default.clone(),
                    comment: column.comment.clone(),
                },
            );
        }
        let named = |text: &str| table.object_names.get(text).cloned();
        if !table.key.is_empty() {
            let text = format!("primary key ({})", names(&table.key));
            let name = table.key_name.clone().or_else(|| named(&text));
            definition.constraints.insert(name.unwrap_or_else(|| cut(&table.name, "_pkey")), text);
        }
        for unique in &table.unique {
            let text = format!("unique ({})", names(&unique.columns));
            let name = unique.name.clone().or_else(|| named(&text));
            let name = name.unwrap_or_else(|| definition.free(&joined(table, &unique.columns), "_key"));
            definition.constraints.insert(name, text);
        }
        for check in &table.checks {
            let name = check.name.clone().unwrap_or_else(|| definition.free(&table.name, "_check"));
            definition.constraints.insert(name, format!("check ({})", check.expression));
        }
        for key in &table.foreign_keys {
            definition.constraints.insert(foreign_key_name(table, key), foreign_key(key));
        }
        for index in &table.indexes {
            let sql = index_sql::definition(table, index);
            definition.add_index(table, &index.columns, DefinedIndex { unique: index.unique, definition: sql });
        }
        // Without an index, Postgres reads the whole table for each deleted row that its foreign key may reference.
        for key in &table.foreign_keys {
            let leads = |columns: &[String]| columns.starts_with(&key.columns);
            let is_btree = |index: &&Index| {
                index.condition.is_none() && index.method.as_deref().is_none_or(|method| method == "btree")
            };
            let is_led = leads(&table.key)
                || table.unique.iter().any(|unique| leads(&unique.columns))
                || table.indexes.iter().filter(is_btree).any(|index| leads(&index.columns));
            if !is_led {
                let sql = format!("using btree ({})", names(&key.columns));
                definition.add_index(table, &key.columns, DefinedIndex { unique: false, definition: sql });
            }
        }
        definition
    }

    fn add_index(&mut self, table: &PostgresTable, columns: &[String], index: DefinedIndex) {
        if !self.indexes.values().any(|other| *other == index) {
            let name = table.object_names.get(&object_text(&index)).cloned();
            self.indexes.insert(name.unwrap_or_else(|| self.free(&joined(table, columns), "_idx")), index);
        }
    }

    /// Whether a constraint or index has this name.
    pub fn has_object(&self, name: &str) -> bool {
        self.constraints.contains_key(name) || self.indexes.contains_key(name)
    }

    /// The names of the constraints and indexes with this text.
    pub fn names_of(&self, text: &str) -> impl Iterator<Item = &String> {
        let constraints = self.constraints.iter().filter(move |(_, definition)| *definition == text);
        let indexes = self.indexes.iter().filter(move |(_, index)| object_text(index) == text);
        constraints.map(|(name, _)| name).chain(indexes.map(|(name, _)| name))
    }

    /// A name that neither a constraint nor an index of the table has, as Postgres would make it up.
    fn free(&self, base: &str, ending: &str) -> String {
        let mut number = 0;
        loop {
            let numbered = if number == 0 { ending.to_owned() } else { format!("{ending}{number}") };
            let name = cut(base, &numbered);
            if !self.constraints.contains_key(&name) && !self.indexes.contains_key(&name) {
                return name;
            }
            number += 1;
        }
    }

    /// Comments, owner and grants of a new table: the parts that `create table` does not contain.
    pub fn finish(&self, place: &str) -> Vec<String> {
        Self::default().steps_to(self, place)
    }

    /// The statements that change comments, owner and grants from the recorded ones to those of the contract.
    pub fn steps_to(&self, new: &Self, place: &str) -> Vec<String> {
        let mut statements = Vec::new();
        let text = |comment: &Option<String>| comment.as_ref().map_or("null".into(), |comment| literal(comment));
        if self.comment != new.comment {
            statements.push(format!("comment on table {place} is {}", text(&new.comment)));
        }
        for (name, column) in &new.columns {
            let old = self.columns.get(name).and_then(|old| old.comment.as_ref());
            if old != column.comment.as_ref() {
                statements.push(format!("comment on column {place}.{} is {}", quote(name), text(&column.comment)));
            }
        }
        let pairs = |grants: &BTreeMap<String, Vec<String>>| -> Vec<(String, String)> {
            let of = |(privilege, roles): (&String, &Vec<String>)| {
                roles.iter().map(|role| (privilege.clone(), role.clone())).collect::<Vec<_>>()
            };
            grants.iter().flat_map(of).collect()
        };
        let (old, definition) = (pairs(&self.grants), pairs(&new.grants));
        for (privilege, role) in definition.iter().filter(|pair| !old.contains(pair)) {
            statements.push(format!("grant {privilege} on {place} to {}", role_name(role)));
        }
        for (privilege, role) in old.iter().filter(|pair| !definition.contains(pair)) {
            statements.push(format!("revoke {privilege} on {place} from {}", role_name(role)));
        }
        // The last statement: after it, another role owns the table.
        if let Some(owner) = new.owner.as_ref().filter(|owner| self.owner.as_ref() != Some(*owner)) {
            statements.push(format!("alter table {place} owner to {}", quote(owner)));
        }
        statements
    }
}

/// `orders_customer_id`
fn joined(table: &PostgresTable, columns: &[String]) -> String {
    format!("{}_{}", table.name, index_sql::words(columns))
}

fn role_name(role: &str) -> String {
    if role.eq_ignore_ascii_case("public") { "public".into() } else { quote(role) }
}

/// The constraint's own name, or Postgres' usual name, with a number if several keys have the same columns.
pub fn foreign_key_name(table: &PostgresTable, key: &PostgresForeignKey) -> String {
    key.name.clone().unwrap_or_else(|| {
        let twins = table.foreign_keys.iter().filter(|other| other.columns == key.columns && other.name.is_none());
        let number = twins.take_while(|other| *other != key).count();
        let ending = if number == 0 { "_fkey".to_owned() } else { format!("_fkey{number}") };
        cut(&format!("{}_{}", table.name, key.columns.join("_")), &ending)
    })
}

pub fn foreign_key(key: &PostgresForeignKey) -> String {
    format!(
        "foreign key ({}) references {} ({}) deferrable initially immediate",
        names(&key.columns),
        qualified(&key.to_schema, &key.to_table),
        names(&key.to_columns)
    )
}
