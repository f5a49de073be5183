//! The text of every statement that makes, fills and merges tables in Postgres.
//!
//! Pure. Knows no connection.

use crate::postgres::fit::{Alteration, Fit};
use crate::postgres::table::{Column, Table};
use crate::postgres::wanted::Wanted;
use crate::postgres_type::PostgresType;
use elt_base::schema::{literal, quote};

/// The schema that holds our record and what is staged.
pub const OWN_SCHEMA: &str = "_elt";

/// How full the pages of a table are made whose rows will be updated by key: a new version that fits the page of the
/// old one needs no new entry in the indexes, which saves a quarter of the log and of the time.
const FILL_PERCENT: u32 = 95;

/// Our own schema, its tables and what else is in it, each with a condition under which it is there, and what makes it. None says `if not exists`: Postgres asks for the right to create before it
/// looks, and a role need not have that for what an administrator made.
pub const OWN_OBJECTS: [(&str, &str); 7] = [
    ("to_regnamespace('_elt') is not null", "create schema _elt"),
    (
        "to_regclass('_elt.publications') is not null",
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
);
create index publications_last on _elt.publications (schema, number)",
    ),
    (
        "to_regclass('_elt.tables') is not null",
        "\
create table _elt.tables (
    schema text not null,
    name text not null,
    publication uuid not null,
    contract jsonb,
    primary key (schema, name)
)",
    ),
    (
        "exists (select from pg_attribute where attrelid = to_regclass('_elt.tables') and attname = 'contract')",
        "alter table _elt.tables add column if not exists contract jsonb",
    ),
    (
        "to_regclass('_elt.touched') is not null",
        "\
create table _elt.touched (
    schema text not null,
    name text not null,
    at timestamptz not null
)",
    ),
    (
        "exists (select from pg_attribute where attrelid = to_regclass('_elt.tables') and attname = 'relation')",
        "alter table _elt.tables add column relation oid",
    ),
    ("to_regprocedure('_elt.touch()') is not null", super::watch::FUNCTION),
];

/// `schema.table`, both quoted.
pub fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quote(schema), quote(table))
}

pub fn names<'a>(columns: impl IntoIterator<Item = &'a String>) -> String {
    let quoted: Vec<_> = columns.into_iter().map(|name| quote(name)).collect();
    quoted.join(", ")
}

fn column_names(table: &Table) -> String {
    names(table.columns.iter().map(|column| &column.name))
}

/// A column as `create table` has it.
pub fn column(column: &Column) -> String {
    let default = column.default.as_ref().map(|default| format!(" default {default}")).unwrap_or_default();
    let not_null = if column.not_null { " not null" } else { "" };
    format!("{} {}{default}{not_null}", quote(&column.name), column.postgres_type)
}

/// What follows the columns of a table that is updated by key.
pub fn storage(table: &Table) -> String {
    if table.key.is_empty() { String::new() } else { format!(" with (fillfactor = {FILL_PERCENT})") }
}

/// The table itself, with its types, defaults, not-nulls and checks; keys and indexes follow once it is filled.
pub fn create_table(place: &str, table: &Table, wanted: &Wanted) -> String {
    let mut parts: Vec<String> = table.columns.iter().map(column).collect();
    let checks = wanted.constraints.iter().filter(|(_, definition)| definition.starts_with("check"));
    parts.extend(checks.map(|(name, definition)| format!("constraint {} {definition}", quote(name))));
    format!("create table {place} ({}){}", parts.join(", "), storage(table))
}

/// The primary key, the unique constraints and the indexes of a table of ours, with the name each has once the table
/// has its own. `staged_name` is the table's name until then.
pub fn create_keys(place: &str, staged_name: &str, wanted: &Wanted) -> Vec<(String, KeyName)> {
    let is_key = |definition: &str| definition.starts_with("primary key") || definition.starts_with("unique");
    let mut keys: Vec<(&String, String)> = Vec::new();
    for (name, definition) in wanted.constraints.iter().filter(|(_, definition)| is_key(definition)) {
        keys.push((name, format!("alter table {place} add constraint {{}} {definition}")));
    }
    for (name, index) in &wanted.indexes {
        let unique = if index.unique { "unique " } else { "" };
        keys.push((name, format!("create {unique}index {{}} on {place} {}", index.definition)));
    }
    keys.into_iter()
        .enumerate()
        .map(|(number, (name, statement))| {
            let staged = format!("{staged_name}_{number}");
            (statement.replacen("{}", &quote(&staged), 1), KeyName { staged, wanted: name.clone() })
        })
        .collect()
}

