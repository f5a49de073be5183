//! The text of every statement that creates, fills and merges tables in Postgres.
//!
//! Pure. Knows no connection.

use super::definition::Definition;
use super::fit::{Alteration, PostgresFit};
use super::load_target::LoadTarget;
use super::names::{names, qualified};
use super::table::{PostgresColumn, PostgresTable};
use super::watch;
use crate::changes::FRESH;
use crate::postgres_type::PostgresType;
use crate::publication::Coverage;
use crate::target::{Dialect, Merge, MergeColumn};
use elt_base::schema::{literal, quote};
use elt_project::OnHazard;

/// The schema that stores our record and the staging tables.
pub const OWN_SCHEMA: &str = "_elt";

/// How full the pages of a table are made whose rows will be updated by key: a new version that fits the page of the
/// old one needs no new entry in the indexes, which saves a quarter of the log and of the time.
const FILL_PERCENT: u32 = 95;

/// elt's own schema and all objects in it: for each, a condition that is true if it exists, and the statements that
/// create it. No statement uses `if not exists`, because Postgres checks the right to create first, and a role need
/// not have that right if an administrator created the object.
pub const OWN_OBJECTS: [(&str, &[&str]); 7] = [
    ("to_regnamespace('_elt') is not null", &["create schema _elt"]),
    (
        "to_regclass('_elt.publications') is not null",
        &[
            "\
create table _elt.publications (
    number bigint generated always as identity primary key,
    id uuid not null unique,
    schema text not null,
    published_at timestamptz not null default now(),
    project text not null,
    target text not null,
    tool text not null,
    tables jsonb not null
)",
            "create index publications_last on _elt.publications (schema, number)",
        ],
    ),
    (
        "to_regclass('_elt.tables') is not null",
        &["\
create table _elt.tables (
    schema text not null,
    name text not null,
    publication uuid not null,
    contract jsonb,
    primary key (schema, name)
)"],
    ),
    (
        "exists (select from pg_attribute where attrelid = to_regclass('_elt.tables') and attname = 'contract')",
        &["alter table _elt.tables add column if not exists contract jsonb"],
    ),
    (
        "to_regclass('_elt.touched') is not null",
        &["\
create table _elt.touched (
    schema text not null,
    name text not null,
    at timestamptz not null
)"],
    ),
    (
        "exists (select from pg_attribute where attrelid = to_regclass('_elt.tables') and attname = 'relation')",
        &["alter table _elt.tables add column relation oid"],
    ),
    ("to_regprocedure('_elt.touch()') is not null", &[watch::FUNCTION]),
];

/// The map of surrogate keys: an assigned id is never removed.
pub fn is_key_map(table: &PostgresTable) -> bool {
    table.schema == OWN_SCHEMA && table.name == "keys"
}

/// A column as written in `create table`.
pub fn column(column: &PostgresColumn) -> String {
    let default = column.default.as_ref().map(|default| format!(" default {default}")).unwrap_or_default();
    let not_null = if column.not_null { " not null" } else { "" };
    format!("{} {}{default}{not_null}", quote(&column.name), column.postgres_type)
}

/// The storage options after the columns of a table that is updated by key.
pub fn storage(table: &PostgresTable) -> String {
    if table.key.is_empty() { String::new() } else { format!(" with (fillfactor = {FILL_PERCENT})") }
}

/// The table itself, with its types, defaults, not-nulls and checks. Keys and indexes are created after it is filled.
pub fn create_table(place: &str, table: &PostgresTable, definition: &Definition) -> String {
    let mut parts: Vec<String> = table.columns.iter().map(column).collect();
    let checks = definition.constraints.iter().filter(|(_, definition)| definition.starts_with("check"));
    parts.extend(checks.map(|(name, definition)| format!("constraint {} {definition}", quote(name))));
    format!("create table {place} ({}){}", parts.join(", "), storage(table))
}

