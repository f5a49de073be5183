//! Publishes relations to a target: exactly what changed, all tables or none.
//!
//! What changed is computed in the warehouse, by SQL that `delta` writes and the run executes; the rows reach an
//! exporter through `Changes`. Knows nothing of documents, of models or of how DuckDB is reached.
//!
//! A publication, as the run composes it:
//!
//! 1. `contract::resolve` turns relations into tables.
//! 2. `open` connects, takes the target's lock, verifies the tables that are there, and tells the id of the
//!    publication that the target stands at. `delta::standing` compares it with the warehouse's ledger:
//!    at the pending one (its answer was lost) → run every pending `Delta::promote`, then go on; at the current one
//!    → deltas; anything else → `delta::FORGET`, and every table goes in full.
//! 3. For each table the run executes `Delta::compute` and reads `Delta::counts`. A table with nothing changed, of
//!    which the exporter does not want everything, is not staged. The others: `stage`, several at once if it likes.
//! 4. `delta::pend` records the id in the warehouse, `commit` publishes, `Delta::promote` and `delta::settle` make the
//!    warehouse's snapshot current. Killed anywhere between, the next run's step 2 tells what happened.
//!
//! An exporter dropped before `commit` leaves the target as it was.

pub mod contract;
pub mod delta;
mod difference;
mod duck_type;
mod duckdb;
mod file_format;
mod files;
mod messages;
mod mongodb;
mod mysql;
mod plan;
mod postgres;
mod postgres_type;

use std::collections::BTreeMap;
use std::path::Path;

use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

pub use contract::{Relation, Table};
pub use difference::Difference;
pub use duck_type::DuckType;
pub use files::left as left_file;
pub use plan::PlannedStep;
pub use postgres_type::PostgresType;

use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_project::{ExportPlace, ExportPolicy, ExportProfile, FileFormat};

/// One atomic export.
#[derive(Debug, Clone)]
pub struct Publication {
    /// A UUID in text form; a later publication's sorts after an earlier one's (version 7).
    pub id: String,
    pub project: String,
    /// The target's name in the profile.
    pub target: String,
    /// Parents before children, as `contract::resolve` gives them.
    pub tables: Vec<Table>,
    /// By label, a fingerprint of the model that made the rows, for the record.
    pub definitions: BTreeMap<String, String>,
}

impl Publication {
    pub fn new(project: impl Into<String>, target: impl Into<String>, tables: Vec<Table>) -> Self {
        Self {
            id: uuid::Uuid::now_v7().to_string(),
            project: project.into(),
            target: target.into(),
            tables,
            definitions: BTreeMap::new(),
        }
    }
}

/// How rows leave the warehouse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// Nested values as JSON text.
    #[default]
    Flat,
    /// STRUCT, LIST and MAP as Arrow has them.
    Nested,
    /// As `Flat`, with lists of scalars as JSON text too, and intervals as DuckDB's own text.
    Json,
}

/// What the rows of a staged table stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All rows of the relation: what the target has beside them goes.
    Everything,
    /// Rows new or changed since the last publication, and the keys of those that are gone.
    Delta,
}

/// How many rows a publication touches in one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

impl Counts {
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// Takes the batches of a query one by one; its error ends the query.
pub type Sink<'a> = dyn FnMut(&RecordBatch) -> Result<()> + 'a;

/// A table's changes, as the warehouse holds them: the run implements it over the queries of `delta`.
pub trait Changes {
    /// What `Delta::counts` found.
    fn counts(&self) -> Counts;

    /// The rows of `Delta::rows`: all columns of the table in its order, of the Arrow types that `DuckType::select` names
    /// for the exporter's shape.
    fn rows(&mut self, sink: &mut Sink<'_>) -> Result<()>;

    /// The keys of `Delta::deletes`: the key's columns in its order. Asked for only with `Extent::Delta`.
    fn deletes(&mut self, sink: &mut Sink<'_>) -> Result<()>;

    /// Writes all rows of the relation (`Delta::file_query`) to a new file, or, for a table with `partition_by`, into a new
    /// folder; returns how many.
    fn write_file(&mut self, path: &Path, format: &FileFormat) -> Result<u64>;

    /// The queries behind `rows` and `deletes`, with DuckDB's own types, for a target that DuckDB itself writes.
    fn queries(&self) -> Queries;
}

/// SQL over the warehouse; it gives the same rows until the publication ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queries {
    pub rows: String,
    /// The key's columns of rows that are gone; None with `Extent::Everything`.
    pub deletes: Option<String>,
}

/// Runs SQL in a session of the warehouse that is the exporter's own, and gives all rows as text.
pub type Engine<'a> = dyn Fn(&str) -> Result<Vec<Vec<Option<String>>>> + Send + Sync + 'a;

/// What an exporter is opened with.
pub struct Opening<'a> {
    pub publication: Publication,
    pub policy: ExportPolicy,
    pub cancel: &'a Cancel,
    /// Tells people of a wait.
    pub say: &'a dyn Fn(&str),
    pub engine: &'a Engine<'a>,
}

/// An open publication on one target.
///
/// Promise: after `commit` returned Ok all staged tables are published, durably and at once (Parquet: file by file,
/// each one whole); after an error, or dropped, the target is as it was, unless the error says that the outcome is
/// unknown, in which case the next run recognises it by the publication's id.
pub trait Exporter: Send + Sync {
    /// The id of the publication the target stands at; None: none is recorded.
    fn last(&self) -> Option<&str>;

