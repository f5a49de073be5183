//! The one transaction that applies a publication, and the look back when its answer was lost.
//!
//! Deletes go children first, then updates and inserts parents first; deferrable constraints are checked at the end,
//! so that cycles pass too. Knows the staging tables, not how they were filled.

use std::collections::BTreeMap;
use std::time::Duration;

use postgres::{Client, Transaction};
use serde::Serialize;
use uuid::Uuid;

use super::copy::describe;
use super::migration::{self, Step, When};
use super::plan::Plan;
use super::statements::{self, Merge, qualified};
use super::wanted::Wanted;
use super::{PostgresExporter, Staged, locked, quarantine, take_lock, watch};
use crate::messages;
use crate::postgres::table::Table;
use crate::{Counts, Extent, Published};
use elt_base::error::{Error, Result};
use elt_base::schema::quote;

/// How often a lost connection is opened again to learn what became of the commit.
const LOOK_BACK_TRIES: u32 = 5;
const LOOK_BACK_PAUSE: Duration = Duration::from_secs(1);

/// A table of the publication with all that is known of it.
struct Work<'a> {
    index: usize,
    table: &'a Table,
    plan: &'a Plan,
    staged: Option<&'a Staged>,
    counts: Counts,
}

/// What the record says of one table.
#[derive(Serialize)]
struct RecordedTable<'a> {
    #[serde(flatten)]
    counts: &'a Counts,
    /// The fingerprint of its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<&'a str>,
}

impl Work<'_> {
    /// Made in our own schema, to be moved.
    fn is_new(&self) -> bool {
        self.plan.fit.is_none() && self.staged.is_some()
    }

    /// The map of surrogate keys: what it has given is never taken back.
    fn is_key_map(&self) -> bool {
        self.table.schema == statements::OWN_SCHEMA && self.table.name == "keys"
    }

    /// Merged or altered, or the source of a new foreign key.
    fn touches_standing(&self) -> bool {
        match &self.plan.fit {
            Some(_) => self.staged.is_some() || !self.plan.steps.is_empty() || !self.plan.foreign_keys.is_empty(),
            None => false,
        }
    }
}

impl PostgresExporter {
    /// Publishes what is staged. Without anything to do, writes nothing.
    pub(super) fn apply(&mut self) -> Result<Published> {
        self.cancel.check()?;
        let staged = std::mem::take(&mut *locked(&self.staged));
        let mut work: Vec<Work<'_>> = self
            .tables
            .iter()
            .zip(&self.plans)
            .enumerate()
            .map(|(index, (table, plan))| Work {
                index,
                table,
                plan,
                staged: staged.get(&index),
                counts: Counts::default(),
            })
            .collect();
        if !work.iter().any(|work| work.is_new() || work.touches_standing()) {
            return Ok(Published { id: None, tables: Vec::new() });
        }
        let mut main = locked(&self.main);
        let mut transaction = main.transaction().map_err(|error| failed("beginning", None, &error))?;
        self.apply_in(&mut transaction, &mut work)?;
        let tables: Vec<_> = work
            .iter()
            .filter(|work| work.staged.is_some())
            .map(|work| (work.table.label.clone(), work.counts))
            .collect();
        for work in work.iter().filter(|work| work.staged.is_some_and(|staged| staged.extent == Extent::Everything)) {
            watch::forget(&mut transaction, work.table)
                .map_err(|error| failed("recording", Some(&work.table.name), &error))?;
            if work.is_new() {
                watch::remember(&mut transaction, work.table)
                    .map_err(|error| failed("recording", Some(&work.table.name), &error))?;
            }
        }
        for work in work.iter().filter(|work| work.is_new() || work.plan.is_ours && work.touches_standing()) {
            self.record_contract(&mut transaction, work)?;
        }
        self.record(&mut transaction, &tables)?;
        if let Err(error) = transaction.commit() {
            // A server that refuses says so; one that is shut down, or silent, may have committed.
            let refused = error.as_db_error().is_some_and(|error| !error.code().code().starts_with("57"));
            if refused {
                return Err(failed("committing", None, &error));
            }
            self.look_back(&mut main, &describe(&error))?;
        }
        Ok(Published { id: Some(self.publication.id.clone()), tables })
    }

