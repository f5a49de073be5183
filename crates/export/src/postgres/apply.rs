//! The one transaction that applies a publication, step by step.
//!
//! Deferrable constraints are checked at the end, so that cycles pass. Knows the staging tables, not how they were
//! filled.

use std::ops::Range;

use postgres::Client;
use postgres::types::Type;
use uuid::Uuid;

use super::capabilities::CAPABILITIES;
use super::definition::Definition;
use super::lock::{AdvisoryLock, apply_key, begin_holding, lock_key, still_held};
use super::migration::{self, MigrationStep, When};
use super::names::qualified;
use super::own_schema::drop_staging_tables;
use super::quarantine::Orphans;
use super::said::describe;
use super::staging::{PostgresPublication, PostgresStaged};
use super::statements::{OWN_SCHEMA, default_grants};
use super::table::PostgresTable;
use super::table_transaction::PostgresTableTransaction;
use super::{quarantine, sequences, statements, watch};
use crate::changes::FRESH;
use crate::difference::KEYS_SHOWN;
use crate::messages;
use crate::publication::Coverage;
use crate::target::{Account, Answer, Applying, Merge, PublicationRecord, StagedRows, TOOL, Which, Work, wait_for};
use elt_base::error::{Error, Result};
use elt_base::numbers::counted;
use elt_base::schema::quote;

/// The mark of an error's cause if a foreign key is violated.
const FOREIGN_KEY_VIOLATED: &str = "[23503]";

impl PostgresPublication {
    /// It is created in elt's own schema, and moved later.
    fn is_new(&self, work: &Work<PostgresStaged>) -> bool {
        self.plans[work.index].fit.is_none() && work.staged.is_some()
    }

    /// Merged or altered, or the source of a new foreign key.
    fn touches_existing(&self, work: &Work<PostgresStaged>) -> bool {
        let plan = &self.plans[work.index];
        plan.fit.is_some() && (work.staged.is_some() || plan.alters())
    }

    /// Runs a statement of the transaction; returns how many rows it changed.
    pub(super) fn run(&self, during: &str, table: &str, statement: &str) -> Result<u64> {
        self.cancel.check()?;
        self.main.lock().execute_typed(statement, &[]).map_err(|error| failed(during, Some(table), &error))
    }

