//! The tool's own tables in the warehouse, schema `_elt`: loads, collections, census.
//!
//! Each table changes in the same transaction as the data that it describes. Knows the tables' columns, not their
//! users.

use std::collections::HashMap;
use std::path::Path;

use elt_base::reading::{IdKind, Reading};
use elt_base::schema::{Column, literal};

use super::session::Session;
use elt_base::error::{Error, Result};
use elt_base::sql_error::SqlError;
use elt_base::stored::{self, Stored};

/// The format of these tables. A warehouse with another format is not accepted.
pub(super) const VERSION: &str = "2";

const TABLES: &str = "
begin transaction;
create schema if not exists _elt;
create table if not exists _elt.meta (key varchar not null, value varchar not null);
create table if not exists _elt.loads (
    load_id varchar not null, source varchar not null, collection varchar not null, mode varchar not null,
    started_at timestamptz not null, finished_at timestamptz not null, loaded_at timestamptz not null,
    documents ubigint not null, bytes ubigint not null, rescued ubigint not null, deleted ubigint not null,
    watermark json, quarantined ubigint, source_count_start ubigint, source_count_end ubigint, table_rows ubigint);
create table if not exists _elt.collections (
    source varchar not null, collection varchar not null, load_id varchar not null, full_load_id varchar not null,
    watermark json, watermark_path varchar, columns json not null, id_kind varchar);
create table if not exists _elt.census (
    load_id varchar not null, source varchar not null, collection varchar not null, path varchar not null,
    bson_type varchar not null, \"values\" ubigint not null, rescued ubigint not null, example_id varchar not null);
insert into _elt.meta select 'version', '2' where not exists (from _elt.meta where key = 'version');
commit;
";

/// The collection that filled each raw table last. The names are compared as DuckDB compares them.
const RAW_TABLES: &str = "create table if not exists _elt.raw_tables (
    schema_name varchar not null, table_name varchar not null, source varchar not null, collection varchar not null)";

/// The upgrade from version 1.
const UPGRADE: &str = "
begin transaction;
alter table _elt.loads add column quarantined ubigint;
alter table _elt.loads add column source_count_start ubigint;
alter table _elt.loads add column source_count_end ubigint;
alter table _elt.loads add column table_rows ubigint;
update _elt.meta set value = '2' where key = 'version';
commit;
";

/// The recorded state of a collection that was loaded before.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub load_id: String,
    /// The last full load. The raw table consists of its segments and those of later loads.
    pub full_load_id: String,
    /// Canonical Extended JSON.
    pub watermark: Option<String>,
    /// The path of the watermark.
    pub watermark_path: Option<String>,
    pub columns: Vec<Column>,
    /// Whether an older version of elt stored columns that are too deep. They are JSON here, but not in the raw table,
    /// which only a full load can change.
    pub is_cut: bool,
    /// The kind of `_id`s that have the plain text form. None if there was never a document.
    pub id_kind: Option<IdKind>,
    /// The columns that identify a row in place of `_id`.
    pub key: Vec<String>,
}

/// Creates the tables if they are missing.
pub(super) fn prepare(session: &Session) -> Result<(), SqlError> {
    let script = match version(session) {
        Err(_) => TABLES,
        Ok(Some(version)) if version == "1" => UPGRADE,
        Ok(_) => return session.execute(RAW_TABLES),
    };
    session.execute(script).inspect_err(|_| session.rollback())?;
    session.execute(RAW_TABLES)
}

/// Whether elt ever wrote to the database. A database that only dbt wrote does not have elt's tables.
pub(super) fn is_ours(session: &Session) -> Result<bool, SqlError> {
    let count = "select count(*) from duckdb_tables() where schema_name = '_elt' and table_name = 'meta' \
                 and database_name = current_database()";
    Ok(session.count(count)? > 0)
}

pub(super) fn version(session: &Session) -> Result<Option<String>, SqlError> {
    session.value("select value from _elt.meta where key = 'version'")
}

