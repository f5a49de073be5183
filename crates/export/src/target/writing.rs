//! Applies the staged rows of one table by SQL, and accounts for every row: what the target changed is compared with
//! what it was meant to change, so that a row that the target swallows, alters or merges with another is an error before
//! the commit.
//!
//! The check of a publication without surprises costs nothing: the numbers of changed rows prove it. Knows no target.

use super::account::{Account, SqlTransaction};
use super::merge::{Merge, Which, count, texts};
use crate::changes::TextRows;
use crate::difference::{KEYS_SHOWN, shown_keys};
use crate::messages;
use crate::publication::Coverage;
use elt_base::error::{Error, Result};
use elt_project::OnConflict;

impl Account<'_> {
    /// Deletes the removed rows; returns their number.
    pub fn delete(&self, transaction: &mut dyn SqlTransaction) -> Result<u64> {
        const DURING: &str = "deleting from";
        let merge = self.merge;
        if !merge.is_marked() {
            // The rows that remain are counted at the end.
            let deleted = transaction.change(DURING, &merge.delete_others())?;
            return match self.staged.there {
                Some(there) if there != deleted => Err(messages::export_changed_meanwhile(self.table)),
                _ => Ok(deleted),
            };
        }
        if self.staged.gone == 0 {
            return Ok(0);
        }
        let deleted = transaction.change(DURING, &merge.delete_gone())?;
        if deleted != self.staged.gone {
            let left = merge.unknown();
            self.refuse_lost("delete", &left, transaction)?;
            // Otherwise, others deleted the rest before.
            if self.hides_rows {
                return Err(messages::export_rows_hidden(self.called, self.table, self.staged.gone - deleted));
            }
        }
        Ok(deleted)
    }

    /// Inserts and updates rows; returns the counts of both. `is_empty`: the table has no rows.
    pub fn write(&self, is_empty: bool, transaction: &mut dyn SqlTransaction) -> Result<(u64, u64)> {
        let merge = self.merge;
        if !merge.is_by_key() || is_empty {
            let inserted = self.insert(is_empty, transaction)?;
            if inserted != self.staged.rows {
                let lost = self.staged.rows.saturating_sub(inserted);
                return Err(messages::export_rows_lost(self.called, self.table, "insert", lost, "", self.hands));
            }
            self.check_values(is_empty, transaction)?;
            return Ok((inserted, 0));
        }
        self.check_keys(transaction)?;
        match merge.coverage {
            Coverage::Everything => self.write_everything(transaction),
            Coverage::Own | Coverage::Delta => self.write_marked(transaction),
        }
    }

    fn write_everything(&self, transaction: &mut dyn SqlTransaction) -> Result<(u64, u64)> {
        let updated = self.update(Which::All, transaction)?;
        let inserted = self.insert(false, transaction)?;
        let there = texts(transaction.ask(&self.merge.count())?).next().and_then(|text| text.parse().ok());
        if there != Some(self.staged.rows) {
            self.refuse_lost("insert", &self.merge.missing(), transaction)?;
            self.refuse_lost("delete", &self.merge.unknown(), transaction)?;
            if self.hides_rows {
                return Err(messages::export_rows_hidden(self.called, self.table, 0));
            }
        }
        self.check_values(false, transaction)?;
        Ok((inserted, updated))
    }

    fn write_marked(&self, transaction: &mut dyn SqlTransaction) -> Result<(u64, u64)> {
        let (merge, staged) = (self.merge, self.staged);
        let mut fresh = staged.fresh;
        if self.keeps_others && self.on_conflict == OnConflict::Keep && fresh > 0 {
            let kept = transaction.change("keeping rows of others in", &merge.drop_conflicts())?;
            if kept != staged.kept {
                return Err(messages::export_changed_meanwhile(self.table));
            }
            fresh -= kept.min(fresh);
        }
        if self.keeps_others && self.on_conflict == OnConflict::Fail && fresh > 0 {
            // Counted before, but not under the lock.
            let conflicts = count(&mut |sql| transaction.ask(sql), &merge.conflicts())?;
            if conflicts > 0 {
                return Err(messages::export_changed_meanwhile(self.table));
            }
        }
        let takes_over = self.keeps_others && self.on_conflict == OnConflict::Update;
        let mut updated = self.update(if takes_over { Which::All } else { Which::Known }, transaction)?;
        let inserted = self.insert(false, transaction)?;
        let known = staged.rows - staged.fresh;
        // As many rows as are fresh were inserted, and all others were updated: no row met a row that it is not.
        let is_certain = inserted == fresh && updated == known && !self.keeps_others;
        if is_certain && self.hands.is_empty() {
            return Ok((inserted, updated));
        }
        self.refuse_lost("insert", &merge.missing(), transaction)?;
        if inserted < fresh && !takes_over {
            if self.keeps_others {
                return Err(messages::export_changed_meanwhile(self.table));
            }
            // All rows are the model's.
            updated += self.update(Which::Fresh, transaction)?;
        }
        self.check_values(false, transaction)?;
        Ok((inserted, updated))
    }

    fn insert(&self, is_empty: bool, transaction: &mut dyn SqlTransaction) -> Result<u64> {
        const DURING: &str = "inserting into";
        let insert = self.merge.insert(is_empty);
        if self.unique.is_empty() && !self.hides_rows {
            return transaction.change(DURING, &insert);
        }
        let refusal = match transaction.try_change(DURING, &insert)? {
            Ok(inserted) => return Ok(inserted),
            Err(refusal) => refusal,
        };
        if self.merge.is_by_key() {
            self.refuse_twins(transaction)?;
        }
        Err(match self.hides_rows {
            true => refusal.because("row security applies to this role, and may hide rows that have these keys"),
            false => refusal,
        })
    }

    fn check_keys(&self, transaction: &mut dyn SqlTransaction) -> Result<()> {
        let keeps_fresh = self.keeps_others && self.on_conflict == OnConflict::Keep;
        refuse_equal_keys(self.merge, self.called, self.table, keeps_fresh, &mut |sql| transaction.ask(sql))
    }

    /// An error if the target holds other values than the staged ones. Only where others may have changed them.
    fn check_values(&self, is_empty: bool, transaction: &mut dyn SqlTransaction) -> Result<()> {
        if self.hands.is_empty() {
            return Ok(());
        }
        let merge = self.merge;
        if !merge.is_by_key() || is_empty {
            let (there, here) = merge.both();
            let lost = count(&mut |sql| transaction.ask(sql), &format!("({here}) except all ({there})"))?;
            return match lost {
                0 => Ok(()),
                lost => Err(messages::export_rows_altered(self.called, self.table, lost, "", self.hands)),
            };
        }
        let Some(differing) = merge.differing(Which::All) else { return Ok(()) };
        match self.counted(&differing, transaction)? {
            None => Ok(()),
            Some((count, keys)) => {
                Err(messages::export_rows_altered(self.called, self.table, count, &keys, self.hands))
            }
        }
    }

    /// An error if the query returns keys: the target did not do with these rows what it was told to.
    fn refuse_lost(&self, verb: &str, lost: &str, transaction: &mut dyn SqlTransaction) -> Result<()> {
        match self.counted(lost, transaction)? {
            None => Ok(()),
            Some((count, keys)) => {
                Err(messages::export_rows_lost(self.called, self.table, verb, count, &keys, self.hands))
            }
        }
    }

    /// How many keys a query returns, and the text of some of them; None if there are none.
    fn counted(&self, keys: &str, transaction: &mut dyn SqlTransaction) -> Result<Option<(u64, String)>, Error> {
        let count = count(&mut |sql| transaction.ask(sql), keys)?;
        if count == 0 {
            return Ok(None);
        }
        let shown: Vec<String> = texts(transaction.ask(&self.merge.key_texts(keys, KEYS_SHOWN))?).collect();
        Ok(Some((count, shown_keys(&self.merge.key_names(), &shown, count))))
    }
}

/// An error for keys that the target holds equal, although they are not the same: among the staged rows, and between a
/// staged row and a row that is there. `keeps_fresh`: fresh rows that meet a row of others are left out.
pub fn refuse_equal_keys(
    merge: &Merge<'_>,
    called: &str,
    table: &str,
    keeps_fresh: bool,
    query: &mut dyn FnMut(&str) -> Result<TextRows>,
) -> Result<()> {
    if !merge.has_loose_key() {
        return Ok(());
    }
    // In a full comparison, a row there with other letters is the staged row's, or is another's by policy.
    let respelled = (merge.coverage == Coverage::Delta && !keeps_fresh).then(|| merge.respelled());
    for sql in std::iter::once(merge.twins()).chain(respelled) {
        let rows = query(&format!("{sql} limit {KEYS_SHOWN}"))?.into_iter().filter_map(|row| {
            let mut row = row.into_iter().flatten();
            Some((row.next()?, row.next()?))
        });
        let pairs: Vec<(String, String)> = rows.collect();
        if !pairs.is_empty() {
            return Err(messages::export_keys_equal(called, table, &merge.key_names(), &pairs));
        }
    }
    Ok(())
}
