//! Publishes to MySQL and MariaDB: stages by `load data` from memory, applies all tables in one InnoDB transaction.
//!
//! The only module that names the `mysql` crate. Tables of ours in the target's database hold the record of publications
//! (`_elt_publications`) and of what was made (`_elt_tables`); staging tables (`_elt_rows_<n>`, `_elt_gone_<n>`) stand
//! beside them while a publication is under way. A lock by name keeps two publications apart; what a dead run left, the
//! next one that holds the lock drops. MySQL commits before and after each change of a table's definition: tables and
//! columns are made, empty, before the transaction.

mod apply;
mod catalog;
mod compare;
mod encode;
mod fit;
mod load;
mod mysql_type;
mod statements;
mod table;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable;

use self::catalog::{Catalog, Name};
use self::fit::Fit;
use self::load::{Intake, Load};
use self::statements::place;
use self::table::{Column, Table};
use super::contract::ForeignKey;
use super::{Changes, Difference, Exporter, Extent, Opening, Publication, Published, Shape};
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::secret::Secret;
use elt_connect::mysql::{Server, describe};
use elt_project::OnContractChange;

/// How long a publication waits for another one to end.
const LOCK_WAIT: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(200);

/// An open publication; holds the lock through its main connection.
pub struct MysqlExporter {
    server: Server,
    publication: Publication,
    tables: Vec<Table>,
    /// For each table.
    plans: Vec<Plan>,
    catalog: Catalog,
    cancel: Cancel,
    intake: Intake,
    /// Holds the lock, and applies.
    main: Mutex<Conn>,
    /// Connections for staging that nobody uses.
    idle: Mutex<Vec<Conn>>,
    last: Option<String>,
    notes: Vec<String>,
    staged: Mutex<BTreeMap<usize, Staged>>,
    /// A table could not be staged: nothing may be published.
    has_failed: AtomicBool,
}

/// How one table is published.
struct Plan {
    /// None: it does not stand yet.
    fit: Option<Fit>,
    /// To be added before the transaction.
    foreign_keys: Vec<ForeignKey>,
}

/// What was staged of one table.
struct Staged {
    extent: Extent,
    has_gone: bool,
}

impl MysqlExporter {
    pub fn open(uri: &Secret, opening: Opening<'_>) -> Result<Self> {
        let Opening { publication, policy, cancel, say, .. } = opening;
        let server = Server::new(uri)?;
        let mut main = server.connect()?;
        let failed = |error: mysql::Error| messages::mysql("reading its catalog", None, describe(&error));
        let (_, flavour) = elt_connect::mysql::version(&mut main).map_err(failed)?;
        let (mut tables, mut errors) = (Vec::new(), Vec::new());
        for table in &publication.tables {
            match Table::of(table, &server.database, flavour) {
                Ok(table) => tables.push(table),
                Err(error) => errors.extend(error.split()),
            }
        }
        if let Some(error) = Error::many(errors) {
            return Err(error);
        }
        take_lock(&mut main, &server.database, cancel, say)?;
        for create in statements::OWN_TABLES {
            let name = create.split('`').nth(1).unwrap_or_default();
            let stands: Option<String> = main.query_first(format!("show tables like '{name}'")).map_err(failed)?;
            if stands.is_none() {
                main.query_drop(create)
                    .map_err(|error| messages::mysql("making its own table", Some(name), describe(&error)))?;
            }
        }
        drop_staging_tables(&mut main).map_err(failed)?;
        let last =
            main.query_first("select id from `_elt_publications` order by number desc limit 1").map_err(failed)?;
        let (by_load, packet): (u8, usize) =
            main.query_first("select @@local_infile, @@max_allowed_packet").map_err(failed)?.unwrap_or((0, 1 << 22));
        let mut databases: Vec<String> = tables.iter().map(|table| table.database.clone()).collect();
        databases.push(server.database.clone());
        databases.sort();
        databases.dedup();
        let catalog = catalog::read(&mut main, &server.database, &databases).map_err(failed)?;
        let (plans, notes) = plan(&mut tables, &catalog, policy.on_schema_change)?;
        Ok(Self {
            server,
            publication,
            tables,
            plans,
            catalog,
            cancel: cancel.clone(),
            intake: Intake { by_load: by_load == 1, packet_bytes_max: packet },
            main: Mutex::new(main),
            idle: Mutex::default(),
            last,
            notes,
            staged: Mutex::default(),
            has_failed: AtomicBool::new(false),
        })
    }

