//! The one transaction that applies a publication, step by step.
//!
//! Deferrable constraints are checked at the end, so that cycles pass. Knows the staging tables, not how they were
//! filled.

use elt_connect::postgres::{Answer as StatementAnswer, PostgresClient};
use postgres::types::Type;
use uuid::Uuid;

use super::beginning::defer;
use super::capabilities::CAPABILITIES;
use super::lock::{self, AdvisoryLock, apply_key, begin_holding, lock_key};
use super::migration::{self, MigrationStep, When};
use super::names::qualified;
use super::said::describe;
use super::script::Script;
use super::staging::{PostgresPublication, PostgresStaged};
use super::statements::is_key_map;
use super::table::PostgresTable;
use super::table_transaction::PostgresTableTransaction;
use super::turn::TurnKind;
use super::{sequences, statements, watch};
use crate::messages;
use crate::publication::Coverage;
use crate::target::{
    Account, Answer, Applying, Merge, PublicationRecord, StagedRows, TOOL, Unsettled, Which, Work, keep_orphans_out,
    settle, settle_all, wait_for,
};
use elt_base::error::{Error, Result};
use elt_base::schema::literal;

/// The mark of an error's cause if a foreign key is violated.
const FOREIGN_KEY_VIOLATED: &str = "[23503]";

impl PostgresPublication {
    /// It is created in elt's own schema, and moved later.
    pub(super) fn is_new(&self, work: &Work<PostgresStaged>) -> bool {
        self.plans[work.index].fit.is_none() && work.staged.is_some()
    }

    /// Merged or altered, or the source of a new foreign key.
    pub(super) fn touches_existing(&self, work: &Work<PostgresStaged>) -> bool {
        let plan = &self.plans[work.index];
        plan.fit.is_some() && (work.staged.is_some() || plan.alters())
    }

    /// Runs a statement of the transaction; returns how many rows it changed.
    pub(super) fn run(&self, during: &'static str, table: &str, statement: &str) -> Result<u64> {
        self.cancel.check()?;
        let mut script = Script::default();
        script.add(during, Some(table), statement);
        let answers = script.run(&mut self.main.lock())?;
        Ok(answers.first().map_or(0, |answer| answer.changed))
    }

    /// How staged rows are merged into an existing table.
    pub(super) fn merge(&self, index: usize, coverage: Coverage) -> Option<Merge<'static>> {
        let fit = self.plans[index].fit.as_ref()?;
        let (rows, gone) = (self.staging_place("rows", index), self.staging_place("gone", index));
        Some(statements::merge(&self.tables[index], fit, rows, gone, coverage))
    }

    pub(super) fn account<'a>(&'a self, index: usize, merge: &'a Merge<'a>, staged: &'a StagedRows) -> Account<'a> {
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
        let mut script = Script::default();
        script.add("counting", Some(&self.tables[index].name), statements::count_fresh(rows));
        let answers = script.run(&mut self.main.lock())?;
        Ok(answers.first().and_then(|answer| answer.text()?.parse().ok()).unwrap_or(0))
    }

    /// All staging tables that this publication may have made and not moved.
    fn drop_staged(&self, work: &[Work<PostgresStaged>]) -> Option<String> {
        let is_quarantining = !self.made_quarantines.is_empty() || self.plans.iter().any(|plan| plan.has_quarantine);
        let mut places = Vec::new();
        for work in work {
            let is_staged = work.staged.is_some();
            let kinds = [("rows", is_staged), ("gone", is_staged), ("bad", is_staged || is_quarantining)];
            let made = kinds.iter().filter(|(_, is_made)| *is_made);
            places.extend(made.map(|(kind, _)| self.staging_place(kind, work.index)));
        }
        (!places.is_empty()).then(|| format!("drop table if exists {}", places.join(", ")))
    }

    fn uuid(&self) -> Uuid {
        Uuid::try_parse(&self.id).unwrap_or_default()
    }
}

