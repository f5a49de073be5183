//! The rows that are not published to a table but stored in its quarantine table, `<table>_quarantine`.
//!
//! Collects the rows as batches, and writes the SQL of the quarantine table. Knows no connection.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::record_batch::RecordBatch;

use super::field::CopyField;
use super::fit::ExistingPostgresTable;
use super::hazard::PostgresHazard;
use super::load_target::LoadTarget;
use super::names::{names, qualified};
use super::table::{PostgresForeignKey, PostgresTable};
use crate::target::{Hazard, value_text};
use elt_base::schema::{literal, quote};
use elt_project::OnHazard;

/// More rows than this are not quarantined, because so many bad rows usually have one cause.
pub const ROWS_MAX: usize = 100_000;
/// The maximum stored length of a row's text; the warehouse has the complete row.
const ROW_TEXT_BYTES_MAX: usize = 1 << 20;

/// The columns of the quarantine table after the key's columns.
const COLUMNS: [(&str, &str); 7] = [
    ("_elt_column", "text not null"),
    ("_elt_hazard", "text not null"),
    ("_elt_row", "jsonb not null"),
    ("_elt_publication", "uuid not null"),
    ("_elt_quarantined_at", "timestamptz not null default now()"),
    ("_elt_published", PUBLISHED),
    ("_elt_cause", "text"),
];
/// Of a row that is published with other values.
const PUBLISHED: &str = "boolean not null default false";
/// The columns that entries are written with, after the key's columns.
const STAGED: &str = "_elt_column, _elt_hazard, _elt_row, _elt_published, _elt_cause";

/// Why an entry depends on other rows: as long as there is one, its table is published in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its key was replaced: whether it is published depends on the keys of all rows.
    Key,
    /// It references a row that is quarantined.
    Reference,
}

impl Cause {
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Reference => "reference",
        }
    }
}

/// A row with values that Postgres cannot store, and what became of it.
pub struct Entry<'a> {
    pub batch: &'a RecordBatch,
    pub row: usize,
    pub faulty: &'a [(usize, PostgresHazard)],
    /// The row is in the table, with other values.
    pub is_published: bool,
    pub cause: Option<Cause>,
}

/// The quarantined rows.
#[derive(Default)]
pub struct SetAside {
    /// The key's columns, one row each (NULL if the key itself has a hazard), then column, hazard and row.
    batches: Vec<RecordBatch>,
    /// Only the key's columns, of rows whose key has no hazard.
    keys: Vec<RecordBatch>,
    /// The rows that are not in the table.
    pub rows: u64,
    /// The rows that are, with other values.
    pub replaced: u64,
}

impl SetAside {
    /// Adds one row with its faults.
    pub fn add(&mut self, entry: &Entry<'_>, fields: &[CopyField]) {
        let Entry { batch, row, faulty, is_published, cause: depends } = *entry;
        *(if is_published { &mut self.replaced } else { &mut self.rows }) += 1;
        if self.batches.len() >= ROWS_MAX {
            return;
        }
        let schema = batch.schema();
        let index = UInt32Array::from(vec![row as u32]);
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        let mut is_key_whole = true;
        for (position, _) in fields.iter().enumerate().filter(|(_, field)| field.is_key) {
            let array = batch.column(position);
            let is_bad = faulty.iter().any(|(column, _)| *column == position);
            is_key_whole &= !is_bad;
            let kept = if is_bad && !is_published { None } else { take(array, &index, None).ok() };
            let kept = kept.unwrap_or_else(|| new_null_array(array.data_type(), 1));
            columns.push((schema.field(position).name().clone(), kept));
        }
        if is_key_whole && !is_published && !columns.is_empty() {
            self.keys.extend(RecordBatch::try_from_iter_with_nullable(
                columns.iter().map(|(name, array)| (name, array.clone(), true)),
            ));
        }
        let cause =
            faulty.iter().find(|(column, _)| fields[*column].on_hazard == OnHazard::Quarantine).or(faulty.first());
        let (column, hazard) =
            cause.map_or(("", ""), |(column, hazard)| (schema.field(*column).name().as_str(), hazard.text()));
        let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        columns.push(("_elt_column".into(), text(column)));
        columns.push(("_elt_hazard".into(), text(hazard)));
        columns.push(("_elt_row".into(), text(&written(batch, row))));
        columns.push(("_elt_published".into(), Arc::new(BooleanArray::from(vec![is_published])) as ArrayRef));
        columns.push(("_elt_cause".into(), Arc::new(StringArray::from(vec![depends.map(Cause::word)])) as ArrayRef));
        self.batches.extend(RecordBatch::try_from_iter_with_nullable(
            columns.iter().map(|(name, array)| (name, array.clone(), true)),
        ));
    }

