//! Publishes to Postgres: stages by binary COPY on parallel connections, applies all tables in one transaction.
//!
//! The only module that names the `postgres` crate. Our own schema `_elt` holds the record of publications and, while
//! one is under way, its staging tables; an advisory lock per target schema keeps two publications apart, and what a
//! dead run left is dropped by the next one that holds the lock. A table that does not stand yet is filled and indexed
//! there, and only moves into the schema in the transaction.

mod apply;
mod broken;
mod catalog;
mod compare;
mod copy;
mod ddl;
mod exact;
mod fit;
mod hazard;
mod look;
mod migration;
mod narrow;
mod numeric;
mod pgcopy;
mod plan;
mod quarantine;
mod statements;
mod table;
mod times;
mod values;
mod wanted;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use postgres::{Client, Transaction};

use self::copy::describe;
pub use self::look::{keys, plan, script as ddl};
use elt_connect::postgres::Server;

use self::fit::Fit;
use self::pgcopy::Field;
use self::plan::Plan;
use self::quarantine::SetAside;
use self::statements::{KeyName, qualified};
use self::table::{IDENTIFIER_BYTES_MAX, Table};
use self::wanted::Wanted;
use super::postgres_type::PostgresType;
use super::{Changes, Difference, Exporter, Extent, Opening, Publication, Published};
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::secret::Secret;
use elt_project::ExportPolicy;

/// How long a publication waits for another one to end.
const LOCK_WAIT: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(200);
/// More connections than this help nobody.
const CONNECTIONS_MAX: usize = 32;
/// Below this many staged rows Postgres' guesses are as good as statistics.
const ANALYZE_ROWS_MIN: u64 = 1_000;
/// The advisory lock (`elt` in ASCII) under which our own schema is made.
const SETUP_LOCK: i64 = 0x65_6c_74;

/// An open publication; holds the schema's lock through its main connection.
pub struct PostgresExporter {
    server: Server,
    schema: String,
    /// Those of the publication's that are to be made.
    missing_schemas: Vec<String>,
    publication: Publication,
    policy: ExportPolicy,
    /// The publication's, as Postgres will have them.
    tables: Vec<Table>,
    cancel: Cancel,
    /// The advisory lock's key, also the mark of this schema's staging tables.
    lock: i64,
    /// Holds the lock, and applies.
    main: Mutex<Client>,
    staging: Staging,
    last: Option<String>,
    /// Tables, by label, that others changed, or may have.
    touched: BTreeSet<String>,
    /// For each table of the publication.
    plans: Vec<Plan>,
    notes: Vec<String>,
    staged: Mutex<BTreeMap<usize, Staged>>,
    /// A table could not be staged: nothing may be published.
    has_failed: AtomicBool,
    /// Set once the staging tables are gone, or are the next run's to drop.
    is_clean: bool,
}

/// What was staged of one table.
struct Staged {
    extent: Extent,
    rows: u64,
    has_deletes: bool,
    /// How many rows go to the table beside.
    set_aside: u64,
    /// What was replaced or set aside.
    notes: Vec<String>,
    /// Of a table that was made anew.
    keys: Vec<KeyName>,
}

/// Connections for staging: opened when needed, at most `max`.
struct Staging {
    max: usize,
    idle: Mutex<(Vec<Client>, usize)>,
    freed: Condvar,
}

