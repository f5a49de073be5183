//! Writes a publication's tables within DuckDB, from the warehouse to the attached file.
//!
//! Runs the SQL of `statements` in the order of the steps. Knows no driver.

use std::collections::BTreeSet;

use serde_json::json;

use super::attach::attach;
use super::capabilities::CAPABILITIES;
use super::statements::OWN;
use super::table::{self, CATALOG, DuckdbTable, IndexNames, TableStep};
use crate::capabilities::Capabilities;
use crate::changes::{Changes, Engine, Queries, TextRows};
use crate::difference::Difference;
use crate::exporter::Opening;
use crate::messages;
use crate::others::Others;
use crate::publication::{Counts, Coverage};
use crate::sql_screen::Screened;
use crate::target::{
    Answer, Applying, OpenPublication, Opened, PublicationRecord, Staged, Staging, TOOL, UniqueSet, Unsettled, Work,
    refuse_equal_keys, refuse_twins, settle,
};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::schema::{literal, quote};
use elt_project::OnConflict;

/// An attached file, until it is dropped.
pub struct DuckdbPublication<'a> {
    path: String,
    schema: String,
    pub(super) id: String,
    engine: &'a Engine<'a>,
    cancel: &'a Cancel,
    /// In the publication's order.
    pub(super) tables: Vec<DuckdbTable>,
    /// For each table, the queries of its staged and of its removed keys.
    pub(super) staged_keys: Vec<Vec<String>>,
}

/// The queries of one table's changes: the rows go from database to database in the transaction.
pub struct StagedQueries {
    queries: Queries,
    coverage: Coverage,
    counts: Counts,
    screened: Screened,
}

impl Staged for StagedQueries {
    fn coverage(&self) -> Coverage {
        self.coverage
    }

    fn notes(&self) -> &[String] {
        &self.screened.notes
    }
}

impl<'a> DuckdbPublication<'a> {
    /// Attaches the file, then compares its tables with the contract.
    pub fn open(path: &std::path::Path, schema: &str, opening: Opening<'a>) -> Result<OpenPublication<Self>> {
        let Opening { publication, policy, cancel, say, engine } = opening;
        let schemas = publication.tables.iter().filter_map(|table| table.schema.as_deref());
        if std::iter::once(schema).chain(schemas).any(|schema| schema.eq_ignore_ascii_case("_elt")) {
            return Err(messages::export_duckdb_own_schema());
        }
        attach(path, engine, cancel, say)?;
        // From here on, dropping it lets the file go.
        let mut target = Self {
            path: path.display().to_string(),
            schema: schema.to_owned(),
            id: publication.id.clone(),
            engine,
            cancel,
            tables: Vec::new(),
            staged_keys: Vec::new(),
        };
        let mut opened = Opened::default();
        let own = target.run(
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
            opened.last =
                target.run("reading the last publication", None, &sql)?.into_iter().flatten().flatten().next();
        }
        let mut errors = Vec::new();
        let sql = format!(
            "select schema_name, index_name, table_name from duckdb_indexes() where database_name = '{CATALOG}'"
        );
        let mut indexes = IndexNames::new();
        for row in target.run("reading its catalog", None, &sql)? {
            if let [Some(schema), Some(index), Some(table)] = row.as_slice() {
                indexes.insert((schema.to_lowercase(), index.to_lowercase()), table.clone());
            }
        }
        for table in &publication.tables {
            match table::resolve(table, schema, engine, has("tables"), policy, &mut indexes, &mut opened.notes) {
                Ok(table) => target.tables.push(table),
                Err(error) => errors.extend(error.split()),
            }
        }
        for table in target.tables.iter_mut().filter(|table| table.step == TableStep::Rebuild) {
            table.their_indexes = their_indexes(table, engine)?;
        }
        if let Some(error) = Error::many(errors) {
            return Err(error);
        }
        let planned: Vec<(String, String)> =
            target.tables.iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
        for table in &mut target.tables {
            table.find_quarantine(&planned, engine)?;
        }
        target.staged_keys = vec![Vec::new(); target.tables.len()];
        let in_full = target
            .tables
            .iter()
            .filter(|table| !table.is_known || table.quarantine.is_old || table.quarantine.depends_on_others);
        let keeping = target.tables.iter().filter(|table| table.keeps_others);
        opened.keeping = keeping.map(|table| table.table.label.clone()).collect();
        opened.in_full = in_full.map(|table| table.table.label.clone()).collect();
        opened.has_alterations = target.tables.iter().any(|table| table.has_new_comments);
        Ok(OpenPublication::new(publication, cancel.clone(), opened, target))
    }

