//! Reads the existing tables of the target's databases from `information_schema`.
//!
//! Knows the catalog's tables; decides nothing.

use std::collections::BTreeMap;

use mysql::Row;

use super::statements::text;
use crate::target::{ExistingColumn, UniqueSet};

/// Database and name.
pub type Name = (String, String);

/// A table that exists.
#[derive(Debug, Clone, Default)]
pub struct ExistingMysqlTable {
    /// Made by an earlier publication.
    pub is_ours: bool,
    /// None for views.
    pub engine: Option<String>,
    pub columns: Vec<ExistingColumn>,
    pub has_primary_key: bool,
    pub unique: Vec<Vec<String>>,
    /// Each unique index, the key's too.
    pub unique_sets: Vec<UniqueSet>,
    /// Triggers: elt makes none.
    pub hands: Vec<String>,
}

/// A foreign key, wherever it exists.
#[derive(Debug, Clone)]
pub struct ExistingMysqlKey {
    pub from: Name,
    pub columns: Vec<String>,
    pub to: Name,
    pub to_columns: Vec<String>,
    /// `CASCADE` or `SET NULL`: the server changes rows by itself.
    pub acts: bool,
}

#[derive(Debug, Clone, Default)]
pub struct MysqlCatalog {
    pub tables: BTreeMap<Name, ExistingMysqlTable>,
    pub foreign_keys: Vec<ExistingMysqlKey>,
}

/// The queries of the catalog of `databases`; `own` has the record of elt's tables.
pub fn queries(own: &str, databases: &[String]) -> Vec<String> {
    let list = databases.iter().map(|name| text(name)).collect::<Vec<_>>().join(", ");
    vec![
        format!("select database_name, name from {}.`_elt_tables`", super::statements::tick(own)),
        format!(
            "select table_schema, table_name, engine from information_schema.tables where table_schema in ({list})"
        ),
        format!(
            "select table_schema, table_name, column_name, column_type, collation_name, is_nullable, column_default, extra \
         from information_schema.columns where table_schema in ({list}) \
         order by table_schema, table_name, ordinal_position"
        ),
        format!(
            "select event_object_schema, event_object_table, trigger_name from information_schema.triggers \
         where event_object_schema in ({list}) order by 1, 2, 3"
        ),
        format!(
            "select table_schema, table_name, index_name, column_name, sub_part, nullable \
         from information_schema.statistics where table_schema in ({list}) and non_unique = 0 \
         order by table_schema, table_name, index_name, seq_in_index"
        ),
        format!(
            "select k.table_schema, k.table_name, k.constraint_name, k.column_name, k.referenced_table_schema, \
         k.referenced_table_name, k.referenced_column_name, r.delete_rule, r.update_rule \
         from information_schema.key_column_usage k left join information_schema.referential_constraints r \
         on r.constraint_schema = k.constraint_schema and r.constraint_name = k.constraint_name \
         and r.table_name = k.table_name \
         where k.referenced_table_name is not null \
         and (k.table_schema in ({list}) or k.referenced_table_schema in ({list})) \
         order by k.table_schema, k.table_name, k.constraint_name, k.ordinal_position"
        ),
    ]
}

/// The tables in `databases`, and the foreign keys from or to them.
///
/// `answers` are those of `queries`, in their order.
pub fn read(answers: impl IntoIterator<Item = Vec<Row>>) -> MysqlCatalog {
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter();
    let mut catalog = MysqlCatalog::default();
    let ours: Vec<Name> = next().map(mysql::from_row).collect();
    let tables = next().map(mysql::from_row::<(String, String, Option<String>)>);
    for (database, name, engine) in tables {
        let name = (database, name);
        let is_ours = ours.contains(&name);
        catalog.tables.insert(name, ExistingMysqlTable { is_ours, engine, ..ExistingMysqlTable::default() });
    }
    type ColumnRow = (String, String, String, String, Option<String>, String, Option<String>, String);
    let columns = next().map(mysql::from_row::<ColumnRow>);
    for (database, table, name, type_name, collation, nullable, default, extra) in columns {
        if let Some(table) = catalog.tables.get_mut(&(database, table)) {
            let extra = extra.to_lowercase();
            table.columns.push(ExistingColumn {
                name,
                type_name,
                collation,
                not_null: nullable == "NO",
                has_default: default.is_some()
                    || extra.contains("auto_increment")
                    || extra.contains("default_generated"),
                is_generated: extra.contains("virtual") || extra.contains("stored"),
                ..ExistingColumn::default()
            });
        }
    }
    let triggers = next().map(mysql::from_row::<(String, String, String)>);
    for (database, table, trigger) in triggers {
        if let Some(table) = catalog.tables.get_mut(&(database, table)) {
            table.hands.push(format!("trigger `{trigger}` of others runs when rows are written"));
        }
    }
    type IndexRow = (String, String, String, Option<String>, Option<u32>, Option<String>);
    let unique = next().map(mysql::from_row::<IndexRow>);
    let mut last = None;
    for (database, table, index, column, part, nullable) in unique {
        let Some(standing) = catalog.tables.get_mut(&(database.clone(), table.clone())) else { continue };
        standing.has_primary_key |= index == "PRIMARY";
        let this = Some((database, table, index));
        if this != last {
            standing.unique_sets.push(UniqueSet { is_plain: true, ..UniqueSet::default() });
            last = this;
        }
        let Some(set) = standing.unique_sets.last_mut() else { continue };
        // An expression has no column.
        set.is_plain &= column.is_some() && part.is_none();
        if nullable.as_deref() == Some("YES") {
            set.nullable.extend(column.clone());
        }
        set.columns.extend(column);
    }
    for table in catalog.tables.values_mut() {
        table.unique = table.unique_sets.iter().filter(|set| set.is_plain).map(|set| set.columns.clone()).collect();
    }
    type KeyRow = (String, String, String, String, String, String, String, Option<String>, Option<String>);
    let keys = next().map(mysql::from_row::<KeyRow>);
    let mut last = None;
    for (database, table, constraint, column, to_database, to_table, to_column, deletes, updates) in keys {
        let this = Some((database.clone(), table.clone(), constraint));
        if this != last {
            let acts = [deletes, updates].iter().flatten().any(|rule| rule == "CASCADE" || rule.starts_with("SET"));
            catalog.foreign_keys.push(ExistingMysqlKey {
                from: (database, table),
                columns: Vec::new(),
                to: (to_database, to_table),
                to_columns: Vec::new(),
                acts,
            });
            last = this;
        }
        if let Some(key) = catalog.foreign_keys.last_mut() {
            key.columns.push(column);
            key.to_columns.push(to_column);
        }
    }
    catalog
}