    /// How staged rows are merged into an existing table.
    pub(super) fn merge(&self, index: usize, coverage: Coverage) -> Option<Merge<'static>> {
        let fit = self.plans[index].fit.as_ref()?;
        let (rows, gone) = (self.staging_place("rows", index), self.staging_place("gone", index));
        Some(statements::merge(&self.tables[index], fit, rows, gone, coverage))
    }

    fn account<'a>(&'a self, index: usize, merge: &'a Merge<'a>, staged: &'a StagedRows) -> Account<'a> {
        let (table, plan) = (&self.tables[index], &self.plans[index]);
        Account {
            called: CAPABILITIES.called,
            table: &table.name,
            merge,
            staged,
            unique: &plan.unique,
            keeps_others: plan.keeps_others,
            on_conflict: table.on_conflict,
            hands: &plan.hands,
            hides_rows: plan.hides_rows,
        }
    }

    /// Runs a table's steps for one `When`.
    fn take(&self, client: &mut Client, index: usize, when: When) -> Result<()> {
        let mut steps = self.plans[index].steps.iter().filter(|step| step.when == when);
        steps.try_for_each(|step| self.alter(client, index, step))
    }

    /// Runs a step. If rows violate a constraint, the error has their count.
    fn alter(&self, client: &mut Client, index: usize, step: &MigrationStep) -> Result<()> {
        self.cancel.check()?;
        let table = &self.tables[index];
        let failed = |error: postgres::Error| failed("altering", Some(&table.name), &error);
        let Some(offenders) = &step.offenders else { return client.batch_execute(&step.sql).map_err(failed) };
        client.batch_execute("savepoint step").map_err(failed)?;
        let Err(error) = client.batch_execute(&step.sql) else {
            return client.batch_execute("release savepoint step").map_err(failed);
        };
        client.batch_execute("rollback to savepoint step").map_err(failed)?;
        // Class 23: a constraint is violated.
        if !error.code().is_some_and(|code| code.code().starts_with("23")) {
            return Err(failed(error));
        }
        let count: i64 = client.query_typed_one(offenders, &[]).map_err(failed)?.get(0);
        Err(messages::export_constraint_broken(&format!("{}.{}", table.schema, table.name), &step.text, count))
    }

    /// Moves a newly created table into the schema, with its own name, its keys' names and its default grants.
    fn move_in(&self, client: &mut Client, index: usize, staged: &PostgresStaged) -> Result<()> {
        let table = &self.tables[index];
        let name = &table.name;
        let failed = |error: postgres::Error| failed("moving in", Some(name), &error);
        let definition = Definition::of(table);
        let (schema, target_schema) = (quote(&table.schema), &table.schema);
        let table = quote(name);
        let staging = self.staging_name("new", index);
        // The map of surrogate keys stays in elt's own schema.
        if target_schema != OWN_SCHEMA {
            let staged = qualified(OWN_SCHEMA, &staging);
            client.batch_execute(&format!("alter table {staged} set schema {schema}")).map_err(failed)?;
        }
        client.batch_execute(&format!("alter table {schema}.{} rename to {table}", quote(&staging))).map_err(failed)?;
        for key in &staged.keys {
            let (from, to) = (quote(&key.staged), quote(&key.own));
            // Also renames the constraint of an index.
            client.batch_execute(&format!("alter index {schema}.{from} rename to {to}")).map_err(failed)?;
        }
        let grants = client.query_typed(&default_grants(target_schema, name), &[]).map_err(failed)?;
        for grant in grants {
            client.batch_execute(grant.get(0)).map_err(failed)?;
        }
        for statement in definition.finish(&qualified(target_schema, name)) {
            client.batch_execute(&statement).map_err(failed)?;
        }
        let id = self.uuid();
        client
            .execute_typed(
                "insert into _elt.tables (schema, name, publication) values ($1, $2, $3) \
                 on conflict (schema, name) do update set publication = excluded.publication",
                &[(target_schema, Type::TEXT), (name, Type::TEXT), (&id, Type::UUID)],
            )
            .map_err(failed)?;
        Ok(())
    }

    /// Deletes the removed rows; returns how many.
    fn delete_rows(&self, index: usize, staged: &PostgresStaged) -> Result<u64> {
        let Some(merge) = self.merge(index, staged.coverage).filter(|_| !is_key_map(&self.tables[index])) else {
            return Ok(0);
        };
        let mut transaction = PostgresTableTransaction { publication: self, index };
        self.account(index, &merge, &staged.staged).delete(&mut transaction)
    }

    /// Merges the staged rows; returns how many were inserted and updated.
    fn merge_rows(&self, index: usize, staged: &PostgresStaged) -> Result<(u64, u64)> {
        let table = &self.tables[index];
        // A new table was filled before it was moved.
        let Some(merge) = self.merge(index, staged.coverage) else { return Ok((staged.staged.rows, 0)) };
        if is_key_map(table) {
            keep_given(&mut self.main.lock(), &merge, table)?;
            return Ok((self.run("inserting into", &table.name, &merge.insert(false))?, 0));
        }
        let mut transaction = PostgresTableTransaction { publication: self, index };
        self.account(index, &merge, &staged.staged).write(false, &mut transaction)
    }

    /// How many of the staged rows were not published before.
    fn count_fresh(&self, index: usize, rows: &str) -> Result<u64> {
        let query = format!("select count(*) from {rows} where {FRESH} is not null");
        let row = self.main.lock().query_typed_one(&query, &[]);
        let row = row.map_err(|error| failed("counting", Some(&self.tables[index].name), &error))?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }

    /// Updates the quarantine table to the state of the publication, and empties the staged entries.
    fn set_aside(&mut self, index: usize, staged: Option<&PostgresStaged>, entries: u64) -> Result<()> {
        let (table, plan) = (&self.tables[index], &self.plans[index]);
        let mut statements = Vec::new();
        if let (Some(shared), Some(Coverage::Everything)) = (&plan.shared_quarantine, staged.map(|it| it.coverage)) {
            statements.push(format!("drop table if exists {}", qualified(&table.schema, shared)));
        }
        let has_quarantine = plan.has_quarantine || self.made_quarantines.contains(&index);
        if entries > 0 && !has_quarantine {
            statements.push(quarantine::create(table));
        }
        if let Some(staged) = staged.filter(|_| has_quarantine) {
            match staged.coverage {
                Coverage::Everything | Coverage::Own => statements.push(quarantine::forget(table, None)),
                Coverage::Delta => {
                    let places = [("rows", true), ("gone", !table.key.is_empty()), ("bad", entries > 0)];
                    let staged = places.iter().filter(|(_, is_staged)| *is_staged);
                    statements.extend(
                        staged.map(|(kind, _)| quarantine::forget(table, Some(&self.staging_place(kind, index)))),
                    );
                }
            }
        }
        if entries > 0 {
            let staging = self.staging_place("bad", index);
            statements.push(quarantine::enter(table, &staging, &self.id));
            statements.push(format!("delete from {staging}"));
        }
        for statement in &statements {
            self.run("quarantining rows of", &table.name, statement)?;
        }
        if entries > 0 {
            self.made_quarantines.insert(index);
        }
        Ok(())
    }

    /// Moves the rows of `from` (a table, or its staged rows) that reference quarantined rows to the table's staged
    /// entries; returns how many. Only parents at these positions count.
    fn move_orphans(&mut self, index: usize, from: &str, parents: Range<usize>) -> Result<u64> {
        let mut moved = 0;
        for key in self.tables[index].foreign_keys.clone() {
            let is_it = |table: &PostgresTable| table.schema == key.to_schema && table.name == key.to_table;
            let Some(parent) = self.tables.iter().position(is_it).filter(|parent| parents.contains(parent)) else {
                continue;
            };
            if !self.plans[parent].has_quarantine && !self.made_quarantines.contains(&parent) {
                continue;
            }
            self.cancel.check()?;
            let (child, to) = (&self.tables[index], &self.tables[parent]);
            let staging = self.staging_place("bad", index);
            let orphans = Orphans { child, parent: to, key: &key };
            self.run("quarantining rows of", &child.name, &quarantine::create_staging(&staging, child))?;
            let taken = self.main.lock().query_typed(&orphans.take(from, &staging), &[]);
            let taken = taken.map_err(|error| failed("quarantining rows of", Some(&child.name), &error))?;
            if taken.is_empty() {
                continue;
            }
            let own = quarantine::place(child);
            let has_own = self.plans[index].has_quarantine || self.made_quarantines.contains(&index);
            for entries in [Some(&staging), Some(&own).filter(|_| has_own)].into_iter().flatten() {
                for statement in orphans.unpublish(entries, &staging) {
                    self.run("quarantining rows of", &child.name, &statement)?;
                }
            }
            let pair = |row: &postgres::Row| format!("{} → {}", row.get::<_, String>(0), row.get::<_, String>(1));
            let mut pairs: Vec<String> = taken.iter().take(KEYS_SHOWN).map(pair).collect();
            if taken.len() > KEYS_SHOWN {
                pairs.push("…".into());
            }
            let rows = counted(taken.len() as u64, "rows");
            let (reference, are) = if taken.len() == 1 { ("references", "is") } else { ("reference", "are") };
            let note = format!(
                "`{}`: {rows} that {reference} quarantined rows of `{}` {are} in `{}` (`{}` → `{}`: {})",
                child.name,
                to.name,
                child.beside,
                child.key.join("`, `"),
                key.columns.join("`, `"),
                pairs.join("; ")
            );
            self.applied_notes.push(note);
            moved += taken.len() as u64;
        }
        Ok(moved)
    }

    /// Quarantines the rows of a table that reference quarantined rows, until none does: a row may reference one of its
    /// own table. Returns how many left the table. `entries` are staged already.
    fn settle_quarantine(
        &mut self,
        index: usize,
        staged: Option<&PostgresStaged>,
        entries: u64,
        parents: Range<usize>,
    ) -> Result<u64> {
        let place = qualified(&self.tables[index].schema, &self.tables[index].name);
        let (mut staged, mut entries, mut left) = (staged, entries, 0);
        loop {
            let moved = self.move_orphans(index, &place, parents.clone())?;
            left += moved;
            self.set_aside(index, staged, entries + moved)?;
            let has_own = self.tables[index]
                .foreign_keys
                .iter()
                .any(|key| key.to_schema == self.tables[index].schema && key.to_table == self.tables[index].name);
            if !has_own || entries + moved == 0 {
                return Ok(left);
            }
            (staged, entries) = (None, 0);
        }
    }

    /// Records the definition of the table, which the next contract is compared with.
    fn record_contract(&self, client: &mut Client, index: usize) -> Result<()> {
        let (table, plan) = (&self.tables[index], &self.plans[index]);
        let mut definition = Definition::of(table);
        definition.columns.extend(plan.left.clone());
        let contract = serde_json::to_string(&definition).unwrap_or_else(|_| "{}".into());
        client
            .execute_typed(
                "update _elt.tables set contract = $3::text::jsonb where schema = $1 and name = $2 \
                 and contract is distinct from $3::text::jsonb",
                &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT), (&contract, Type::TEXT)],
            )
            .map(drop)
            .map_err(|error| failed("recording", Some(&table.name), &error))
    }

    fn uuid(&self) -> Uuid {
        Uuid::try_parse(&self.id).unwrap_or_default()
    }
}