impl PostgresExporter {
    pub fn open(uri: &Secret, schema: &str, connections: usize, opening: Opening<'_>) -> Result<Self> {
        let Opening { publication, policy, cancel, say, .. } = opening;
        if schema.len() > IDENTIFIER_BYTES_MAX {
            return Err(messages::export_name_too_long(&format!("schema `{schema}`"), schema.len()));
        }
        let (mut tables, mut errors) = (Vec::new(), Vec::new());
        for table in &publication.tables {
            match Table::of(table, schema) {
                Ok(table) => tables.push(table),
                Err(error) => errors.extend(error.split()),
            }
        }
        if let Some(error) = Error::many(errors) {
            return Err(error);
        }
        let server = Server::new(uri, &format!("elt {}/{}", publication.project, publication.target))?;
        let mut main = server.connect()?;
        let failed = |error: postgres::Error| messages::export_postgres("reading its catalog", None, describe(&error));
        make_own_schema(&mut main).map_err(|error| match error.as_db_error() {
            Some(_) => messages::export_no_own_schema(describe(&error)),
            None => failed(error),
        })?;
        let lock = lock_key(schema);
        // All schemas that it publishes to, in one order for everybody, so that no two wait for each other.
        let own = tables.iter().map(|table| table.schema.as_str());
        for schema in own.chain([schema]).collect::<BTreeSet<_>>() {
            take_lock(&mut main, lock_key(schema), schema, cancel, say)?;
        }
        drop_staging_tables(&mut main, lock).map_err(failed)?;
        let last = main
            .query_opt(
                "select id::text from _elt.publications where schema = $1 order by number desc limit 1",
                &[&schema],
            )
            .map_err(failed)?
            .map(|row| row.get(0));
        let touched = match policy.watch() {
            true => watch::read(&mut main, &tables).map_err(failed)?,
            false => BTreeSet::new(),
        };
        let mut schemas: Vec<String> = tables.iter().map(|table| table.schema.clone()).collect();
        schemas.extend(tables.iter().flat_map(|table| &table.foreign_keys).map(|key| key.to_schema.clone()));
        schemas.sort();
        schemas.dedup();
        let mut missing_schemas = Vec::new();
        for schema in tables.iter().map(|table| &table.schema) {
            if !missing_schemas.contains(schema) && !schema_stands(&mut main, schema)? {
                missing_schemas.push(schema.clone());
            }
        }
        let standing = catalog::read(&mut main, &schemas).map_err(failed)?;
        let (plans, notes) = plan::plan(&tables, &standing, policy)?;
        narrow::narrow(&mut main, &mut tables, &standing)?;
        Ok(Self {
            server,
            schema: schema.to_owned(),
            missing_schemas,
            publication,
            policy,
            tables,
            cancel: cancel.clone(),
            lock,
            main: Mutex::new(main),
            staging: Staging {
                max: connections.clamp(1, CONNECTIONS_MAX),
                idle: Mutex::default(),
                freed: Condvar::new(),
            },
            last,
            touched,
            plans,
            notes,
            staged: Mutex::default(),
            has_failed: AtomicBool::new(false),
            is_clean: false,
        })
    }

    fn staging_name(&self, kind: &str, index: usize) -> String {
        format!("{kind}_{:016x}_{index}", self.lock)
    }

    fn staging_place(&self, kind: &str, index: usize) -> String {
        qualified(statements::OWN_SCHEMA, &self.staging_name(kind, index))
    }
}

/// Locks a mutex whose data no panic can leave half-changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes what is missing of our own schema and its tables, and nothing that is there.
fn make_own_schema(client: &mut Client) -> Result<(), postgres::Error> {
    let missing = |client: &mut Transaction<'_>| -> Result<Vec<&str>, postgres::Error> {
        let mut statements = Vec::new();
        for (is_there, create) in statements::OWN_OBJECTS {
            if !client.query_one(&format!("select {is_there}"), &[])?.get::<_, bool>(0) {
                statements.push(create);
            }
        }
        Ok(statements)
    };
    let mut transaction = client.transaction()?;
    if missing(&mut transaction)?.is_empty() {
        return transaction.commit();
    }
    transaction.execute("select pg_advisory_xact_lock($1)", &[&SETUP_LOCK])?;
    // Again: another run may have made it meanwhile.
    for statement in missing(&mut transaction)? {
        transaction.batch_execute(statement)?;
    }
    transaction.commit()
}