/// A constraint's or index' name while its table is staged, and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    pub staged: String,
    pub wanted: String,
}

/// Postgres' own way to name an index, kept within 63 bytes.
pub fn cut(name: &str, ending: &str) -> String {
    let mut end = name.len().min(63 - ending.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end])
}

/// A staging table for rows: our types, nothing else.
pub fn create_rows(place: &str, table: &Table) -> String {
    let columns: Vec<_> =
        table.columns.iter().map(|column| format!("{} {}", quote(&column.name), column.postgres_type)).collect();
    format!("create unlogged table {place} ({})", columns.join(", "))
}

/// A staging table for the keys of rows that are gone.
pub fn create_deletes(place: &str, table: &Table) -> String {
    let columns: Vec<_> =
        table.key_columns().map(|column| format!("{} {}", quote(&column.name), column.postgres_type)).collect();
    format!("create unlogged table {place} ({})", columns.join(", "))
}

pub fn copy_rows(place: &str, table: &Table, freeze: bool) -> String {
    let freeze = if freeze { ", freeze" } else { "" };
    format!("copy {place} ({}) from stdin (format binary{freeze})", column_names(table))
}

pub fn copy_deletes(place: &str, table: &Table) -> String {
    format!("copy {place} ({}) from stdin (format binary)", names(&table.key))
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

/// Merges what is staged for one table that stands. `target` and the staging places are qualified names.
pub struct Merge<'a> {
    pub table: &'a Table,
    pub fit: &'a Fit,
    pub target: String,
    pub rows: String,
    pub deletes: String,
}