    pub(super) fn run(&self, during: &str, table: Option<&str>, sql: &str) -> Result<TextRows> {
        (self.engine)(sql).map_err(|error| {
            if self.cancel.is_requested() {
                return elt_base::messages::interrupted();
            }
            messages::export_duckdb(&self.path, during, table, error.causes())
        })
    }

    /// The number that a statement returns: the rows that it changed.
    pub(super) fn count(&self, during: &str, table: &str, sql: &str) -> Result<u64> {
        let rows = self.run(during, Some(table), sql)?;
        Ok(rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Creates a table, or creates it again, and fills it; returns how many rows it has then.
    fn make(&self, table: &DuckdbTable, rows: &str) -> Result<u64> {
        let label = table.table.label.as_str();
        let statements = match table.step {
            TableStep::Rebuild => table.rebuild(rows),
            _ => {
                let schema = format!("create schema if not exists {CATALOG}.{}", quote(&table.schema));
                self.run("making schema", Some(&table.schema), &schema)?;
                vec![table.create(), table.fill(rows)]
            }
        };
        let mut inserted = 0;
        for statement in statements {
            let count = self.count("making", label, &statement)?;
            if statement.starts_with("insert") {
                inserted = count;
            }
        }
        for statement in table.keys() {
            self.run("adding a key or index to", Some(label), &statement)?;
        }
        self.restore_indexes(table)?;
        Ok(inserted)
    }

    /// Puts new and changed rows in place; returns how many of both.
    fn put(&self, table: &DuckdbTable, staged: &StagedQueries) -> Result<(u64, u64)> {
        let label = Some(table.table.label.as_str());
        if !table.collations.is_empty() {
            let merge = table.comparison(&staged.queries, staged.coverage);
            let keeps_fresh = table.keeps_others && table.table.on_conflict == OnConflict::Keep;
            refuse_equal_keys(&merge, CAPABILITIES.called, &table.table.label, keeps_fresh, &mut |sql| {
                self.run("comparing", label, sql)
            })?;
        }
        let is_delta = staged.coverage == Coverage::Delta;
        self.run("comparing", label, &table.collect(&staged.queries.rows, !is_delta))?;
        let is_kept = table.keeps_others && table.table.on_conflict == OnConflict::Keep;
        if let Some(fresh) = staged.queries.fresh.as_ref().filter(|_| is_kept) {
            self.run("keeping rows of others in", label, &table.drop_conflicts(fresh))?;
        }
        let found = self.run("comparing", label, &table.count_collected())?;
        let mut found = found.into_iter().flatten().flatten().map(|text| text.parse().unwrap_or(0));
        let counts = (found.next().unwrap_or(0), found.next().unwrap_or(0));
        for statement in table.put_collected() {
            self.run("changing", label, &statement)?;
        }
        // If the file is unchanged since our last publication, the warehouse's count is exact.
        Ok(if is_delta && !table.keeps_others && staged.screened.aside == 0 {
            (staged.counts.inserted, staged.counts.updated)
        } else {
            counts
        })
    }

    /// If rows have the same value in a unique column: an error that names them. Else the unchanged error.
    fn explained(&self, table: &DuckdbTable, staged: &StagedQueries, error: Error) -> Error {
        if !error.causes().iter().any(|cause| cause.to_lowercase().contains("duplicate key")) {
            return error;
        }
        // An error ends the transaction: the rows are looked for in the state before it.
        let _ = (self.engine)("rollback");
        let label = table.table.label.as_str();
        // What cannot be asked now explains nothing.
        let mut ask =
            |sql: &str| -> Result<TextRows> { Ok(self.run("comparing", Some(label), sql).unwrap_or_default()) };
        let sets = ask(&format!(
            "select array_to_string(constraint_column_names, chr(31)) from duckdb_constraints() \
             where database_name = '{CATALOG}' and schema_name = {} and table_name = {} and constraint_type = 'UNIQUE'",
            literal(&table.schema),
            literal(&table.name)
        ));
        let there = sets.unwrap_or_default().into_iter().flatten().flatten();
        let there = there.map(|columns| columns.split('\u{1f}').map(str::to_owned).collect());
        let declared = table.table.unique.iter().map(|unique| unique.columns.clone());
        let columns: BTreeSet<Vec<String>> = there.chain(declared).collect();
        let sets = columns.into_iter().map(|columns| UniqueSet { columns, nullable: Vec::new(), is_plain: true });
        let merge = table.comparison(&staged.queries, staged.coverage);
        refuse_twins(&merge, label, &sets.collect::<Vec<_>>(), &mut ask).err().unwrap_or(error)
    }

    /// Creates the indexes of others again, in the schema that their statements are written for.
    fn restore_indexes(&self, table: &DuckdbTable) -> Result<()> {
        if table.their_indexes.is_empty() {
            return Ok(());
        }
        let at = self.run("reading", None, "select current_database(), current_schema()")?;
        let at: Vec<String> = at.into_iter().flatten().flatten().map(|name| quote(&name)).collect();
        let label = Some(table.table.label.as_str());
        self.run("using", label, &format!("use {CATALOG}.{}", quote(&table.schema)))?;
        let made = table.their_indexes.iter().try_for_each(|sql| self.run("indexing", label, sql).map(drop));
        self.run("using", label, &format!("use {}", at.join(".")))?;
        made
    }

    fn record_table(&self, table: &DuckdbTable) -> Result<()> {
        let during = "recording";
        let (schema, name) = (literal(&table.schema), literal(&table.name));
        let label = Some(table.table.label.as_str());
        self.run(
            during,
            label,
            &format!("delete from {CATALOG}._elt.tables where schema = {schema} and name = {name}"),
        )?;
        let columns = json!(table.table.columns.iter().map(|column| &column.name).collect::<Vec<_>>());
        let sql = format!(
            "insert into {CATALOG}._elt.tables values ({schema}, {name}, {}, {}, {}, {}, {})",
            table.is_ours,
            literal(&columns.to_string()),
            literal(&table.definition),
            literal(&table.comments_text),
            literal(&self.id)
        );
        self.run(during, label, &sql).map(drop)
    }
}

/// The statements of a table's indexes that no publication made.
fn their_indexes(table: &DuckdbTable, engine: &Engine<'_>) -> Result<Vec<String>> {
    let rows = engine(&format!(
        "select index_name, sql from duckdb_indexes() where database_name = '{CATALOG}' and schema_name = {} \
         and table_name = {} and sql is not null and not exists (select 1 from {CATALOG}._elt.tables where schema = {0} \
         and name = {1} and contains(definition, 'index \"' || replace(index_name, '\"', '\"\"') || '\" on'))",
        literal(&table.schema),
        literal(&table.name),
    ))?;
    let made = table.keys().join("\n");
    let is_theirs = |row: &Vec<Option<String>>| {
        let name = row.first().cloned().flatten().unwrap_or_default();
        !made.contains(&format!("index {} on", quote(&name)))
    };
    Ok(rows.into_iter().filter(is_theirs).filter_map(|row| row.into_iter().nth(1).flatten()).collect())
}

impl Staging for DuckdbPublication<'_> {
    type Staged = StagedQueries;

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn place(&self) -> String {
        self.path.clone()
    }

    fn stage(&self, index: usize, coverage: Coverage, changes: &mut dyn Changes) -> Result<StagedQueries> {
        let mut queries = changes.queries();
        let screened = self.screen(index, &mut queries)?;
        Ok(StagedQueries { queries, coverage, counts: changes.counts(), screened })
    }

    fn difference(&self, index: usize, staged: &mut StagedQueries) -> Result<Difference> {
        let (table, rows) = (&self.tables[index], staged.queries.rows.as_str());
        let label = table.table.label.as_str();
        let named = Difference { table: format!("{}.{}", table.schema, table.name), ..Difference::default() };
        if table.step != TableStep::Nothing {
            // Not there, or with other columns: it is made, and nothing there can be compared with.
            let missing = self.count("comparing", label, &format!("select count(*) from ({rows})"))?;
            return Ok(Difference { missing, ..named });
        }
        let merge = table.comparison(&staged.queries, staged.coverage);
        merge.difference(named, table.table.on_conflict, &mut |sql| self.run("comparing", Some(label), sql))
    }

    fn others(&self, index: usize, staged: &mut StagedQueries) -> Result<Others> {
        let table = &self.tables[index];
        let (label, fresh) = (table.table.label.as_str(), staged.counts.inserted);
        let place = format!("{}.{}", table.schema, table.name);
        let merge = table.comparison(&staged.queries, staged.coverage);
        merge.others(place, fresh, table.table.on_conflict, &mut |sql| self.run("comparing", Some(label), sql))
    }
}

impl Applying for DuckdbPublication<'_> {
    fn begin(&mut self, _: &mut [Work<StagedQueries>]) -> Result<()> {
        self.run("beginning", None, "begin transaction")?;
        OWN.iter().try_for_each(|statement| self.run("making its own tables", None, statement).map(drop))?;
        for index in (0..self.tables.len()).filter(|index| self.tables[*index].quarantine.is_old) {
            for statement in self.tables[index].quarantine_table(index).renew() {
                self.run("quarantining rows of", Some(&self.tables[index].table.label), &statement)?;
            }
        }
        Ok(())
    }

