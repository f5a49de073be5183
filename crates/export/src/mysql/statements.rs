//! The text of every statement that creates, fills and merges tables in MySQL.
//!
//! Pure. Knows no connection.

use super::mysql_type::MysqlType;
use super::table::{MysqlColumn, MysqlTable};
use crate::changes::FRESH;
use crate::contract::ForeignKey;
use crate::publication::Coverage;
use crate::target::{Dialect, Merge, MergeColumn};
use elt_project::OnHazard;

/// Our own tables, in the URI's database.
pub const OWN_TABLES: [&str; 2] = [
    "create table if not exists `_elt_publications` (number bigint auto_increment primary key, \
     id char(36) character set ascii not null unique, published_at datetime(6) not null default current_timestamp(6), \
     project text not null, target text not null, tool text not null, tables longtext not null) \
     engine = InnoDB character set utf8mb4",
    "create table if not exists `_elt_tables` (database_name varchar(64) not null, name varchar(64) not null, \
     publication char(36) character set ascii not null, primary key (database_name, name)) \
     engine = InnoDB character set utf8mb4 collate utf8mb4_bin",
];

pub fn tick(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text literal, under the `sql_mode` that our sessions have.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

pub fn names<'a>(columns: impl IntoIterator<Item = &'a String>) -> String {
    columns.into_iter().map(|name| tick(name)).collect::<Vec<_>>().join(", ")
}

pub fn place(database: &str, table: &str) -> String {
    format!("{}.{}", tick(database), tick(table))
}

/// Name, type and collation.
pub fn typed(column: &MysqlColumn) -> String {
    let collation = column
        .collation
        .as_ref()
        .map(|collation| {
            let charset = collation.split('_').next().unwrap_or("utf8mb4");
            format!(" character set {charset} collate {collation}")
        })
        .unwrap_or_default();
    format!("{} {}{collation}", tick(&column.name), column.mysql_type)
}

/// A column with all that its contract says.
pub fn define(column: &MysqlColumn) -> String {
    // A `timestamp` without these words gets a default of its own.
    let null = if column.not_null { " not null" } else { " null" };
    let default = column.default.as_ref().map(|default| format!(" default ({default})")).unwrap_or_default();
    let comment = column.comment.as_ref().map(|comment| format!(" comment {}", text(comment))).unwrap_or_default();
    format!("{}{null}{default}{comment}", typed(column))
}

/// The table with its columns, keys, checks and indexes; foreign keys are added after all tables exist.
pub fn create_table(table: &MysqlTable) -> String {
    let contract = &table.contract;
    let mut parts: Vec<String> = table.columns.iter().map(define).collect();
    if !table.key.is_empty() {
        parts.push(format!("primary key ({})", names(&table.key)));
    }
    for unique in &contract.unique {
        let name = unique.name.as_ref().map(|name| format!("{} ", tick(name))).unwrap_or_default();
        parts.push(format!("unique key {name}({})", names(&unique.columns)));
    }
    for index in &contract.indexes {
        let columns = names(&index.columns);
        parts.push(match (index.unique, index.method.as_deref()) {
            (_, Some("fulltext")) => format!("fulltext key ({columns})"),
            (true, method) => format!("unique key ({columns}) using {}", method.unwrap_or("btree")),
            (false, method) => format!("key ({columns}) using {}", method.unwrap_or("btree")),
        });
    }
    for check in &contract.checks {
        let name = check.name.as_ref().map(|name| format!("constraint {} ", tick(name))).unwrap_or_default();
        parts.push(format!("{name}check ({})", check.expression));
    }
    let comment = contract.comment.as_ref().map(|comment| format!(" comment = {}", text(comment))).unwrap_or_default();
    format!(
        "create table {} ({}) engine = InnoDB character set utf8mb4 row_format = dynamic{comment}",
        place(&table.database, &table.name),
        parts.join(", ")
    )
}

pub fn add_foreign_key(table: &MysqlTable, key: &ForeignKey) -> String {
    let name = key.name.as_ref().map(|name| format!("constraint {} ", tick(name))).unwrap_or_default();
    format!(
        "alter table {} add {name}foreign key ({}) references {} ({})",
        place(&table.database, &table.name),
        names(&key.columns),
        place(key.to_schema.as_ref().unwrap_or(&table.database), &key.to_table),
        names(&key.to_columns)
    )
}

