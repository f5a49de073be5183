//! Keeps the quarantine tables of a publication current, and quarantines rows that reference quarantined rows.
//!
//! Runs in the publication's transaction. Knows no target: a `Quarantining` publication runs the statements.

use std::ops::Range;

use super::quarantine::{Orphans, QuarantineTable, Reference};
use crate::changes::TextRows;
use crate::difference::KEYS_SHOWN;
use crate::publication::Coverage;
use elt_base::error::Result;
use elt_base::numbers::counted;

/// A publication in its transaction, whose tables have quarantine tables. Tables are given by their positions.
pub trait Quarantining {
    fn quarantine(&self, index: usize) -> QuarantineTable;

    /// The names of the table, of its quarantine table, and of its key's columns, for people.
    fn called(&self, index: usize) -> (&str, &str, &[String]);

    /// The foreign keys of the table to tables of the publication.
    fn references(&self, index: usize) -> Vec<Reference>;

    /// Whether the quarantine table exists.
    fn has_quarantine(&self, index: usize) -> bool;

    /// Whether rows may be kept out of the table.
    fn keeps_out(&self, index: usize) -> bool {
        self.has_quarantine(index)
    }

    /// Creates the quarantine table.
    fn make_quarantine(&mut self, index: usize) -> Result<()>;

    /// Creates the table of staged entries if it does not exist.
    fn make_staging(&mut self, index: usize) -> Result<()>;

    /// Where the table's rows are, and the staged rows of `kind` (`rows`, `gone`).
    fn place(&self, index: usize) -> String;
    fn staged(&self, kind: &str, index: usize) -> String;

    /// Runs a statement; returns how many rows it changed.
    fn change(&mut self, index: usize, sql: &str) -> Result<u64>;

    /// Runs a query; returns all rows as text.
    fn ask(&mut self, index: usize, sql: &str) -> Result<TextRows>;

    /// The id of the publication.
    fn publication(&self) -> &str;

    /// Keeps a note for the user.
    fn tell(&mut self, note: String);
}

/// What the quarantine table of one table does not hold yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unsettled {
    /// Of the table's staged rows, if their former entries are not forgotten yet.
    pub coverage: Option<Coverage>,
    /// How many entries are staged.
    pub entries: u64,
}

/// Moves the staged rows that reference quarantined rows to the staged entries; returns how many. Parents come before
/// children, so the parents before this table are written.
pub fn keep_orphans_out<Q: Quarantining>(target: &mut Q, index: usize, unsettled: &mut Unsettled) -> Result<u64> {
    let rows = target.staged("rows", index);
    let mut all = move_orphans(target, index, &rows, unsettled, 0..index)?;
    if !refers_to_itself(target, index) {
        return Ok(all);
    }
    loop {
        enter(target, index, unsettled)?;
        let moved = move_orphans(target, index, &rows, unsettled, index..index + 1)?;
        all += moved;
        if moved == 0 {
            return Ok(all);
        }
    }
}

/// Moves the rows of `from` (the table, or its staged rows) that reference quarantined rows of these parents to the
/// staged entries; returns how many.
fn move_orphans<Q: Quarantining>(
    target: &mut Q,
    index: usize,
    from: &str,
    unsettled: &mut Unsettled,
    parents: Range<usize>,
) -> Result<u64> {
    let mut all = 0;
    for key in target.references(index) {
        if !parents.contains(&key.parent) || !target.keeps_out(key.parent) {
            continue;
        }
        let (child, parent) = (target.quarantine(index), target.quarantine(key.parent));
        let has_own = target.has_quarantine(index);
        let staged = Some(&child.staging).filter(|_| unsettled.entries > 0);
        let own = Some(&child.place).filter(|_| has_own && unsettled.coverage.is_none());
        let entries: Vec<&str> = staged.into_iter().chain(own).map(String::as_str).collect();
        let orphans = Orphans { from, child: &child, parent: &parent, key: &key, entries: &entries };
        let shown = target.ask(index, &orphans.shown())?;
        if shown.is_empty() {
            continue;
        }
        target.make_staging(index)?;
        let moved = target.change(index, &orphans.enter())?;
        // The condition reads the entries of other rows alone, so it finds the same rows.
        target.change(index, &orphans.delete())?;
        for entries in [Some(&child.staging), Some(&child.place).filter(|_| has_own)].into_iter().flatten() {
            for statement in orphans.unpublish(entries) {
                target.change(index, &statement)?;
            }
        }
        target.tell(note(target, index, &key, moved, shown));
        unsettled.entries += moved;
        all += moved;
    }
    Ok(all)
}