    fn delete(&mut self, work: &mut Work<StagedQueries>) -> Result<u64> {
        let (table, Some(staged)) = (&self.tables[work.index], &work.staged) else { return Ok(0) };
        let label = table.table.label.as_str();
        if table.step != TableStep::Nothing {
            return Ok(0);
        }
        if table.table.key.is_empty() {
            return self.count("replacing", label, &table.empty());
        }
        match &staged.queries.deletes {
            Some(keys) if staged.coverage == Coverage::Delta && staged.screened.aside == 0 => {
                self.count("deleting from", label, &table.delete_keys(keys))?;
                Ok(staged.counts.deleted)
            }
            Some(keys) => self.count("deleting from", label, &table.delete_keys(keys)),
            None => self.count("deleting from", label, &table.delete_others(&staged.queries.rows)),
        }
    }

    fn write(&mut self, work: &mut Work<StagedQueries>) -> Result<(u64, u64)> {
        let (table, Some(staged)) = (&self.tables[work.index], &work.staged) else { return Ok((0, 0)) };
        let label = table.table.label.as_str();
        let written = match (table.step, table.table.key.is_empty()) {
            (TableStep::Nothing, true) => Ok((self.count("replacing", label, &table.fill(&staged.queries.rows))?, 0)),
            (TableStep::Nothing, false) => self.put(table, staged),
            _ => self.make(table, &staged.queries.rows).map(|inserted| (inserted, 0)),
        };
        let written = written.map_err(|error| self.explained(table, staged, error))?;
        let gone = staged.queries.deletes.as_ref().map(|keys| format!("({})", table.keys_of(keys, "")));
        let keys = vec![format!("({})", table.rows(&staged.queries.rows)), gone.unwrap_or_default()];
        let unsettled = Unsettled { coverage: Some(staged.coverage), entries: staged.screened.entries };
        self.staged_keys[work.index] = keys;
        settle(self, work.index, unsettled, 0..0)?;
        Ok(written)
    }

