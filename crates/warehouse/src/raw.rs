//! Raw tables: applies a finished load, together with its state, in one transaction.
//!
//! After a full load, the raw table is a view over the load's own segments, because a copy would cost as much as the
//! landing. The first later load that changes a row turns it into a table. Knows manifests and columns, but not where
//! the documents come from.

use arrow::array::StringArray;

use crate::messages;
use elt_base::error::{Error, Result};
use elt_base::failpoint::failpoint;
use elt_base::manifest::Manifest;
use elt_base::schema::{
    Column, ColumnType, DELETED_AT, ID, LOAD_ID, LOADED_AT, RESCUED, literal, quote, widen_columns,
};

use super::catalog::RelationKind;
use super::segments::select;
use super::session::Session;
use super::state::{LoadRecord, Loaded};
use elt_base::sql_error::SqlError;

/// The most doubled keys that a message shows.
const DOUBLED_SHOWN_MAX: usize = 3;

/// Why a check of a load did not pass.
enum Refusal {
    Failed(SqlError),
    Told(Error),
}

impl From<SqlError> for Refusal {
    fn from(cause: SqlError) -> Self {
        Self::Failed(cause)
    }
}

impl Refusal {
    fn into_error(self, failed: impl FnOnce(SqlError) -> Error) -> Error {
        match self {
            Self::Failed(cause) => failed(cause),
            Self::Told(error) => error,
        }
    }
}

/// The table with the ids of a sweep, in the session's temporary schema.
const SWEEP: &str = "_elt_sweep";

/// The changes that a load made to its raw table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// The rows written: all documents of a full load, or the new and changed documents of an incremental load.
    pub rows: u64,
    /// The written rows that replaced an older version.
    pub updated: u64,
    /// The rows that the sweep removed because the source no longer has them.
    pub deleted: u64,
    /// Whether the load is recorded as part of the raw table. An incremental load that changed nothing is not, because
    /// all its documents, including the quarantined ones, were already known.
    pub is_recorded: bool,
}

/// How a finished load is applied.
#[derive(Debug, Clone)]
pub struct Intake<'a> {
    /// The raw table's DuckDB schema.
    pub schema: &'a str,
    /// The raw table's name.
    pub table: &'a str,
    /// The path of the reading's watermark.
    pub watermark_path: Option<&'a str>,
    /// Whether `stage_ids` received every id of the source, so that rows with other ids are removed.
    pub sweep: bool,
    /// Whether such rows are kept, with the time in `_elt_deleted_at`.
    pub mark: bool,
    /// The most rows, in percent, that a sweep may remove.
    pub sweep_limit: f64,
    /// The columns that identify a row in place of `_id`, for messages. The ids of a load must differ then.
    pub key: &'a [String],
    /// Whether the load is recorded even if it changes no row, because of its quarantined documents.
    pub is_kept: bool,
}

/// See `Session::take_in`.
pub type Check<'c> = dyn FnMut(u64) -> Result<(Option<u64>, Option<u64>)> + 'c;

impl Session {
    /// Empties the list of ids with which a sweep compares.
    pub fn clear_ids(&self) -> Result<(), SqlError> {
        self.execute(&format!("create or replace temp table {SWEEP} (_id varchar)"))
    }

    /// Appends ids to that list.
    pub fn stage_ids(&self, ids: StringArray) -> Result<(), SqlError> {
        self.append_texts("temp", "main", SWEEP, ids)
    }

