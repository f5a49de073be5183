//! Publishes to a DuckDB file, in one of its transactions.
//!
//! The file is attached to the warehouse's own database, from when the publication opens until it ends: DuckDB lets one
//! process at a time have a file that it writes, so that is the publication's lock too. The rows go from one database to
//! the other within DuckDB. `_elt.publications` in the file names the publication it stands at. Knows no driver: the
//! engine runs the SQL.

mod compare;
mod statements;
mod target;

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Changes, Counts, Difference, Engine, Exporter, Extent, Opening, Publication, Published, Queries};
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::schema::{literal, quote};
use statements::{CATALOG, OWN};
use target::{Step, Target};

/// How long a publication waits for a program that has the file open.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

pub struct DuckdbExporter<'a> {
    path: String,
    schema: String,
    publication: Publication,
    engine: &'a Engine<'a>,
    cancel: &'a Cancel,
    last: Option<String>,
    /// By label.
    targets: BTreeMap<String, Target>,
    notes: Vec<String>,
    staged: Mutex<BTreeMap<String, Staged>>,
    /// A table could not be staged: nothing may be published.
    has_failed: AtomicBool,
}

struct Staged {
    queries: Queries,
    extent: Extent,
    counts: Counts,
}

/// Tells whether a file can be published to, without opening it as a database.
pub fn probe(path: &Path, schema: &str) -> Result<String> {
    let shown = path.display();
    if !path.exists() {
        return Ok(format!("DuckDB file `{shown}`, schema `{schema}`: not there yet; the first publication makes it"));
    }
    // Twelve bytes in: a checksum goes before the mark.
    let mut head = [0; 12];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    match read {
        Ok(()) if head.ends_with(b"DUCK") => Ok(format!("DuckDB file `{shown}`, schema `{schema}`")),
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(messages::export_file("read", path, &error)),
        _ => Err(messages::export_duckdb_open(path, &["it is no DuckDB file".to_owned()])),
    }
}