impl Session {
    /// Records where the landing folder is. If it was moved, the views over its segments are created again.
    pub(super) fn follow_landing(&self, landing: &Path) -> Result<(), SqlError> {
        let now = landing.to_string_lossy().into_owned();
        let before = self.value("select value from _elt.meta where key = 'landing'")?;
        if before.as_deref() == Some(now.as_str()) {
            return Ok(());
        }
        self.begin()?;
        if let Some(before) = before {
            // The paths in the form that they have within a literal.
            let [before, now] = [&before, &now].map(|path| path.replace('\'', "''"));
            let views = self.rows(&format!(
                "select sql from duckdb_views() where database_name = current_database() and not internal \
                 and contains(sql, {})",
                literal(&format!("'{before}/"))
            ))?;
            for sql in views.into_iter().flatten().flatten() {
                let moved = sql.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1);
                self.execute(&moved.replace(&format!("'{before}/"), &format!("'{now}/")))?;
            }
        }
        self.execute(&format!(
            "delete from _elt.meta where key = 'landing'; insert into _elt.meta values ('landing', {})",
            literal(&now)
        ))?;
        self.commit()
    }

    /// The approximate number of rows of each raw table, by source and collection: its number after the last load.
    pub fn raw_sizes(&self) -> Result<HashMap<(String, String), u64>, SqlError> {
        let rows = self.rows(
            "select source, collection, coalesce(arg_max(table_rows, load_id), arg_max(documents, load_id)) \
             from _elt.loads group by all",
        )?;
        let sizes = rows.into_iter().filter_map(|row| match <[Option<String>; 3]>::try_from(row) {
            Ok([Some(source), Some(collection), Some(rows)]) => Some(((source, collection), rows.parse().ok()?)),
            _ => None,
        });
        Ok(sizes.collect())
    }

    /// The recorded state of a collection. None if it was never loaded.
    pub fn loaded(&self, source: &str, collection: &str) -> Result<Option<Loaded>> {
        let rows = self.rows(&format!(
            "select load_id, full_load_id, watermark::varchar, watermark_path, columns::varchar, id_kind \
             from _elt.collections \
             where source = {} and collection = {}",
            literal(source),
            literal(collection)
        ))?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let [Some(load_id), Some(full_load_id), watermark, watermark_path, Some(columns), id_kind] =
            <[Option<String>; 6]>::try_from(row).unwrap_or_default()
        else {
            return Ok(None);
        };
        let Stored { value: columns, is_cut } = stored::read(&columns).map_err(|cause| {
            Error::failed("cannot read the columns that are stored in `_elt.collections`").caused_by(&cause)
        })?;
        let id_kind = id_kind
            .map(|kind| serde_json::from_value(kind.into()))
            .transpose()
            .map_err(|cause| Error::failed("`_elt.collections` contains an unknown `id_kind`").caused_by(&cause))?;
        let key =
            self.value(&format!("select value from _elt.meta where key = {}", literal(&key_name(source, collection))))?;
        let key = key.and_then(|key| serde_json::from_str(&key).ok()).unwrap_or_default();
        Ok(Some(Loaded { load_id, full_load_id, watermark, watermark_path, columns, is_cut, id_kind, key }))
    }

    /// Whether the raw table, which exists, holds the documents of this collection. It may hold those of another
    /// collection if both names were one to DuckDB, or if a collection of such a name left the project.
    pub fn holds(&self, schema: &str, table: &str, source: &str, collection: &str) -> Result<bool> {
        let rows = self
            .rows(&format!("select source, collection from _elt.raw_tables where {}", is_raw_table(schema, table)))?;
        if let Some(row) = rows.first() {
            return Ok(row.iter().map(Option::as_deref).eq([Some(source), Some(collection)]));
        }
        // Nothing was recorded when collections still shared their raw tables.
        let others = format!(
            "select count(*) from _elt.collections where lower(source) = lower({0}) and lower(collection) = lower({1}) \
             and not (source = {0} and collection = {1})",
            literal(source),
            literal(collection)
        );
        Ok(self.count(&others)? == 0)
    }

    /// Records which collection the raw table holds, in the transaction that changed it.
    pub(super) fn record_raw_table(
        &self,
        schema: &str,
        table: &str,
        source: &str,
        collection: &str,
    ) -> Result<(), SqlError> {
        self.execute(&format!(
            "delete from _elt.raw_tables where {}; insert into _elt.raw_tables values ({}, {}, {}, {})",
            is_raw_table(schema, table),
            literal(schema),
            literal(table),
            literal(source),
            literal(collection)
        ))
    }

    /// Records a load and its census, in the transaction that changed the raw table.
    pub(super) fn record_load(&self, record: &LoadRecord<'_>) -> Result<(), SqlError> {
        let LoadRecord {
            load_id,
            source,
            collection,
            mode,
            started_at,
            finished_at,
            loaded_at,
            full_load_id,
            deleted,
            ..
        } = *record;
        let reading = record.reading;
        let watermark = record.watermark.map_or("null".into(), literal);
        let path = record.watermark_path.map_or("null".into(), literal);
        let id_kind = match record.id_kind.map(serde_json::to_value).transpose() {
            Ok(Some(serde_json::Value::String(kind))) => literal(&kind),
            _ => "null".into(),
        };
        let columns = serde_json::to_string(record.columns).map_err(|cause| SqlError::parse(&cause.to_string()))?;
        let (load, source, collection) = (literal(load_id), literal(source), literal(collection));
        self.execute(&format!(
            "insert into _elt.loads values ({load}, {source}, {collection}, {}, {}, {}, {loaded_at}, {}, {}, {}, {deleted}, \
             {watermark}, {}, {}, {}, {}); \
             delete from _elt.collections where source = {source} and collection = {collection}; \
             insert into _elt.collections values ({source}, {collection}, {load}, {}, {watermark}, {path}, {}, \
             {id_kind})",
            literal(mode),
            literal(started_at),
            literal(finished_at),
            reading.documents,
            reading.bytes,
            reading.rescued,
            reading.quarantined,
            number(record.counts.0),
            number(record.counts.1),
            record.rows,
            literal(full_load_id),
            literal(&columns),
        ))?;
        let key_name = literal(&key_name(record.source, record.collection));
        self.execute(&format!("delete from _elt.meta where key = {key_name}"))?;
        if !record.key.is_empty() {
            let key = serde_json::Value::from(record.key.to_vec()).to_string();
            self.execute(&format!("insert into _elt.meta values ({key_name}, {})", literal(&key)))?;
        }
        let mut counts = Vec::new();
        for (path, by_type) in &reading.census.0 {
            for (bson_type, count) in by_type {
                counts.push(format!(
                    "({load}, {source}, {collection}, {}, {}, {}, {}, {})",
                    literal(path),
                    literal(bson_type),
                    count.values,
                    count.rescued,
                    literal(&count.example)
                ));
            }
        }
        for some in counts.chunks(1000) {
            self.execute(&format!("insert into _elt.census values {}", some.join(", ")))?;
        }
        Ok(())
    }
}