    /// Applies a finished load to its raw table. Raw data, watermark and census are committed together. A load that was
    /// applied before changes nothing. A load without new documents is not recorded either. `check` receives the number
    /// of rows that the table then has, without those marked as deleted. It returns the source's own counts at the
    /// load's start and end. If it fails, nothing changes.
    pub fn take_in(&self, manifest: &Manifest, intake: &Intake<'_>, check: &mut Check<'_>) -> Result<Applied> {
        let shown = format!("{}.{}", intake.schema, intake.table);
        let loaded = self.loaded(&manifest.source, &manifest.collection)?;
        if loaded.as_ref().is_some_and(|loaded| loaded.load_id >= manifest.load_id) {
            return Ok(Applied::default());
        }
        self.begin()?;
        let applied = self.apply(manifest, intake, loaded.as_ref(), &shown, check);
        match applied.and_then(|applied| {
            failpoint("load.before_commit");
            if applied.is_recorded {
                self.commit().map_err(|cause| messages::raw_load(&shown, &cause))?;
            } else {
                self.rollback();
            }
            Ok(applied)
        }) {
            Ok(applied) => {
                failpoint("load.after_commit");
                Ok(applied)
            }
            Err(error) => {
                self.rollback();
                Err(error)
            }
        }
    }

    fn apply(
        &self,
        manifest: &Manifest,
        intake: &Intake<'_>,
        loaded: Option<&Loaded>,
        shown: &str,
        check: &mut Check<'_>,
    ) -> Result<Applied> {
        let failed =
            |cause: SqlError| if cause.is_interrupt() { cause.into() } else { messages::raw_load(shown, &cause) };
        let table = format!("{}.{}", quote(intake.schema), quote(intake.table));
        let loaded = loaded.filter(|_| !manifest.mode.replaces());
        let columns = match loaded {
            Some(loaded) => widen_columns(&loaded.columns, &manifest.reading.columns)
                .ok_or_else(|| messages::raw_conflict(shown))?,
            None => manifest.reading.columns.clone(),
        };
        // Always later than every earlier load, even if the clock goes back, because models find new rows by this time.
        let loaded_at = self
            .value("select greatest(now(), coalesce((select max(loaded_at) + interval 1 microsecond from _elt.loads), now()))::varchar")
            .map_err(failed)?
            .map(|time| format!("timestamptz {}", literal(&time)))
            .unwrap_or_else(|| "now()".into());
        let mut select = select(manifest, &columns, &loaded_at);
        if intake.mark && loaded.is_none() {
            select = format!("select *, null::timestamptz as {DELETED_AT} from ({select})");
        }
        let mut applied = Applied { rows: manifest.reading.documents, ..Applied::default() };
        if !intake.key.is_empty() {
            self.check_key(intake, shown, &select).map_err(|cause| cause.into_error(failed))?;
        }

        match loaded {
            None => self.replace(intake, &table, &select).map_err(failed)?,
            Some(loaded) => {
                let widening = widening(&table, &loaded.columns, &columns);
                if !widening.is_empty() || intake.mark {
                    self.make_table(intake, &table).map_err(failed)?;
                }
                for statement in widening {
                    self.execute(&statement).map_err(failed)?;
                }
                if intake.mark {
                    self.execute(&format!("alter table {table} add column if not exists {DELETED_AT} timestamptz"))
                        .map_err(failed)?;
                }
                if !manifest.segments.is_empty() {
                    (applied.rows, applied.updated) = self.merge(intake, &table, &select, &columns).map_err(failed)?;
                }
            }
        }
        if intake.sweep {
            self.check_sweep(intake, shown, &table).map_err(|cause| cause.into_error(failed))?;
            applied.deleted = self.sweep(intake, &table, &manifest.load_id, &loaded_at).map_err(failed)?;
        }
        let here = if intake.mark { format!(" where {DELETED_AT} is null") } else { String::new() };
        let rows = self.count(&format!("select count(*) from {table}{here}")).map_err(failed)?;
        let counts = check(rows)?;
        let watermark = manifest.reading.watermark.as_deref().or(loaded.and_then(|loaded| loaded.watermark.as_deref()));
        applied.is_recorded = loaded.is_none_or(|loaded| {
            intake.is_kept
                || applied.rows + applied.deleted > 0
                || columns != loaded.columns
                || watermark != loaded.watermark.as_deref()
                || intake.watermark_path != loaded.watermark_path.as_deref()
        });
        if !applied.is_recorded {
            return Ok(applied);
        }
        self.record_load(&LoadRecord {
            load_id: &manifest.load_id,
            source: &manifest.source,
            collection: &manifest.collection,
            mode: manifest.mode.name(),
            started_at: &manifest.started_at,
            finished_at: &manifest.finished_at,
            loaded_at: &loaded_at,
            full_load_id: loaded.map_or(&manifest.load_id, |loaded| &loaded.full_load_id),
            deleted: applied.deleted,
            watermark,
            watermark_path: intake.watermark_path,
            key: intake.key,
            columns: &columns,
            id_kind: manifest.reading.id_kind.or(loaded.and_then(|loaded| loaded.id_kind)),
            reading: &manifest.reading,
            counts,
            rows,
        })
        .map_err(failed)?;
        if loaded.is_none() {
            self.record_raw_table(intake.schema, intake.table, &manifest.source, &manifest.collection)
                .map_err(failed)?;
        }
        Ok(applied)
    }

