//! What is made before the transaction, the one transaction that applies a publication, and the look back when the
//! answer of its commit was lost.
//!
//! InnoDB checks a foreign key row by row and cannot defer it. The transaction runs without these checks and looks for
//! rows that point nowhere before it commits, so that any order and cycles pass; only where a table of others has a
//! foreign key that acts (`cascade`, `set null`) the server's checks stay on.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;

use super::statements::{self, Merge, place};
use super::table::Table;
use super::{MysqlExporter, Plan, Staged, drop_staging_tables, locked, take_lock};
use crate::messages;
use crate::{Counts, Extent, Published};
use elt_base::error::{Error, Result};
use elt_connect::mysql::{describe, is_lost};

/// How often a lost connection is opened again to learn what became of the commit.
const LOOK_BACK_TRIES: u32 = 5;
const LOOK_BACK_PAUSE: Duration = Duration::from_secs(1);

struct Work<'a> {
    index: usize,
    table: &'a Table,
    plan: &'a Plan,
    staged: Option<&'a Staged>,
    counts: Counts,
}

/// A foreign key that stands, or was just added: from, columns, to, columns there; each table a position or a place.
struct Pointer {
    from: (String, String),
    columns: Vec<String>,
    to: (String, String),
    to_columns: Vec<String>,
}