/// The map of surrogate keys: an assigned id is never removed.
fn is_key_map(table: &PostgresTable) -> bool {
    table.schema == OWN_SCHEMA && table.name == "keys"
}

impl Applying for PostgresPublication {
    fn begin(&mut self, work: &mut [Work<PostgresStaged>]) -> Result<()> {
        let begin = format!(
            "begin; set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; \
             select pg_advisory_xact_lock({})",
            apply_key(&self.schema)
        );
        self.main.get_mut().batch_execute(&begin).map_err(|error| failed("beginning", None, &error))?;
        for schema in &self.missing_schemas {
            self.run("creating schema", schema, &format!("create schema if not exists {}", quote(schema)))?;
        }
        // All publications use the same order, so that no deadlock occurs; readers do not wait.
        let existing: Vec<usize> =
            work.iter().filter(|work| self.touches_existing(work)).map(|work| work.index).collect();
        let mut locked: Vec<&PostgresTable> = existing.iter().map(|index| &self.tables[*index]).collect();
        locked.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        for table in locked {
            let place = qualified(&table.schema, &table.name);
            self.lock_table(table, &place)?;
        }
        let mut main = self.main.lock();
        watch::silence(&mut main, &self.id).map_err(|error| failed("beginning", None, &error))?;
        for index in existing.into_iter().filter(|index| self.plans[*index].is_ours && self.policy.watch()) {
            let table = &self.tables[index];
            watch::again(&mut main, table).map_err(|error| failed("watching", Some(&table.name), &error))?;
        }
        for (table, _) in self.tables.iter().zip(&self.plans).filter(|(_, plan)| plan.has_old_quarantine) {
            main.batch_execute(&quarantine::widen(table))
                .map_err(|error| failed("altering", Some(&table.beside), &error))?;
        }
        for work in work.iter().rev() {
            self.take(&mut main, work.index, When::First)?;
        }
        for work in work.iter() {
            match (&self.plans[work.index].fit, &work.staged) {
                (Some(_), _) => self.take(&mut main, work.index, When::Before)?,
                (None, Some(staged)) => {
                    self.cancel.check()?;
                    self.move_in(&mut main, work.index, staged)?;
                }
                (None, None) => {}
            }
        }
        // Postgres' default cost of a random page is that of a spinning disk. With it, Postgres reads all of a large
        // table to change a few of its rows.
        main.batch_execute("set constraints all deferred; set local random_page_cost = 1.1")
            .map_err(|error| failed("deferring constraints", None, &error))
    }