    /// Fails if two rows of a load have the same key.
    fn check_key(&self, intake: &Intake<'_>, shown: &str, select: &str) -> Result<(), Refusal> {
        let doubled = format!("select _id from ({select}) group by _id having count(*) > 1");
        let count = self.count(&format!("select count(*) from ({doubled})"))?;
        if count == 0 {
            return Ok(());
        }
        let some = self.rows(&format!("{doubled} order by _id limit {DOUBLED_SHOWN_MAX}"))?;
        let some: Vec<String> = some.into_iter().flatten().flatten().collect();
        Err(Refusal::Told(messages::key_doubled(shown, intake.key, count, &some)))
    }

    /// Fails if a sweep would remove more rows than it may.
    fn check_sweep(&self, intake: &Intake<'_>, shown: &str, table: &str) -> Result<(), Refusal> {
        let here = if intake.mark { format!("{DELETED_AT} is null") } else { "true".to_owned() };
        let all = self.count(&format!("select count(*) from {table} where {here}"))?;
        let ids = format!("select _id from temp.main.{SWEEP}");
        let gone = self.count(&format!("select count(*) from {table} where {here} and _id not in ({ids})"))?;
        if gone as f64 * 100.0 <= all as f64 * intake.sweep_limit {
            return Ok(());
        }
        Err(Refusal::Told(messages::sweep_limit(shown, gone, all, intake.sweep_limit)))
    }

    /// Replaces the relation of the table's name by a full load.
    fn replace(&self, intake: &Intake<'_>, table: &str, select: &str) -> Result<(), SqlError> {
        if self.catalog()?.get(intake.schema, intake.table) == Some(RelationKind::Table) {
            self.execute(&format!("drop table {table}"))?;
        }
        self.execute(&format!("create or replace view {table} as {select}"))
    }

    /// Turns a view into a table with its rows, before the first row changes.
    fn make_table(&self, intake: &Intake<'_>, table: &str) -> Result<(), SqlError> {
        if self.catalog()?.get(intake.schema, intake.table) != Some(RelationKind::View) {
            return Ok(());
        }
        // A collection of any other name may exist in the same schema.
        let mut name = format!("_elt_{}", intake.table);
        let catalog = self.catalog()?;
        while catalog.get(intake.schema, &name).is_some() {
            name.push('_');
        }
        let copy = format!("{}.{}", quote(intake.schema), quote(&name));
        self.execute(&format!("create table {copy} as from {table}; drop view {table}"))?;
        self.execute(&format!("alter table {copy} rename to {}", quote(intake.table)))
    }

    /// Removes or marks the rows whose ids the source does not have. Returns how many. If a marked row exists in the
    /// source again, its mark is removed. Both kinds of rows get this load's time, because models find changed rows by
    /// that time.
    fn sweep(&self, intake: &Intake<'_>, table: &str, load_id: &str, loaded_at: &str) -> Result<u64, SqlError> {
        let ids = format!("select _id from temp.main.{SWEEP}");
        let gone = format!("from {table} where _id not in ({ids})");
        if !intake.mark {
            if self.count(&format!("select count(*) {gone}"))? == 0 {
                return Ok(0);
            }
            self.make_table(intake, table)?;
            return self.change(&format!("delete {gone}"));
        }
        let set = |time: &str| {
            format!(
                "update {table} set {DELETED_AT} = {time}, {LOAD_ID} = {}, {LOADED_AT} = {loaded_at}",
                literal(load_id)
            )
        };
        self.change(&format!("{} where {DELETED_AT} is not null and _id in ({ids})", set("null")))?;
        self.change(&format!("{} where {DELETED_AT} is null and _id not in ({ids})", set(loaded_at)))
    }