/// The primary key, the unique constraints and the indexes of a table of ours, with the name each has once the table
/// has its own. `staged_name` is the table's name until then.
pub fn create_keys(place: &str, staged_name: &str, definition: &Definition) -> Vec<(String, KeyName)> {
    let is_key = |definition: &str| definition.starts_with("primary key") || definition.starts_with("unique");
    let mut keys: Vec<(&String, String)> = Vec::new();
    for (name, definition) in definition.constraints.iter().filter(|(_, definition)| is_key(definition)) {
        keys.push((name, format!("alter table {place} add constraint {{}} {definition}")));
    }
    for (name, index) in &definition.indexes {
        let unique = if index.unique { "unique " } else { "" };
        keys.push((name, format!("create {unique}index {{}} on {place} {}", index.definition)));
    }
    keys.into_iter()
        .enumerate()
        .map(|(number, (name, statement))| {
            let staged = format!("{staged_name}_{number}");
            (statement.replacen("{}", &quote(&staged), 1), KeyName { staged, own: name.clone() })
        })
        .collect()
}

/// A constraint's or index' name while its table is staged, and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    pub staged: String,
    pub own: String,
}

/// A staging table for rows: the columns with our types, no constraints.
pub fn create_rows(place: &str, table: &PostgresTable) -> String {
    let columns: Vec<_> =
        table.columns.iter().map(|column| format!("{} {}", quote(&column.name), column.postgres_type)).collect();
    format!("create unlogged table {place} ({})", columns.join(", "))
}

/// The column of staged rows that numbers fresh rows.
pub fn mark() -> PostgresColumn {
    PostgresColumn {
        name: FRESH.to_owned(),
        postgres_type: PostgresType::Int8,
        type_place: None,
        labels: None,
        not_null: false,
        default: None,
        comment: None,
        on_hazard: OnHazard::Fail,
        is_json_list: false,
    }
}

/// A staging table for rows to merge: the columns with our types, and the mark of fresh rows. A key of `char` is a text,
/// which keeps blanks at its end.
pub fn create_staged(place: &str, table: &PostgresTable, is_marked: bool) -> String {
    let typed = |column: &PostgresColumn| {
        let is_char = matches!(column.postgres_type, PostgresType::Char(_)) && table.key.contains(&column.name);
        let postgres_type = if is_char { PostgresType::Text } else { column.postgres_type.clone() };
        format!("{} {postgres_type}", quote(&column.name))
    };
    let mark = is_marked.then(mark);
    let columns: Vec<_> = table.columns.iter().chain(&mark).map(typed).collect();
    format!("create unlogged table {place} ({})", columns.join(", "))
}

/// A staging table for the keys of removed rows.
pub fn create_deletes(place: &str, table: &PostgresTable) -> String {
    let columns: Vec<_> =
        table.key_columns().map(|column| format!("{} {}", quote(&column.name), column.postgres_type)).collect();
    format!("create unlogged table {place} ({})", columns.join(", "))
}

/// Rows of these columns, on their way to a table.
pub fn load(place: &str, columns: &[&PostgresColumn], freeze: bool) -> LoadTarget {
    LoadTarget {
        place: place.to_owned(),
        columns: names(columns.iter().map(|column| &column.name)),
        width: columns.len(),
        freeze,
    }
}

/// The keys of removed rows, on their way to a table.
pub fn load_deletes(place: &str, table: &PostgresTable) -> LoadTarget {
    LoadTarget { place: place.to_owned(), columns: names(&table.key), width: table.key.len(), freeze: false }
}

/// How many of the staged rows were not published before.
pub fn count_fresh(rows: &str) -> String {
    format!("select count({}) from {rows}", quote(FRESH))
}

pub fn alter(place: &str, alteration: &Alteration) -> String {
    match alteration {
        Alteration::AddColumn { name, postgres_type, default } => {
            let default = default.as_ref().map(|default| format!(" default {default}")).unwrap_or_default();
            format!("alter table {place} add column {} {postgres_type}{default}", quote(name))
        }
        Alteration::Change { name, postgres_type } => {
            format!("alter table {place} alter column {0} type {postgres_type} using {0}::{postgres_type}", quote(name))
        }
        Alteration::DropColumn { name } => format!("alter table {place} drop column {}", quote(name)),
        Alteration::Widen { name, postgres_type } => {
            format!("alter table {place} alter column {} type {postgres_type}", quote(name))
        }
        Alteration::DropNotNull { name } => format!("alter table {place} alter column {} drop not null", quote(name)),
    }
}

/// Postgres' way is the default.
pub struct PostgresDialect;

impl Dialect for PostgresDialect {}