    fn delete(&mut self, work: &mut Work<PostgresStaged>) -> Result<u64> {
        let Some(staged) = &work.staged else { return Ok(0) };
        if self.plans[work.index].is_ours {
            return self.delete_rows(work.index, staged);
        }
        // A foreign key of others may not be deferrable, and a row that will change may reference a row that goes.
        let name = &self.tables[work.index].name;
        self.run("deleting from", name, "savepoint deleting")?;
        match self.delete_rows(work.index, staged) {
            Err(error) if error.causes().iter().any(|cause| cause.contains(FOREIGN_KEY_VIOLATED)) => {
                self.run("deleting from", name, "rollback to savepoint deleting")?;
                self.postponed.push(work.index);
                Ok(0)
            }
            Err(error) => Err(error),
            Ok(deleted) => {
                self.run("deleting from", name, "release savepoint deleting")?;
                Ok(deleted)
            }
        }
    }

    fn write(&mut self, work: &mut Work<PostgresStaged>) -> Result<(u64, u64)> {
        let Some(mut staged) = work.staged.take() else { return Ok((0, 0)) };
        let mut entries = staged.set_aside;
        let is_new = self.plans[work.index].fit.is_none();
        if !is_new {
            // Parents come before children: these parents' rows are written.
            let rows = self.staging_place("rows", work.index);
            let moved = self.move_orphans(work.index, &rows, 0..work.index)?;
            if moved > 0 {
                entries += moved;
                staged.staged.rows = staged.staged.rows.saturating_sub(moved);
                if staged.coverage.is_marked() && !self.tables[work.index].key.is_empty() {
                    staged.staged.fresh = self.count_fresh(work.index, &rows)?;
                }
            }
        }
        let written = self.merge_rows(work.index, &staged)?;
        let left = self.settle_quarantine(work.index, Some(&staged), entries, 0..work.index + 1)?;
        work.staged = Some(staged);
        // The table was filled before its orphans were known.
        Ok(if is_new { (written.0.saturating_sub(left), 0) } else { written })
    }