impl Merge<'_> {
    /// Removes the rows whose keys are staged as gone.
    pub fn delete_gone(&self) -> String {
        format!("delete from {} as t using {} as s where {}", self.target, self.deletes, self.on())
    }

    /// Removes the rows that the relation does not have; without a key all of them.
    pub fn delete_others(&self) -> String {
        if !self.is_by_key() {
            return format!("delete from {}", self.target);
        }
        format!(
            "delete from {} as t where not exists (select from {} as s where {})",
            self.target,
            self.rows,
            self.on()
        )
    }

    /// Updates the rows that differ; None if there is nothing beside the key, or no key.
    pub fn update(&self) -> Option<String> {
        let others: Vec<usize> = (0..self.table.columns.len())
            .filter(|index| !self.table.key.contains(&self.table.columns[*index].name))
            .collect();
        if others.is_empty() || !self.is_by_key() {
            return None;
        }
        let set: Vec<_> =
            others.iter().map(|&index| format!("{} = {}", self.name(index), self.staged(index))).collect();
        Some(format!(
            "update {} as t set {} from {} as s where {} and ({})",
            self.target,
            set.join(", "),
            self.rows,
            self.on(),
            self.differs(&others)
        ))
    }

    fn is_by_key(&self) -> bool {
        !self.table.key.is_empty() && !self.fit.is_replaced
    }

    /// Which of these columns, given by index, make two rows of one key differ.
    fn differs(&self, columns: &[usize]) -> String {
        let differs: Vec<_> = columns
            .iter()
            .map(|&index| {
                let cast = self.compared_as(index);
                format!("t.{}{cast} is distinct from {}{cast}", self.name(index), self.staged(index))
            })
            .collect();
        differs.join(" or ")
    }

    /// The cast under which two values of a column are equal only if they are the same: `json` has no equality, `citext`
    /// does not tell case apart, and a month equals 30 days.
    fn compared_as(&self, index: usize) -> &'static str {
        let postgres_type = self.table.columns.get(index).map(|column| &column.postgres_type);
        match postgres_type {
            _ if self.fit.as_text.get(index) == Some(&true) => "::text::jsonb",
            Some(PostgresType::Json) => "::text::jsonb",
            Some(PostgresType::Citext | PostgresType::Interval) => "::text",
            Some(PostgresType::Array(element))
                if matches!(**element, PostgresType::Citext | PostgresType::Interval) =>
            {
                "::text[]"
            }
            _ => "",
        }
    }

    /// The keys of staged rows that the target lacks.
    pub fn missing(&self) -> String {
        let keys = self.keys("s");
        format!(
            "select {keys} from {} as s where not exists (select from {} as t where {})",
            self.rows,
            self.target,
            self.on()
        )
    }

    /// The keys of rows whose values differ; columns that are not there yet are not compared. None if nothing can differ.
    pub fn differing(&self) -> Option<String> {
        let others: Vec<usize> = (0..self.table.columns.len())
            .filter(|index| !self.table.key.contains(&self.table.columns[*index].name) && self.stands(*index))
            .collect();
        (!others.is_empty()).then(|| {
            let (keys, differs) = (self.keys("s"), self.differs(&others));
            format!("select {keys} from {} as s join {} as t on {} where {differs}", self.rows, self.target, self.on())
        })
    }

    /// The keys of the target's rows that were not staged.
    pub fn unknown(&self) -> String {
        let keys = self.keys("t");
        format!(
            "select {keys} from {} as t where not exists (select from {} as s where {})",
            self.target,
            self.rows,
            self.on()
        )
    }

    /// All rows of the target and all that were staged, with comparable columns.
    pub fn both(&self) -> (String, String) {
        let columns: Vec<usize> = (0..self.table.columns.len()).filter(|index| self.stands(*index)).collect();
        let there: Vec<_> =
            columns.iter().map(|&index| format!("t.{}{}", self.name(index), self.compared_as(index))).collect();
        let here: Vec<_> =
            columns.iter().map(|&index| format!("{}{}", self.staged(index), self.compared_as(index))).collect();
        (
            format!("select {} from {} as t", there.join(", "), self.target),
            format!("select {} from {} as s", here.join(", "), self.rows),
        )
    }

    fn keys(&self, of: &str) -> String {
        let keys: Vec<_> = self.table.key.iter().map(|name| format!("{of}.{}", quote(name))).collect();
        keys.join(", ")
    }

    /// False for a column that the publication will add.
    fn stands(&self, index: usize) -> bool {
        let name = &self.table.columns[index].name;
        !self
            .fit
            .alterations
            .iter()
            .any(|alteration| matches!(alteration, Alteration::AddColumn { name: added, .. } if added == name))
    }

    /// Inserts the rows whose key is not there; without a key all.
    pub fn insert(&self) -> String {
        let staged: Vec<_> = (0..self.table.columns.len()).map(|index| self.staged(index)).collect();
        let new = if !self.is_by_key() {
            String::new()
        } else {
            format!(" where not exists (select from {} as t where {})", self.target, self.on())
        };
        format!(
            "insert into {} ({}) select {} from {} as s{new}",
            self.target,
            column_names(self.table),
            staged.join(", "),
            self.rows
        )
    }

    fn name(&self, index: usize) -> String {
        self.table.columns.get(index).map(|column| quote(&column.name)).unwrap_or_default()
    }

    /// Assignment casts do the rest: they refuse what an explicit cast would cut off.
    fn staged(&self, index: usize) -> String {
        match self.fit.casts.get(index) {
            Some(Some(cast)) => format!("s.{}::{cast}", self.name(index)),
            _ => format!("s.{}", self.name(index)),
        }
    }

    fn on(&self) -> String {
        let parts: Vec<_> = (0..self.table.columns.len())
            .filter(|index| self.table.key.contains(&self.table.columns[*index].name))
            .map(|index| format!("t.{} = {}", self.name(index), self.staged(index)))
            .collect();
        parts.join(" and ")
    }
}

/// Grants to a table that moves into `schema` what it would have been granted, had it been made there.
pub fn default_grants(schema: &str, table: &str) -> String {
    format!(
        "select format('grant %s on {} to %s%s', a.privilege_type, \
         case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end, \
         case when a.is_grantable then ' with grant option' else '' end) \
         from pg_default_acl d join pg_namespace n on n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a \
         where n.nspname = {} and d.defaclobjtype = 'r' and d.defaclrole = current_user::regrole",
        qualified(schema, table).replace('\'', "''").replace('%', "%%"),
        literal(schema)
    )
}

#[cfg(test)]
#[path = "statements_tests.rs"]
mod tests;
