//! The result of staging each table of a publication, by the table's position.
//!
//! Does not know how tables are staged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::messages;
use elt_base::error::Result;

pub struct StagedTables<S> {
    staged: Mutex<BTreeMap<usize, S>>,
    /// A table could not be staged: nothing may be published.
    has_failed: AtomicBool,
}

impl<S> Default for StagedTables<S> {
    fn default() -> Self {
        Self { staged: Mutex::default(), has_failed: AtomicBool::new(false) }
    }
}

impl<S> StagedTables<S> {
    /// Stores the result of `stage`, or that it failed.
    pub fn add(&self, index: usize, stage: impl FnOnce() -> Result<S>) -> Result<()> {
        let staged = stage().inspect_err(|_| self.has_failed.store(true, Ordering::SeqCst))?;
        self.staged.lock().insert(index, staged);
        Ok(())
    }

    pub fn locked(&self) -> MutexGuard<'_, BTreeMap<usize, S>> {
        self.staged.lock()
    }

    /// All of them, to be published.
    ///
    /// # Errors
    /// A table could not be staged: a publication is all tables or none.
    pub fn into_inner(self) -> Result<BTreeMap<usize, S>> {
        match self.has_failed.into_inner() {
            true => Err(messages::export_incomplete()),
            false => Ok(self.staged.into_inner()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_everything_back_once_a_table_failed() {
        let staged = StagedTables::default();
        staged.add(0, || Ok(1)).expect("staged");
        assert_eq!(staged.into_inner().expect("all").len(), 1);
        let staged = StagedTables::default();
        staged.add(0, || Ok(1)).expect("staged");
        assert!(staged.add(1, || Err(elt_base::messages::interrupted())).is_err());
        assert!(staged.into_inner().is_err());
    }
}
