//! Begins the transaction of a publication: locks the tables, and creates and alters them before rows are written.
//!
//! Knows the tables' plans, but no rows.

use elt_connect::postgres::Answer;

use super::altering::ALTERING;
use super::beginning::{Beginning, defer};
use super::lock::{self, apply_key};
use super::migration::When;
use super::names::qualified;
use super::script::Script;
use super::staging::{PostgresPublication, PostgresStaged};
use super::statements::default_grants;
use super::table::PostgresTable;
use super::{table_lock, watch};
use crate::target::{Quarantining as _, Work};
use elt_base::error::Result;
use elt_base::schema::quote;

impl PostgresPublication {
    /// Begins, and locks the tables that it touches.
    pub(super) fn beginning(&self, work: &[Work<PostgresStaged>]) -> Beginning {
        const DURING: &str = "beginning";
        let mut script = Script::default();
        for statement in lock::BEGIN {
            script.add(DURING, None, statement);
        }
        // The statements that follow contain texts.
        script.add(DURING, None, "set local standard_conforming_strings = on");
        script.add(DURING, None, format!("select pg_advisory_xact_lock({})", apply_key(&self.schema)));
        for schema in &self.missing_schemas {
            script.add("creating schema", Some(schema), format!("create schema if not exists {}", quote(schema)));
        }
        // All publications use the same order, so that no deadlock occurs; readers do not wait.
        let existing: Vec<usize> =
            work.iter().filter(|work| self.touches_existing(work)).map(|work| work.index).collect();
        let mut locked: Vec<&PostgresTable> = existing.iter().map(|index| &self.tables[*index]).collect();
        locked.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        let mut locks = Vec::with_capacity(locked.len());
        for table in locked {
            let place = qualified(&table.schema, &table.name);
            locks.push((script.add("locking", Some(&table.name), table_lock::lock(&place)), place));
        }
        script.add(DURING, None, watch::silence(&self.id));
        let is_watched = |index: &usize| self.plans[*index].is_ours && self.policy.watch();
        let watched: Vec<usize> = existing.into_iter().filter(is_watched).collect();
        let unwatched = (!watched.is_empty()).then(|| script.add("watching", None, watch::unwatched()));
        let new: Vec<&PostgresTable> =
            work.iter().filter(|work| self.is_new(work)).map(|work| &self.tables[work.index]).collect();
        let grants = (!new.is_empty()).then(|| script.add("moving in", None, default_grants(new.iter().copied())));
        Beginning { script, locks, watched, unwatched, grants }
    }

    /// Sends the first statements, if they were not sent.
    pub(super) fn begin_now(&mut self) -> Result<()> {
        let (beginning, mut answers) = self.send_beginning()?;
        let watching = self.watch_again(&beginning, &mut answers);
        self.watching.append(watching);
        Ok(())
    }

    fn send_beginning(&mut self) -> Result<(Beginning, Vec<Answer>)> {
        self.cancel.check()?;
        let mut beginning = std::mem::take(&mut self.beginning);
        let begun = std::mem::take(&mut beginning.script).try_run(self.main.get_mut());
        let answers = begun.map_err(|failure| self.not_locked(failure, &beginning.locks))?;
        Ok((beginning, answers))
    }

    /// The statements that give tables their triggers again.
    pub(super) fn watch_again(&self, beginning: &Beginning, answers: &mut [Answer]) -> Script {
        let unwatched = Beginning::answer(beginning.unwatched, answers);
        let mut script = Script::default();
        for index in &beginning.watched {
            let table = &self.tables[*index];
            for statement in watch::again(&unwatched, table) {
                script.add("watching", Some(&table.name), statement);
            }
        }
        script
    }

    /// Begins, moves new tables in, and alters existing ones, as far as this comes before the rows.
    pub(super) fn prepare(&mut self, work: &[Work<PostgresStaged>]) -> Result<()> {
        let (beginning, mut answers) = self.send_beginning()?;
        let mut script = self.watch_again(&beginning, &mut answers);
        let grants = Beginning::answer(beginning.grants, &mut answers);
        for index in (0..self.tables.len()).filter(|index| self.plans[*index].has_old_quarantine) {
            for statement in self.quarantine(index).renew() {
                script.add(ALTERING, Some(&self.tables[index].beside), statement);
            }
        }
        let add_steps = |script: &mut Script, index: usize, when: When| {
            for step in self.steps(index, when) {
                script.add(ALTERING, Some(&self.tables[index].name), &*step.sql);
            }
        };
        for work in work.iter().rev() {
            add_steps(&mut script, work.index, When::First);
        }
        for work in work {
            match (&self.plans[work.index].fit, &work.staged) {
                (Some(_), _) => add_steps(&mut script, work.index, When::Before),
                (None, Some(staged)) => self.move_in(&mut script, work.index, staged, &grants),
                (None, None) => {}
            }
        }
        defer(&mut script);
        self.cancel.check()?;
        script.run(self.main.get_mut()).map(drop)
    }
}