impl Applying for PostgresPublication {
    fn begin(&mut self, work: &mut [Work<PostgresStaged>]) -> Result<()> {
        self.turns = self.turns_of(work);
        let has_first_steps = work.iter().any(|work| self.is_new(work) || !self.plans[work.index].steps.is_empty())
            || self.plans.iter().any(|plan| plan.has_old_quarantine);
        self.beginning = self.beginning(work);
        match has_first_steps {
            true => self.prepare(work),
            // The first rows are written in the same round trip.
            false => {
                defer(&mut self.beginning.script);
                Ok(())
            }
        }
    }

    fn delete(&mut self, work: &mut Work<PostgresStaged>) -> Result<u64> {
        let Some(staged) = &work.staged else { return Ok(0) };
        if let Some((deleted, _)) = self.take_turn(work.index, TurnKind::Delete)? {
            return Ok(deleted);
        }
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
        if work.staged.is_some()
            && let Some(written) = self.take_turn(work.index, TurnKind::Write)?
        {
            return Ok(written);
        }
        let Some(mut staged) = work.staged.take() else { return Ok((0, 0)) };
        let mut unsettled = Unsettled { coverage: Some(staged.coverage), entries: staged.set_aside };
        let is_new = self.plans[work.index].fit.is_none();
        if !is_new {
            let rows = self.staging_place("rows", work.index);
            let moved = keep_orphans_out(self, work.index, &mut unsettled)?;
            if moved > 0 {
                staged.staged.rows = staged.staged.rows.saturating_sub(moved);
                if staged.coverage.is_marked() && !self.tables[work.index].key.is_empty() {
                    staged.staged.fresh = self.count_fresh(work.index, &rows)?;
                }
            }
        }
        let written = self.merge_rows(work.index, &staged)?;
        if let (Some(shared), Coverage::Everything) = (&self.plans[work.index].shared_quarantine, staged.coverage) {
            let table = &self.tables[work.index];
            let drop = format!("drop table if exists {}", qualified(&table.schema, shared));
            self.run("quarantining rows of", &table.name, &drop)?;
        }
        let left = settle(self, work.index, unsettled, 0..work.index + 1)?;
        work.staged = Some(staged);
        // The table was filled before its orphans were known.
        Ok(if is_new { (written.0.saturating_sub(left), 0) } else { written })
    }

    fn finish(&mut self, work: &mut [Work<PostgresStaged>]) -> Result<()> {
        self.begin_now()?;
        // A table that did not change may reference rows that are quarantined now, and in a cycle a table that did.
        let stands = |work: &&Work<PostgresStaged>| work.staged.is_some() || self.plans[work.index].fit.is_some();
        let standing: Vec<usize> = work.iter().filter(stands).map(|work| work.index).collect();
        if !self.has_no_orphans(&standing)? {
            settle_all(self, &standing, self.tables.len())?;
        }
        // Children come first here, too.
        for index in std::mem::take(&mut self.postponed) {
            for work in work.iter_mut().filter(|work| work.index == index) {
                if let Some(staged) = &work.staged {
                    work.counts.deleted += self.delete_rows(index, staged)?;
                }
            }
        }
        let mut checking = Script::default();
        // Postgres does not alter a table while checks of its rows are pending.
        checking.add("checking constraints", None, "set constraints all immediate");
        let standing = |work: &&Work<PostgresStaged>| self.plans[work.index].fit.is_some() || self.is_new(work);
        let mut steps: Vec<(usize, MigrationStep)> = Vec::new();
        for from in work.iter().filter(standing) {
            steps.extend(self.steps(from.index, When::After).map(|step| (from.index, step.clone())));
            for key in &self.plans[from.index].foreign_keys {
                // The referenced table may be planned, but was not staged.
                let is_it = |table: &PostgresTable| table.schema == key.to_schema && table.name == key.to_table;
                let target = work.iter().find(|work| is_it(&self.tables[work.index]));
                if target.is_none_or(|target| standing(&target)) {
                    steps.push((from.index, migration::add_foreign_key(&self.tables[from.index], key)));
                }
            }
        }
        let staged = || work.iter().filter(|work| work.staged.is_some()).map(|work| &self.tables[work.index]);
        let advanced: Vec<&PostgresTable> =
            staged().filter(|table| table.sequences.unwrap_or(self.policy.sequences)).collect();
        let query = (!advanced.is_empty()).then(|| sequences::find(advanced.iter().copied()));
        let (mut closing, mut found) = (checking, StatementAnswer::default());
        if !steps.is_empty() || query.is_some() {
            found = self.alter(std::mem::take(&mut closing), &steps, query)?.unwrap_or_default();
        }
        closing.append(std::mem::take(&mut self.watching));
        for table in advanced {
            for statement in sequences::advance(table, &found) {
                closing.add("advancing the sequences of", Some(&table.name), statement);
            }
        }
        const RECORDING: &str = "recording";
        for work in work.iter() {
            let table = &self.tables[work.index];
            let mut add = |statement: String| closing.add(RECORDING, Some(&table.name), statement);
            if work.staged.as_ref().is_some_and(|staged| staged.coverage.is_full()) {
                add(watch::forget(table));
                if self.is_new(work) {
                    add(watch::remember(table));
                }
            }
            if self.is_new(work) || self.plans[work.index].is_ours && self.touches_existing(work) {
                add(self.record_contract(work.index));
            }
        }
        if let Some(statement) = self.drop_staged(work) {
            closing.add("recording the publication", None, statement);
        }
        self.closing = closing;
        Ok(())
    }