    fn staging(&self, kind: &str, index: usize) -> String {
        place(&self.server.database, &format!("_elt_{kind}_{index}"))
    }

    fn stage_table(&self, index: usize, extent: Extent, changes: &mut dyn Changes) -> Result<Staged> {
        let table = &self.tables[index];
        let idle = locked(&self.idle).pop();
        let mut connection = idle.map_or_else(|| self.server.connect(), Ok)?;
        let make = |connection: &mut Conn, place: &str, columns: &[&Column]| {
            let create = statements::create_staging(place, columns.iter().copied(), &table.key);
            connection
                .query_drop(create)
                .map_err(|error| messages::mysql("staging", Some(&table.name), describe(&error)))
        };
        let load =
            |place, columns| Load { place, table: &table.name, columns, intake: self.intake, cancel: &self.cancel };
        let rows = self.staging("rows", index);
        let columns: Vec<&Column> = table.columns.iter().collect();
        make(&mut connection, &rows, &columns)?;
        load(&rows, columns).run(&mut connection, |sink| changes.rows(sink))?;
        let has_gone = extent == Extent::Delta && !table.key.is_empty();
        if has_gone {
            let gone = self.staging("gone", index);
            let keys: Vec<&Column> = table.key.iter().filter_map(|name| table.column(name)).collect();
            make(&mut connection, &gone, &keys)?;
            load(&gone, keys).run(&mut connection, |sink| changes.deletes(sink))?;
        }
        locked(&self.idle).push(connection);
        Ok(Staged { extent, has_gone })
    }
}

/// Locks a mutex whose data no panic can leave half-changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_lock(connection: &mut Conn, database: &str, cancel: &Cancel, say: &dyn Fn(&str)) -> Result<()> {
    let failed = |error: mysql::Error| messages::mysql("taking the publication lock", None, describe(&error));
    let (start, lock) = (Instant::now(), lock_name(database));
    let mut has_waited = false;
    loop {
        cancel.check()?;
        let taken: Option<Option<u8>> =
            connection.query_first(format!("select get_lock({lock}, 0)")).map_err(failed)?;
        if taken.flatten() == Some(1) {
            return Ok(());
        }
        if !has_waited {
            say(&format!("  note: another publication to `{database}` is under way; waiting for it to end"));
            has_waited = true;
        }
        if start.elapsed() >= LOCK_WAIT {
            let holder: Option<(u64, String, String)> = connection
                .query_first(format!(
                    "select id, user, host from information_schema.processlist where id = is_used_lock({lock})"
                ))
                .map_err(failed)?;
            let holder = holder.map_or("its holder just ended, or this user may not see it".to_owned(), |holder| {
                format!("connection {}, user `{}`, from {}", holder.0, holder.1, holder.2)
            });
            return Err(messages::mysql_locked(database, start.elapsed(), &holder));
        }
        std::thread::sleep(LOCK_POLL);
    }
}

/// Drops what publications have staged. Whoever holds the lock may: nobody else is at it.
fn drop_staging_tables(connection: &mut Conn) -> Result<(), mysql::Error> {
    let left: Vec<String> = connection.query(
        "select table_name from information_schema.tables where table_schema = database() \
         and table_name regexp '^_elt_(rows|gone)_[0-9]+$'",
    )?;
    if left.is_empty() {
        return Ok(());
    }
    connection.query_drop(format!("drop table if exists {}", statements::names(&left)))
}