    /// The rows for the staging table of `create_staging`.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The keys that must not remain in the table.
    pub fn keys(&self) -> &[RecordBatch] {
        &self.keys
    }
}

/// A row as JSON: each value as a text that `jsonb` accepts.
fn written(batch: &RecordBatch, row: usize) -> String {
    let mut object = serde_json::Map::new();
    let mut room = ROW_TEXT_BYTES_MAX;
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let value = if array.is_null(row) {
            serde_json::Value::Null
        } else {
            let mut text = value_text(array, row).replace('\0', "\\u0000");
            let mut end = text.len().min(room);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            room -= end;
            text.into()
        };
        object.insert(field.name().clone(), value);
    }
    serde_json::Value::Object(object).to_string()
}

pub fn place(table: &PostgresTable) -> String {
    qualified(&table.schema, &table.beside)
}

/// A staging table for quarantined rows.
pub fn create_staging(staging: &str, table: &PostgresTable) -> String {
    let keys = table.key_columns().map(|column| format!("{} {}, ", quote(&column.name), column.postgres_type));
    format!(
        "create unlogged table if not exists {staging} ({}_elt_column text, _elt_hazard text, _elt_row jsonb, \
         _elt_published {PUBLISHED}, _elt_cause text)",
        keys.collect::<String>()
    )
}

/// Quarantined rows, on their way to their staging table. The key's columns are in the table's order, as in batches.
pub fn load_staging(staging: &str, table: &PostgresTable) -> LoadTarget {
    let keys = table.columns.iter().filter(|column| table.key.contains(&column.name));
    let keys: Vec<String> = keys.map(|column| format!("{}, ", quote(&column.name))).collect();
    let width = keys.len() + STAGED.split(',').count();
    LoadTarget { place: staging.to_owned(), columns: format!("{}{STAGED}", keys.concat()), width, freeze: false }
}

/// Creates the quarantine table.
pub fn create(table: &PostgresTable) -> String {
    let keys = table.key_columns().map(|column| format!("{} {}", quote(&column.name), column.postgres_type));
    let ours = COLUMNS.iter().map(|(name, sql)| format!("{name} {sql}"));
    format!("create table if not exists {} ({})", place(table), keys.chain(ours).collect::<Vec<_>>().join(", "))
}

/// Adds the columns that quarantine tables of earlier versions lack.
pub fn widen(table: &PostgresTable) -> String {
    let added = COLUMNS[5..].iter().map(|(name, sql)| format!("add column if not exists {name} {sql}"));
    format!("alter table {} {}", place(table), added.collect::<Vec<_>>().join(", "))
}

/// Whether a quarantine table has all columns.
pub fn is_whole(there: &ExistingPostgresTable) -> bool {
    COLUMNS.iter().all(|(name, _)| there.columns.iter().any(|column| column.name == *name))
}

/// The staged rows of a table without those that are quarantined because of other rows.
pub fn published_rows(table: &PostgresTable, rows: &str) -> String {
    let on = table.key.iter().map(|name| format!("q.{0} = r.{0}", quote(name))).collect::<Vec<_>>();
    format!(
        "(select * from {rows} as r where not exists (select from {} as q where {} and not q._elt_published \
         and q._elt_cause is not null))",
        place(table),
        on.join(" and ")
    )
}

/// Whether entries depend on other rows.
pub fn depends_on_others(table: &PostgresTable) -> String {
    format!("select exists (select from {} where _elt_cause is not null)", place(table))
}

/// Forgets the entries of all rows, or of those that are staged by key in `staged`.
pub fn forget(table: &PostgresTable, staged: Option<&str>) -> String {
    match staged {
        Some(staged) if !table.key.is_empty() => {
            let on = table.key.iter().map(|name| format!("q.{0} = s.{0}", quote(name))).collect::<Vec<_>>();
            format!("delete from {} as q using {staged} as s where {}", place(table), on.join(" and "))
        }
        _ => format!("delete from {}", place(table)),
    }
}