    /// How it takes rows.
    fn shape(&self) -> Shape {
        Shape::Flat
    }

    /// Whether this table (by label) can only be published in full, whatever the ids say: it is missing there, or new
    /// to us, or has gained a column.
    fn wants_everything(&self, table: &str) -> bool;

    /// The tables, by label, that somebody else changed since our last publication; `wants_everything` is true for them.
    fn touched(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether `differences` can tell.
    fn compares(&self) -> bool {
        false
    }

    /// How tables that stand there differ from what was staged of them in full, for those of these labels; those that do
    /// not are left out. Changes nothing.
    fn differences(&self, _labels: &[String]) -> Result<Vec<Difference>> {
        Ok(Vec::new())
    }

    /// What the user should know: columns left alone, foreign keys that wait for their table. Without row values.
    fn notes(&self) -> Vec<String>;

    /// Stages one table. Several threads may stage different tables at once.
    fn stage(&self, table: &str, extent: Extent, changes: &mut dyn Changes) -> Result<()>;

    /// Publishes what was staged. With nothing staged and nothing to alter, writes nothing.
    fn commit(self: Box<Self>) -> Result<Published>;
}

/// A publication done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The id the target stands at now; None: there was nothing to publish, and it stands where it stood.
    pub id: Option<String>,
    /// The staged tables, by label, with what changed in the target, in the publication's order.
    pub tables: Vec<(String, Counts)>,
}

/// Connects to a target and begins a publication there.
///
/// Errors: unreachable or refused, locked by another publication, tables that do not fit (all differences at once).
pub fn open<'a>(place: &ExportPlace, opening: Opening<'a>) -> Result<Box<dyn Exporter + 'a>> {
    Ok(match place {
        ExportPlace::Files { path, format } => Box::new(files::FileExporter::open(path, format, opening)?),
        ExportPlace::Duckdb { path, schema } => Box::new(duckdb::DuckdbExporter::open(path, schema, opening)?),
        ExportPlace::Postgres { uri, schema, connections } => {
            Box::new(postgres::PostgresExporter::open(uri, schema, *connections, opening)?)
        }
        ExportPlace::Mysql { uri } => Box::new(mysql::MysqlExporter::open(uri, opening)?),
        ExportPlace::Mongodb { uri, database } => Box::new(mongodb::MongodbExporter::open(uri, database, opening)?),
    })
}

/// Tells whether a target can be reached, changing nothing there: one line for people.
pub fn probe(profile: &ExportProfile) -> Result<String> {
    Ok(match &profile.place {
        ExportPlace::Files { path, format } => {
            let kind = match format {
                FileFormat::Parquet => "Parquet",
                FileFormat::Csv(_) => "CSV",
                FileFormat::Json { .. } => "JSON",
            };
            format!("{kind} files in `{}`", path.display())
        }
        ExportPlace::Duckdb { path, schema } => duckdb::probe(path, schema)?,
        ExportPlace::Postgres { uri, schema, .. } => postgres::probe(uri, schema)?,
        ExportPlace::Mysql { uri } => mysql::probe(uri)?,
        ExportPlace::Mongodb { uri, database } => mongodb::probe(uri, database)?,
    })
}

/// The steps that a publication would take to bring the target's tables to their contracts; files have none. Changes nothing.
pub fn plan(profile: &ExportProfile, publication: &Publication) -> Result<Vec<PlannedStep>> {
    match &profile.place {
        ExportPlace::Postgres { uri, schema, .. } => postgres::plan(uri, schema, publication, profile.policy),
        _ => Err(messages::export_no_plan(profile.place.kind())),
    }
}

/// The SQL that makes the tables of a publication.
pub fn ddl(profile: &ExportProfile, publication: &Publication) -> Result<String> {
    match &profile.place {
        ExportPlace::Postgres { schema, .. } => postgres::ddl(schema, publication),
        _ => Err(messages::export_no_ddl(profile.place.kind())),
    }
}

/// A natural key and the id that was given to it: what every target of a project with surrogate keys keeps too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    pub map: String,
    pub natural_key: String,
    pub id: Option<String>,
    pub uuid: Option<String>,
}

/// The keys that the target has; None where it stands at the publication `known`, whose keys the warehouse has, and for
/// targets that keys are not read back from.
pub fn keys(profile: &ExportProfile, known: Option<&str>) -> Result<Option<Vec<PublishedKey>>> {
    match &profile.place {
        ExportPlace::Postgres { uri, schema, .. } => postgres::keys(uri, schema, known),
        _ => Ok(None),
    }
}