impl MysqlExporter {
    /// Publishes what is staged. Without anything to do, writes nothing.
    pub(super) fn apply(&mut self) -> Result<Published> {
        self.cancel.check()?;
        let staged = std::mem::take(&mut *locked(&self.staged));
        let planned = self.tables.iter().zip(&self.plans).enumerate();
        let mut work: Vec<Work<'_>> = planned
            .map(|(index, (table, plan))| Work {
                index,
                table,
                plan,
                staged: staged.get(&index),
                counts: Counts::default(),
            })
            .collect();
        let alters = |work: &Work<'_>| match &work.plan.fit {
            Some(fit) => !fit.alterations.is_empty() || !work.plan.foreign_keys.is_empty(),
            None => false,
        };
        if !work.iter().any(|work| work.staged.is_some() || alters(work)) {
            return Ok(Published { id: None, tables: Vec::new() });
        }
        let mut main = locked(&self.main);
        let mut made = Vec::new();
        let applied = self.define(&mut main, &work, &mut made).and_then(|()| self.transact(&mut main, &mut work));
        if let Err(error) = applied {
            let _ = main.query_drop("rollback");
            self.unmake(&mut main, &made);
            return Err(error);
        }
        if let Err(error) = main.query_drop("commit") {
            if !is_lost(&error) {
                return Err(failed("committing", None)(error));
            }
            self.look_back(&mut main, &describe(&error))?;
        }
        let _ = main.query_drop("set session foreign_key_checks = 1");
        let _ = drop_staging_tables(&mut main);
        let done = work.iter().filter(|work| work.staged.is_some());
        let tables = done.map(|work| (work.table.label.clone(), work.counts)).collect();
        Ok(Published { id: Some(self.publication.id.clone()), tables })
    }

    /// Makes and alters tables; each statement is committed by itself.
    fn define<'a>(&self, main: &mut Conn, work: &[Work<'a>], made: &mut Vec<&'a Table>) -> Result<()> {
        let tables = place(&self.server.database, "_elt_tables");
        for work in work {
            self.cancel.check()?;
            let table = work.table;
            match &work.plan.fit {
                None if work.staged.is_some() => {
                    // Known as ours first: a run that dies here leaves an empty table that the next one fills.
                    main.exec_drop(
                        format!("replace into {tables} (database_name, name, publication) values (?, ?, ?)"),
                        (&table.database, &table.name, &self.publication.id),
                    )
                    .map_err(failed("recording", Some(&table.name)))?;
                    main.query_drop(statements::create_table(table)).map_err(failed("creating", Some(&table.name)))?;
                    made.push(table);
                }
                None => continue,
                Some(fit) => {
                    for alteration in &fit.alterations {
                        let statement = format!("alter table {} {alteration}", place(&table.database, &table.name));
                        main.query_drop(statement).map_err(failed("altering", Some(&table.name)))?;
                    }
                }
            }
        }
        // Not checked against rows that stand: their parents may come with this publication.
        main.query_drop("set session foreign_key_checks = 0").map_err(failed("preparing", None))?;
        for work in work.iter().filter(|work| work.plan.fit.is_some() || work.staged.is_some()) {
            for key in &work.plan.foreign_keys {
                let statement = statements::add_foreign_key(work.table, key);
                main.query_drop(statement).map_err(failed("adding a foreign key to", Some(&work.table.name)))?;
            }
        }
        for table in made.iter() {
            for (privilege, roles) in &table.contract.grants {
                for role in roles {
                    main.query_drop(statements::grant(table, privilege, role))
                        .map_err(failed("granting on", Some(&table.name)))?;
                }
            }
        }
        Ok(())
    }

    /// Takes back the tables that were made for nothing.
    fn unmake(&self, main: &mut Conn, made: &[&Table]) {
        for table in made {
            let _ = main.query_drop(format!("drop table if exists {}", place(&table.database, &table.name)));
            let _ = main.exec_drop(
                format!(
                    "delete from {} where database_name = ? and name = ?",
                    place(&self.server.database, "_elt_tables")
                ),
                (&table.database, &table.name),
            );
        }
    }

    fn transact(&self, main: &mut Conn, work: &mut [Work<'_>]) -> Result<()> {
        let ours = |name: &(String, String)| self.tables.iter().any(|t| t.database == name.0 && t.name == name.1);
        let others_act = self.catalog.foreign_keys.iter().any(|key| key.acts && ours(&key.to) && !ours(&key.from));
        let checks = u8::from(others_act);
        main.query_drop(format!("set session foreign_key_checks = {checks}")).map_err(failed("beginning", None))?;
        main.query_drop("start transaction").map_err(failed("beginning", None))?;
        let mut run = |during: &str, table: &Table, statement: &str| -> Result<u64> {
            self.cancel.check()?;
            main.query_drop(statement).map_err(failed(during, Some(&table.name)))?;
            Ok(main.affected_rows())
        };
        for work in work.iter_mut().rev().filter(|work| work.plan.fit.is_some()) {
            let Some(staged) = work.staged else { continue };
            let statement = match staged.extent {
                Extent::Everything => self.merge(work).delete_others(),
                Extent::Delta if staged.has_gone => self.merge(work).delete_gone(),
                Extent::Delta => continue,
            };
            work.counts.deleted = run("deleting from", work.table, &statement)?;
        }
        for work in work.iter_mut().filter(|work| work.staged.is_some()) {
            let is_new = work.plan.fit.is_none();
            if let Some(update) = self.merge(work).update().filter(|_| !is_new) {
                work.counts.updated = run("updating", work.table, &update)?;
            }
            work.counts.inserted = run("inserting into", work.table, &self.merge(work).insert(is_new))?;
        }
        if !others_act {
            self.verify(main, work)?;
        }
        let counts: BTreeMap<_, _> =
            work.iter().filter(|work| work.staged.is_some()).map(|work| (&work.table.label, work.counts)).collect();
        let counts = serde_json::to_string(&counts).unwrap_or_else(|_| "{}".into());
        main.exec_drop(
            format!(
                "insert into {} (id, project, target, tool, tables) values (?, ?, ?, ?, ?)",
                place(&self.server.database, "_elt_publications")
            ),
            (
                &self.publication.id,
                &self.publication.project,
                &self.publication.target,
                concat!("elt ", env!("CARGO_PKG_VERSION")),
                counts,
            ),
        )
        .map_err(failed("recording the publication", None))
    }

    fn merge<'a>(&self, work: &Work<'a>) -> Merge<'a> {
        Merge {
            table: work.table,
            target: place(&work.table.database, &work.table.name),
            rows: self.staging("rows", work.index),
            gone: self.staging("gone", work.index),
        }
    }

    /// Looks for rows that point nowhere: among those that came, and among those that point to what went.
    fn verify(&self, main: &mut Conn, work: &[Work<'_>]) -> Result<()> {
        let named = |name: &(String, String)| {
            work.iter().find(|work| work.table.database == name.0 && work.table.name == name.1)
        };
        let mut pointers: Vec<Pointer> = Vec::new();
        for key in &self.catalog.foreign_keys {
            pointers.push(Pointer {
                from: key.from.clone(),
                columns: key.columns.clone(),
                to: key.to.clone(),
                to_columns: key.to_columns.clone(),
            });
        }
        for work in work {
            pointers.extend(work.plan.foreign_keys.iter().map(|key| Pointer {
                from: (work.table.database.clone(), work.table.name.clone()),
                columns: key.columns.clone(),
                to: (key.to_schema.clone().unwrap_or_else(|| work.table.database.clone()), key.to_table.clone()),
                to_columns: key.to_columns.clone(),
            }));
        }
        for Pointer { from, columns, to, to_columns } in &pointers {
            let (child, parent) = (named(from), named(to));
            let (from_place, to_place) = (place(&from.0, &from.1), place(&to.0, &to.1));
            let mut queries = Vec::new();
            // A key that was just added has never been looked at.
            let is_added = child.is_some_and(|child| {
                child.plan.fit.is_some() && child.plan.foreign_keys.iter().any(|key| key.columns == *columns)
            });
            if is_added {
                queries.push(statements::orphan(&from_place, columns, &to_place, to_columns));
            } else if let Some(child) = child.filter(|child| child.counts.inserted + child.counts.updated > 0) {
                let is_staged = columns.iter().all(|name| child.table.column(name).is_some());
                let rows = if is_staged { self.staging("rows", child.index) } else { from_place.clone() };
                queries.push(statements::orphan(&rows, columns, &to_place, to_columns));
            }
            if let Some(parent) = parent.filter(|_| !is_added) {
                let is_key = to_columns.iter().all(|name| parent.table.key.contains(name));
                let has_gone = parent.staged.is_some_and(|staged| staged.has_gone);
                let went = parent.counts.deleted > 0;
                if went && is_key && has_gone && to_columns.len() == parent.table.key.len() {
                    let gone = self.staging("gone", parent.index);
                    queries.push(statements::orphaned(&gone, to_columns, &from_place, columns));
                } else if went || !is_key && parent.counts.updated > 0 {
                    queries.push(statements::orphan(&from_place, columns, &to_place, to_columns));
                }
            }
            for query in queries {
                self.cancel.check()?;
                let found: Option<u8> =
                    main.query_first(query).map_err(failed("checking a foreign key of", Some(&from.1)))?;
                if found.is_some() {
                    return Err(messages::mysql_orphans(&from.1, &statements::names(columns).replace('`', ""), &to.1));
                }
            }
        }
        Ok(())
    }

    /// After a commit without an answer: under the lock, which the lost connection gives up only once its transaction
    /// has ended, the record tells whether it was done.
    fn look_back(&self, main: &mut Conn, cause: &str) -> Result<()> {
        let unknown = || messages::mysql_outcome_unknown(&self.server.name(), &self.publication.id, cause);
        for attempt in 0..LOOK_BACK_TRIES {
            if attempt > 0 {
                std::thread::sleep(LOOK_BACK_PAUSE);
            }
            let Ok(mut connection) = self.server.connect() else { continue };
            take_lock(&mut connection, &self.server.database, &self.cancel, &|_| ()).map_err(|_| unknown())?;
            let found = connection
                .exec_first::<u8, _, _>("select 1 from `_elt_publications` where id = ?", (&self.publication.id,));
            let Ok(found) = found else { continue };
            *main = connection;
            return found.map(drop).ok_or_else(|| messages::mysql("committing", None, cause));
        }
        Err(unknown())
    }
}

fn failed<'a>(during: &'a str, table: Option<&'a str>) -> impl FnOnce(mysql::Error) -> Error + 'a {
    move |error| messages::mysql(during, table, describe(&error))
}
