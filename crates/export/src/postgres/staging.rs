//! Opens a schema and stages the rows of a publication beside it.
//!
//! Changes nothing outside elt's own schema.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use postgres::types::Type;
use postgres::{Client, SimpleQueryMessage, SimpleQueryRow, Transaction};

use super::capabilities::CAPABILITIES;
use super::copy::{self, RowsOf};
use super::definition::Definition;
use super::field::CopyField;
use super::lock::{AdvisoryLock, begin_holding, lock_key};
use super::names::{names, qualified};
use super::own_schema::{drop_staging_tables, make_own_schema, schema_exists};
use super::plan::{PostgresPlan, plan};
use super::quarantine::{self, SetAside};
use super::said::describe;
use super::statements::{self, KeyName, OWN_SCHEMA};
use super::table::{IDENTIFIER_BYTES_MAX, PostgresTable};
use super::{catalog, object_names, order, rights, target_types, violations, watch};
use crate::capabilities::Capabilities;
use crate::changes::{Changes, FRESH, TextRows};
use crate::difference::Difference;
use crate::exporter::Opening;
use crate::messages;
use crate::others::Others;
use crate::postgres_type::PostgresType;
use crate::publication::Coverage;
use crate::target::{Connections, OpenPublication, Opened, Staged, StagedRows, Staging, wait_for};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::schema::quote;
use elt_base::secret::Secret;
use elt_connect::postgres::PostgresServer;
use elt_project::ExportPolicy;

