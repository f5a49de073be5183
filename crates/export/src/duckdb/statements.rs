//! The SQL that creates and fills a table in a DuckDB file.
//!
//! Pure text. A table is filled before its primary key and indexes are created. DuckDB builds an index over existing
//! rows in half the time, and loads rows on all threads if the table has no index.

use super::table::{CATALOG, DuckdbTable};
use crate::changes::{FRESH, Queries};
use crate::duck_type::DuckType;
use crate::publication::Coverage;
use crate::target::{Dialect, Merge, MergeColumn};
use crate::type_text::has_word;
use elt_base::schema::{literal, quote};
use elt_project::OnHazard;

/// Rows that changed, or columns that are kept, while a table is applied.
const CHANGES: &str = "temp.main._elt_export_changes";
const KEPT: &str = "temp.main._elt_export_kept";

/// The tool's own tables. Idempotent.
pub const OWN: [&str; 3] = [
    "create schema if not exists _elt_export._elt",
    "create table if not exists _elt_export._elt.publications (number bigint primary key, id uuid not null, \
     schema varchar not null, published_at timestamptz not null, project varchar not null, target varchar not null, \
     tool varchar not null, tables json not null)",
    "create table if not exists _elt_export._elt.tables (schema varchar not null, name varchar not null, \
     is_ours boolean not null, columns json not null, definition varchar not null, comments varchar not null, \
     publication uuid not null, primary key (schema, name))",
];

fn names<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

fn each<'a>(names: impl IntoIterator<Item = &'a String>, between: &str, of: impl Fn(&str) -> String) -> String {
    names.into_iter().map(|name| of(&quote(name))).collect::<Vec<_>>().join(between)
}

fn named(constraint: Option<&String>) -> String {
    constraint.map(|name| format!("constraint {} ", quote(name))).unwrap_or_default()
}

/// A value with JSON in the place of each VARIANT; None if it has none.
pub fn as_json(duckdb_type: &str, value: &str) -> Option<String> {
    has_word(duckdb_type, "VARIANT").then(|| {
        let json = |part: &DuckType, value: &str| {
            part.is_plain("VARIANT").then(|| format!("({})::JSON", part.json_text(value)))
        };
        DuckType::parse(duckdb_type).rebuilt(value, &json)
    })?
}

/// Keys are compared as DuckDB's other columns are.
pub struct DuckdbDialect;

impl Dialect for DuckdbDialect {
    fn same_key(&self, there: &str, here: &str) -> String {
        format!("{there} is not distinct from {here}")
    }

    fn columns_hide_tables(&self) -> bool {
        true
    }

    /// Texts are ordered by their bytes.
    fn bytes(&self, text: &str) -> String {
        text.to_owned()
    }
}