/// Whether the schema stands; fails if it does not and this role may not create it.
fn schema_stands(client: &mut Client, schema: &str) -> Result<bool> {
    let row = client
        .query_one(
            "select exists (select from pg_namespace where nspname = $1), \
             has_database_privilege(current_database(), 'CREATE'), current_user::text, current_database()::text",
            &[&schema],
        )
        .map_err(|error| messages::export_postgres("reading its catalog", None, describe(&error)))?;
    let (stands, may_create): (bool, bool) = (row.get(0), row.get(1));
    if !stands && !may_create {
        return Err(messages::export_no_schema(schema, row.get(2), row.get(3)));
    }
    Ok(stands)
}

/// FNV-1a of the schema's name: the same in every version of the tool.
fn lock_key(schema: &str) -> i64 {
    let text = format!("elt publication {schema}");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash as i64
}

fn take_lock(client: &mut Client, lock: i64, schema: &str, cancel: &Cancel, say: &dyn Fn(&str)) -> Result<()> {
    let failed =
        |error: postgres::Error| messages::export_postgres("taking the publication lock", None, describe(&error));
    let start = Instant::now();
    let mut has_waited = false;
    loop {
        cancel.check()?;
        if client.query_one("select pg_try_advisory_lock($1)", &[&lock]).map_err(failed)?.get(0) {
            return Ok(());
        }
        if !has_waited {
            say(&format!("  note: another publication to `{schema}` is under way; waiting for it to end"));
            has_waited = true;
        }
        if start.elapsed() >= LOCK_WAIT {
            let holder = client
                .query_opt(
                    "select format('process %s, `%s`, from %s, since %s', a.pid, a.application_name, \
                     coalesce(a.client_addr::text, 'a local socket'), date_trunc('second', a.backend_start)) \
                     from pg_locks l join pg_stat_activity a on a.pid = l.pid \
                     where l.locktype = 'advisory' and l.granted and l.objsubid = 1 \
                     and l.database = (select oid from pg_database where datname = current_database()) \
                     and (l.classid::bigint << 32) | l.objid::bigint = $1",
                    &[&lock],
                )
                .map_err(failed)?
                .map_or("its holder just ended".to_owned(), |row| row.get(0));
            return Err(messages::export_locked(schema, start.elapsed(), &holder));
        }
        std::thread::sleep(LOCK_POLL);
    }
}

/// Drops what this schema's publications have staged. Whoever holds the lock may: nobody else is at it.
fn drop_staging_tables(client: &mut Client, lock: i64) -> Result<(), postgres::Error> {
    let mark = format!("^(new|rows|gone|bad)_{lock:016x}_[0-9]+$");
    let left = client.query(
        "select relname::text from pg_class where relnamespace = '_elt'::regnamespace and relkind = 'r' and relname ~ $1",
        &[&mark],
    )?;
    let places: Vec<_> = left.iter().map(|row| qualified(statements::OWN_SCHEMA, row.get(0))).collect();
    if places.is_empty() {
        return Ok(());
    }
    client.batch_execute(&format!("drop table if exists {}", places.join(", ")))
}

impl Staging {
    /// Runs `work` on a connection of its own; waits while all are busy.
    fn with<T>(&self, server: &Server, work: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
        let mut idle = locked(&self.idle);
        while idle.1 >= self.max {
            idle = self.freed.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
        idle.1 += 1;
        let client = idle.0.pop();
        drop(idle);
        let slot = Slot(self);
        let mut client = match client {
            Some(client) if !client.is_closed() => client,
            _ => server.connect()?,
        };
        let result = work(&mut client);
        if result.is_ok() {
            locked(&self.idle).0.push(client);
        }
        drop(slot);
        result
    }
}

/// A connection in use: gives its place back however the work ends.
struct Slot<'a>(&'a Staging);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        locked(&self.0.idle).1 -= 1;
        self.0.freed.notify_one();
    }
}