/// Merges the staged rows of one existing table. `rows` and `gone` are qualified names.
pub fn merge(
    table: &PostgresTable,
    fit: &PostgresFit,
    rows: String,
    gone: String,
    coverage: Coverage,
) -> Merge<'static> {
    let added = |name: &str| {
        fit.alterations
            .iter()
            .any(|alteration| matches!(alteration, Alteration::AddColumn { name: added, .. } if added == name))
    };
    let columns = table.columns.iter().enumerate().map(|(index, column)| MergeColumn {
        name: column.name.clone(),
        is_key: table.key.contains(&column.name),
        cast: cast(table, fit, index),
        spelled: (table.key.contains(&column.name) && is_loose(column, fit.collations.get(index)))
            .then_some(("", EXACT_TEXT)),
        compared: match fit.collations.get(index) {
            Some(Some(_)) => ("", EXACT_TEXT),
            _ => compared_as(&column.postgres_type, fit.as_text.get(index) == Some(&true)),
        },
        exists: !added(&column.name),
    });
    Merge {
        dialect: &PostgresDialect,
        target: qualified(&table.schema, &table.name),
        rows,
        gone,
        columns: columns.collect(),
        is_replaced: fit.is_replaced,
        coverage,
        overriding: if fit.overrides_identity { " overriding system value" } else { "" },
    }
}

/// What follows a staged value so that it has the type and the equality of the target's column.
fn cast(table: &PostgresTable, fit: &PostgresFit, index: usize) -> String {
    let at = |texts: &[Option<String>]| texts.get(index).cloned().flatten();
    let column = &table.columns[index];
    match (at(&fit.casts), at(&fit.collations), &column.postgres_type) {
        (Some(cast), ..) => format!("::{cast}"),
        // Keys of `char` are staged as text.
        (_, _, PostgresType::Char(_)) if table.key.contains(&column.name) => format!("::{}", column.postgres_type),
        (_, Some(collation), _) => format!(" collate {collation}"),
        _ => String::new(),
    }
}

/// Whether two different texts may be equal in a column: blanks at the end, case, whatever a collation ignores.
fn is_loose(column: &PostgresColumn, collation: Option<&Option<String>>) -> bool {
    matches!(column.postgres_type, PostgresType::Citext | PostgresType::Char(_))
        || collation.is_some_and(|collation| collation.is_some())
}

/// Follows a text that is compared letter by letter.
const EXACT_TEXT: &str = "::text collate \"C\"";

/// The text around two values of a column under which they are equal only if they are the same: `json` has no equality,
/// `citext` does not tell case apart, a month equals 30 days, and 0 equals -0.
fn compared_as(postgres_type: &PostgresType, is_json: bool) -> (&'static str, &'static str) {
    use PostgresType::{Array, Citext, Float4, Float8, Interval, Json};
    match postgres_type {
        _ if is_json => ("", "::text::jsonb"),
        Json => ("", "::text::jsonb"),
        Citext | Interval => ("", "::text"),
        // Their bits: how many digits their texts have is a setting of the server.
        Float4 | Float8 => ("float8send(", "::float8)"),
        Array(element) => match **element {
            Citext | Interval => ("", "::text[]"),
            Float4 | Float8 => ("array_send(", ")"),
            _ => ("", ""),
        },
        _ => ("", ""),
    }
}

/// The statements that grant, to tables that move into their schemas, the default privileges of tables created there.
pub fn default_grants<'t>(tables: impl Iterator<Item = &'t PostgresTable>) -> String {
    let tables = tables.map(|table| {
        format!(
            "({}, {}, {})",
            literal(&table.schema),
            literal(&table.name),
            literal(&qualified(&table.schema, &table.name))
        )
    });
    format!(
        "select t.schema, t.name, 'grant ' || a.privilege_type || ' on ' || t.place || ' to ' || \
         case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end || \
         case when a.is_grantable then ' with grant option' else '' end \
         from (values {}) as t (schema, name, place) join pg_namespace n on n.nspname = t.schema \
         join pg_default_acl d on d.defaclnamespace = n.oid, aclexplode(d.defaclacl) a \
         where d.defaclobjtype = 'r' and d.defaclrole = current_user::regrole",
        tables.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
#[path = "statements_tests.rs"]
mod tests;
