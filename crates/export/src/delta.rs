//! The SQL that finds, in DuckDB, what changed since the last publication.
//!
//! Pure text: the run executes it. The warehouse has two tables for each relation. `_elt_published.<table>` is the
//! snapshot of the target's rows: key and row hash, or, for a table without a key, one row with its fingerprint.
//! `<table>:pending` contains the changes of this publication: `i`, `u` and `d` for rows to insert, update and delete,
//! `k` for a row that is not published, because others have a row with its key. Knows no driver and no target.

use std::path::Path;

use super::changes::{FRESH, Queries, Shape};
use super::contract::{Column, Table};
use super::duck_type::DuckType;
use super::file_format;
use super::ledger_names::LedgerNames;
use super::publication::{Counts, Coverage};
use crate::messages;
use elt_base::error::Result;
use elt_base::schema::{literal, quote};
use elt_project::FileFormat;
use elt_project::{OnConflict, OnHazard};

/// The version of the row hash; a snapshot with another version is not comparable.
pub const HASH_VERSION: u32 = 3;

const FINGERPRINT: &str = "concat_ws(' ', count(*), sum(_elt_hash), bit_xor(_elt_hash))";

/// The SQL of one table's changes.
#[derive(Debug, Clone)]
pub struct Delta<'a> {
    table: &'a Table,
    /// The relation as SQL names it: `"main"."customers"`.
    relation: String,
    /// `version()` of the DuckDB that hashes: its `hash` may change between versions.
    duckdb_version: String,
    shape: Shape,
    ledger: LedgerNames,
}

/// The content of the row of `Delta::counts`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FoundChanges {
    pub counts: Counts,
    /// Rows whose key is NULL in at least one column; above 0 the table cannot be published.
    pub null_keys: u64,
    /// Rows beyond the first of their key, at least; above 0 the table cannot be published.
    pub duplicate_keys: u64,
}

impl FoundChanges {
    /// Reads the row, as text.
    pub fn read(rows: &[Vec<Option<String>>]) -> Self {
        let at = |index: usize| {
            let text = rows.first().and_then(|row| row.get(index)).and_then(Option::as_ref);
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        Self {
            counts: Counts { inserted: at(0), updated: at(1), deleted: at(2) },
            null_keys: at(3),
            duplicate_keys: at(4),
        }
    }

    /// An error if rows cannot be merged by the table's key.
    pub fn check(&self, table: &Table) -> Result<()> {
        if self.null_keys == 0 && self.duplicate_keys == 0 {
            return Ok(());
        }
        Err(messages::unpublishable_keys(&table.label, &table.key, self.null_keys, self.duplicate_keys))
    }
}

impl<'a> Delta<'a> {
    pub fn new(table: &'a Table, relation: impl Into<String>, duckdb_version: impl Into<String>, shape: Shape) -> Self {
        let ledger = LedgerNames::default();
        Self { table, relation: relation.into(), duckdb_version: duckdb_version.into(), shape, ledger }
    }

    /// With the snapshots of this ledger.
    pub fn with(self, ledger: &LedgerNames) -> Self {
        Self { ledger: ledger.clone(), ..self }
    }

    /// The properties that must be equal so that a snapshot is comparable: hash version, DuckDB's version, key,
    /// columns, their types, and how values that the target cannot store are handled.
    pub fn signature(&self) -> String {
        let column = |column: &Column| {
            let wanted = column.target_type.as_ref().map(|(written, _)| format!(" as {written}")).unwrap_or_default();
            let hazards = match column.on_hazard {
                OnHazard::Fail => "",
                OnHazard::Replace => " or replaced",
                OnHazard::Quarantine => " or quarantined",
            };
            format!("{} {}{wanted}{hazards}", quote(&column.name), column.duckdb_type)
        };
        let columns: Vec<_> = self.table.columns.iter().map(column).collect();
        // Rows that were kept back may be published under another policy.
        let kept = if self.table.on_conflict == OnConflict::Keep { "; kept" } else { "" };
        format!(
            "{HASH_VERSION}; {}; key ({}); {}{kept}",
            self.duckdb_version,
            names(&self.table.key),
            columns.join(", ")
        )
    }