impl Exporter for PostgresExporter {
    fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    fn wants_everything(&self, table: &str) -> bool {
        let planned = self.tables.iter().zip(&self.plans).find(|(planned, _)| planned.label == table);
        self.touched.contains(table)
            || planned.is_none_or(|(_, plan)| plan.fit.as_ref().is_none_or(Fit::wants_everything))
    }

    fn touched(&self) -> Vec<String> {
        self.touched.iter().cloned().collect()
    }

    fn compares(&self) -> bool {
        true
    }

    fn differences(&self, labels: &[String]) -> Result<Vec<Difference>> {
        self.compare(labels)
    }

    fn notes(&self) -> Vec<String> {
        let staged = locked(&self.staged);
        self.notes.iter().chain(staged.values().flat_map(|staged| &staged.notes)).cloned().collect()
    }

    fn stage(&self, name: &str, extent: Extent, changes: &mut dyn Changes) -> Result<()> {
        let planned = self.tables.iter().zip(&self.plans).enumerate();
        let Some((index, (table, plan))) = planned.into_iter().find(|(_, (table, _))| table.label == name) else {
            return Err(messages::export_not_planned(name));
        };
        let staged = self.staging.with(&self.server, |client| match plan.fit {
            None => self.stage_new(client, index, table, changes),
            Some(_) => self.stage_rows(client, index, table, extent, changes),
        });
        let staged = staged.inspect_err(|_| self.has_failed.store(true, Ordering::SeqCst))?;
        locked(&self.staged).insert(index, staged);
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<Published> {
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(messages::export_incomplete());
        }
        let published = self.apply()?;
        self.is_clean |= published.id.is_some();
        Ok(published)
    }
}