/// Inserts the quarantined rows.
pub fn enter(table: &PostgresTable, staging: &str, publication: &str) -> String {
    let keys = if table.key.is_empty() { String::new() } else { format!("{}, ", names(&table.key)) };
    format!(
        "insert into {} ({keys}{STAGED}, _elt_publication) select {keys}{STAGED}, {}::uuid from {staging}",
        place(table),
        literal(publication)
    )
}

/// The rows of one foreign key that reference quarantined rows.
pub struct Orphans<'a> {
    pub child: &'a PostgresTable,
    pub parent: &'a PostgresTable,
    pub key: &'a PostgresForeignKey,
}

impl Orphans<'_> {
    /// Moves the rows of `from` (the child's table, or its staged rows) whose parents are quarantined to the child's
    /// staged entries, `staging`. One row each: the key, and the key that it references, as texts. (A row whose own key
    /// has a hazard has no key in the quarantine: a reference that was replaced, too, has its original in `staging`.)
    pub fn take(&self, from: &str, staging: &str) -> String {
        let aside = place(self.parent);
        let pairs: Vec<(&String, &String)> = self.key.columns.iter().zip(&self.key.to_columns).collect();
        let all = |of: &dyn Fn(&str, &str) -> String| {
            pairs.iter().map(|(child, parent)| of(child, parent)).collect::<Vec<_>>().join(" and ")
        };
        let is_aside = all(&|child, to| match self.parent.key.iter().any(|key| key == to) {
            true => format!("q.{} = c.{}", quote(to), quote(child)),
            false => format!("q._elt_row ->> {} = c.{}::text", literal(to), quote(child)),
        });
        // A reference that was replaced may have met another row's key: its original tells.
        let was_aside = all(&|child, to| format!("q._elt_row ->> {} = b._elt_row ->> {}", literal(to), literal(child)));
        let own_key = self.child.key.iter().map(|name| format!("b.{0} = c.{0}", quote(name))).collect::<Vec<_>>();
        let by_original = match own_key.is_empty() {
            true => String::new(),
            false => format!(
                " or exists (select from {staging} as b join {aside} as q on {was_aside} and not q._elt_published \
                 and q._elt_cause is not null where {} and b._elt_published)",
                own_key.join(" and ")
            ),
        };
        let keys = if self.child.key.is_empty() { String::new() } else { format!("{}, ", names(&self.child.key)) };
        let text = |names: &[String]| {
            let texts: Vec<_> = names.iter().map(|name| format!("{}::text", quote(name))).collect();
            if texts.is_empty() { "''".to_owned() } else { format!("concat_ws(', ', {})", texts.join(", ")) }
        };
        format!(
            "with gone as (delete from {from} as c where exists (select from {aside} as q where {is_aside} and not q._elt_published)\
             {by_original} returning c.*), \
             entered as (insert into {staging} ({keys}{STAGED}) select {keys}{}, 'references a quarantined row', \
             (select coalesce(jsonb_object_agg(each.key, each.value), '{{}}') from jsonb_each_text(to_jsonb(gone)) as each), \
             false, {} from gone) select {}, {} from gone",
            literal(self.key.columns.first().map_or("", String::as_str)),
            literal(Cause::Reference.word()),
            text(&self.child.key),
            text(&self.key.columns),
        )
    }

    /// Gives the moved rows the originals that their earlier entries in `entries` have (the staged ones, or the
    /// quarantine table's), and forgets those: the rows are no longer published with other values. Empty without a key.
    pub fn unpublish(&self, entries: &str, staging: &str) -> Vec<String> {
        if self.child.key.is_empty() {
            return Vec::new();
        }
        let same = self.child.key.iter().map(|name| format!("b.{0} = r.{0}", quote(name))).collect::<Vec<_>>();
        let reference = literal(Cause::Reference.word());
        let on = format!(
            "b._elt_published and not r._elt_published and r._elt_cause = {reference} and {}",
            same.join(" and ")
        );
        vec![
            format!("update {staging} as r set _elt_row = b._elt_row from {entries} as b where {on}"),
            format!("delete from {entries} as b using {staging} as r where {on}"),
        ]
    }
}
