//! Opens a database and stages the rows of a publication there.
//!
//! Changes only elt's own tables.

use std::collections::BTreeSet;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};
use parking_lot::Mutex;

use super::capabilities::CAPABILITIES;
use super::catalog::{self, MysqlCatalog};
use super::load::{Intake, Load};
use super::lock::NamedLock;
use super::plan::{MysqlPlan, plan};
use super::quarantine;
use super::rights;
use super::statements::{self, place};
use super::table::{MysqlColumn, MysqlTable};
use crate::capabilities::Capabilities;
use crate::changes::{Changes, FRESH, Sink, TextRows};
use crate::difference::Difference;
use crate::exporter::Opening;
use crate::messages;
use crate::others::Others;
use crate::publication::Coverage;
use crate::target::{
    Connections, Content, OpenPublication, Opened, RowsOf, SetAside, Staged, StagedRows, Staging, wait_for,
};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::secret::Secret;
use elt_connect::mysql::Statements as _;
use elt_connect::mysql::{MysqlServer, describe};

/// More connections than this make nothing faster.
const CONNECTIONS_MAX: usize = 32;

/// A database; its main connection holds the lock.
pub struct MysqlPublication {
    pub(super) server: MysqlServer,
    pub(super) id: String,
    pub(super) tables: Vec<MysqlTable>,
    /// For each table.
    pub(super) plans: Vec<MysqlPlan>,
    pub(super) catalog: MysqlCatalog,
    pub(super) cancel: Cancel,
    intake: Intake,
    /// This connection holds the lock, and applies the publication.
    pub(super) main: Mutex<Conn>,
    connections: Connections<Conn>,
    /// The tables that were made before the transaction.
    pub(super) made: Vec<usize>,
    /// The tables, by position, whose quarantine this publication made.
    pub(super) made_quarantines: BTreeSet<usize>,
    /// The tables, by position, that rows may be kept out of.
    pub(super) keeps_out: BTreeSet<usize>,
    /// The tables, by position, that rows left after they were written.
    pub(super) left: BTreeSet<usize>,
    pub(super) applied_notes: Vec<String>,
}

/// The result of staging one table.
pub struct MysqlStaged {
    pub coverage: Coverage,
    pub staged: StagedRows,
    /// How many entries the quarantine gets, and how many of their rows are not published.
    pub entries: u64,
    pub rows_aside: u64,
    notes: Vec<String>,
}

