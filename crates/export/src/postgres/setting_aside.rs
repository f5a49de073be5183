//! Moves rows to the quarantine tables while a publication is applied: those staged as such, and those that reference
//! them.
//!
//! Knows the staged entries, not how they were found.

use std::ops::Range;

use super::names::qualified;
use super::quarantine::{self, Orphans};
use super::script::Script;
use super::staging::{PostgresPublication, PostgresStaged};
use super::table::PostgresTable;
use crate::difference::KEYS_SHOWN;
use crate::publication::Coverage;
use elt_base::error::Result;
use elt_base::numbers::counted;

const DURING: &str = "quarantining rows of";

impl PostgresPublication {
    /// Updates the quarantine table to the state of the publication, and empties the staged entries.
    pub(super) fn set_aside(&mut self, index: usize, staged: Option<&PostgresStaged>, entries: u64) -> Result<()> {
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
        self.run_all(DURING, &table.name, statements)?;
        if entries > 0 {
            self.made_quarantines.insert(index);
        }
        Ok(())
    }

    /// Moves the rows of `from` (a table, or its staged rows) that reference quarantined rows to the table's staged
    /// entries; returns how many. Only parents at these positions count.
    pub(super) fn move_orphans(&mut self, index: usize, from: &str, parents: Range<usize>) -> Result<u64> {
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
            let mut script = Script::default();
            script.add(DURING, Some(&child.name), quarantine::create_staging(&staging, child));
            let taking = script.add(DURING, Some(&child.name), orphans.take(from, &staging));
            let taken = script.run(&mut self.main.lock())?.swap_remove(taking).rows;
            if taken.is_empty() {
                continue;
            }
            let own = quarantine::place(child);
            let has_own = self.plans[index].has_quarantine || self.made_quarantines.contains(&index);
            for entries in [Some(&staging), Some(&own).filter(|_| has_own)].into_iter().flatten() {
                self.run_all(DURING, &child.name, orphans.unpublish(entries, &staging))?;
            }
            let text = |row: &[Option<String>], index: usize| row.get(index).cloned().flatten().unwrap_or_default();
            let pair = |row: &Vec<Option<String>>| format!("{} → {}", text(row, 0), text(row, 1));
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
    pub(super) fn settle_quarantine(
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

    /// Runs statements of the transaction in one round trip.
    fn run_all(&self, during: &'static str, table: &str, statements: Vec<String>) -> Result<()> {
        self.cancel.check()?;
        let mut script = Script::default();
        for statement in statements {
            script.add(during, Some(table), statement);
        }
        script.run(&mut self.main.lock()).map(drop)
    }
}