    fn finish(&mut self, work: &mut [Work<PostgresStaged>]) -> Result<()> {
        // A table that did not change may reference rows that are quarantined now, and in a cycle a table that did.
        let stands = |work: &&Work<PostgresStaged>| work.staged.is_some() || self.plans[work.index].fit.is_some();
        let standing: Vec<usize> = work.iter().filter(stands).map(|work| work.index).collect();
        for index in standing {
            self.settle_quarantine(index, None, 0, 0..self.tables.len())?;
        }
        // Children come first here, too.
        for index in std::mem::take(&mut self.postponed) {
            for work in work.iter_mut().filter(|work| work.index == index) {
                if let Some(staged) = &work.staged {
                    work.counts.deleted += self.delete_rows(index, staged)?;
                }
            }
        }
        let mut main = self.main.lock();
        // Postgres does not add a constraint while checks of the same table are pending.
        main.batch_execute("set constraints all immediate")
            .map_err(|error| failed("checking constraints", None, &error))?;
        for work in work.iter().filter(|work| self.plans[work.index].fit.is_some() || self.is_new(work)) {
            let table = &self.tables[work.index];
            self.take(&mut main, work.index, When::After)?;
            for key in &self.plans[work.index].foreign_keys {
                // The referenced table may be planned, but was not staged.
                let target = qualified(&key.to_schema, &key.to_table);
                let exists = main
                    .query_typed_one("select to_regclass($1) is not null", &[(&target, Type::TEXT)])
                    .map_err(|error| failed("adding a foreign key to", Some(&table.name), &error))?;
                if exists.get(0) {
                    self.alter(&mut main, work.index, &migration::add_foreign_key(table, key))?;
                }
            }
        }
        for table in work.iter().filter(|work| work.staged.is_some()).map(|work| &self.tables[work.index]) {
            if table.sequences.unwrap_or(self.policy.sequences) {
                sequences::advance(&mut main, table)
                    .map_err(|error| failed("advancing the sequences of", Some(&table.name), &error))?;
            }
        }
        for work in work.iter() {
            let table = &self.tables[work.index];
            let failed = |error: postgres::Error| failed("recording", Some(&table.name), &error);
            if work.staged.as_ref().is_some_and(|staged| staged.coverage.is_full()) {
                watch::forget(&mut main, table).map_err(failed)?;
                if self.is_new(work) {
                    watch::remember(&mut main, table).map_err(failed)?;
                }
            }
            if self.is_new(work) || self.plans[work.index].is_ours && self.touches_existing(work) {
                self.record_contract(&mut main, work.index)?;
            }
        }
        Ok(())
    }