impl Staged for MysqlStaged {
    fn coverage(&self) -> Coverage {
        self.coverage
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl MysqlPublication {
    pub fn open(uri: &Secret, opening: Opening<'_>) -> Result<OpenPublication<Self>> {
        let Opening { publication, policy, cancel, say, .. } = opening;
        let server = MysqlServer::new(uri)?;
        let mut main = server.connect()?;
        let failed = |error: mysql::Error| messages::mysql("reading its catalog", None, describe(&error));
        let (_, flavour) = elt_connect::mysql::version(&mut main).map_err(failed)?;
        let (mut tables, mut errors) = (Vec::new(), Vec::new());
        for table in &publication.tables {
            match MysqlTable::of(table, &server.database, flavour) {
                Ok(table) => tables.push(table),
                Err(error) => errors.extend(error.split()),
            }
        }
        if let Some(error) = Error::many(errors) {
            return Err(error);
        }
        wait_for(&mut NamedLock { connection: &mut main, database: &server.database }, cancel, say)?;
        let own = "select table_name from information_schema.tables where table_schema = database() and \
                   table_name in ('_elt_publications', '_elt_tables')";
        let own: Vec<String> = main.query(own).map_err(failed)?;
        for create in statements::OWN_TABLES {
            let name = create.split('`').nth(1).unwrap_or_default();
            if !own.iter().any(|own| own == name)
                && let Err(error) = main.run(create)
            {
                let places: Vec<_> = tables.iter().map(|it| (it.database.clone(), it.name.clone())).collect();
                let missing = rights::missing(&mut main, &server.database, &places).unwrap_or_default();
                return Err(match missing.is_empty() {
                    true => messages::mysql("making its own table", Some(name), describe(&error)),
                    false => messages::export_missing_rights(CAPABILITIES.called, &missing),
                });
            }
        }
        drop_staging_tables(&mut main).map_err(failed)?;
        let mut databases: Vec<String> = tables.iter().map(|table| table.database.clone()).collect();
        databases.push(server.database.clone());
        databases.sort();
        databases.dedup();
        let mut queries = vec![
            "select id from `_elt_publications` order by number desc limit 1".to_owned(),
            "select @@local_infile, @@max_allowed_packet".to_owned(),
        ];
        queries.extend(catalog::queries(&server.database, &databases));
        let answers = main.run_all(&queries).map_err(|(_, error)| failed(error))?;
        let mut answers = answers.into_iter();
        let mut first = || answers.next().unwrap_or_default().into_iter().next();
        let mut opened = Opened { last: first().map(mysql::from_row), ..Opened::default() };
        let (by_load, packet): (u8, usize) = first().map_or((0, 1 << 22), mysql::from_row);
        let catalog = catalog::read(answers);
        let (mut plans, notes) = plan(&mut tables, &catalog, policy.on_schema_change)?;
        let quarantined: Vec<usize> =
            (0..plans.len()).filter(|at| plans[*at].has_quarantine && !plans[*at].has_old_quarantine).collect();
        let asked = quarantined.iter().flat_map(|at| {
            let quarantine = quarantine::of(&tables[*at], String::new());
            [quarantine.keeps_out(), quarantine.depends_on_others()]
        });
        let answers = main.run_all(&asked.collect::<Vec<_>>()).map_err(|(_, error)| failed(error))?;
        let mut answers = answers.into_iter().map(|rows| rows.into_iter().next().is_some_and(mysql::from_row));
        for at in quarantined {
            plans[at].keeps_out = answers.next().unwrap_or(false);
            plans[at].depends_on_others = answers.next().unwrap_or(false);
        }
        opened.notes = notes;
        opened.has_alterations = plans.iter().any(MysqlPlan::alters);
        let in_full = tables.iter().zip(&plans).filter(|(_, plan)| plan.wants_everything());
        let keeping = tables.iter().zip(&plans).filter(|(_, plan)| plan.keeps_others);
        opened.keeping = keeping.map(|(table, _)| table.label.clone()).collect();
        opened.in_full = in_full.map(|(table, _)| table.label.clone()).collect();
        let target = Self {
            server,
            id: publication.id.clone(),
            tables,
            plans,
            catalog,
            cancel: cancel.clone(),
            intake: Intake { by_load: by_load == 1, packet_bytes_max: packet },
            main: Mutex::new(main),
            connections: Connections::at_most(CONNECTIONS_MAX),
            made: Vec::new(),
            made_quarantines: BTreeSet::new(),
            keeps_out: BTreeSet::new(),
            left: BTreeSet::new(),
            applied_notes: Vec::new(),
        };
        Ok(OpenPublication::new(publication, cancel.clone(), opened, target))
    }

    /// A staging table, as SQL names it.
    pub(super) fn staging_table(&self, kind: &str, index: usize) -> String {
        place(&self.server.database, &format!("_elt_{kind}_{index}"))
    }

    fn stage_with(
        &self,
        connection: &mut Conn,
        index: usize,
        coverage: Coverage,
        changes: &mut dyn Changes,
    ) -> Result<MysqlStaged> {
        let table = &self.tables[index];
        let make = |connection: &mut Conn, place: &str, columns: &[&MysqlColumn]| {
            let create = statements::create_staging(place, columns.iter().copied(), &table.key);
            connection.run(create).map_err(|error| messages::mysql("staging", Some(&table.name), describe(&error)))
        };
        let load = |place, columns, content| Load {
            place,
            table,
            columns,
            content,
            intake: self.intake,
            cancel: &self.cancel,
        };
        let rows = self.staging_table("rows", index);
        let is_marked = coverage.is_marked() && !table.key.is_empty();
        let mark = statements::mark();
        let columns: Vec<&MysqlColumn> = table.columns.iter().chain(is_marked.then_some(&mark)).collect();
        make(connection, &rows, &columns)?;
        let loaded = load(&rows, columns, Content::Rows).run(connection, |of, sink| match of {
            RowsOf::Copy if is_marked => changes.marked_rows(sink),
            RowsOf::Copy => changes.rows(sink),
            RowsOf::AllKeys => changes.keys(sink),
        })?;
        let mut staged = StagedRows { rows: loaded.rows, ..StagedRows::default() };
        let set_aside = loaded.set_aside;
        if set_aside.entries() > 0 {
            self.stage_aside(connection, index, &set_aside)?;
        }
        if is_marked {
            let meant = changes.counts();
            staged.fresh = match staged.rows == meant.inserted + meant.updated {
                true => meant.inserted,
                // Rows were set aside.
                false => self.count_fresh(connection, index)?,
            };
            let gone = self.staging_table("gone", index);
            let keys: Vec<&MysqlColumn> = table.key.iter().filter_map(|name| table.column(name)).collect();
            make(connection, &gone, &keys)?;
            let removed = load(&gone, keys.clone(), Content::Keys).run(connection, |_, sink| changes.deletes(sink))?;
            staged.gone = removed.rows;
            let aside = set_aside.keys(&table.key);
            if !aside.is_empty() {
                let send = |_: RowsOf, sink: &mut Sink<'_>| aside.iter().try_for_each(sink);
                staged.gone += load(&gone, keys, Content::Entries).run(connection, send)?.rows;
            }
        }
        Ok(MysqlStaged {
            coverage,
            staged,
            entries: set_aside.entries(),
            rows_aside: set_aside.rows,
            notes: loaded.notes,
        })
    }

    /// Stages the entries of the quarantine.
    fn stage_aside(&self, connection: &mut Conn, index: usize, set_aside: &SetAside) -> Result<()> {
        let (table, place) = (&self.tables[index], self.staging_table("bad", index));
        connection
            .run(quarantine::of(table, place.clone()).create_staging())
            .map_err(|error| messages::mysql("staging", Some(&table.name), describe(&error)))?;
        let columns = quarantine::entry_columns(table);
        let load = Load {
            place: &place,
            table,
            columns: columns.iter().collect(),
            content: Content::Entries,
            intake: self.intake,
            cancel: &self.cancel,
        };
        load.run(connection, |_, sink| set_aside.batches().iter().try_for_each(sink)).map(drop)
    }

    /// How many of the staged rows were not published before.
    pub(super) fn count_fresh(&self, connection: &mut Conn, index: usize) -> Result<u64> {
        let query = format!("select count({FRESH}) from {}", self.staging_table("rows", index));
        let count: Option<u64> = connection
            .query_first(query)
            .map_err(|error| messages::mysql("counting", Some(&self.tables[index].name), describe(&error)))?;
        Ok(count.unwrap_or(0))
    }

    fn compare(&self, table: &MysqlTable, sql: &str) -> Result<TextRows> {
        text_rows(&mut self.main.lock(), sql)
            .map_err(|error| messages::mysql("comparing", Some(&table.name), describe(&error)))
    }
}

/// All rows of a query, as text.
pub fn text_rows(connection: &mut Conn, sql: &str) -> Result<TextRows, mysql::Error> {
    let rows: Vec<Row> = connection.query(sql)?;
    let text = |row: &Row, index: usize| row.get_opt::<Option<String>, _>(index)?.ok()?;
    Ok(rows.iter().map(|row| (0..row.len()).map(|index| text(row, index)).collect()).collect())
}

/// Drops the staging tables of publications. The holder of the lock may do this: nobody else uses them.
fn drop_staging_tables(connection: &mut Conn) -> Result<(), mysql::Error> {
    let left: Vec<String> = connection.query(
        "select table_name from information_schema.tables where table_schema = database() \
         and table_name regexp '^_elt_(rows|gone|bad)_[0-9]+$'",
    )?;
    if left.is_empty() {
        return Ok(());
    }
    connection.run(format!("drop table if exists {}", statements::names(&left)))
}

impl Staging for MysqlPublication {
    type Staged = MysqlStaged;

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn place(&self) -> String {
        self.server.name()
    }

    fn stage(&self, index: usize, coverage: Coverage, changes: &mut dyn Changes) -> Result<MysqlStaged> {
        let stage = |connection: &mut Conn| self.stage_with(connection, index, coverage, changes);
        self.connections.with(|| self.server.connect(), |_| true, stage)
    }

    fn difference(&self, index: usize, staged: &mut MysqlStaged) -> Result<Difference> {
        let table = &self.tables[index];
        let named = Difference { table: table.label.clone(), ..Difference::default() };
        match &self.plans[index].fit {
            None => return Ok(Difference { missing: staged.staged.rows, ..named }),
            // A column that is to come has nothing to be compared with.
            Some(fit) if !fit.alterations.is_empty() => return Ok(Difference::default()),
            Some(_) => {}
        }
        let mut merge = self.merge(index, staged.coverage);
        if self.plans[index].depends_on_others && !table.key.is_empty() {
            merge.rows = quarantine::of(table, String::new()).published_rows(&merge.rows);
        }
        merge.difference(named, table.contract.on_conflict, &mut |sql| self.compare(table, sql))
    }

    fn others(&self, index: usize, staged: &mut MysqlStaged) -> Result<Others> {
        let table = &self.tables[index];
        let (fresh, on_conflict) = (staged.staged.fresh, table.contract.on_conflict);
        let merge = self.merge(index, staged.coverage);
        let others = merge.others(table.label.clone(), fresh, on_conflict, &mut |sql| self.compare(table, sql))?;
        staged.staged.note(&others, merge.is_marked());
        Ok(others)
    }
}

impl Drop for MysqlPublication {
    fn drop(&mut self) {
        // The next publication drops tables that cannot be dropped now. A connection that stopped amid an answer is
        // closed.
        self.connections.close();
        let _ = drop_staging_tables(self.main.get_mut());
    }
}