    /// Records the publication and drops its staging tables.
    fn record(&mut self, record: &PublicationRecord<'_>) -> Result<()> {
        self.cancel.check()?;
        let mut script = std::mem::take(&mut self.closing);
        let values = [&self.id, &self.schema, record.project, record.target, TOOL, &record.tables_json()].map(literal);
        let [id, schema, project, target, tool, tables] = values;
        script.add(
            "recording the publication",
            None,
            format!(
                "insert into _elt.publications (id, schema, project, target, tool, tables) \
                 values ({id}::uuid, {schema}, {project}, {target}, {tool}, {tables}::jsonb)"
            ),
        );
        // Without the lock, another publication may be under way.
        let held = script.add("recording the publication", None, self.holding.still(lock_key(&self.schema)));
        match script.run(self.main.get_mut())?.get(held).is_some_and(StatementAnswer::is_true) {
            true => Ok(()),
            false => Err(messages::export_lock_lost("its session at the server has ended")),
        }
    }

    fn applied_notes(&self) -> Vec<String> {
        self.applied_notes.clone()
    }

    fn commit(&mut self) -> Result<Answer> {
        let Err(error) = self.main.get_mut().batch_execute("COMMIT") else {
            *self.has_staged.get_mut() = false;
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
        let begun = waiting.run(begin_holding(std::iter::empty()));
        begun.map_err(|refusal| lock::refused(&refusal.error))?;
        let key = apply_key(&self.schema);
        wait_for(&mut AdvisoryLock { client: &mut waiting, schema: &self.schema, key }, &self.cancel, &|_| ())?;
        let row = client
            .query_typed_one(
                "select exists (select from _elt.publications where id = $1)",
                &[(&self.uuid(), Type::UUID)],
            )
            .map_err(|error| failed("reading the publication", None, &error))?;
        *self.main.get_mut() = client;
        let is_recorded: bool = row.get(0);
        *self.has_staged.get_mut() = !is_recorded;
        Ok(is_recorded)
    }

    fn failed(&self, during: &str, cause: &str) -> Error {
        messages::export_postgres(during, None, cause)
    }
}

/// An error if the target has other ids for some of the staged keys.
fn keep_given(client: &mut PostgresClient, merge: &Merge<'_>, table: &PostgresTable) -> Result<()> {
    let Some(differing) = merge.differing(Which::All) else { return Ok(()) };
    let count = client
        .query_typed_one(&format!("select count(*) from ({differing}) as d"), &[])
        .map_err(|error| failed("comparing", Some(&table.label), &error))?
        .get::<_, i64>(0);
    if count > 0 { Err(messages::keys_would_change(count)) } else { Ok(()) }
}

pub fn failed(during: &str, table: Option<&str>, error: &postgres::Error) -> Error {
    messages::export_postgres(during, table, describe(error))
}