impl DuckdbTable {
    /// The table as SQL names it.
    pub fn sql(&self) -> String {
        format!("{CATALOG}.{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// Columns of the contract, then those that are kept.
    pub fn create(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for (column, (name, sql_type)) in self.table.columns.iter().zip(&self.columns) {
            let mut part = format!("{} {sql_type}", quote(name));
            if column.not_null {
                part.push_str(" not null");
            }
            if let Some(default) = &column.default {
                part.push_str(&format!(" default ({default})"));
            }
            parts.push(part);
        }
        for extra in &self.kept {
            let default = extra.default.as_ref().map(|default| format!(" default ({default})")).unwrap_or_default();
            parts.push(format!("{} {}{default}", quote(&extra.name), extra.sql_type));
        }
        // Constraints, where the contract says indexes too: a unique index of a file that was just opened refuses a key
        // that the same transaction has deleted (DuckDB 1.5.6), a constraint does not.
        let mut uniques: Vec<&Vec<String>> = Vec::new();
        let indexes = self.table.indexes.iter().filter(|index| index.unique).map(|index| (None, &index.columns));
        for (name, columns) in
            self.table.unique.iter().map(|unique| (unique.name.as_ref(), &unique.columns)).chain(indexes)
        {
            if uniques.contains(&columns) || *columns == self.table.key {
                continue;
            }
            uniques.push(columns);
            parts.push(format!("{}unique ({})", named(name), names(columns)));
        }
        for check in &self.table.checks {
            parts.push(format!("{}check ({})", named(check.name.as_ref()), check.expression));
        }
        format!("create table {} ({})", self.sql(), parts.join(", "))
    }

    /// The primary key and the indexes, for after the rows are inserted.
    pub fn keys(&self) -> Vec<String> {
        let mut statements = Vec::new();
        if !self.table.key.is_empty() {
            statements.push(format!("alter table {} add primary key ({})", self.sql(), names(&self.table.key)));
        }
        for index in self.table.indexes.iter().filter(|index| !index.unique) {
            let usual = || self.usual_index_name(&index.columns);
            let name = self.index_names.get(&index.columns).cloned().unwrap_or_else(usual);
            statements.push(format!("create index {} on {} ({})", quote(&name), self.sql(), names(&index.columns)));
        }
        statements.dedup();
        statements
    }

    /// The name of an index, if no other table's index has it.
    pub fn usual_index_name(&self, columns: &[String]) -> String {
        format!("{}_{}_idx", self.name, columns.join("_"))
    }

    pub fn comments(&self) -> Vec<String> {
        let text = |comment: &Option<String>| comment.as_ref().map_or("null".into(), |comment| literal(comment));
        let mut statements = vec![format!("comment on table {} is {}", self.sql(), text(&self.table.comment))];
        for (column, (name, _)) in self.table.columns.iter().zip(&self.columns) {
            statements.push(format!("comment on column {}.{} is {}", self.sql(), quote(name), text(&column.comment)));
        }
        statements
    }

    /// All statements that create the table. If they equal the recorded ones, the table matches its contract.
    pub fn define(&self) -> String {
        std::iter::once(self.create()).chain(self.keys()).collect::<Vec<_>>().join(";\n")
    }

    /// The rows of a query over the warehouse under the target's names and types.
    pub fn rows(&self, query: &str) -> String {
        let columns = self.table.columns.iter().zip(&self.columns).map(|(column, (name, sql_type))| {
            let value = format!("_elt_row.{}", quote(&column.name));
            let value = as_json(&column.duckdb_type, &value).unwrap_or(value);
            let value = match (column.duckdb_type == *sql_type, column.on_hazard) {
                (true, _) => value,
                (false, OnHazard::Replace | OnHazard::Quarantine) => format!("try_cast({value} as {sql_type})"),
                (false, _) => format!("{value}::{sql_type}"),
            };
            format!("{value} as {}", quote(name))
        });
        format!("select {} from ({query}) as _elt_row", columns.collect::<Vec<_>>().join(", "))
    }

    fn column_names(&self) -> String {
        names(self.columns.iter().map(|(name, _)| name))
    }

    /// The key's columns under the target's names.
    fn key(&self) -> Vec<String> {
        let is_key = |name: &&String| self.table.key.iter().any(|key| key.eq_ignore_ascii_case(name));
        self.columns.iter().map(|(name, _)| name).filter(is_key).cloned().collect()
    }

    /// A query of keys under the target's names and types. It has the relation's names, which differ at most in case.
    pub fn keys_of(&self, query: &str, more: &str) -> String {
        let typed = self.columns.iter().filter(|(name, _)| self.key().contains(name));
        let typed = typed.map(|(name, sql_type)| format!("try_cast({0} as {sql_type}) as {0}", quote(name)));
        format!("select {}{more} from ({query})", typed.collect::<Vec<_>>().join(", "))
    }

    fn on_key(&self, left: &str, right: &str) -> String {
        each(&self.key(), " and ", |name| format!("{left}.{name} is not distinct from {right}.{name}"))
    }

    /// Fills a table that is empty.
    pub fn fill(&self, rows: &str) -> String {
        format!("insert into {} ({}) {}", self.sql(), self.column_names(), self.rows(rows))
    }

    /// Deletes all rows of a table.
    pub fn empty(&self) -> String {
        format!("delete from {}", self.sql())
    }

    /// Creates the table again, with the columns that are kept; their values are copied by the key.
    pub fn rebuild(&self, rows: &str) -> Vec<String> {
        let (table, key) = (self.sql(), self.key());
        if self.kept.is_empty() || key.is_empty() {
            return vec![format!("drop table {table}"), self.create(), self.fill(rows)];
        }
        let kept = names(self.kept.iter().map(|extra| &extra.name));
        let of_new = each(self.columns.iter().map(|(name, _)| name), ", ", |name| format!("new.{name}"));
        let of_kept = each(self.kept.iter().map(|extra| &extra.name), ", ", |name| format!("kept.{name}"));
        vec![
            format!("create or replace temp table {KEPT} as select {}, {kept} from {table}", names(&key)),
            format!("drop table {table}"),
            self.create(),
            format!(
                "insert into {table} ({}, {kept}) select {of_new}, {of_kept} from ({}) as new left join {KEPT} as kept on {}",
                self.column_names(),
                self.rows(rows),
                self.on_key("new", "kept")
            ),
            format!("drop table {KEPT}"),
        ]
    }

    /// Deletes the rows whose keys a query returns.
    pub fn delete_keys(&self, keys: &str) -> String {
        format!(
            "delete from {} as _elt_old using ({}) as _elt_gone where {}",
            self.sql(),
            self.keys_of(keys, ""),
            self.on_key("_elt_old", "_elt_gone")
        )
    }

    /// Deletes the rows whose keys a query of all rows does not return.
    pub fn delete_others(&self, rows: &str) -> String {
        format!(
            "delete from {} as _elt_old where not exists (select 1 from ({}) as _elt_new where {})",
            self.sql(),
            self.rows(rows),
            self.on_key("_elt_old", "_elt_new")
        )
    }

    /// The rows of a query with the mark of those that are fresh.
    fn marked(&self, rows: &str, fresh: &str) -> String {
        format!(
            "(select _elt_all.*, _elt_new.{FRESH} from ({}) as _elt_all left join ({}) as _elt_new on {})",
            self.rows(rows),
            self.keys_of(fresh, &format!(", {FRESH}")),
            self.on_key("_elt_all", "_elt_new")
        )
    }

    /// Takes out of the collected rows those that are fresh, and whose keys others have.
    pub fn drop_conflicts(&self, fresh: &str) -> String {
        format!(
            "delete from {CHANGES} as _elt_old using ({}) as _elt_new where not _elt_old._elt_is_new and {}",
            self.keys_of(fresh, ""),
            self.on_key("_elt_old", "_elt_new")
        )
    }

    /// Compares the table with staged rows.
    pub fn comparison(&self, queries: &Queries, coverage: Coverage) -> Merge<'static> {
        let rows = match &queries.fresh {
            Some(fresh) => self.marked(&queries.rows, fresh),
            None => format!("({})", self.rows(&queries.rows)),
        };
        let key = self.key();
        let columns = self.columns.iter().map(|(name, sql_type)| MergeColumn {
            name: name.clone(),
            is_key: key.contains(name),
            cast: self.collations.get(name).map(|name| format!(" collate {name}")).unwrap_or_default(),
            compared: match sql_type.as_str() {
                // 0 equals -0.
                "FLOAT" | "DOUBLE" => ("", "::VARCHAR"),
                _ if self.collations.contains_key(name) => ("encode(", ")"),
                _ => ("", ""),
            },
            spelled: (key.contains(name) && self.collations.contains_key(name)).then_some(("encode(", ")")),
            exists: true,
        });
        Merge {
            dialect: &DuckdbDialect,
            target: self.sql(),
            rows,
            gone: queries.deletes.as_ref().map(|keys| format!("({})", self.keys_of(keys, ""))).unwrap_or_default(),
            columns: columns.collect(),
            is_replaced: false,
            coverage,
            overriding: "",
        }
    }

    /// Collects new and changed rows of a query with what the columns of others hold. `is_compared`: of all rows, those
    /// that differ from the target's.
    pub fn collect(&self, rows: &str, is_compared: bool) -> String {
        let differs = if is_compared {
            let differs = |(name, sql_type): &(String, String)| {
                let is_collated = self.collations.contains_key(name);
                let of = |row: &str| match is_collated {
                    true => format!("encode({row}.{})", quote(name)),
                    false => format!("{row}.{}", quote(name)),
                };
                let (new, old) = (of("new"), of("old"));
                let differs = format!("{new} is distinct from {old}");
                // 0 equals -0, in lists as well.
                match has_word(sql_type, "FLOAT") || has_word(sql_type, "DOUBLE") {
                    true => format!("{differs} or {new}::VARCHAR is distinct from {old}::VARCHAR"),
                    false => differs,
                }
            };
            let any: Vec<_> = self.columns.iter().map(differs).collect();
            format!(" where old._elt_is_there is null or {}", any.join(" or "))
        } else {
            String::new()
        };
        let others = each(self.others.iter().map(|extra| &extra.name), "", |name| format!(", old.{name}"));
        format!(
            "create or replace temp table {CHANGES} as select new.*{others}, old._elt_is_there is null as _elt_is_new \
             from ({}) as new left join (select *, true as _elt_is_there from {}) as old on {}{differs}",
            self.rows(rows),
            self.sql(),
            self.on_key("new", "old")
        )
    }

    /// One row: new and changed rows that were collected.
    pub fn count_collected(&self) -> String {
        format!("select count(*) filter (where _elt_is_new), count(*) filter (where not _elt_is_new) from {CHANGES}")
    }

    /// Puts the collected rows in place of those that have their keys. A changed row is deleted and inserted, not
    /// updated: DuckDB checks an update's unique keys row by row, and would refuse two rows that change them with each
    /// other.
    pub fn put_collected(&self) -> Vec<String> {
        let (table, columns) = (self.sql(), self.column_names());
        let others = each(self.others.iter().map(|extra| &extra.name), "", |name| format!(", {name}"));
        let mut statements = vec![format!(
            "delete from {table} as _elt_old using {CHANGES} as _elt_new where {}",
            self.on_key("_elt_old", "_elt_new")
        )];
        if self.others.is_empty() {
            statements.push(format!("insert into {table} ({columns}) select {columns} from {CHANGES}"));
        } else {
            statements.push(format!(
                "insert into {table} ({columns}{others}) select {columns}{others} from {CHANGES} where not _elt_is_new"
            ));
            // Columns of others get their defaults.
            statements
                .push(format!("insert into {table} ({columns}) select {columns} from {CHANGES} where _elt_is_new"));
        }
        statements.push(format!("drop table {CHANGES}"));
        statements
    }
}
