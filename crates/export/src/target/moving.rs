//! Updates rows whose unique values move between them: one takes what another gives up, two swap, three rotate.
//!
//! A database checks unique values row by row, so the order of the rows decides whether an update succeeds. If one fails,
//! the rows whose unique values change first give them up: the values become NULL, or, where they may not be NULL, the
//! rows are deleted and inserted again. If two rows really have the same value, the error names the rows. Knows no
//! target.

use super::account::{Account, SqlTransaction, UniqueSet};
use super::merge::{Merge, Which};
use crate::changes::TextRows;
use crate::difference::KEYS_SHOWN;
use crate::messages;
use elt_base::error::{Error, Result};

impl Account<'_> {
    /// Runs an update; if unique values are in the way, by another route.
    pub fn update(&self, which: Which, transaction: &mut dyn SqlTransaction) -> Result<u64> {
        const DURING: &str = "updating";
        let Some(update) = self.merge.update(which) else { return Ok(0) };
        if self.unique.is_empty() {
            return transaction.change(DURING, &update);
        }
        let refusal = match transaction.try_change(DURING, &update)? {
            Ok(updated) => return Ok(updated),
            Err(refusal) => refusal,
        };
        self.refuse_twins(transaction)?;
        let moving = self.merge.differing_in(&self.moving_columns());
        if let Some(parked) = self.parked_columns() {
            transaction.change(DURING, &self.merge.park(&parked, which, &moving))?;
            return transaction.change(DURING, &update);
        }
        match transaction.rewrite(self.merge, which, &moving)? {
            Some(rewritten) => Ok(rewritten + transaction.change(DURING, &update)?),
            None => Err(refusal.because(
                "unique values move between rows, and a foreign key to this table acts on deletes, so this role cannot \
                 delete the rows and insert them again",
            )),
        }
    }

    /// An error that names the rows, if rows have the same value in a unique column.
    pub fn refuse_twins(&self, transaction: &mut dyn SqlTransaction) -> Result<()> {
        refuse_twins(self.merge, self.table, self.unique, &mut |sql| transaction.ask(sql))
    }

    /// The columns whose change moves a unique value; all, if an index does not name its columns.
    fn moving_columns(&self) -> Vec<String> {
        let is_moving = |name: &String| self.unique.iter().any(|set| !set.is_plain || set.columns.contains(name));
        let columns = self.merge.columns.iter().filter(|column| !column.is_key && column.exists);
        columns.map(|column| column.name.clone()).filter(is_moving).collect()
    }

    /// The columns that become NULL for a while; None if some unique value cannot.
    fn parked_columns(&self) -> Option<Vec<String>> {
        let parked = self.unique.iter().map(|set| {
            let mut nullable = set.nullable.iter().filter(|_| set.is_plain);
            nullable.find(|name| is_published(self.merge, std::slice::from_ref(name))).cloned()
        });
        let mut parked = parked.collect::<Option<Vec<String>>>()?;
        parked.sort();
        parked.dedup();
        Some(parked)
    }
}

/// An error that names the rows, if staged rows have the same value in a unique column as other rows.
pub fn refuse_twins(
    merge: &Merge<'_>,
    table: &str,
    unique: &[UniqueSet],
    query: &mut dyn FnMut(&str) -> Result<TextRows>,
) -> Result<()> {
    let mut errors = Vec::new();
    let key = merge.key_names().join("`, `");
    for set in unique.iter().filter(|set| set.is_plain && is_published(merge, &set.columns)) {
        let mut lines = Vec::new();
        for row in query(&format!("{} limit {KEYS_SHOWN}", merge.twins_in(&set.columns)))? {
            if let [Some(one), Some(other)] = row.as_slice() {
                lines.push(format!("`{key}` {one} and {other} have the same value"));
            }
        }
        for row in query(&format!("{} limit {KEYS_SHOWN}", merge.held(&set.columns)))? {
            if let [Some(ours), Some(theirs)] = row.as_slice() {
                lines.push(format!("`{key}` {ours} has the value of {theirs} in the target"));
            }
        }
        if !lines.is_empty() {
            errors.push(messages::export_not_unique(table, &set.columns, &lines));
        }
    }
    Error::many(errors).map_or(Ok(()), Err)
}

fn is_published(merge: &Merge<'_>, columns: &[String]) -> bool {
    columns.iter().all(|name| merge.columns.iter().any(|column| column.name == *name))
}