    /// One VARCHAR that is the same as long as the relation holds the same rows, in whatever order: their count, and
    /// the sum and the exclusive or of their hashes. Several times faster than `compute`, and needs no memory.
    pub fn fingerprint(&self) -> String {
        format!("select {FINGERPRINT} from (select {} as _elt_hash from {})", self.hash(), self.relation)
    }

    /// The same fingerprint, of the rows that `compute` found for `Coverage::Everything` (or of a table without a key).
    pub fn fingerprint_computed(&self) -> String {
        match self.table.key.is_empty() {
            true => format!("select _elt_hash from {}", self.pending()),
            false => format!("select {FINGERPRINT} from {} where _elt_change <> 'd'", self.pending()),
        }
    }

    /// The names of the snapshot's columns, a row each; none if the table was never published.
    pub fn snapshot_columns(&self) -> String {
        format!(
            "select column_name from duckdb_columns() where database_name = current_database() \
             and schema_name = {} and table_name = {}",
            literal(&self.ledger.snapshots()),
            literal(&self.table.label)
        )
    }

    /// How many rows of a table without a key were published; only if the snapshot has the column `_elt_rows`.
    pub fn published_rows(&self) -> String {
        format!("select _elt_rows::bigint from {}", self.published())
    }

    /// Finds the changes for `Coverage::Own`: all rows, each with its change, and the removed rows. `columns` are the
    /// snapshot's; a snapshot with another key identifies no row.
    pub fn compute_own(&self, columns: &[String]) -> Vec<String> {
        let (pending, relation, hash) = (self.pending(), &self.relation, self.hash());
        let keys = names(&self.table.key);
        let is_known =
            columns.len() == self.table.key.len() + 1 && self.table.key.iter().all(|name| columns.contains(name));
        let known = match is_known {
            true => {
                // The column may have had another type.
                let typed = self.table.key_columns().map(|column| {
                    let (name, sql_type) = (quote(&column.name), &column.duckdb_type);
                    if sql_type.contains("NULL") { name } else { format!("try_cast({name} as {sql_type}) as {name}") }
                });
                format!("select {} from {}", typed.collect::<Vec<_>>().join(", "), self.published())
            }
            false => format!("select {keys} from {relation} limit 0"),
        };
        let merged = self.each_key(", ", |key| format!("coalesce(new.{key}, old.{key}) as {key}"));
        let on = self.each_key(" and ", |key| format!("new.{key} is not distinct from old.{key}"));
        vec![format!(
            "create or replace table {pending} as select {merged}, new._elt_hash, \
             case when old._elt_is_known is null then 'i' when new._elt_hash is null then 'd' else 'u' end as _elt_change \
             from (select {keys}, {hash} as _elt_hash from {relation}) new \
             full join (select *, true as _elt_is_known from ({known})) old on {on}"
        )]
    }

    /// Marks rows that are not published, because others have rows with their keys; `numbers` are those of `FRESH`.
    pub fn keep(&self, numbers: &[i64]) -> Vec<String> {
        // A statement of at most about a megabyte.
        let statement = |numbers: &[i64]| {
            let list = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("update {} set _elt_change = 'k' where rowid in ({list})", self.pending())
        };
        numbers.chunks(100_000).map(statement).collect()
    }

    /// Finds the changes: one pass over the relation and its snapshot.
    pub fn compute(&self, coverage: Coverage) -> Vec<String> {
        let (pending, relation, hash) = (self.pending(), &self.relation, self.hash());
        if self.table.key.is_empty() {
            return vec![format!(
                "create or replace table {pending} as select count(*) as _elt_rows, \
                 {FINGERPRINT} as _elt_hash \
                 from (select {hash} as _elt_hash from {relation})"
            )];
        }
        let keys = names(&self.table.key);
        vec![match coverage {
            Coverage::Own => return self.compute_own(&[]),
            Coverage::Everything => format!(
                "create or replace table {pending} as select {keys}, {hash} as _elt_hash, 'i' as _elt_change from {relation}"
            ),
            Coverage::Delta => {
                let published = self.published();
                let merged = self.each_key(", ", |key| format!("coalesce(new.{key}, old.{key}) as {key}"));
                let on = self.each_key(" and ", |key| format!("new.{key} is not distinct from old.{key}"));
                format!(
                    "create or replace table {pending} as select {merged}, new._elt_hash, \
                     case when old._elt_hash is null then 'i' when new._elt_hash is null then 'd' else 'u' end as _elt_change \
                     from (select {keys}, {hash} as _elt_hash from {relation}) new full join {published} old on {on} \
                     where new._elt_hash is distinct from old._elt_hash"
                )
            }
        }]
    }

