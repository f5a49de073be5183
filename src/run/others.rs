//! What a publication does with rows of others: it keeps them, takes them over, or fails; and what a publication would
//! change, for `--dry-run`.
//!
//! Knows the counts of an exporter, but no target.

use crate::messages;
use crate::report::Stage;
use elt_base::error::{Error, Result};
use elt_base::numbers::thousands;
use elt_export::delta::Delta;
use elt_export::{Coverage, Exporter, Others};
use elt_project::OnConflict;
use elt_warehouse::Session;

use super::publish::{Publish, Staged, snapshot_columns};

impl Publish<'_> {
    /// Applies the policy to rows of others; returns notes for the user.
    ///
    /// # Errors
    /// Rows of others have keys of the models, and the policy is to fail; a table without a key has rows of others.
    pub(super) fn mind_others(
        &self,
        session: &Session,
        deltas: &[Delta<'_>],
        others: &[(String, Others)],
    ) -> Result<Vec<String>> {
        let (mut notes, mut conflicts, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (label, others) in others {
            let Some(index) = self.tables.iter().position(|published| published.table.label == *label) else {
                continue;
            };
            let (table, delta) = (&self.tables[index].table, &deltas[index]);
            if table.key.is_empty() {
                let is_known = snapshot_columns(session, delta)?.iter().any(|name| name == "_elt_rows");
                let published = match is_known {
                    true => session.count(&delta.published_rows())?,
                    false => 0,
                };
                if others.there != published {
                    errors.push(messages::export_rows_without_key(&others.table, others.there, published));
                }
                continue;
            }
            match table.on_conflict {
                OnConflict::Fail if others.conflicts > 0 => conflicts.push(others.conflict_line()),
                OnConflict::Keep => {
                    delta.keep(&others.numbers).iter().try_for_each(|statement| session.execute(statement))?;
                }
                _ => {}
            }
            notes.extend(others.note(table.on_conflict));
        }
        if !conflicts.is_empty() {
            errors.insert(0, messages::export_conflicts(&conflicts));
        }
        Error::many(errors).map_or(Ok(notes), Err)
    }

    /// Prints, for each table, the rows that a publication would insert, update, delete, take over and leave alone.
    pub(super) fn show_preview(
        &self,
        exporter: &dyn Exporter,
        staged: &[Staged],
        others: &[(String, Others)],
    ) -> Result<()> {
        let full = self.tables.iter().zip(staged).filter(|(_, staged)| staged.staged && staged.coverage.is_full());
        let labels: Vec<String> = full.map(|(published, _)| published.table.label.clone()).collect();
        let differences = exporter.differences(&labels)?;
        for (published, staged) in self.tables.iter().zip(staged) {
            let table = &published.table;
            let of_others = others.iter().find(|(label, _)| *label == table.label).map(|(_, others)| others);
            let conflicts = of_others.map_or(0, |others| others.conflicts);
            let mut counts = staged.counts;
            let is_compared = staged.coverage.is_full() && exporter.capabilities().can_compare;
            if is_compared {
                let is_it = |difference: &&elt_export::Difference| {
                    difference.table == table.label || difference.table.ends_with(&format!(".{}", table.label))
                };
                let difference = differences.iter().find(is_it).cloned().unwrap_or_default();
                counts.inserted = difference.missing;
                counts.updated = difference.differing;
                counts.deleted = difference.unknown;
            } else if staged.coverage == Coverage::Delta {
                counts.inserted = counts.inserted.saturating_sub(conflicts);
            }
            let (mut adopt, mut refused, mut left) = (0, 0, of_others.map_or(0, |others| others.left));
            match table.on_conflict {
                OnConflict::Fail => refused = conflicts,
                OnConflict::Update => adopt = conflicts,
                OnConflict::Keep => left += conflicts,
            }
            let parts = [
                (counts.inserted, "to insert"),
                (counts.updated, "to update"),
                (counts.deleted, "to delete"),
                (adopt, "to adopt"),
                (refused, "in conflict with rows of others"),
                (left, "of others left alone"),
            ];
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            let parts: Vec<String> = parts.map(|(count, what)| format!("{} {what}", thousands(*count))).collect();
            let what = if parts.is_empty() { "unchanged".to_owned() } else { parts.join(", ") };
            self.console.say(&format!("  {:<8} {:<34} {what}", Stage::Export, self.profile.table(&table.label)));
        }
        for note in exporter.notes() {
            self.console.say(&format!("  note: {note}"));
        }
        Ok(())
    }
}