    /// The number of rows of a raw table, without those marked as deleted.
    pub fn raw_rows(&self, schema: &str, table: &str) -> Result<u64> {
        let shown = format!("{schema}.{table}");
        let failed = |cause: SqlError| messages::raw_load(&shown, &cause);
        let table = format!("{}.{}", quote(schema), quote(table));
        let columns = self.describe(&table).map_err(failed)?;
        let marks = columns.iter().any(|(name, _)| name == DELETED_AT);
        let here = if marks { format!(" where {DELETED_AT} is null") } else { String::new() };
        self.count(&format!("select count(*) from {table}{here}")).map_err(failed)
    }

    /// Replaces rows of the same `_id` and adds the others. If a document was read twice, its last version is used. A
    /// document that equals its row changes nothing, so that a window may overlap the previous one.
    fn merge(
        &self,
        intake: &Intake<'_>,
        table: &str,
        select: &str,
        columns: &[Column],
    ) -> Result<(u64, u64), SqlError> {
        let content = |alias: &str| {
            let fields = columns.iter().map(|column| format!("{alias}.{}", quote(&column.name)));
            fields.chain([format!("{alias}.{}", quote(RESCUED))]).collect::<Vec<_>>().join(", ")
        };
        self.execute(&format!(
            "create or replace temp table _elt_new as \
             with read as (select * from ({select}) \
             qualify row_number() over (partition by _id order by _elt_segment desc, _elt_row desc) = 1) \
             select read.* exclude (_elt_segment, _elt_row) from read left join {table} as have on have._id = read._id \
             where have._id is null or row({}) is distinct from row({}){}",
            content("read"),
            content("have"),
            if intake.mark { format!(" or have.{DELETED_AT} is not null") } else { String::new() },
        ))?;
        if self.count("select count(*) from temp.main._elt_new")? == 0 {
            self.execute("drop table temp.main._elt_new")?;
            return Ok((0, 0));
        }
        self.make_table(intake, table)?;
        let updated = self.change(&format!("delete from {table} where _id in (select _id from temp.main._elt_new)"))?;
        let names = names(columns);
        let rows = self.change(&format!("insert into {table} ({names}) select {names} from temp.main._elt_new"))?;
        self.execute("drop table temp.main._elt_new")?;
        Ok((rows, updated))
    }
}

/// All column names of a raw table, in order, quoted.
fn names(columns: &[Column]) -> String {
    let fields = columns.iter().map(|column| quote(&column.name));
    let all = std::iter::once(quote(ID)).chain(fields).chain([RESCUED, LOAD_ID, LOADED_AT].map(quote));
    all.collect::<Vec<_>>().join(", ")
}

/// The statements that change a raw table from its old columns to the new, wider ones.
fn widening(table: &str, old: &[Column], new: &[Column]) -> Vec<String> {
    let mut statements = Vec::new();
    for column in new {
        let (name, sql) = (quote(&column.name), column.column_type.sql());
        match old.iter().find(|old| old.name.eq_ignore_ascii_case(&column.name)) {
            None => statements.push(format!("alter table {table} add column {name} {sql}")),
            Some(old) if old.column_type.sql() != sql => {
                // A column with only nulls contains no text that must be converted to the new type.
                let from = if old.column_type == ColumnType::Null { "null".to_owned() } else { name.clone() };
                statements
                    .push(format!("alter table {table} alter column {name} set data type {sql} using {from}::{sql}"));
            }
            Some(_) => {}
        }
    }
    statements
}
