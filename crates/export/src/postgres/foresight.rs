//! Deletes and writes the rows of several tables in one round trip.
//!
//! `Account` decides step by step, from the counts of the last step. If nothing surprising happens, its steps and their
//! counts are known before: they are collected from an account that is told the expected answers, and all sent at once.
//! Then the account is told the real answers. If a statement fails, or the account would have taken another step, the
//! statements are undone, and the tables take their turns one by one, each statement in a round trip of its own. So the
//! errors are the same, and all checks are made. Knows no step of a table but those of `Account`.

use std::collections::{BTreeSet, VecDeque};

use elt_connect::postgres::Answer;

use super::beginning::Beginning;
use super::script::Script;
use super::staging::{PostgresPublication, PostgresStaged};
use super::statements::is_key_map;
use super::table::PostgresTable;
use super::table_transaction::PostgresTableTransaction;
use super::turn::{Turn, TurnKind};
use crate::changes::TextRows;
use crate::messages;
use crate::target::{Merge, SqlTransaction, StagedRows, Which, Work};
use elt_base::error::Result;
use elt_project::OnConflict;

/// More staged rows than this are not written in one round trip, so that a stop is noticed and progress is shown.
const ROWS_MAX: u64 = 50_000;
const DURING: &str = "writing";

/// For each turn, how many rows were deleted, or inserted and updated.
type TurnResults = Vec<(u64, u64)>;

impl PostgresPublication {
    /// All turns, in their order.
    pub(super) fn turns_of(&self, work: &[Work<PostgresStaged>]) -> Vec<Turn> {
        let mut quarantining: BTreeSet<usize> = BTreeSet::new();
        for work in work {
            let table = &self.tables[work.index];
            let entries = work.staged.as_ref().map_or(0, |staged| staged.set_aside);
            let plan = &self.plans[work.index];
            let parents = table.foreign_keys.iter().filter_map(|key| {
                let is_it = |table: &PostgresTable| table.schema == key.to_schema && table.name == key.to_table;
                self.tables.iter().position(is_it)
            });
            let is_quarantining = entries > 0
                || plan.has_quarantine
                || plan.shared_quarantine.is_some()
                || parents.into_iter().any(|parent| {
                    quarantining.contains(&parent) || parent >= work.index && self.plans[parent].has_quarantine
                });
            if is_quarantining {
                quarantining.insert(work.index);
            }
        }
        let turn = |work: &Work<PostgresStaged>, kind: TurnKind| {
            let staged = work.staged.as_ref()?;
            Some(Turn {
                index: work.index,
                kind,
                coverage: staged.coverage,
                staged: staged.staged.clone(),
                is_plain: !is_key_map(&self.tables[work.index])
                    && (kind == TurnKind::Delete || !quarantining.contains(&work.index)),
                result: None,
            })
        };
        let deletes = work.iter().rev().filter_map(|work| turn(work, TurnKind::Delete));
        deletes.chain(work.iter().filter_map(|work| turn(work, TurnKind::Write))).collect()
    }

    /// The result of a table's turn: how many rows were deleted, or inserted and updated. None: it must be taken alone.
    pub(super) fn take_turn(&mut self, index: usize, kind: TurnKind) -> Result<Option<(u64, u64)>> {
        let Some(at) = self.turns.iter().position(|turn| turn.index == index && turn.kind == kind) else {
            return Ok(None);
        };
        if self.turns[at].result.is_none() && self.turns[at].is_plain {
            self.cancel.check()?;
            let mut rows = 0;
            let mut end = at;
            while let Some(turn) = self.turns.get(end).filter(|turn| turn.is_plain) {
                rows += turn.rows();
                if end > at && rows > ROWS_MAX {
                    break;
                }
                end += 1;
            }
            let beginning = std::mem::take(&mut self.beginning);
            let (watching, results) = self.take_turns(beginning, &self.turns[at..end])?;
            self.watching.append(watching);
            match results {
                Some(results) => {
                    for (turn, result) in self.turns[at..end].iter_mut().zip(results) {
                        turn.result = Some(result);
                    }
                }
                None => self.turns[at..end].iter_mut().for_each(|turn| turn.is_plain = false),
            }
        }
        if self.turns[at].result.is_none() {
            self.begin_now()?;
        }
        Ok(self.turns[at].result)
    }