    /// The statements that make the keys of this publication known, although its outcome is not: it was cut off in a
    /// target without transactions, and some of its rows may be there.
    pub fn claim(&self, coverage: Coverage) -> Vec<String> {
        if self.table.key.is_empty() || !coverage.is_marked() {
            return Vec::new();
        }
        let (pending, published, keys) = (self.pending(), self.published(), names(&self.table.key));
        let on = self.each_key(" and ", |key| format!("_elt_old.{key} is not distinct from _elt_new.{key}"));
        vec![match coverage.is_full() {
            true => format!(
                "create or replace table {published} as select {keys}, coalesce(_elt_hash, 0)::ubigint as _elt_hash \
                 from {pending} where _elt_change <> 'k'"
            ),
            false => format!(
                "insert into {published} select {keys}, _elt_hash from {pending} as _elt_new \
                 where _elt_change = 'i' and not exists (select 1 from {published} as _elt_old where {on})"
            ),
        }]
    }

    /// One row of five BIGINTs: inserted, updated, deleted, rows with a null key, duplicate rows (see `FoundChanges`).
    /// With `Coverage::Everything` all rows count as inserted, because only the target knows which rows are new.
    pub fn counts(&self, coverage: Coverage) -> String {
        let (pending, published, relation) = (self.pending(), self.published(), &self.relation);
        if self.table.key.is_empty() {
            return match coverage {
                Coverage::Everything | Coverage::Own => {
                    format!("select _elt_rows::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint from {pending}")
                }
                Coverage::Delta => format!(
                    "select if(same, 0, new._elt_rows)::bigint, 0::bigint, if(same, 0, old._elt_rows)::bigint, \
                     0::bigint, 0::bigint from {pending} new, {published} old, \
                     (select (select _elt_hash from {pending}) = (select _elt_hash from {published}) as same)"
                ),
            };
        }
        let keys = names(&self.table.key);
        let null_key = self.each_key(" or ", |key| format!("{key} is null"));
        let mut duplicates = format!(
            "(select coalesce(sum(n - 1), 0) from (select count(*) as n from {pending} where _elt_change <> 'd' \
             group by {keys} having count(*) > 1))"
        );
        if coverage == Coverage::Delta {
            // A row that matches its snapshot is no change, and neither is its twin: what the relation has beyond one
            // row for each kept key is a duplicate.
            duplicates = format!(
                "greatest({duplicates}, (select count(*) from {relation}) - (select count(*) from {published}) \
                 + count(*) filter (where _elt_change = 'd') - count(*) filter (where _elt_change = 'i'))"
            );
        }
        format!(
            "select count(*) filter (where _elt_change = 'i'), count(*) filter (where _elt_change = 'u'), \
             count(*) filter (where _elt_change = 'd'), \
             count(*) filter (where _elt_change <> 'd' and ({null_key})), {duplicates}::bigint from {pending}"
        )
    }

    /// How the table is staged, given what `counts` found; None: nothing changed, it is not staged.
    pub fn staged(&self, coverage: Coverage, counts: &Counts) -> Option<Coverage> {
        match coverage {
            Coverage::Everything | Coverage::Own => Some(coverage),
            Coverage::Delta if counts.is_zero() => None,
            Coverage::Delta if self.table.key.is_empty() => Some(Coverage::Everything),
            Coverage::Delta => Some(Coverage::Delta),
        }
    }

    /// The rows to stage, cast so that only plain Arrow types arrive. `staged` is the result of the function with that
    /// name.
    pub fn rows(&self, staged: Coverage) -> String {
        format!("select {} from {}", self.selected(), self.from(staged))
    }

    fn selected(&self) -> String {
        let selected = self.table.columns.iter().map(|column| {
            let expression = DuckType::parse(&column.duckdb_type).select(&column.name, self.shape);
            format!("{expression} as {}", quote(&column.name))
        });
        selected.collect::<Vec<_>>().join(", ")
    }