/// Queries that find rows of these tables that reference quarantined rows: with their tables' positions.
pub fn orphan_queries<Q: Quarantining>(target: &Q, tables: &[usize]) -> Vec<(usize, String)> {
    let references = tables.iter().flat_map(|index| target.references(*index).into_iter().map(|key| (*index, key)));
    let queries = references.filter(|(_, key)| target.keeps_out(key.parent)).map(|(index, key)| {
        let (child, parent) = (target.quarantine(index), target.quarantine(key.parent));
        let own = Some(child.place.as_str()).filter(|_| target.has_quarantine(index));
        let entries: Vec<&str> = own.into_iter().collect();
        let from = target.place(index);
        let orphans = Orphans { from: &from, child: &child, parent: &parent, key: &key, entries: &entries };
        (index, orphans.shown())
    });
    queries.collect()
}

fn refers_to_itself<Q: Quarantining>(target: &Q, index: usize) -> bool {
    target.references(index).iter().any(|key| key.parent == index)
}

/// `` `orders`: 2 rows that reference quarantined rows of `people` are in `orders_quarantine` (`id` → `person`: 20 → 2; 21 → 2) ``
fn note<Q: Quarantining>(target: &Q, index: usize, key: &Reference, count: u64, shown: TextRows) -> String {
    let ((child, beside, own_key), (parent, ..)) = (target.called(index), target.called(key.parent));
    let pair = |row: Vec<Option<String>>| {
        let mut texts = row.into_iter().map(Option::unwrap_or_default);
        let (own, to) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        if own_key.is_empty() { to } else { format!("{own} → {to}") }
    };
    let mut pairs: Vec<String> = shown.into_iter().map(pair).collect();
    if count > KEYS_SHOWN as u64 {
        pairs.push("…".into());
    }
    let of = match own_key.is_empty() {
        true => format!("`{}`", key.columns.join("`, `")),
        false => format!("`{}` → `{}`", own_key.join("`, `"), key.columns.join("`, `")),
    };
    let (rows, pairs) = (counted(count, "rows"), pairs.join("; "));
    let (reference, are) = if count == 1 { ("references", "is") } else { ("reference", "are") };
    format!("`{child}`: {rows} that {reference} quarantined rows of `{parent}` {are} in `{beside}` ({of}: {pairs})")
}

/// Forgets the former entries of staged rows, and enters the staged ones.
fn enter<Q: Quarantining>(target: &mut Q, index: usize, unsettled: &mut Unsettled) -> Result<()> {
    let has_quarantine = target.has_quarantine(index);
    if let Some(coverage) = unsettled.coverage.take().filter(|_| has_quarantine) {
        forget(target, index, coverage, unsettled.entries)?;
    }
    if std::mem::take(&mut unsettled.entries) == 0 {
        return Ok(());
    }
    if !has_quarantine {
        target.make_quarantine(index)?;
    }
    let quarantine = target.quarantine(index);
    let enter = quarantine.enter(target.publication());
    target.change(index, &enter)?;
    target.change(index, &quarantine.clear_staging()).map(drop)
}

fn forget<Q: Quarantining>(target: &mut Q, index: usize, coverage: Coverage, entries: u64) -> Result<()> {
    let quarantine = target.quarantine(index);
    if coverage != Coverage::Delta || quarantine.key.is_empty() {
        return target.change(index, &quarantine.forget(None)).map(drop);
    }
    let mut staged = vec![target.staged("rows", index), target.staged("gone", index)];
    staged.extend((entries > 0).then(|| quarantine.staging.clone()));
    staged.iter().try_for_each(|staged| target.change(index, &quarantine.forget(Some(staged))).map(drop))
}

/// Makes the quarantine table of a table whose rows are written current, and quarantines its rows that reference
/// quarantined rows of these parents, until none does: a row may reference one of its own table. Returns how many left
/// the table.
pub fn settle<Q: Quarantining>(
    target: &mut Q,
    index: usize,
    mut unsettled: Unsettled,
    parents: Range<usize>,
) -> Result<u64> {
    let place = target.place(index);
    let (repeats, mut left) = (refers_to_itself(target, index), 0);
    loop {
        // First: a row may reference one of this table that was quarantined before.
        enter(target, index, &mut unsettled)?;
        let moved = move_orphans(target, index, &place, &mut unsettled, parents.clone())?;
        left += moved;
        if moved == 0 || !repeats {
            enter(target, index, &mut unsettled)?;
            return Ok(left);
        }
    }
}

/// Quarantines the rows of existing tables that reference quarantined rows: a table that did not change may, and in a
/// cycle one that did. Returns how many rows left each of the tables.
pub fn settle_all<Q: Quarantining>(target: &mut Q, existing: &[usize], tables: usize) -> Result<Vec<u64>> {
    let mut left = vec![0; existing.len()];
    loop {
        let mut moved = 0;
        for (at, index) in existing.iter().enumerate() {
            let rows = settle(target, *index, Unsettled::default(), 0..tables)?;
            left[at] += rows;
            moved += rows;
        }
        if moved == 0 {
            return Ok(left);
        }
    }
}
