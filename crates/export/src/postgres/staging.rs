//! Stages the rows of a publication beside their schema, and compares them.
//!
//! Changes nothing outside elt's own schema.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use elt_connect::postgres::{PostgresClient, PostgresServer};
use parking_lot::Mutex;

use super::beginning::Beginning;
use super::capabilities::CAPABILITIES;
use super::copy::{self, RowsOf};
use super::definition::Definition;
use super::field::CopyField;
use super::loading::Loading;
use super::lock::{Holding, lock_key};
use super::names::{names, qualified};
use super::own_schema::drop_staging_tables;
use super::plan::PostgresPlan;
use super::quarantine;
use super::script::Script;
use super::statements::{self, KeyName, OWN_SCHEMA};
use super::table::PostgresTable;
use super::turn::Turn;
use super::{violations, watch};
use crate::capabilities::Capabilities;
use crate::changes::{Changes, TextRows};
use crate::difference::Difference;
use crate::messages;
use crate::others::Others;
use crate::postgres_type::PostgresType;
use crate::publication::Coverage;
use crate::target::{Connections, SetAside, Staged, StagedRows, Staging};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_project::ExportPolicy;

/// More connections than this make nothing faster.
pub(super) const CONNECTIONS_MAX: usize = 32;
/// Below this many staged rows Postgres' estimates are as good as statistics.
const ANALYZE_ROWS_MIN: u64 = 1_000;

/// The index of a table with so many rows takes so long that a stop is noticed before the next.
const STOPPED_ROWS_MIN: u64 = 100_000;

/// A schema, locked for this publication.
pub struct PostgresPublication {
    pub(super) server: PostgresServer,
    pub(super) schema: String,
    pub(super) id: String,
    /// The tables of the publication that are to be created.
    pub(super) missing_schemas: Vec<String>,
    pub(super) policy: ExportPolicy,
    pub(super) tables: Vec<PostgresTable>,
    /// For each table.
    pub(super) plans: Vec<PostgresPlan>,
    pub(super) cancel: Cancel,
    /// This connection applies the publication.
    pub(super) main: Mutex<PostgresClient>,
    /// This connection's transaction holds the lock.
    pub(super) _holder: Mutex<PostgresClient>,
    pub(super) holding: Holding,
    /// The connections that stage beside it.
    pub(super) connections: Option<Connections<PostgresClient>>,
    /// The tables, by position, whose quarantine this publication made.
    pub(super) made_quarantines: BTreeSet<usize>,
    pub(super) applied_notes: Vec<String>,
    /// The tables, by position, whose rows are deleted last, because rows that change reference them until then.
    pub(super) postponed: Vec<usize>,
    /// The first statements of the transaction.
    pub(super) beginning: Beginning,
    /// Statements that give tables their triggers again, once their rows are written.
    pub(super) watching: Script,
    /// Steps of the transaction that may share a round trip, in their order.
    pub(super) turns: Vec<Turn>,
    /// The last statements of the transaction, which are sent with the record.
    pub(super) closing: Script,
    /// There may be staging tables.
    pub(super) has_staged: AtomicBool,
}

/// The result of staging one table.
pub struct PostgresStaged {
    pub coverage: Coverage,
    pub staged: StagedRows,
    /// How many entries the quarantine gets.
    pub set_aside: u64,
    notes: Vec<String>,
    /// Of a table that was created again.
    pub keys: Vec<KeyName>,
}

