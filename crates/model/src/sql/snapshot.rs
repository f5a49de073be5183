//! The SQL of a snapshot: its first table, and the changes of a later run.
//!
//! The rows are dbt's (<https://docs.getdbt.com/docs/build/snapshots>): one per version, from `valid_from` to
//! `valid_to`. Pure text; the run executes it in one transaction.

use super::compiled::Compiled;
use super::schema_change::NewColumn;
use crate::graph::{CheckColumns, HardDeletes, Relation, SnapshotConfig, SnapshotStrategy};
use elt_base::schema::quote;

/// The time of the run, in UTC like the session. It is the same in all statements of the transaction.
const NOW: &str = "now()::timestamp";

/// One snapshot's statements.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    pub target: &'a Relation,
    /// The temporary table with the query's rows.
    pub staged: &'a Relation,
    pub config: &'a SnapshotConfig,
    /// Columns or SQL expressions. Never empty.
    pub unique_key: &'a [String],
}

impl Snapshot<'_> {
    /// The time since when a row of the query has its present values.
    fn updated_at(&self) -> String {
        self.config.updated_at.clone().unwrap_or_else(|| NOW.into())
    }

    /// The hash that identifies a version, computed as in dbt.
    fn scd_id(arguments: &[String]) -> String {
        let parts = arguments.iter().map(|argument| format!("coalesce(cast({argument} as varchar), '')"));
        format!("md5({})", parts.collect::<Vec<_>>().join(" || '|' || "))
    }

    /// `valid_to` of a current row.
    fn open_end(&self) -> String {
        let end = self.config.valid_to_current.as_deref().unwrap_or("null");
        let at = self.updated_at();
        format!("coalesce(nullif({at}, {at}), {end})")
    }

    /// The additional columns of a version, each as `expression as name`.
    fn own_columns(&self) -> String {
        let names = &self.config.names;
        let mut arguments = self.unique_key.to_vec();
        arguments.push(self.updated_at());
        let at = self.updated_at();
        let mut columns = vec![
            format!("{} as {}", Self::scd_id(&arguments), names.scd_id),
            format!("{at} as {}", names.updated_at),
            format!("{at} as {}", names.valid_from),
            format!("{} as {}", self.open_end(), names.valid_to),
        ];
        if self.config.hard_deletes == HardDeletes::NewRecord {
            columns.push(format!("'False' as {}", names.is_deleted));
        }
        columns.join(",\n  ")
    }

    /// The configured names of those columns.
    pub fn own_names(&self) -> Vec<&str> {
        let names = &self.config.names;
        let mut all = vec![&names.scd_id, &names.updated_at, &names.valid_from, &names.valid_to];
        if self.config.hard_deletes == HardDeletes::NewRecord {
            all.push(&names.is_deleted);
        }
        all.into_iter().map(String::as_str).collect()
    }

    /// Writes the query's rows into the temporary table.
    pub fn stage(&self, query: &Compiled) -> Compiled {
        query.within(&format!("create or replace temp table {} as (\n", self.staged), "\n)")
    }

    /// The first run: all rows are current.
    pub fn create(&self) -> String {
        format!("create table {} as\nselect *,\n  {}\nfrom {}", self.target, self.own_columns(), self.staged)
    }

    /// The new rows of a later run, to be described and compared with the table.
    pub fn versions(&self) -> String {
        format!("select *,\n  {}\nfrom {}", self.own_columns(), self.staged)
    }

    /// A query over the staged rows that uses every column that the configuration names.
    pub fn named(&self) -> String {
        let mut parts: Vec<String> =
            self.unique_key.iter().enumerate().map(|(number, key)| format!("{key} as k{number}")).collect();
        if let CheckColumns::Named(names) = &self.config.check_cols {
            parts.extend(names.iter().enumerate().map(|(number, name)| format!("{} as c{number}", quote(name))));
        }
        format!("select {} from {}", parts.join(", "), self.staged)
    }

    /// One row: how many rows have a NULL in their key (BIGINT), how many keys have several rows (BIGINT), and up to
    /// five of those keys (VARCHAR).
    pub fn bad_keys(&self) -> String {
        let keys: Vec<String> =
            self.unique_key.iter().enumerate().map(|(number, key)| format!("{key} as k{number}")).collect();
        let names: Vec<String> = (0..keys.len()).map(|number| format!("k{number}")).collect();
        let list = names.join(", ");
        let nulls: Vec<String> = names.iter().map(|name| format!("{name} is null")).collect();
        let shown: Vec<String> = names.iter().map(|name| format!("{name}::varchar")).collect();
        let present: Vec<String> = names.iter().map(|name| format!("{name} is not null")).collect();
        format!(
            "with keys as (select {} from {}), doubles as (\n  select {} as shown from keys where {}\n  group by {list} having \
             count(*) > 1\n)\nselect\n  (select count(*) from keys where {}) as nulls,\n  (select count(*) from doubles) as \
             doubles,\n  (select array_to_string(min(shown, 5), '; ') from doubles) as shown",
            keys.join(", "),
            self.staged,
            shown.join(" || ', ' || "),
            present.join(" and "),
            nulls.join(" or "),
        )
    }

    /// The condition that a row of the table is current. `row` is empty, or an alias with its dot.
    fn is_current(&self, row: &str) -> String {
        let end = format!("{row}{}", self.config.names.valid_to);
        match &self.config.valid_to_current {
            Some(current) => format!("({end} = {current} or {end} is null)"),
            None => format!("{end} is null"),
        }
    }

    /// The statements of a later run, in order: `create` finds the changes, `update` ends versions, `insert` begins them.
    ///
    /// `columns` are the columns to write (the query's and the snapshot's own), `query` the query's columns, `existing`
    /// the table's columns before this run.
    pub fn statements(&self, columns: &[NewColumn], query: &[String], existing: &[String]) -> Vec<String> {
        let names = &self.config.names;
        let changes = "temp.elt_snapshot_changes";
        let keys = |prefix: &str| -> String {
            let parts = self.unique_key.iter().enumerate().map(|(number, key)| format!("{key} as {prefix}{number}"));
            parts.collect::<Vec<_>>().join(", ")
        };
        let matches: Vec<String> =
            (0..self.unique_key.len()).map(|number| format!("held.elt_k{number} = now.elt_n{number}")).collect();
        let is_marked = self.config.hard_deletes == HardDeletes::NewRecord;
        let was_deleted = if is_marked { format!(" or held.{} = 'True'", names.is_deleted) } else { String::new() };
        let mut statements = vec![format!(
            "create or replace temp table {changes} as\nselect held.elt_row as elt_row, now.elt_at as elt_at, now.elt_new as \
             elt_new, held.elt_row is not null and now.elt_new is null as elt_gone\nfrom (select *, {}, rowid as elt_row \
             from {} where {}) as held\nfull join (select *, {}, {} as elt_at, rowid as elt_new from {}) as now on {}\nwhere \
             held.elt_row is null or now.elt_new is null or {}{was_deleted}",
            keys("elt_k"),
            self.target,
            self.is_current(""),
            keys("elt_n"),
            self.updated_at(),
            self.staged,
            matches.join(" and "),
            self.row_changed(query, existing),
        )];
        statements.push(format!(
            "update {} as held\nset {} = change.elt_at\nfrom {changes} as change\nwhere held.rowid = change.elt_row and not \
             change.elt_gone",
            self.target, names.valid_to
        ));
        let list = |names: &[String]| names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        let all: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let cast = columns.iter().map(|column| {
            let name = quote(&column.name);
            column.cast.as_ref().map_or_else(|| name.clone(), |cast| format!("cast({name} as {cast}) as {name}"))
        });
        let insert = format!(
            "insert into {} ({})\nselect {}\nfrom (\n{}\nwhere rowid in (select elt_new from {changes} where elt_new is not \
             null)\n)",
            self.target,
            list(&all),
            cast.collect::<Vec<_>>().join(", "),
            self.versions(),
        );
        match self.config.hard_deletes {
            HardDeletes::Ignore => {}
            HardDeletes::Invalidate => statements.push(self.end_deleted(changes, "")),
            HardDeletes::NewRecord => {
                let not_yet = format!(" and held.{} is distinct from 'True'", names.is_deleted);
                // The records of deletion are copies of the current versions, so they are created before those end.
                let own = self.own_names();
                let is_own = |name: &&String| own.iter().any(|own| own.eq_ignore_ascii_case(name));
                let kept: Vec<String> = existing
                    .iter()
                    .filter(|name| !is_own(name) && query.iter().any(|other| other.eq_ignore_ascii_case(name)))
                    .cloned()
                    .collect();
                let scd_id = Self::scd_id(&[format!("held.{}", names.scd_id), NOW.to_owned()]);
                statements.push(format!(
                    "insert into {target} ({}, {}, {}, {}, {}, {})\nselect {}, {scd_id}, {NOW}, {NOW}, held.{}, 'True'\nfrom \
                     {target} as held join {changes} as change on held.rowid = change.elt_row\nwhere change.elt_gone{not_yet}",
                    list(&kept),
                    names.scd_id,
                    names.updated_at,
                    names.valid_from,
                    names.valid_to,
                    names.is_deleted,
                    kept.iter().map(|name| format!("held.{}", quote(name))).collect::<Vec<_>>().join(", "),
                    names.valid_to,
                    target = self.target,
                ));
                statements.push(self.end_deleted(changes, &not_yet));
            }
        }
        statements.push(insert);
        statements
    }

    fn end_deleted(&self, changes: &str, and: &str) -> String {
        format!(
            "update {} as held\nset {} = {NOW}\nfrom {changes} as change\nwhere held.rowid = change.elt_row and \
             change.elt_gone{and}",
            self.target, self.config.names.valid_to
        )
    }

    /// Drops the temporary tables of the statements.
    pub fn unstage(&self) -> String {
        format!("drop table if exists {}; drop table if exists temp.elt_snapshot_changes", self.staged)
    }

    /// Whether a row differs from the current version.
    fn row_changed(&self, query: &[String], existing: &[String]) -> String {
        match self.config.strategy {
            SnapshotStrategy::Timestamp => {
                format!("held.{} < now.elt_at", self.config.names.valid_from)
            }
            SnapshotStrategy::Check => {
                let compared: Vec<&String> = match &self.config.check_cols {
                    CheckColumns::All => query.iter().collect(),
                    CheckColumns::Named(names) => names.iter().collect(),
                };
                let is_there = |name: &&&String| existing.iter().any(|other| other.eq_ignore_ascii_case(name));
                if compared.iter().filter(is_there).count() < compared.len() {
                    // No version has this column, so each row counts as changed.
                    return "true".into();
                }
                let parts = compared.iter().map(|name| {
                    let name = quote(name);
                    format!("held.{name} is distinct from now.{name}")
                });
                format!("({})", parts.collect::<Vec<_>>().join(" or "))
            }
        }
    }
}