    /// Begins, if this has not been done, and takes several turns at once; returns what `watch_again` returns, and the
    /// results. No results: nothing was changed.
    fn take_turns(&self, mut beginning: Beginning, turns: &[Turn]) -> Result<(Script, Option<TurnResults>)> {
        let mut foreseen = Vec::with_capacity(turns.len());
        for turn in turns {
            let merge = self.merge(turn.index, turn.coverage);
            let mut foretold = Foretold { steps: Vec::new(), expected: Vec::new() };
            if let Some(merge) = &merge {
                foretold.expect(merge, &turn.staged, self.tables[turn.index].on_conflict);
                // It ends early if an answer is not the expected one.
                let _ = self.account_for(turn, merge, &mut foretold);
            }
            foreseen.push((merge, foretold.steps));
        }
        let mut script = std::mem::take(&mut beginning.script);
        let begins = script.len();
        if foreseen.iter().any(|(_, steps)| !steps.is_empty()) {
            script.add(DURING, None, "savepoint turns");
        }
        let mut next = script.len();
        for (turn, (_, steps)) in turns.iter().zip(&foreseen) {
            for (during, sql) in steps {
                script.add(during, Some(&self.tables[turn.index].name), &**sql);
            }
        }
        let tried = script.try_run(&mut self.main.lock());
        let mut answers = match tried {
            Ok(answers) => answers,
            Err(failure) if failure.index < begins => return Err(self.not_locked(failure, &beginning.locks)),
            Err(mut failure) => {
                tracing::debug!(during = failure.during, table = failure.table, "taken one by one");
                let watching = self.watch_again(&beginning, &mut failure.answered);
                // The connection may be lost.
                return match self.undo_turns() {
                    Ok(()) => Ok((watching, None)),
                    Err(_) => Err(failure.into_error()),
                };
            }
        };
        let watching = self.watch_again(&beginning, &mut answers);
        let mut results = Vec::with_capacity(turns.len());
        for (turn, (merge, steps)) in turns.iter().zip(foreseen) {
            let Some(merge) = &merge else {
                // A new table was filled before it was moved.
                results.push((if turn.kind == TurnKind::Write { turn.staged.rows } else { 0 }, 0));
                continue;
            };
            let told = steps.into_iter().map(|(_, sql)| {
                next += 1;
                (sql, std::mem::take(&mut answers[next - 1]))
            });
            let live = PostgresTableTransaction { publication: self, index: turn.index };
            let mut told = Told { answers: told.collect(), live, is_other: false };
            let result = self.account_for(turn, merge, &mut told);
            if told.is_other || result.is_ok() && !told.answers.is_empty() {
                tracing::debug!(table = self.tables[turn.index].name, "unforeseen; taken one by one");
                self.undo_turns()?;
                return Ok((watching, None));
            }
            results.push(result?);
        }
        Ok((watching, Some(results)))
    }

    fn account_for(&self, turn: &Turn, merge: &Merge<'_>, transaction: &mut dyn SqlTransaction) -> Result<(u64, u64)> {
        let account = self.account(turn.index, merge, &turn.staged);
        match turn.kind {
            TurnKind::Delete => Ok((account.delete(transaction)?, 0)),
            TurnKind::Write => account.write(false, transaction),
        }
    }

    fn undo_turns(&self) -> Result<()> {
        let mut script = Script::default();
        script.add(DURING, None, "rollback to savepoint turns");
        script.add(DURING, None, "release savepoint turns");
        script.run(&mut self.main.lock()).map(drop)
    }
}