    /// The same rows with the column `FRESH`; only for a marked coverage.
    pub fn marked_rows(&self) -> String {
        let on = self.each_key(" and ", |key| format!("_elt_row.{key} is not distinct from _elt_new.{key}"));
        format!(
            "select {}, {FRESH} from (select _elt_row.*, _elt_new.{FRESH} from {} as _elt_row join \
             (select {}, if(_elt_change = 'i', rowid, null)::bigint as {FRESH} from {} where _elt_change <> 'd') \
             as _elt_new on {on})",
            self.selected(),
            self.relation,
            names(&self.table.key),
            self.pending()
        )
    }

    /// The keys of removed rows; only for a marked coverage.
    pub fn deletes(&self) -> String {
        let selected: Vec<_> = self
            .table
            .key_columns()
            .map(|column| {
                let expression = DuckType::parse(&column.duckdb_type).select(&column.name, self.shape);
                format!("{expression} as {}", quote(&column.name))
            })
            .collect();
        format!("select {} from {} where _elt_change = 'd'", selected.join(", "), self.pending())
    }

    /// The keys of all rows of the relation: the key's columns in the table's order.
    pub fn keys(&self) -> String {
        let keys = self.table.columns.iter().filter(|column| self.table.key.contains(&column.name));
        let selected: Vec<_> = keys
            .map(|column| {
                let expression = DuckType::parse(&column.duckdb_type).select(&column.name, self.shape);
                format!("{expression} as {}", quote(&column.name))
            })
            .collect();
        format!("select {} from {}", selected.join(", "), self.relation)
    }

    /// The queries behind `rows` and `deletes` with DuckDB's own types.
    pub fn queries(&self, staged: Coverage) -> Queries {
        let columns = self.table.columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ");
        let is_marked = staged.is_marked() && !self.table.key.is_empty();
        let (keys, pending) = (names(&self.table.key), self.pending());
        Queries {
            rows: format!("select {columns} from {}", self.from(staged)),
            all: format!("select {columns} from {}", self.relation),
            deletes: is_marked.then(|| format!("select {keys} from {pending} where _elt_change = 'd'")),
            fresh: is_marked.then(|| format!("select {keys}, rowid as {FRESH} from {pending} where _elt_change = 'i'")),
        }
    }

    /// The statement that writes all rows of the relation, or those of a query, to a file or folder, by key if
    /// `is_ordered`.
    pub fn copy(&self, path: &Path, format: &FileFormat, rows: Option<&str>, is_ordered: bool) -> String {
        let rows = rows.map(|rows| format!("({rows})"));
        file_format::copy(self.table, rows.as_ref().unwrap_or(&self.relation), path, format, is_ordered)
    }

    /// How many rows the relation has.
    pub fn count(&self) -> String {
        format!("select count(*) from {}", self.relation)
    }

    /// The table's label.
    pub fn label(&self) -> &str {
        &self.table.label
    }

    /// Makes the snapshot current after the target has received the changes.
    pub fn promote(&self, coverage: Coverage) -> Vec<String> {
        let (pending, published) = (self.pending(), self.published());
        if coverage.is_full() || self.table.key.is_empty() {
            if coverage == Coverage::Own && !self.table.key.is_empty() {
                // DuckDB cannot rename a table in the transaction that deletes rows of it.
                return vec![
                    format!(
                        "create or replace table {published} as select {}, _elt_hash from {pending} \
                         where _elt_change not in ('d', 'k')",
                        names(&self.table.key)
                    ),
                    format!("drop table {pending}"),
                ];
            }
            // By its name, not by a copy: it may be as long as the relation.
            let mut statements = vec![
                self.ledger.drop_snapshot(&self.table.label),
                format!("alter table {pending} rename to {}", quote(&self.table.label)),
            ];
            if !self.table.key.is_empty() {
                statements.push(format!("alter table {published} drop column _elt_change"));
            }
            return statements;
        }
        let keys = names(&self.table.key);
        let on = self.each_key(" and ", |key| format!("old.{key} is not distinct from new.{key}"));
        vec![
            format!("delete from {published} as old using {pending} as new where {on}"),
            format!(
                "insert into {published} select {keys}, _elt_hash from {pending} where _elt_change not in ('d', 'k')"
            ),
            format!("drop table {pending}"),
        ]
    }

    fn from(&self, staged: Coverage) -> String {
        let relation = &self.relation;
        if staged.is_full() || self.table.key.is_empty() {
            return relation.clone();
        }
        let on = self.each_key(" and ", |key| format!("_elt_row.{key} is not distinct from _elt_new.{key}"));
        format!(
            "{relation} as _elt_row semi join (select {} from {} where _elt_change <> 'd') as _elt_new on {on}",
            names(&self.table.key),
            self.pending()
        )
    }