impl PostgresExporter {
    /// Makes the table that will be moved into the schema. Made, filled and frozen in one transaction: no other one
    /// may see its rows before the move, and none needs to visit them again after.
    fn stage_new(&self, client: &mut Client, index: usize, table: &Table, changes: &mut dyn Changes) -> Result<Staged> {
        let failed =
            |error: postgres::Error| messages::export_postgres("creating", Some(&table.name), describe(&error));
        let (place, wanted) = (self.staging_place("new", index), Wanted::of(table));
        let mut transaction = client.transaction().map_err(failed)?;
        transaction.batch_execute(&statements::create_table(&place, table, &wanted)).map_err(failed)?;
        let columns: Vec<_> = table.columns.iter().collect();
        let statement = statements::copy_rows(&place, table, true);
        let copied =
            copy::copy(&mut transaction, &statement, &table.name, &columns, &table.key, &self.cancel, |sink| {
                changes.rows(sink)
            });
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) => {
                drop(transaction);
                return Err(self.refused(client, index, table, changes, error));
            }
        };
        let rows = copied.rows;
        self.stage_aside(&mut transaction, index, table, &copied.set_aside)?;
        let mut keys = Vec::new();
        for (statement, key) in statements::create_keys(&place, &self.staging_name("new", index), &wanted) {
            self.cancel.check()?;
            if let Err(error) = transaction.batch_execute(&statement) {
                drop(transaction);
                return Err(self.refused(client, index, table, changes, failed(error)));
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
        Ok(Staged {
            extent: Extent::Everything,
            rows,
            has_deletes: false,
            set_aside: copied.set_aside.rows,
            notes: copied.notes,
            keys,
        })
    }

    /// Where rows of a new table break its contract: which constraints, and how many rows. Else the error as it is.
    fn refused(
        &self,
        client: &mut Client,
        index: usize,
        table: &Table,
        changes: &mut dyn Changes,
        error: Error,
    ) -> Error {
        // Class 23: a constraint does not hold.
        if !error.causes().iter().any(|cause| cause.contains(" [23")) {
            return error;
        }
        match broken::lines(client, &self.staging_place("rows", index), table, &self.cancel, changes) {
            Ok(lines) if !lines.is_empty() => messages::export_rows_break(&table.name, &lines),
            _ => error,
        }
    }

    fn stage_rows(
        &self,
        client: &mut Client,
        index: usize,
        table: &Table,
        extent: Extent,
        changes: &mut dyn Changes,
    ) -> Result<Staged> {
        let failed = |error: postgres::Error| messages::export_postgres("staging", Some(&table.name), describe(&error));
        let place = self.staging_place("rows", index);
        let mut transaction = client.transaction().map_err(failed)?;
        transaction.batch_execute(&statements::create_rows(&place, table)).map_err(failed)?;
        let columns: Vec<_> = table.columns.iter().collect();
        let statement = statements::copy_rows(&place, table, true);
        let copied =
            copy::copy(&mut transaction, &statement, &table.name, &columns, &table.key, &self.cancel, |sink| {
                changes.rows(sink)
            })?;
        let rows = copied.rows;
        self.stage_aside(&mut transaction, index, table, &copied.set_aside)?;
        if rows >= ANALYZE_ROWS_MIN && !table.key.is_empty() {
            // How many rows there are, and how their keys lie, is all that merging asks.
            let key = statements::names(&table.key);
            transaction.batch_execute(&format!("analyze {place} ({key})")).map_err(failed)?;
        }
        let has_deletes = extent == Extent::Delta && !table.key.is_empty();
        if has_deletes {
            let place = self.staging_place("gone", index);
            transaction.batch_execute(&statements::create_deletes(&place, table)).map_err(failed)?;
            // In the table's order, as the query gives them.
            let columns: Vec<_> = table.key_columns().collect();
            let statement = statements::copy_deletes(&place, table);
            copy::copy(&mut transaction, &statement, &table.name, &columns, &table.key, &self.cancel, |sink| {
                changes.deletes(sink)
            })?;
            if !copied.set_aside.keys().is_empty() {
                let fields = columns.iter().map(|column| Field::plain(column.postgres_type.clone())).collect();
                copy::copy_batches(&mut transaction, &statement, &table.name, fields, copied.set_aside.keys())?;
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(Staged {
            extent,
            rows,
            has_deletes,
            set_aside: copied.set_aside.rows,
            notes: copied.notes,
            keys: Vec::new(),
        })
    }

    /// Stages the rows that go to the table beside.
    fn stage_aside(
        &self,
        transaction: &mut Transaction<'_>,
        index: usize,
        table: &Table,
        set_aside: &SetAside,
    ) -> Result<()> {
        if set_aside.rows == 0 {
            return Ok(());
        }
        let place = self.staging_place("bad", index);
        transaction
            .batch_execute(&quarantine::create_staging(&place, table))
            .map_err(|error| messages::export_postgres("staging", Some(&table.name), describe(&error)))?;
        let keys = table.columns.iter().filter(|column| table.key.contains(&column.name));
        let ours = [PostgresType::Text, PostgresType::Text, PostgresType::Jsonb];
        let fields = keys.map(|column| column.postgres_type.clone()).chain(ours).map(Field::plain).collect();
        let statement = quarantine::copy_staging(&place, table);
        copy::copy_batches(transaction, &statement, &table.name, fields, set_aside.batches())
    }
}

impl Drop for PostgresExporter {
    fn drop(&mut self) {
        if !self.is_clean {
            // What cannot be dropped now, the next publication drops.
            let _ = drop_staging_tables(&mut locked(&self.main), self.lock);
        }
    }
}

/// Connects, and says in one line what answered; changes nothing.
pub fn probe(uri: &Secret, schema: &str) -> Result<String> {
    let server = Server::new(uri, "elt debug")?;
    let mut client = server.connect()?;
    let version: String = match client.query_one("show server_version", &[]) {
        Ok(row) => row.get(0),
        Err(error) => return Err(elt_connect::messages::export_refused(&server.name(), uri.redact(&describe(&error)))),
    };
    Ok(format!("Postgres {version} at `{}`, schema `{schema}`", server.name()))
}