/// Collects the statements of an account, and gives the expected answers.
struct Foretold {
    steps: Vec<(&'static str, String)>,
    /// How many rows statements are expected to change.
    expected: Vec<(String, u64)>,
}

impl Foretold {
    fn expect(&mut self, merge: &Merge<'_>, staged: &StagedRows, on_conflict: OnConflict) {
        let fresh = staged.fresh - if on_conflict == OnConflict::Keep { staged.kept.min(staged.fresh) } else { 0 };
        self.expected.push((merge.delete_others(), staged.there.unwrap_or(0)));
        self.expected.push((merge.delete_gone(), staged.gone));
        self.expected.push((merge.insert(false), if merge.is_marked() { fresh } else { staged.rows }));
        self.expected.push((merge.drop_conflicts(), staged.kept));
        if merge.is_marked() {
            self.expected.extend(merge.update(Which::Known).map(|sql| (sql, staged.rows - staged.fresh)));
        }
        self.expected.push((merge.count(), staged.rows));
    }

    fn answer(&self, sql: &str) -> u64 {
        self.expected.iter().find(|(expected, _)| expected == sql).map_or(0, |(_, count)| *count)
    }
}

impl SqlTransaction for Foretold {
    fn change(&mut self, during: &'static str, sql: &str) -> Result<u64> {
        self.steps.push((during, sql.to_owned()));
        Ok(self.answer(sql))
    }

    fn try_change(&mut self, during: &'static str, sql: &str) -> Result<Result<u64>> {
        self.change(during, sql).map(Ok)
    }

    fn rewrite(&mut self, _: &Merge<'_>, _: Which, _: &str) -> Result<Option<u64>> {
        Ok(None)
    }

    /// A count is zero, unless it is that of all rows; no other query returns a row.
    fn ask(&mut self, sql: &str) -> Result<TextRows> {
        self.steps.push(("checking", sql.to_owned()));
        Ok(match sql.starts_with("select count(*) from ") {
            true => vec![vec![Some(self.answer(sql).to_string())]],
            false => Vec::new(),
        })
    }
}

/// Gives an account the answers to the statements that were sent already; further ones are sent.
struct Told<'a> {
    answers: VecDeque<(String, Answer)>,
    live: PostgresTableTransaction<'a>,
    /// The account did not take the step that was foreseen.
    is_other: bool,
}

impl Told<'_> {
    /// None: all answers were given.
    fn next(&mut self, sql: &str) -> Result<Option<Answer>> {
        match self.answers.front() {
            None => Ok(None),
            Some((foreseen, _)) if foreseen == sql => Ok(self.answers.pop_front().map(|(_, answer)| answer)),
            Some(_) => {
                self.is_other = true;
                Err(messages::export_incomplete())
            }
        }
    }
}

impl SqlTransaction for Told<'_> {
    fn change(&mut self, during: &'static str, sql: &str) -> Result<u64> {
        match self.next(sql)? {
            Some(answer) => Ok(answer.changed),
            None => self.live.change(during, sql),
        }
    }

    fn try_change(&mut self, during: &'static str, sql: &str) -> Result<Result<u64>> {
        match self.next(sql)? {
            Some(answer) => Ok(Ok(answer.changed)),
            None => self.live.try_change(during, sql),
        }
    }

    fn rewrite(&mut self, merge: &Merge<'_>, which: Which, condition: &str) -> Result<Option<u64>> {
        match self.answers.is_empty() {
            true => self.live.rewrite(merge, which, condition),
            false => {
                self.is_other = true;
                Err(messages::export_incomplete())
            }
        }
    }

    fn ask(&mut self, sql: &str) -> Result<TextRows> {
        match self.next(sql)? {
            Some(answer) => Ok(answer.rows),
            None => self.live.ask(sql),
        }
    }
}