/// `grant … on … to …` for a role written as `name` or `name@host`.
pub fn grant(table: &MysqlTable, privilege: &str, role: &str) -> String {
    let role = match role.split_once('@') {
        Some((name, host)) => format!("{}@{}", text(name), text(host)),
        None => text(role),
    };
    format!("grant {privilege} on {} to {role}", place(&table.database, &table.name))
}

/// The column of staged rows that numbers fresh rows.
pub fn mark() -> MysqlColumn {
    MysqlColumn {
        name: FRESH.to_owned(),
        mysql_type: MysqlType::Int(8, false),
        collation: None,
        not_null: false,
        is_key: false,
        default: None,
        comment: None,
        on_hazard: OnHazard::Fail,
    }
}

/// A staging table of these columns; the merge finds rows by its primary key. A key that the target holds equal to
/// another may come twice, so that the rows are counted, not refused.
pub fn create_staging<'a>(place: &str, columns: impl Iterator<Item = &'a MysqlColumn>, key: &[String]) -> String {
    let null = |column: &MysqlColumn| if key.contains(&column.name) { "not null" } else { "null" };
    let mut is_loose = false;
    let mut parts = Vec::new();
    for column in columns {
        is_loose |= key.contains(&column.name) && column.is_loose();
        parts.push(format!("{} {}", typed(column), null(column)));
    }
    if !key.is_empty() {
        let kind = if is_loose { "key" } else { "primary key" };
        parts.push(format!("{kind} ({})", names(key)));
    }
    format!("create table {place} ({}) engine = InnoDB character set utf8mb4 row_format = dynamic", parts.join(", "))
}

/// Backticks, joins in `delete` and `update`, and `<=>`.
pub struct MysqlDialect;

impl Dialect for MysqlDialect {
    fn quoted(&self, name: &str) -> String {
        tick(name)
    }

    fn differ(&self, there: &str, here: &str) -> String {
        format!("not ({there} <=> {here})")
    }

    fn delete_matched(&self, target: &str, staged: &str, on: &str) -> String {
        format!("delete t from {staged} as s straight_join {target} as t on {on}")
    }

    fn delete_unmatched(&self, target: &str, staged: &str, on: &str, key: &str) -> String {
        format!("delete t from {target} as t left join {staged} as s on {on} where s.{key} is null")
    }

    fn delete_staged(&self, target: &str, staged: &str, on: &str, condition: &str) -> String {
        format!("delete s from {staged} as s straight_join {target} as t on {on} where {condition}")
    }

    fn update(&self, target: &str, staged: &str, on: &str, set: &[(String, String)], condition: &str) -> String {
        let set: Vec<_> = set.iter().map(|(name, value)| format!("t.{name} = {value}")).collect();
        format!("update {staged} as s straight_join {target} as t on {on} set {} where {condition}", set.join(", "))
    }

    fn bytes(&self, text: &str) -> String {
        format!("cast({text} as binary)")
    }

    fn join(&self) -> &'static str {
        "straight_join"
    }

    fn key_text(&self, columns: &[String]) -> String {
        let texts: Vec<_> = columns.iter().map(|column| format!("convert({column} using utf8mb4)")).collect();
        match texts.as_slice() {
            [one] => one.clone(),
            several => format!("concat('(', {}, ')')", several.join(", ', ', ")),
        }
    }
}

/// Merges the staged rows of one table. `rows` and `gone` are qualified names.
pub fn merge(table: &MysqlTable, rows: String, gone: String, coverage: Coverage) -> Merge<'static> {
    let columns = table.columns.iter().map(|column| MergeColumn {
        name: column.name.clone(),
        is_key: column.is_key,
        cast: String::new(),
        compared: compared_as(&column.mysql_type),
        spelled: (column.is_key && column.is_loose()).then_some(("cast(", " as binary)")),
        exists: true,
    });
    Merge {
        dialect: &MysqlDialect,
        target: place(&table.database, &table.name),
        rows,
        gone,
        columns: columns.collect(),
        is_replaced: false,
        coverage,
        overriding: "",
    }
}

/// The text around two values under which they are equal only if they are the same: byte for byte, because a collation
/// may treat two different texts as equal, and with their sign, because 0 equals -0.
fn compared_as(mysql_type: &MysqlType) -> (&'static str, &'static str) {
    match mysql_type {
        text if text.is_text() => ("cast(", " as binary)"),
        MysqlType::Float | MysqlType::Double => ("concat(1e0 * ", ", '')"),
        _ => ("", ""),
    }
}