    fn hash(&self) -> String {
        let columns: Vec<_> =
            self.table.columns.iter().map(|column| DuckType::parse(&column.duckdb_type).hashed(&column.name)).collect();
        format!("hash({})", columns.join(", "))
    }

    fn pending(&self) -> String {
        self.ledger.snapshot(&format!("{}:pending", self.table.label))
    }

    fn published(&self) -> String {
        self.ledger.snapshot(&self.table.label)
    }

    fn each_key(&self, separator: &str, text: impl Fn(&str) -> String) -> String {
        let parts: Vec<_> = self.table.key.iter().map(|key| text(&quote(key))).collect();
        parts.join(separator)
    }
}

fn names(columns: &[String]) -> String {
    let quoted: Vec<_> = columns.iter().map(|name| quote(name)).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(key: &[&str]) -> Table {
        Table::plain("t", &[("a", "BIGINT"), ("b\"", "UUID"), ("c", "STRUCT(x BIGINT)[]")], key)
    }

    #[track_caller]
    fn check(found: impl AsRef<str>, expected: &str) {
        assert_eq!(found.as_ref(), expected);
    }

    #[test]
    fn compares_by_key_and_hash() {
        let table = table(&["a", "b\""]);
        let delta = Delta::new(&table, "\"main\".\"t\"", "v1.5.6", Shape::Flat);
        check(
            &delta.compute(Coverage::Delta)[0],
            "create or replace table _elt_published.\"t:pending\" as select coalesce(new.\"a\", old.\"a\") as \"a\", \
             coalesce(new.\"b\"\"\", old.\"b\"\"\") as \"b\"\"\", new._elt_hash, \
             case when old._elt_hash is null then 'i' when new._elt_hash is null then 'd' else 'u' end as _elt_change \
             from (select \"a\", \"b\"\"\", hash(\"a\", \"b\"\"\", to_json(\"c\")::VARCHAR) as _elt_hash from \"main\".\"t\") new \
             full join _elt_published.\"t\" old on new.\"a\" is not distinct from old.\"a\" \
             and new.\"b\"\"\" is not distinct from old.\"b\"\"\" where new._elt_hash is distinct from old._elt_hash",
        );
        check(
            delta.rows(Coverage::Delta),
            "select \"a\" as \"a\", \"b\"\"\"::VARCHAR as \"b\"\"\", to_json(\"c\")::VARCHAR as \"c\" \
             from \"main\".\"t\" as _elt_row semi join (select \"a\", \"b\"\"\" from _elt_published.\"t:pending\" \
             where _elt_change <> 'd') as _elt_new on _elt_row.\"a\" is not distinct from _elt_new.\"a\" \
             and _elt_row.\"b\"\"\" is not distinct from _elt_new.\"b\"\"\"",
        );
        check(
            delta.deletes(),
            "select \"a\" as \"a\", \"b\"\"\"::VARCHAR as \"b\"\"\" from _elt_published.\"t:pending\" where _elt_change = 'd'",
        );
        check(
            delta.signature(),
            "3; v1.5.6; key (\"a\", \"b\"\"\"); \"a\" BIGINT, \"b\"\"\" UUID, \"c\" STRUCT(x BIGINT)[]",
        );
    }

    #[test]
    fn replaces_a_table_without_key_when_its_fingerprint_changed() {
        let table = table(&[]);
        let delta = Delta::new(&table, "t", "v1.5.6", Shape::Flat);
        check(
            &delta.compute(Coverage::Delta)[0],
            "create or replace table _elt_published.\"t:pending\" as select count(*) as _elt_rows, \
             concat_ws(' ', count(*), sum(_elt_hash), bit_xor(_elt_hash)) as _elt_hash \
             from (select hash(\"a\", \"b\"\"\", to_json(\"c\")::VARCHAR) as _elt_hash from t)",
        );
        assert_eq!(delta.staged(Coverage::Delta, &Counts::default()), None);
        assert_eq!(
            delta.staged(Coverage::Delta, &Counts { inserted: 1, ..Counts::default() }),
            Some(Coverage::Everything)
        );
    }
}