/// Compares all tables with what stands; all differences of all tables are one error.
fn plan(tables: &mut [Table], catalog: &Catalog, may: OnContractChange) -> Result<(Vec<Plan>, Vec<String>)> {
    let (mut plans, mut notes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let planned: Vec<Name> = tables.iter().map(|table| (table.database.clone(), table.name.clone())).collect();
    for table in tables {
        let name = (table.database.clone(), table.name.clone());
        let there = catalog.tables.get(&name);
        let fit = match there.map(|there| fit::fit(table, there)).transpose() {
            Ok(fit) => fit,
            Err(differences) => {
                let is_ours = there.is_some_and(|there| there.is_ours);
                errors.push(messages::mysql_does_not_fit(&table.name, is_ours, &differences));
                continue;
            }
        };
        if let Some(owner) = table.contract.owner.as_ref().filter(|_| there.is_none()) {
            notes.push(format!("tables of MySQL have no owner: `{}` is not given to `{owner}`", table.name));
        }
        let mut steps = Vec::new();
        for fit in fit.iter() {
            notes.extend(
                fit.unfilled.iter().map(|column| format!("column `{column}` of `{}` is no longer filled", table.name)),
            );
            steps.extend(fit.alterations.clone());
        }
        let mut foreign_keys = Vec::new();
        for key in &table.contract.foreign_keys {
            let to = (key.to_schema.clone().unwrap_or_else(|| table.database.clone()), key.to_table.clone());
            let stands = catalog.foreign_keys.iter().any(|there| {
                there.from == name
                    && there.to == to
                    && there.columns == key.columns
                    && there.to_columns == key.to_columns
            });
            match there {
                // What others made keeps the constraints they gave it.
                Some(there) if !there.is_ours || stands => {}
                _ if planned.contains(&to) || catalog.tables.contains_key(&to) => {
                    if there.is_some() {
                        steps.push(format!("add foreign key to {}", key.to_table));
                    }
                    foreign_keys.push(key.clone());
                }
                _ => notes.push(format!(
                    "the foreign key of `{}` to `{}` waits until that table is published",
                    table.name, key.to_table
                )),
            }
        }
        if may == OnContractChange::Fail && !steps.is_empty() {
            errors.push(messages::mysql_contract_changed(&table.name, &steps));
        }
        plans.push(Plan { fit, foreign_keys });
    }
    Error::many(errors).map_or(Ok((plans, notes)), Err)
}

impl Exporter for MysqlExporter {
    fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    fn shape(&self) -> Shape {
        Shape::Json
    }

    fn wants_everything(&self, table: &str) -> bool {
        let planned = self.tables.iter().zip(&self.plans).find(|(planned, _)| planned.label == table);
        planned.is_none_or(|(_, plan)| plan.fit.as_ref().is_none_or(|fit| fit.wants_everything))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn stage(&self, name: &str, extent: Extent, changes: &mut dyn Changes) -> Result<()> {
        let Some(index) = self.tables.iter().position(|table| table.label == name) else {
            return Err(messages::export_not_planned(name));
        };
        let staged =
            self.stage_table(index, extent, changes).inspect_err(|_| self.has_failed.store(true, Ordering::SeqCst))?;
        locked(&self.staged).insert(index, staged);
        Ok(())
    }

    fn compares(&self) -> bool {
        true
    }

    fn differences(&self, labels: &[String]) -> Result<Vec<Difference>> {
        self.compare(labels)
    }

    fn commit(mut self: Box<Self>) -> Result<Published> {
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(messages::export_incomplete());
        }
        self.apply()
    }
}

impl Drop for MysqlExporter {
    fn drop(&mut self) {
        // What cannot be dropped now, the next publication drops. A connection that stopped amid an answer is closed.
        locked(&self.idle).clear();
        let _ = drop_staging_tables(&mut locked(&self.main));
    }
}

/// Connects, and says in one line what answered; changes nothing.
pub fn probe(uri: &Secret) -> Result<String> {
    let server = Server::new(uri)?;
    let mut connection = server.connect()?;
    let (version, flavour) = elt_connect::mysql::version(&mut connection)
        .map_err(|error| elt_connect::messages::mysql_refused(&server.name(), uri.redact(&describe(&error))))?;
    let kind = if flavour == elt_connect::mysql::Flavour::MariaDb { "MariaDB" } else { "MySQL" };
    Ok(format!("{kind} {version} at `{}`", server.name()))
}

/// The lock of publications to a database, at most 64 characters.
fn lock_name(database: &str) -> String {
    let hash = database
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    statements::text(&format!("elt publication {hash:016x}"))
}