    /// Records the publication and drops its staging tables.
    fn record(&mut self, record: &PublicationRecord<'_>) -> Result<()> {
        still_held(self.holder.get_mut())?;
        let (id, lock) = (self.uuid(), lock_key(&self.schema));
        let main = self.main.get_mut();
        main.execute_typed(
            "insert into _elt.publications (id, schema, project, target, tool, tables) \
             values ($1, $2, $3, $4, $5, $6::text::jsonb)",
            &[
                (&id, Type::UUID),
                (&self.schema, Type::TEXT),
                (&record.project, Type::TEXT),
                (&record.target, Type::TEXT),
                (&TOOL, Type::TEXT),
                (&record.tables_json(), Type::TEXT),
            ],
        )
        .map(drop)
        .and_then(|()| drop_staging_tables(main, lock))
        .map_err(|error| failed("recording the publication", None, &error))
    }

    fn applied_notes(&self) -> Vec<String> {
        self.applied_notes.clone()
    }

    fn commit(&mut self) -> Result<Answer> {
        let Err(error) = self.main.get_mut().batch_execute("COMMIT") else {
            self.is_clean = true;
            return Ok(Answer::Committed);
        };
        // A server that rejects the commit reports it; a server that is shut down or silent may have committed.
        match error.as_db_error().is_some_and(|error| !error.code().code().starts_with("57")) {
            true => Err(failed("committing", None, &error)),
            false => Ok(Answer::Lost(describe(&error))),
        }
    }

    fn roll_back(&mut self, error: Error) -> Error {
        // A connection that is lost has rolled back.
        let _ = self.main.get_mut().batch_execute("rollback");
        error
    }

    fn is_recorded(&mut self, _: &str) -> Result<bool> {
        let mut client = self.server.connect()?;
        // The lost session may still be committing.
        let mut waiting = self.server.connect()?;
        begin_holding(&mut waiting)?;
        let key = apply_key(&self.schema);
        wait_for(&mut AdvisoryLock { client: &mut waiting, schema: &self.schema, key }, &self.cancel, &|_| ())?;
        let row = client
            .query_typed_one(
                "select exists (select from _elt.publications where id = $1)",
                &[(&self.uuid(), Type::UUID)],
            )
            .map_err(|error| failed("reading the publication", None, &error))?;
        *self.main.get_mut() = client;
        self.is_clean = row.get(0);
        Ok(self.is_clean)
    }

    fn failed(&self, during: &str, cause: &str) -> Error {
        messages::export_postgres(during, None, cause)
    }
}

/// An error if the target has other ids for some of the staged keys.
fn keep_given(client: &mut Client, merge: &Merge<'_>, table: &PostgresTable) -> Result<()> {
    let Some(differing) = merge.differing(Which::All) else { return Ok(()) };
    let count = client
        .query_typed_one(&format!("select count(*) from ({differing}) as d"), &[])
        .map_err(|error| failed("comparing", Some(&table.label), &error))?
        .get::<_, i64>(0);
    if count > 0 { Err(messages::keys_would_change(count)) } else { Ok(()) }
}

fn failed(during: &str, table: Option<&str>, error: &postgres::Error) -> Error {
    messages::export_postgres(during, table, describe(error))
}