impl<'a> DuckdbExporter<'a> {
    /// Attaches the file, or makes it, waiting for a program that has it open; then compares its tables with the contract.
    pub fn open(path: &Path, schema: &str, opening: Opening<'a>) -> Result<Self> {
        let Opening { publication, policy, cancel, say, engine } = opening;
        let schemas = publication.tables.iter().filter_map(|table| table.schema.as_deref());
        if std::iter::once(schema).chain(schemas).any(|schema| schema.eq_ignore_ascii_case("_elt")) {
            return Err(messages::export_duckdb_own_schema());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| messages::export_file("create folder", folder, &error))?;
        }
        is_no_warehouse(path, engine)?;
        attach(path, engine, cancel, say)?;
        // From here on, dropping it lets the file go.
        let mut exporter = Self {
            path: path.display().to_string(),
            schema: schema.to_owned(),
            publication,
            engine,
            cancel,
            last: None,
            targets: BTreeMap::new(),
            notes: Vec::new(),
            staged: Mutex::default(),
            has_failed: AtomicBool::new(false),
        };
        let own = exporter.run(
            "reading its catalog",
            None,
            &format!(
                "select table_name from duckdb_tables() where database_name = '{CATALOG}' and schema_name = '_elt'"
            ),
        )?;
        let has = |name: &str| own.iter().flatten().flatten().any(|found| found == name);
        if has("publications") {
            let sql = format!(
                "select id::varchar from {CATALOG}._elt.publications where schema = {} order by number desc limit 1",
                literal(schema)
            );
            exporter.last =
                exporter.run("reading the last publication", None, &sql)?.into_iter().flatten().flatten().next();
        }
        let mut errors = Vec::new();
        for table in &exporter.publication.tables {
            match target::resolve(table, schema, engine, has("tables"), policy, &mut exporter.notes) {
                Ok(target) => drop(exporter.targets.insert(table.label.clone(), target)),
                Err(error) => errors.extend(error.split()),
            }
        }
        for target in exporter.targets.values_mut().filter(|target| target.step == Step::Rebuild) {
            target.their_indexes = their_indexes(target, engine)?;
        }
        Error::many(errors).map_or(Ok(exporter), Err)
    }

    fn run(&self, during: &str, table: Option<&str>, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        (self.engine)(sql).map_err(|error| {
            if self.cancel.is_requested() {
                return elt_base::messages::interrupted();
            }
            messages::export_duckdb(&self.path, during, table, error.causes())
        })
    }

    /// The number that a statement gives: rows that it changed.
    fn count(&self, during: &str, table: &str, sql: &str) -> Result<u64> {
        let rows = self.run(during, Some(table), sql)?;
        Ok(rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    fn publish(&self, staged: &BTreeMap<String, Staged>) -> Result<Published> {
        self.run("beginning", None, "begin transaction")?;
        for statement in OWN {
            self.run("making its own tables", None, statement)?;
        }
        let mut tables = Vec::new();
        for table in &self.publication.tables {
            let Some(target) = self.targets.get(&table.label) else { continue };
            self.cancel.check()?;
            if let Some(staged) = staged.get(&table.label) {
                if target.step == Step::Create {
                    let schema = format!("create schema if not exists {CATALOG}.{}", quote(&target.schema));
                    self.run("making schema", Some(&target.schema), &schema)?;
                }
                tables.push((table.label.clone(), self.apply(target, staged)?));
            } else if !target.has_new_comments {
                continue;
            }
            if target.is_ours && (target.has_new_comments || target.step != Step::Nothing) {
                for statement in target.comments() {
                    self.run("commenting", Some(&table.label), &statement)?;
                }
            }
            self.record_table(target)?;
        }
        self.record(&tables)?;
        self.run("committing", None, "commit")?;
        // The publication stands; what is not checkpointed now is when the file is opened next.
        let _ = (self.engine)(&format!("checkpoint {CATALOG}"));
        Ok(Published { id: Some(self.publication.id.clone()), tables })
    }

    /// Brings one table to what was staged, and tells what changed.
    fn apply(&self, target: &Target, staged: &Staged) -> Result<Counts> {
        let label = target.table.label.as_str();
        let rows = staged.queries.rows.as_str();
        let execute = |during: &str, sql: &str| self.run(during, Some(label), sql).map(drop);
        if target.step != Step::Nothing {
            let mut counts = Counts::default();
            let statements = match target.step {
                Step::Rebuild => target.rebuild(rows),
                _ => vec![target.create(), target.fill(rows)],
            };
            for statement in statements {
                let count = self.count("making", label, &statement)?;
                if statement.starts_with("insert") {
                    counts.inserted = count;
                }
            }
            for statement in target.keys() {
                execute("adding a key or index to", &statement)?;
            }
            self.restore_indexes(target)?;
            return Ok(counts);
        }
        if target.table.key.is_empty() {
            let deleted = self.count("replacing", label, &target.empty())?;
            let inserted = self.count("replacing", label, &target.fill(rows))?;
            return Ok(Counts { inserted, updated: 0, deleted });
        }
        let is_delta = staged.extent == Extent::Delta;
        let deletes = match &staged.queries.deletes {
            Some(keys) if is_delta => target.delete_keys(keys),
            _ => target.delete_others(rows),
        };
        let deleted = self.count("deleting from", label, &deletes)?;
        execute("comparing", &target.collect(rows, !is_delta))?;
        let found = self.run("comparing", Some(label), &target.count_collected())?;
        let mut found = found.into_iter().flatten().flatten().map(|text| text.parse().unwrap_or(0));
        let counts = Counts { inserted: found.next().unwrap_or(0), updated: found.next().unwrap_or(0), deleted };
        for statement in target.put_collected() {
            execute("changing", &statement)?;
        }
        // Where the file stood as we left it, the warehouse's count is the exact one.
        Ok(if is_delta { staged.counts } else { counts })
    }

    /// Makes the indexes of others again, in the schema that their statements are written for.
    fn restore_indexes(&self, target: &Target) -> Result<()> {
        if target.their_indexes.is_empty() {
            return Ok(());
        }
        let at = self.run("reading", None, "select current_database(), current_schema()")?;
        let at: Vec<String> = at.into_iter().flatten().flatten().map(|name| quote(&name)).collect();
        let label = Some(target.table.label.as_str());
        self.run("using", label, &format!("use {CATALOG}.{}", quote(&target.schema)))?;
        let made = target.their_indexes.iter().try_for_each(|sql| self.run("indexing", label, sql).map(drop));
        self.run("using", label, &format!("use {}", at.join(".")))?;
        made
    }

    fn record_table(&self, target: &Target) -> Result<()> {
        let during = "recording";
        let (schema, name) = (literal(&target.schema), literal(&target.name));
        let label = Some(target.table.label.as_str());
        self.run(
            during,
            label,
            &format!("delete from {CATALOG}._elt.tables where schema = {schema} and name = {name}"),
        )?;
        let columns = json!(target.table.columns.iter().map(|column| &column.name).collect::<Vec<_>>());
        let sql = format!(
            "insert into {CATALOG}._elt.tables values ({schema}, {name}, {}, {}, {}, {}, {})",
            target.is_ours,
            literal(&columns.to_string()),
            literal(&target.definition),
            literal(&target.comments_text),
            literal(&self.publication.id)
        );
        self.run(during, label, &sql).map(drop)
    }

    fn record(&self, tables: &[(String, Counts)]) -> Result<()> {
        let mut summary = serde_json::Map::new();
        for (label, counts) in tables {
            summary.insert(label.clone(), json!(counts));
        }
        let sql = format!(
            "insert into {CATALOG}._elt.publications select coalesce(max(number), 0) + 1, {}, {}, now(), {}, {}, {}, {} \
             from {CATALOG}._elt.publications",
            literal(&self.publication.id),
            literal(&self.schema),
            literal(&self.publication.project),
            literal(&self.publication.target),
            literal(concat!("elt ", env!("CARGO_PKG_VERSION"))),
            literal(&serde_json::Value::Object(summary).to_string()),
        );
        self.run("recording", None, &sql).map(drop)
    }
}

/// The warehouse's own file cannot be attached a second time, and publishing into it would mix both.
fn is_no_warehouse(path: &Path, engine: &Engine<'_>) -> Result<()> {
    let rows = engine("select path from duckdb_databases() where path is not null")?;
    let real = |path: &Path| {
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        path.canonicalize().ok().or_else(|| Some(folder?.join(path.file_name()?)))
    };
    let own = real(path);
    let is_it = rows.iter().flatten().flatten().any(|open| own.is_some() && real(Path::new(open)) == own);
    if is_it { Err(elt_project::messages::export_duckdb_is_warehouse(path)) } else { Ok(()) }
}

fn attach(path: &Path, engine: &Engine<'_>, cancel: &Cancel, say: &dyn Fn(&str)) -> Result<()> {
    let statement = format!("attach {} as {CATALOG}", literal(&path.to_string_lossy()));
    let started = Instant::now();
    let mut is_told = false;
    loop {
        let Err(error) = engine(&statement) else { return Ok(()) };
        let said = error.causes().join(" ");
        let holder = said.split_once("PID ").filter(|_| said.contains("lock"));
        let Some((before, rest)) = holder else { return Err(messages::export_duckdb_open(path, error.causes())) };
        let pid = rest.split(|digit: char| !digit.is_ascii_digit()).next().unwrap_or_default();
        let program = before.split_once("held in ").map(|(_, program)| program.trim_end_matches([' ', '(']));
        if started.elapsed() > PATIENCE {
            return Err(messages::export_duckdb_in_use(path, pid, program, started.elapsed()));
        }
        if !is_told {
            say(&format!("  waiting for process {pid}, which has `{}` open", path.display()));
            is_told = true;
        }
        cancel.check()?;
        std::thread::sleep(PAUSE);
    }
}

/// The statements of a table's indexes that no publication made.
fn their_indexes(target: &Target, engine: &Engine<'_>) -> Result<Vec<String>> {
    let rows = engine(&format!(
        "select index_name, sql from duckdb_indexes() where database_name = '{CATALOG}' and schema_name = {} \
         and table_name = {} and sql is not null and not exists (select 1 from {CATALOG}._elt.tables where schema = {0} \
         and name = {1} and contains(definition, 'index \"' || replace(index_name, '\"', '\"\"') || '\" on'))",
        literal(&target.schema),
        literal(&target.name),
    ))?;
    let made = target.keys().join("\n");
    let is_theirs = |row: &Vec<Option<String>>| {
        let name = row.first().cloned().flatten().unwrap_or_default();
        !made.contains(&format!("index {} on", quote(&name)))
    };
    Ok(rows.into_iter().filter(is_theirs).filter_map(|row| row.into_iter().nth(1).flatten()).collect())
}

impl Exporter for DuckdbExporter<'_> {
    fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    fn wants_everything(&self, table: &str) -> bool {
        self.targets.get(table).is_none_or(|target| !target.is_known)
    }

    fn compares(&self) -> bool {
        true
    }

    fn differences(&self, labels: &[String]) -> Result<Vec<Difference>> {
        self.compare(labels)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// Keeps the queries: the rows go from database to database in the transaction.
    fn stage(&self, table: &str, extent: Extent, changes: &mut dyn Changes) -> Result<()> {
        if !self.targets.contains_key(table) {
            self.has_failed.store(true, Ordering::SeqCst);
            return Err(messages::export_not_planned(table));
        }
        let staged = Staged { queries: changes.queries(), extent, counts: changes.counts() };
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), staged);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<Published> {
        self.cancel.check()?;
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(messages::export_incomplete());
        }
        let staged = std::mem::take(&mut *self.staged.lock().unwrap_or_else(PoisonError::into_inner));
        if staged.is_empty() && !self.targets.values().any(|target| target.has_new_comments) {
            return Ok(Published { id: None, tables: Vec::new() });
        }
        self.publish(&staged)
    }
}

impl Drop for DuckdbExporter<'_> {
    fn drop(&mut self) {
        // Refused where there is no transaction, which is what was wanted.
        let _ = (self.engine)("rollback");
        let _ = (self.engine)(&format!("detach {CATALOG}"));
    }
}