/// More connections than this make nothing faster.
const CONNECTIONS_MAX: usize = 32;
/// Below this many staged rows Postgres' estimates are as good as statistics.
const ANALYZE_ROWS_MIN: u64 = 1_000;

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
    pub(super) main: Mutex<Client>,
    /// This connection's transaction holds the lock.
    pub(super) holder: Mutex<Client>,
    connections: Connections<Client>,
    /// The tables, by position, whose quarantine this publication made.
    pub(super) made_quarantines: BTreeSet<usize>,
    pub(super) applied_notes: Vec<String>,
    /// The tables, by position, whose rows are deleted last, because rows that change reference them until then.
    pub(super) postponed: Vec<usize>,
    /// Set after the staging tables were dropped.
    pub(super) is_clean: bool,
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
    pub fn open(uri: &Secret, schema: &str, connections: usize, opening: Opening<'_>) -> Result<OpenPublication<Self>> {
        let Opening { mut publication, policy, cancel, say, .. } = opening;
        if schema.len() > IDENTIFIER_BYTES_MAX {
            return Err(messages::export_name_too_long(&format!("schema `{schema}`"), schema.len()));
        }
        let mut tables = PostgresTable::all_of(&publication.tables, schema)?;
        let server = PostgresServer::new(uri, &format!("elt {}/{}", publication.project, publication.target))?;
        let mut main = server.connect()?;
        let failed = |error: postgres::Error| messages::export_postgres("reading its catalog", None, describe(&error));
        if let Err(error) = make_own_schema(&mut main) {
            let existing: Vec<_> = tables.iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
            let missing = rights::missing(&mut main, schema, &existing).unwrap_or_default();
            return Err(match error.as_db_error() {
                Some(_) if !missing.is_empty() => {
                    messages::export_missing_rights(&format!("Postgres schema `{schema}`"), &missing)
                }
                Some(_) => messages::export_no_own_schema(describe(&error)),
                None => failed(error),
            });
        }
        let mut holder = server.connect()?;
        begin_holding(&mut holder)?;
        // Locks all schemas that it publishes to. All publications use the same order, so that no two wait for each
        // other.
        let own = tables.iter().map(|table| table.schema.as_str());
        for schema in own.chain([schema]).collect::<BTreeSet<_>>() {
            wait_for(&mut AdvisoryLock { client: &mut holder, schema, key: lock_key(schema) }, cancel, say)?;
        }
        drop_staging_tables(&mut main, lock_key(schema)).map_err(failed)?;
        let last = main
            .query_typed_opt(
                "select id::text from _elt.publications where schema = $1 order by number desc limit 1",
                &[(&schema, Type::TEXT)],
            )
            .map_err(failed)?
            .map(|row| row.get(0));
        let touched = match policy.watch() {
            true => watch::read(&mut main, &tables).map_err(failed)?,
            false => BTreeSet::new(),
        };
        let mut missing_schemas = Vec::new();
        for schema in tables.iter().map(|table| &table.schema) {
            if !missing_schemas.contains(schema) && !schema_exists(&mut main, schema)? {
                missing_schemas.push(schema.clone());
            }
        }
        let catalog = catalog::read_for(&mut main, &tables).map_err(failed)?;
        let by_key = order::parents_first(&tables, &catalog);
        tables = order::ordered(tables, &by_key);
        publication.tables = order::ordered(publication.tables, &by_key);
        object_names::resolve(&mut tables, &catalog);
        let (plans, notes) = plan(&tables, &catalog, policy)?;
        target_types::set(&mut main, &mut tables, &catalog)?;
        let mut in_full = BTreeSet::new();
        for (table, plan) in tables.iter().zip(&plans) {
            let is_known = plan.has_quarantine && !plan.has_old_quarantine;
            let depends = match is_known && !plan.wants_everything() {
                true => main.query_typed_one(&quarantine::depends_on_others(table), &[]).map_err(failed)?.get(0),
                false => false,
            };
            if depends || plan.wants_everything() {
                in_full.insert(table.label.clone());
            }
        }
        let keeping = tables.iter().zip(&plans).filter(|(_, plan)| plan.keeps_others);
        let opened = Opened {
            last,
            keeping: keeping.map(|(table, _)| table.label.clone()).collect(),
            in_full,
            touched,
            notes,
            has_alterations: plans.iter().any(PostgresPlan::alters),
        };
        let target = Self {
            server,
            schema: schema.to_owned(),
            id: publication.id.clone(),
            missing_schemas,
            policy,
            tables,
            plans,
            cancel: cancel.clone(),
            main: Mutex::new(main),
            holder: Mutex::new(holder),
            connections: Connections::at_most(connections.clamp(1, CONNECTIONS_MAX)),
            made_quarantines: BTreeSet::new(),
            applied_notes: Vec::new(),
            postponed: Vec::new(),
            is_clean: false,
        };
        Ok(OpenPublication::new(publication, cancel.clone(), opened, target))
    }

    pub(super) fn staging_name(&self, kind: &str, index: usize) -> String {
        format!("{kind}_{:016x}_{index}", lock_key(&self.schema))
    }

    pub(super) fn staging_place(&self, kind: &str, index: usize) -> String {
        qualified(OWN_SCHEMA, &self.staging_name(kind, index))
    }

    /// Creates the table that will be moved into the schema. It is created, filled and frozen in one transaction: no
    /// other transaction may see its rows before the move, and vacuum need not visit them afterwards.
    fn stage_new(&self, client: &mut Client, index: usize, changes: &mut dyn Changes) -> Result<PostgresStaged> {
        let table = &self.tables[index];
        let failed =
            |error: postgres::Error| messages::export_postgres("creating", Some(&table.name), describe(&error));
        let (place, definition) = (self.staging_place("new", index), Definition::of(table));
        let mut transaction = client.transaction().map_err(failed)?;
        transaction.batch_execute(&statements::create_table(&place, table, &definition)).map_err(failed)?;
        let columns: Vec<_> = table.columns.iter().collect();
        let statement = statements::copy_rows(&place, table, true);
        let copied =
            copy::copy(&mut transaction, &statement, table, &columns, false, &self.cancel, |of, sink| match of {
                RowsOf::Copy => changes.rows(sink),
                RowsOf::AllKeys => changes.keys(sink),
            });
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) => {
                drop(transaction);
                return Err(self.refused(client, index, changes, error));
            }
        };
        let rows = copied.rows;
        self.stage_aside(&mut transaction, index, &copied.set_aside)?;
        let mut keys = Vec::new();
        for (statement, key) in statements::create_keys(&place, &self.staging_name("new", index), &definition) {
            self.cancel.check()?;
            if let Err(error) = transaction.batch_execute(&statement) {
                drop(transaction);
                return Err(self.refused(client, index, changes, failed(error)));
            }
            keys.push(key);
        }
        if rows >= ANALYZE_ROWS_MIN {
            transaction.batch_execute(&format!("analyze {place}")).map_err(failed)?;
        }
        if self.policy.watch() {
            transaction.batch_execute(&watch::create(&place)).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(PostgresStaged {
            coverage: Coverage::Everything,
            staged: StagedRows { rows, ..StagedRows::default() },
            set_aside: copied.set_aside.rows + copied.set_aside.replaced,
            notes: copied.notes,
            keys,
        })
    }

    /// If rows of a new table violate its contract: the constraints, and how many rows. Else the unchanged error.
    fn refused(&self, client: &mut Client, index: usize, changes: &mut dyn Changes, error: Error) -> Error {
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
        client: &mut Client,
        index: usize,
        coverage: Coverage,
        changes: &mut dyn Changes,
    ) -> Result<PostgresStaged> {
        let table = &self.tables[index];
        let failed = |error: postgres::Error| messages::export_postgres("staging", Some(&table.name), describe(&error));
        let place = self.staging_place("rows", index);
        let is_marked = coverage.is_marked() && !table.key.is_empty();
        let mut transaction = client.transaction().map_err(failed)?;
        transaction.batch_execute(&statements::create_staged(&place, table, is_marked)).map_err(failed)?;
        let mark = statements::mark();
        let columns: Vec<_> = table.columns.iter().chain(is_marked.then_some(&mark)).collect();
        let statement = statements::copy_columns(&place, &columns, true);
        let copied =
            copy::copy(&mut transaction, &statement, table, &columns, false, &self.cancel, |of, sink| match of {
                RowsOf::Copy if is_marked => changes.marked_rows(sink),
                RowsOf::Copy => changes.rows(sink),
                RowsOf::AllKeys => changes.keys(sink),
            })?;
        let mut staged = StagedRows { rows: copied.rows, ..StagedRows::default() };
        self.stage_aside(&mut transaction, index, &copied.set_aside)?;
        if staged.rows >= ANALYZE_ROWS_MIN && !table.key.is_empty() {
            // The merge needs only the number of rows, and the distribution of their keys.
            let key = names(&table.key);
            transaction.batch_execute(&format!("analyze {place} ({key})")).map_err(failed)?;
        }
        if is_marked {
            let meant = changes.counts();
            staged.fresh = match staged.rows == meant.inserted + meant.updated {
                true => meant.inserted,
                // Rows were set aside.
                false => {
                    let query = format!("select count({}) from {place}", quote(FRESH));
                    let count: i64 = transaction.query_typed_one(&query, &[]).map_err(failed)?.get(0);
                    count.unsigned_abs()
                }
            };
            let place = self.staging_place("gone", index);
            transaction.batch_execute(&statements::create_deletes(&place, table)).map_err(failed)?;
            // In the table's order, as the query returns them.
            let columns: Vec<_> = table.key_columns().collect();
            let statement = statements::copy_deletes(&place, table);
            let gone = copy::copy(&mut transaction, &statement, table, &columns, true, &self.cancel, |_, sink| {
                changes.deletes(sink)
            })?;
            staged.gone = gone.rows;
            if !copied.set_aside.keys().is_empty() {
                let fields = columns.iter().map(|column| CopyField::plain(column.postgres_type.clone())).collect();
                copy::copy_batches(&mut transaction, &statement, &table.name, fields, copied.set_aside.keys())?;
                staged.gone += copied.set_aside.keys().iter().map(|keys| keys.num_rows() as u64).sum::<u64>();
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(PostgresStaged {
            coverage,
            staged,
            set_aside: copied.set_aside.rows + copied.set_aside.replaced,
            notes: copied.notes,
            keys: Vec::new(),
        })
    }

    fn compare(&self, table: &PostgresTable, sql: &str) -> Result<TextRows> {
        text_rows(&mut self.main.lock(), sql)
            .map_err(|error| messages::export_postgres("comparing", Some(&table.name), describe(&error)))
    }

    /// Stages the rows that are quarantined.
    fn stage_aside(&self, transaction: &mut Transaction<'_>, index: usize, set_aside: &SetAside) -> Result<()> {
        let table = &self.tables[index];
        if set_aside.rows + set_aside.replaced == 0 {
            return Ok(());
        }
        let place = self.staging_place("bad", index);
        transaction
            .batch_execute(&quarantine::create_staging(&place, table))
            .map_err(|error| messages::export_postgres("staging", Some(&table.name), describe(&error)))?;
        let keys = table.columns.iter().filter(|column| table.key.contains(&column.name));
        let ours =
            [PostgresType::Text, PostgresType::Text, PostgresType::Jsonb, PostgresType::Bool, PostgresType::Text];
        let fields = keys.map(|column| column.postgres_type.clone()).chain(ours).map(CopyField::plain).collect();
        let statement = quarantine::copy_staging(&place, table);
        copy::copy_batches(transaction, &statement, &table.name, fields, set_aside.batches())
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
        let stage = |client: &mut Client| match self.plans[index].fit {
            None => self.stage_new(client, index, changes),
            Some(_) => self.stage_rows(client, index, coverage, changes),
        };
        self.connections.with(|| self.server.connect(), |client| !client.is_closed(), stage)
    }

    fn difference(&self, index: usize, staged: &mut PostgresStaged) -> Result<Difference> {
        let table = &self.tables[index];
        let named = Difference { table: format!("{}.{}", table.schema, table.name), ..Difference::default() };
        let Some(mut merge) = self.merge(index, staged.coverage) else {
            return Ok(Difference { missing: staged.staged.rows, ..named });
        };
        let plan = &self.plans[index];
        if plan.has_quarantine && !plan.has_old_quarantine && !table.key.is_empty() {
            merge.rows = quarantine::published_rows(table, &merge.rows);
        }
        let difference = merge.difference(named, table.on_conflict, &mut |sql| self.compare(table, sql))?;
        // The map contains natural keys, which may be personal data.
        Ok(match table.schema == OWN_SCHEMA {
            true => Difference { keys: Vec::new(), ..difference },
            false => difference,
        })
    }

    fn others(&self, index: usize, staged: &mut PostgresStaged) -> Result<Others> {
        let table = &self.tables[index];
        let place = format!("{}.{}", table.schema, table.name);
        let Some(merge) = self.merge(index, staged.coverage) else { return Ok(Others::default()) };
        let fresh = staged.staged.fresh;
        let others = merge.others(place, fresh, table.on_conflict, &mut |sql| self.compare(table, sql))?;
        staged.staged.note(&others, merge.is_marked());
        Ok(others)
    }
}

/// All rows of a query, as text.
pub fn text_rows(client: &mut Client, sql: &str) -> Result<TextRows, postgres::Error> {
    let texts = |row: SimpleQueryRow| (0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect();
    let rows = client.simple_query(sql)?.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(texts(row)),
        _ => None,
    });
    Ok(rows.collect())
}

impl Drop for PostgresPublication {
    fn drop(&mut self) {
        if !self.is_clean {
            // The next publication drops the tables that cannot be dropped now.
            let _ = drop_staging_tables(self.main.get_mut(), lock_key(&self.schema));
        }
    }
}
