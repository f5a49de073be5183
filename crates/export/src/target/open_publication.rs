//! An open publication on any target: runs the steps in their order.
//!
//! It first deletes rows, children before parents, and then inserts and updates rows, parents before children. Then it
//! checks all tables, records the publication and commits. A target implements the steps. Knows no target and no SQL.

use super::look_back::look_back;
use super::record::PublicationRecord;
use super::staged_tables::StagedTables;
use super::steps::{Answer, Applying, Opened, Staged, Staging, Work};
use crate::capabilities::Capabilities;
use crate::changes::Changes;
use crate::difference::Difference;
use crate::exporter::Exporter;
use crate::messages;
use crate::others::Others;
use crate::publication::{Counts, Coverage, Publication, Published};
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::wait::Wait;

/// A target with an open publication.
pub struct OpenPublication<T: Staging> {
    publication: Publication,
    cancel: Cancel,
    opened: Opened,
    target: T,
    staged: StagedTables<T::Staged>,
}

impl<T: Applying> OpenPublication<T> {
    pub fn new(publication: Publication, cancel: Cancel, opened: Opened, target: T) -> Self {
        Self { publication, cancel, opened, target, staged: StagedTables::default() }
    }
}

impl<T: Applying> Exporter for OpenPublication<T> {
    fn capabilities(&self) -> &'static Capabilities {
        self.target.capabilities()
    }

    fn last(&self) -> Option<&str> {
        self.opened.last.as_deref()
    }

    fn wants_everything(&self, table: &str) -> bool {
        self.opened.in_full.contains(table) || self.opened.touched.contains(table)
    }

    fn touched(&self) -> Vec<String> {
        self.opened.touched.iter().cloned().collect()
    }

    fn differences(&self, labels: &[String]) -> Result<Vec<Difference>> {
        if !self.target.capabilities().can_compare {
            return Ok(Vec::new());
        }
        self.cancel.check()?;
        let mut locked = self.staged.locked();
        let is_asked =
            |index: usize| self.publication.tables.get(index).is_some_and(|table| labels.contains(&table.label));
        let asked = locked.iter_mut().filter(|(index, staged)| is_asked(**index) && staged.coverage().is_full());
        let mut asked: Vec<_> = asked.map(|(index, staged)| (*index, staged)).collect();
        let mut differences = self.target.differences(&mut asked)?;
        differences.retain(|difference| !difference.is_zero());
        Ok(differences)
    }

    fn keeps_others(&self, table: &str) -> bool {
        self.opened.keeping.contains(table)
    }

    fn others(&self) -> Result<Vec<(String, Others)>> {
        self.cancel.check()?;
        let mut locked = self.staged.locked();
        let (mut labels, mut keeping) = (Vec::new(), Vec::new());
        for (index, staged) in locked.iter_mut() {
            let label = self.publication.tables.get(*index).map(|table| &table.label);
            if let Some(label) = label.filter(|label| self.opened.keeping.contains(*label)) {
                labels.push(label.clone());
                keeping.push((*index, staged));
            }
        }
        Ok(labels.into_iter().zip(self.target.all_others(&mut keeping)?).collect())
    }

    fn notes(&self) -> Vec<String> {
        let staged = self.staged.locked();
        self.opened.notes.iter().chain(staged.values().flat_map(|staged| staged.notes())).cloned().collect()
    }

    fn stage(&self, table: &str, coverage: Coverage, changes: &mut dyn Changes) -> Result<()> {
        self.cancel.check()?;
        let Some(index) = self.publication.tables.iter().position(|planned| planned.label == table) else {
            return Err(messages::export_not_planned(table));
        };
        tracing::debug!(table, ?coverage, counts = ?changes.counts(), "stages");
        self.staged.add(index, || self.target.stage(index, coverage, changes))
    }

    fn commit(self: Box<Self>) -> Result<Published> {
        let Self { publication, cancel, opened, mut target, staged } = *self;
        cancel.check()?;
        let mut staged = staged.into_inner()?;
        if staged.is_empty() && !opened.has_alterations {
            return Ok(Published { id: None, tables: Vec::new(), notes: Vec::new() });
        }
        let mut work: Vec<Work<T::Staged>> = (0..publication.tables.len())
            .map(|index| Work { index, staged: staged.remove(&index), counts: Counts::default() })
            .collect();
        let wait =
            Wait::new(format!("{} at `{}`", target.capabilities().called, target.place()), "applying the changes");
        let applied = apply(&mut target, &mut work, &publication, &cancel, &wait);
        let tables = applied.map_err(|error| target.roll_back(error))?;
        wait.step("committing");
        tracing::debug!(publication = publication.id, "commits");
        if let Answer::Lost(cause) = target.commit()? {
            tracing::warn!(publication = publication.id, cause, "the answer to the commit was lost");
            look_back(&mut target, &publication.id, &cause)?;
        }
        Ok(Published { id: Some(publication.id), tables, notes: target.applied_notes() })
    }
}

/// Runs all steps except the commit; returns the counts of the staged tables.
fn apply<T: Applying>(
    target: &mut T,
    work: &mut [Work<T::Staged>],
    publication: &Publication,
    cancel: &Cancel,
    wait: &Wait,
) -> Result<Vec<(String, Counts)>> {
    let name = |index: usize| publication.tables.get(index).map_or("", |table| table.label.as_str());
    target.begin(work)?;
    for work in work.iter_mut().rev().filter(|work| work.staged.is_some()) {
        cancel.check()?;
        wait.step(format!("deleting from `{}`", name(work.index)));
        work.counts.deleted = target.delete(work)?;
    }
    for work in work.iter_mut().filter(|work| work.staged.is_some()) {
        cancel.check()?;
        wait.step(format!("writing `{}`", name(work.index)));
        (work.counts.inserted, work.counts.updated) = target.write(work)?;
    }
    cancel.check()?;
    wait.step("checking constraints");
    target.finish(work)?;
    let staged = work.iter().filter(|work| work.staged.is_some());
    let tables: Vec<(String, Counts)> =
        staged.map(|work| (publication.tables[work.index].label.clone(), work.counts)).collect();
    for (table, counts) in &tables {
        tracing::debug!(
            table,
            inserted = counts.inserted,
            updated = counts.updated,
            deleted = counts.deleted,
            "applied"
        );
    }
    target.record(&PublicationRecord::new(publication, &tables))?;
    Ok(tables)
}

#[cfg(test)]
#[path = "open_publication_tests.rs"]
mod tests;