impl Staged for PostgresStaged {
    fn coverage(&self) -> Coverage {
        self.coverage
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl PostgresPublication {
    pub(super) fn staging_name(&self, kind: &str, index: usize) -> String {
        format!("{kind}_{:016x}_{index}", lock_key(&self.schema))
    }

    pub(super) fn staging_place(&self, kind: &str, index: usize) -> String {
        qualified(OWN_SCHEMA, &self.staging_name(kind, index))
    }

    /// Creates the table that will be moved into the schema. It is created, filled and frozen in one transaction: no
    /// other transaction may see its rows before the move, and vacuum need not visit them afterwards.
    fn stage_new(
        &self,
        client: &mut PostgresClient,
        index: usize,
        changes: &mut dyn Changes,
    ) -> Result<PostgresStaged> {
        const DURING: &str = "creating";
        let table = &self.tables[index];
        let (place, definition) = (self.staging_place("new", index), Definition::of(table));
        let mut loading = Loading::new(client, &table.name);
        loading.statement(DURING, "begin");
        loading.statement(DURING, statements::create_table(&place, table, &definition));
        let columns: Vec<_> = table.columns.iter().collect();
        let rows = loading.rows(statements::load(&place, &columns, true));
        let copied = copy::copy(rows, table, &columns, false, &self.cancel, |of, sink| match of {
            RowsOf::Copy => changes.rows(sink),
            RowsOf::AllKeys => changes.keys(sink),
        })?;
        self.stage_aside(&mut loading, index, &copied.set_aside)?;
        let mut keys = Vec::new();
        for (statement, key) in statements::create_keys(&place, &self.staging_name("new", index), &definition) {
            loading.statement(DURING, statement);
            if copied.rows >= STOPPED_ROWS_MIN {
                self.cancel.check()?;
                loading.send()?;
            }
            keys.push(key);
        }
        if copied.rows >= ANALYZE_ROWS_MIN {
            loading.statement(DURING, format!("analyze {place}"));
        }
        if self.policy.watch() {
            for statement in watch::create(&place) {
                loading.statement(DURING, statement);
            }
        }
        loading.statement(DURING, "commit");
        self.cancel.check()?;
        loading.send()?;
        Ok(PostgresStaged {
            coverage: Coverage::Everything,
            staged: StagedRows { rows: copied.rows, ..StagedRows::default() },
            set_aside: copied.set_aside.rows + copied.set_aside.replaced,
            notes: copied.notes,
            keys,
        })
    }

    /// If rows of a new table violate its contract: the constraints, and how many rows. Else the unchanged error.
    fn refused(&self, client: &mut PostgresClient, index: usize, changes: &mut dyn Changes, error: Error) -> Error {
        let table = &self.tables[index];
        // Class 23: a constraint is violated.
        if !error.causes().iter().any(|cause| cause.contains(" [23")) {
            return error;
        }
        match violations::lines(client, &self.staging_place("rows", index), table, &self.cancel, changes) {
            Ok(lines) if !lines.is_empty() => messages::export_rows_break(&table.name, &lines),
            _ => error,
        }
    }

    fn stage_rows(
        &self,
        client: &mut PostgresClient,
        index: usize,
        coverage: Coverage,
        changes: &mut dyn Changes,
    ) -> Result<PostgresStaged> {
        const DURING: &str = "staging";
        let table = &self.tables[index];
        let place = self.staging_place("rows", index);
        let is_marked = coverage.is_marked() && !table.key.is_empty();
        let mut loading = Loading::new(client, &table.name);
        loading.statement(DURING, "begin");
        loading.statement(DURING, statements::create_staged(&place, table, is_marked));
        let mark = statements::mark();
        let columns: Vec<_> = table.columns.iter().chain(is_marked.then_some(&mark)).collect();
        let rows = loading.rows(statements::load(&place, &columns, true));
        let copied = copy::copy(rows, table, &columns, false, &self.cancel, |of, sink| match of {
            RowsOf::Copy if is_marked => changes.marked_rows(sink),
            RowsOf::Copy => changes.rows(sink),
            RowsOf::AllKeys => changes.keys(sink),
        })?;
        let mut staged = StagedRows { rows: copied.rows, ..StagedRows::default() };
        self.stage_aside(&mut loading, index, &copied.set_aside)?;
        if staged.rows >= ANALYZE_ROWS_MIN && !table.key.is_empty() {
            // The merge needs only the number of rows, and the distribution of their keys.
            let key = names(&table.key);
            loading.statement(DURING, format!("analyze {place} ({key})"));
        }
        let mut counted = None;
        if is_marked {
            let meant = changes.counts();
            staged.fresh = meant.inserted;
            if staged.rows != meant.inserted + meant.updated {
                // Rows were set aside.
                counted = Some(loading.statement(DURING, statements::count_fresh(&place)));
            }
            let place = self.staging_place("gone", index);
            loading.statement(DURING, statements::create_deletes(&place, table));
            // In the table's order, as the query returns them.
            let columns: Vec<_> = table.key_columns().collect();
            let rows = loading.rows(statements::load_deletes(&place, table));
            let gone = copy::copy(rows, table, &columns, true, &self.cancel, |_, sink| changes.deletes(sink))?;
            staged.gone = gone.rows;
            let keys = copied.set_aside.keys(&table.key);
            if !keys.is_empty() {
                let fields = columns.iter().map(|column| CopyField::plain(column.postgres_type.clone())).collect();
                let rows = loading.rows(statements::load_deletes(&place, table));
                copy::copy_batches(rows, &table.name, fields, &keys)?;
                staged.gone += keys.len() as u64;
            }
        }
        loading.statement(DURING, "commit");
        self.cancel.check()?;
        let answers = loading.send()?;
        if let Some(position) = counted {
            staged.fresh = answers.get(position).and_then(|answer| answer.text()?.parse().ok()).unwrap_or(0);
        }
        Ok(PostgresStaged {
            coverage,
            staged,
            set_aside: copied.set_aside.rows + copied.set_aside.replaced,
            notes: copied.notes,
            keys: Vec::new(),
        })
    }

    /// Stages a table in a transaction, which is rolled back after an error.
    fn stage_on(
        &self,
        client: &mut PostgresClient,
        index: usize,
        coverage: Coverage,
        changes: &mut dyn Changes,
    ) -> Result<PostgresStaged> {
        self.has_staged.store(true, Ordering::SeqCst);
        let is_new = self.plans[index].fit.is_none();
        let staged = match is_new {
            true => self.stage_new(client, index, changes),
            false => self.stage_rows(client, index, coverage, changes),
        };
        staged.map_err(|error| {
            // A connection that is lost has rolled back.
            let _ = client.batch_execute("rollback");
            if is_new { self.refused(client, index, changes, error) } else { error }
        })
    }

    /// Stages the rows that are quarantined.
    fn stage_aside(&self, loading: &mut Loading<'_>, index: usize, set_aside: &SetAside) -> Result<()> {
        let table = &self.tables[index];
        if set_aside.rows + set_aside.replaced == 0 {
            return Ok(());
        }
        let place = self.staging_place("bad", index);
        loading.statement("staging", quarantine::of(table, place.clone()).create_staging());
        let keys = table.columns.iter().filter(|column| table.key.contains(&column.name));
        let ours =
            [PostgresType::Text, PostgresType::Text, PostgresType::Jsonb, PostgresType::Bool, PostgresType::Text];
        let fields = keys.map(|column| column.postgres_type.clone()).chain(ours).map(CopyField::plain).collect();
        let rows = loading.rows(quarantine::load_staging(&place, table));
        copy::copy_batches(rows, &table.name, fields, set_aside.batches())
    }
}

impl Staging for PostgresPublication {
    type Staged = PostgresStaged;

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn place(&self) -> String {
        self.server.name()
    }

    fn stage(&self, index: usize, coverage: Coverage, changes: &mut dyn Changes) -> Result<PostgresStaged> {
        let mut stage = |client: &mut PostgresClient| self.stage_on(client, index, coverage, changes);
        // A connection costs several round trips, so one that is open is taken first.
        if let Some(mut main) = self.main.try_lock() {
            return stage(&mut main);
        }
        match &self.connections {
            Some(connections) => {
                connections.with(|| self.server.connect_for_later(), |client| !client.is_closed(), stage)
            }
            None => stage(&mut self.main.lock()),
        }
    }

    fn difference(&self, index: usize, staged: &mut PostgresStaged) -> Result<Difference> {
        self.difference_by(index, staged, &mut |sql| self.compare(index, sql))
    }

    fn differences(&self, staged: &mut [(usize, &mut PostgresStaged)]) -> Result<Vec<Difference>> {
        self.ask_ahead(staged, &|index, staged, query| self.difference_by(index, staged, query))
    }

    fn others(&self, index: usize, staged: &mut PostgresStaged) -> Result<Others> {
        self.others_by(index, staged, &mut |sql| self.compare(index, sql))
    }

    fn all_others(&self, staged: &mut [(usize, &mut PostgresStaged)]) -> Result<Vec<Others>> {
        self.ask_ahead(staged, &|index, staged, query| self.others_by(index, staged, query))
    }
}

/// All rows of a query, as text.
pub fn text_rows(client: &mut PostgresClient, sql: &str) -> Result<TextRows, postgres::Error> {
    let answers = client.run(vec![sql.to_owned()]).map_err(|refusal| refusal.error)?;
    Ok(answers.into_iter().next().unwrap_or_default().rows)
}

impl Drop for PostgresPublication {
    fn drop(&mut self) {
        if *self.has_staged.get_mut() {
            // The next publication drops the tables that cannot be dropped now.
            let _ = drop_staging_tables(self.main.get_mut(), lock_key(&self.schema));
        }
    }
}