    fn apply_in(&self, transaction: &mut Transaction<'_>, work: &mut [Work<'_>]) -> Result<()> {
        let run = |transaction: &mut Transaction<'_>, during: &str, table: &str, statement: &str| {
            self.cancel.check()?;
            transaction.execute(statement, &[]).map_err(|error| failed(during, Some(table), &error))
        };
        for schema in &self.missing_schemas {
            let statement = format!("create schema if not exists {}", quote(schema));
            run(transaction, "creating schema", schema, &statement)?;
        }
        // In one order for everybody, so that nobody waits in a circle; readers are not held up.
        let mut standing: Vec<_> = work.iter().filter(|work| work.touches_standing()).map(|work| work.table).collect();
        standing.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        for table in standing {
            let place = qualified(&table.schema, &table.name);
            run(transaction, "locking", &table.name, &format!("lock table {place} in share row exclusive mode"))?;
        }
        watch::silence(transaction, &self.publication.id).map_err(|error| failed("beginning", None, &error))?;
        for work in work.iter().filter(|work| work.touches_standing() && work.plan.is_ours && self.policy.watch()) {
            watch::again(transaction, work.table)
                .map_err(|error| failed("watching", Some(&work.table.name), &error))?;
        }
        for work in work.iter().rev() {
            self.take(transaction, work, When::First)?;
        }
        for work in work.iter_mut() {
            match (&work.plan.fit, work.staged) {
                (Some(_), _) => self.take(transaction, work, When::Before)?,
                (None, Some(staged)) => {
                    work.counts.inserted = staged.rows;
                    self.move_in(transaction, work.index, work.table, staged)?;
                }
                (None, None) => {}
            }
        }
        // Postgres' default price of a random page is that of a spinning disk, and makes it read all of a large table
        // to change a few of its rows.
        transaction
            .batch_execute("set constraints all deferred; set local random_page_cost = 1.1")
            .map_err(|error| failed("deferring constraints", None, &error))?;
        for work in work.iter_mut().rev().filter(|work| !work.is_key_map()) {
            let (Some(merge), Some(staged)) = (self.merge(work), work.staged) else { continue };
            let statement = match staged.extent {
                Extent::Everything => merge.delete_others(),
                Extent::Delta if staged.has_deletes => merge.delete_gone(),
                Extent::Delta => continue,
            };
            work.counts.deleted = run(transaction, "deleting from", &work.table.name, &statement)?;
        }
        for work in work.iter_mut() {
            let Some(merge) = self.merge(work) else { continue };
            if work.is_key_map() {
                keep_given(transaction, &merge)?;
            } else if let Some(update) = merge.update() {
                work.counts.updated = run(transaction, "updating", &work.table.name, &update)?;
            }
            work.counts.inserted = run(transaction, "inserting into", &work.table.name, &merge.insert())?;
        }
        for work in work.iter() {
            for statement in self.set_aside(work) {
                run(transaction, "quarantining rows of", &work.table.name, &statement)?;
            }
        }
        // Adding a constraint is refused while checks of the same table are still due.
        transaction
            .batch_execute("set constraints all immediate")
            .map_err(|error| failed("checking constraints", None, &error))?;
        for work in work.iter().filter(|work| work.plan.fit.is_some() || work.is_new()) {
            self.take(transaction, work, When::After)?;
            for key in &work.plan.foreign_keys {
                // Its table may be planned, but was not staged.
                let target = qualified(&key.to_schema, &key.to_table);
                let stands = transaction
                    .query_one("select to_regclass($1) is not null", &[&target])
                    .map_err(|error| failed("adding a foreign key to", Some(&work.table.name), &error))?;
                if stands.get(0) {
                    self.alter(transaction, work.table, &migration::add_foreign_key(work.table, key))?;
                }
            }
        }
        Ok(())
    }

    /// Takes a table's steps of one time.
    fn take(&self, transaction: &mut Transaction<'_>, work: &Work<'_>, when: When) -> Result<()> {
        let mut steps = work.plan.steps.iter().filter(|step| step.when == when);
        steps.try_for_each(|step| self.alter(transaction, work.table, step))
    }

    /// Takes a step. For a constraint that does not hold, the error has the count of rows.
    fn alter(&self, transaction: &mut Transaction<'_>, table: &Table, step: &Step) -> Result<()> {
        self.cancel.check()?;
        let failed = |error: postgres::Error| failed("altering", Some(&table.name), &error);
        let Some(offenders) = &step.offenders else { return transaction.batch_execute(&step.sql).map_err(failed) };
        let mut attempt = transaction.transaction().map_err(failed)?;
        let Err(error) = attempt.batch_execute(&step.sql) else { return attempt.commit().map_err(failed) };
        attempt.rollback().map_err(failed)?;
        // Class 23: a constraint does not hold.
        if !error.code().is_some_and(|code| code.code().starts_with("23")) {
            return Err(failed(error));
        }
        let count: i64 = transaction.query_one(offenders, &[]).map_err(failed)?.get(0);
        Err(messages::export_constraint_broken(&format!("{}.{}", table.schema, table.name), &step.text, count))
    }

    /// Moves a table that was made anew into the schema, with its own name, its keys' names and its default grants.
    fn move_in(&self, transaction: &mut Transaction<'_>, index: usize, table: &Table, staged: &Staged) -> Result<()> {
        let name = &table.name;
        let failed = |error: postgres::Error| failed("moving in", Some(name), &error);
        let wanted = Wanted::of(table);
        let (schema, target_schema) = (quote(&table.schema), &table.schema);
        let table = quote(name);
        let staging = self.staging_name("new", index);
        // The map of surrogate keys stays in our own schema.
        if target_schema != statements::OWN_SCHEMA {
            let staged = qualified(statements::OWN_SCHEMA, &staging);
            transaction.batch_execute(&format!("alter table {staged} set schema {schema}")).map_err(failed)?;
        }
        transaction
            .batch_execute(&format!("alter table {schema}.{} rename to {table}", quote(&staging)))
            .map_err(failed)?;
        for key in &staged.keys {
            let place = qualified(target_schema, &key.wanted);
            let is_taken = transaction.query_one("select to_regclass($1) is not null", &[&place]).map_err(failed)?;
            if !is_taken.get::<_, bool>(0) {
                let (from, to) = (quote(&key.staged), quote(&key.wanted));
                transaction
                    // Renames the constraint that an index stands for, too.
                    .batch_execute(&format!("alter index {schema}.{from} rename to {to}"))
                    .map_err(failed)?;
            }
        }
        let grants = transaction.query(&statements::default_grants(target_schema, name), &[]).map_err(failed)?;
        for grant in grants {
            transaction.batch_execute(grant.get(0)).map_err(failed)?;
        }
        for statement in wanted.finish(&qualified(target_schema, name)) {
            transaction.batch_execute(&statement).map_err(failed)?;
        }
        let id = self.id();
        transaction
            .execute(
                "insert into _elt.tables (schema, name, publication) values ($1, $2, $3) \
                 on conflict (schema, name) do update set publication = excluded.publication",
                &[target_schema, name, &id],
            )
            .map_err(failed)?;
        Ok(())
    }

    /// What brings the table beside, of rows that were set aside, to where the publication is.
    fn set_aside(&self, work: &Work<'_>) -> Vec<String> {
        let Some(staged) = work.staged else { return Vec::new() };
        let mut statements = Vec::new();
        if staged.set_aside > 0 && !work.plan.has_quarantine {
            statements.push(quarantine::create(work.table));
        }
        if work.plan.has_quarantine {
            match staged.extent {
                Extent::Everything => statements.push(quarantine::forget(work.table, None)),
                Extent::Delta => {
                    let places = [("rows", true), ("gone", staged.has_deletes)];
                    let staged = places.iter().filter(|(_, is_staged)| *is_staged);
                    statements.extend(
                        staged.map(|(kind, _)| {
                            quarantine::forget(work.table, Some(&self.staging_place(kind, work.index)))
                        }),
                    );
                }
            }
        }
        if staged.set_aside > 0 {
            let staging = self.staging_place("bad", work.index);
            statements.push(quarantine::enter(work.table, &staging, &self.publication.id));
        }
        statements
    }

    fn merge<'a>(&self, work: &Work<'a>) -> Option<Merge<'a>> {
        let (Some(fit), Some(_)) = (&work.plan.fit, work.staged) else { return None };
        Some(Merge {
            table: work.table,
            fit,
            target: qualified(&work.table.schema, &work.table.name),
            rows: self.staging_place("rows", work.index),
            deletes: self.staging_place("gone", work.index),
        })
    }

    /// Records what the table was made by: what the next contract is compared with.
    fn record_contract(&self, transaction: &mut Transaction<'_>, work: &Work<'_>) -> Result<()> {
        let table = work.table;
        let mut wanted = Wanted::of(table);
        wanted.columns.extend(work.plan.left.clone());
        let contract = serde_json::to_string(&wanted).unwrap_or_else(|_| "{}".into());
        transaction
            .execute(
                "update _elt.tables set contract = $3::text::jsonb where schema = $1 and name = $2 \
                 and contract is distinct from $3::text::jsonb",
                &[&table.schema, &table.name, &contract],
            )
            .map(drop)
            .map_err(|error| failed("recording", Some(&table.name), &error))
    }

    /// Records the publication and drops what it staged, all in its transaction.
    fn record(&self, transaction: &mut Transaction<'_>, tables: &[(String, Counts)]) -> Result<()> {
        let failed = |error: postgres::Error| failed("recording the publication", None, &error);
        let recorded = tables.iter().map(|(label, counts)| {
            let definition = self.publication.definitions.get(label).map(String::as_str);
            (label, RecordedTable { counts, definition })
        });
        let counts = serde_json::to_string(&recorded.collect::<BTreeMap<_, _>>()).unwrap_or_else(|_| "{}".into());
        let id = self.id();
        transaction
            .execute(
                "insert into _elt.publications (id, schema, project, target, tool, tables) \
                 values ($1, $2, $3, $4, $5, $6::text::jsonb)",
                &[
                    &id,
                    &self.schema,
                    &self.publication.project,
                    &self.publication.target,
                    &concat!("elt ", env!("CARGO_PKG_VERSION")),
                    &counts,
                ],
            )
            .map_err(failed)?;
        let mark = format!("^(rows|gone|bad)_{:016x}_[0-9]+$", self.lock);
        let left = transaction
            .query(
                "select relname::text from pg_class \
                 where relnamespace = '_elt'::regnamespace and relkind = 'r' and relname ~ $1",
                &[&mark],
            )
            .map_err(failed)?;
        let places: Vec<_> = left.iter().map(|row| qualified(statements::OWN_SCHEMA, row.get(0))).collect();
        if places.is_empty() {
            return Ok(());
        }
        transaction.batch_execute(&format!("drop table {}", places.join(", "))).map_err(failed)
    }

    fn id(&self) -> Uuid {
        Uuid::try_parse(&self.publication.id).unwrap_or_default()
    }

    /// After a commit without an answer: under the lock, which the lost connection gives up only once its transaction
    /// has ended, the record tells whether it was done.
    fn look_back(&self, main: &mut Client, cause: &str) -> Result<()> {
        let unknown = || messages::export_outcome_unknown(&self.server.name(), &self.publication.id, cause);
        for attempt in 0..LOOK_BACK_TRIES {
            if attempt > 0 {
                std::thread::sleep(LOOK_BACK_PAUSE);
            }
            let Ok(mut client) = self.server.connect() else { continue };
            take_lock(&mut client, self.lock, &self.schema, &self.cancel, &|_| ()).map_err(|_| unknown())?;
            let Ok(row) =
                client.query_one("select exists (select from _elt.publications where id = $1)", &[&self.id()])
            else {
                continue;
            };
            let is_published = row.get(0);
            *main = client;
            return if is_published { Ok(()) } else { Err(messages::export_postgres("committing", None, cause)) };
        }
        Err(unknown())
    }
}

/// An error if the target has given other ids to some of the staged keys.
fn keep_given(transaction: &mut Transaction<'_>, merge: &Merge<'_>) -> Result<()> {
    let Some(differing) = merge.differing() else { return Ok(()) };
    let count = transaction
        .query_one(&format!("select count(*) from ({differing}) as d"), &[])
        .map_err(|error| failed("comparing", Some(&merge.table.label), &error))?
        .get::<_, i64>(0);
    if count > 0 { Err(messages::keys_would_change(count)) } else { Ok(()) }
}

fn failed(during: &str, table: Option<&str>, error: &postgres::Error) -> Error {
    messages::export_postgres(during, table, describe(error))
}