/// The values that `record_load` writes.
pub(super) struct LoadRecord<'a> {
    pub load_id: &'a str,
    pub source: &'a str,
    pub collection: &'a str,
    pub mode: &'a str,
    pub started_at: &'a str,
    pub finished_at: &'a str,
    /// A SQL expression for the time that every row of the load has.
    pub loaded_at: &'a str,
    pub full_load_id: &'a str,
    pub deleted: u64,
    pub watermark: Option<&'a str>,
    pub watermark_path: Option<&'a str>,
    pub key: &'a [String],
    pub columns: &'a [Column],
    pub id_kind: Option<IdKind>,
    pub reading: &'a Reading,
    /// The source's own counts when the load began and when it ended.
    pub counts: (Option<u64>, Option<u64>),
    /// The rows of the raw table after the load.
    pub rows: u64,
}

/// The condition that selects a raw table of `_elt.raw_tables`.
fn is_raw_table(schema: &str, table: &str) -> String {
    format!("lower(schema_name) = lower({}) and lower(table_name) = lower({})", literal(schema), literal(table))
}

/// The name in `_elt.meta` of a collection's key. Most collections have none.
fn key_name(source: &str, collection: &str) -> String {
    format!("key {}", serde_json::json!([source, collection]))
}

fn number(number: Option<u64>) -> String {
    number.map_or("null".into(), |number| number.to_string())
}