    fn finish(&mut self, work: &mut [Work<StagedQueries>]) -> Result<()> {
        for work in work.iter() {
            let table = &self.tables[work.index];
            let is_altered = table.has_new_comments || work.staged.is_some() && table.step != TableStep::Nothing;
            if table.is_ours && is_altered {
                for statement in table.comments() {
                    self.run("commenting", Some(&table.table.label), &statement)?;
                }
            }
            if is_altered || work.staged.is_some() {
                self.record_table(table)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &PublicationRecord<'_>) -> Result<()> {
        let sql = format!(
            "insert into {CATALOG}._elt.publications select coalesce(max(number), 0) + 1, {}, {}, now(), {}, {}, {}, {} \
             from {CATALOG}._elt.publications",
            literal(record.id),
            literal(&self.schema),
            literal(record.project),
            literal(record.target),
            literal(TOOL),
            literal(&record.tables_json()),
        );
        self.run("recording", None, &sql).map(drop)
    }

    fn commit(&mut self) -> Result<Answer> {
        self.run("committing", None, "commit")?;
        // The rows are safe: DuckDB checkpoints the rest when the file is opened next.
        let _ = (self.engine)(&format!("checkpoint {CATALOG}"));
        Ok(Answer::Committed)
    }

    fn roll_back(&mut self, error: Error) -> Error {
        // Fails if no transaction is open, which is the wanted state.
        let _ = (self.engine)("rollback");
        error
    }

    fn is_recorded(&mut self, id: &str) -> Result<bool> {
        let sql = format!("select 1 from {CATALOG}._elt.publications where id = {}", literal(id));
        Ok(!self.run("reading the last publication", None, &sql)?.is_empty())
    }

    fn failed(&self, during: &str, cause: &str) -> Error {
        messages::export_duckdb(&self.path, during, None, &[cause.to_owned()])
    }
}

impl Drop for DuckdbPublication<'_> {
    fn drop(&mut self) {
        // Fails if no transaction is open, which is the wanted state.
        let _ = (self.engine)("rollback");
        let _ = (self.engine)(&format!("detach {CATALOG}"));
    }
}
