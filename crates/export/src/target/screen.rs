//! Decides what becomes of a row with values that the target cannot store: it is published with the nearest values, or it
//! is set aside, by its columns' policies.
//!
//! A row whose key was replaced waits until the keys of all rows are known, and is published if no other row has its
//! key. A target encodes the rows and finds the hazards. Knows no target and no encoding.

use std::collections::HashMap;

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;

use super::faults::{Faults, Hazard, Replacement, key_text};
use super::set_aside::{Cause, Entry, SET_ASIDE_MAX, ScreenedColumn, SetAside};
use elt_project::OnHazard;

/// Which query is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsOf {
    /// The rows to send, or the keys of removed rows.
    Copy,
    /// The keys of all rows, which are read if a key was replaced.
    AllKeys,
}

/// How many rows have each of some encoded keys.
pub type KeyCounts = HashMap<Vec<u8>, u64>;

/// What becomes of a row with hazards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The nearest values are published.
    Published,
    /// It is quarantined.
    Aside,
    /// The keys of all rows decide.
    Held,
    /// It has no nearest row, and its column's policy is to fail.
    Refused,
}

/// A row as the target receives it.
pub struct EncodedRow {
    pub bytes: Vec<u8>,
    /// Its key alone: equal for keys that are one key to the target.
    pub key: Vec<u8>,
}

/// A row that waits until the keys of all rows are known.
struct HeldRow<H> {
    /// The one row.
    batch: RecordBatch,
    faulty: Vec<(usize, H)>,
    encoded: EncodedRow,
    /// Its key, for people.
    shown: String,
}

/// The rows with hazards of one table.
pub struct Screen<H> {
    columns: Vec<ScreenedColumn>,
    faults: Faults<H>,
    set_aside: SetAside,
    held: Vec<HeldRow<H>>,
    /// The keys of removed rows are no rows: none is counted, held or kept.
    is_of_keys: bool,
}

impl<H: Hazard> Screen<H> {
    pub fn new(columns: Vec<ScreenedColumn>) -> Self {
        Self { columns, faults: Faults::default(), set_aside: SetAside::default(), held: Vec::new(), is_of_keys: false }
    }

    /// For the keys of removed rows.
    pub fn of_keys(columns: Vec<ScreenedColumn>) -> Self {
        Self { is_of_keys: true, ..Self::new(columns) }
    }

    pub fn faults(&self) -> &Faults<H> {
        &self.faults
    }

    /// The rows that were set aside, and the originals of those that were replaced.
    pub fn take_set_aside(&mut self) -> SetAside {
        std::mem::take(&mut self.set_aside)
    }

    /// Judges one row of a batch, which `seen` rows precede, by its faults, and empties those. Only a row whose fate is
    /// to be published is to be sent now. `encoded` is called for a row that is held.
    #[cold]
    pub fn judge(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        seen: u64,
        faulty: &mut Vec<(usize, H)>,
        encoded: impl FnOnce() -> EncodedRow,
    ) -> Fate {
        // An array may have several values of one hazard.
        faulty.dedup();
        let fate = self.fate(faulty);
        if !self.is_of_keys {
            let key = self.columns.iter().enumerate().filter(|(_, column)| column.is_key).map(|(index, _)| index);
            let shown = key_text(batch, row, key, seen);
            match (fate, take_record_batch(batch, &UInt32Array::from(vec![row as u32]))) {
                (Fate::Held, Ok(batch)) => {
                    let faulty = std::mem::take(faulty);
                    self.held.push(HeldRow { batch, faulty, encoded: encoded(), shown });
                }
                _ => {
                    let of_key = |(column, hazard): &(usize, H)| hazard.is_of_column() && self.columns[*column].is_key;
                    let cause = (fate != Fate::Published && faulty.iter().any(of_key)).then_some(Cause::Key);
                    self.settle(batch, row, fate, cause, &shown, faulty);
                }
            }
        }
        faulty.clear();
        fate
    }

    fn fate(&self, faulty: &[(usize, H)]) -> Fate {
        let policy = |column: usize| self.columns[column].on_hazard;
        let is_replaced = |column: usize| policy(column) == OnHazard::Replace;
        if faulty.iter().any(|(column, _)| policy(*column) == OnHazard::Quarantine) {
            return Fate::Aside;
        }
        let has_nothing = |(column, hazard): &(usize, H)| match hazard.replacement() {
            Replacement::Nearest(_) => false,
            Replacement::Null => self.columns[*column].not_null || self.columns[*column].is_key,
            Replacement::None => true,
        };
        if faulty.iter().any(|fault| (self.is_of_keys || is_replaced(fault.0)) && has_nothing(fault)) {
            return Fate::Aside;
        }
        if faulty.iter().any(|(_, hazard)| hazard.replacement() == Replacement::None) {
            return Fate::Refused;
        }
        let of_key = |(column, _): &(usize, H)| self.columns[*column].is_key && is_replaced(*column);
        match !self.is_of_keys && faulty.iter().any(of_key) {
            true if self.held.len() < SET_ASIDE_MAX => Fate::Held,
            true => Fate::Aside,
            false => Fate::Published,
        }
    }

    /// Counts the faults of a row whose fate is known, and keeps its original.
    fn settle(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        fate: Fate,
        cause: Option<Cause>,
        shown: &str,
        faulty: &[(usize, H)],
    ) {
        let is_aside = fate == Fate::Aside;
        for (column, hazard) in faulty {
            self.faults.add(*column, *hazard, is_aside, || shown.to_owned());
        }
        let is_kept = faulty.iter().any(|(column, _)| self.columns[*column].on_hazard == OnHazard::Replace);
        if is_aside || fate == Fate::Published && is_kept {
            let entry = Entry { batch, row, faulty, is_published: !is_aside, cause };
            self.set_aside.add(&entry, &self.columns);
        }
    }

    /// Whether rows wait for the keys of all rows.
    pub fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// The keys of the rows that wait: the target counts the rows that have them.
    pub fn held_keys(&self) -> KeyCounts {
        self.held.iter().map(|held| (held.encoded.key.clone(), 0)).collect()
    }

    /// Publishes the rows whose keys no other row has, by `publish`, and quarantines the others.
    pub fn settle_held(&mut self, counts: &KeyCounts, mut publish: impl FnMut(&[u8])) {
        for held in std::mem::take(&mut self.held) {
            let is_alone = counts.get(&held.encoded.key).is_some_and(|count| *count == 1);
            if is_alone {
                publish(&held.encoded.bytes);
            }
            let fate = if is_alone { Fate::Published } else { Fate::Aside };
            self.settle(&held.batch, 0, fate, Some(Cause::Key), &held.shown, &held.faulty);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    /// Ends with the value that `replace` publishes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Odd {
        Cut,
        Null,
        Nothing,
    }

    impl Hazard for Odd {
        fn text(self) -> &'static str {
            "odd"
        }

        fn replacement(self) -> Replacement {
            match self {
                Self::Cut => Replacement::Nearest("the text cut off"),
                Self::Null => Replacement::Null,
                Self::Nothing => Replacement::None,
            }
        }
    }

    /// A table of a key and a text.
    fn screen(on_hazard: OnHazard, not_null: bool) -> Screen<Odd> {
        Screen::new(vec![
            ScreenedColumn { on_hazard, is_key: true, not_null: true },
            ScreenedColumn { on_hazard, is_key: false, not_null },
        ])
    }

    fn judged(screen: &mut Screen<Odd>, column: usize, hazard: Odd, key: &str) -> Fate {
        let batch = RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
            ("name", Arc::new(StringArray::from(vec!["a\0"])) as ArrayRef),
        ])
        .expect("a batch");
        let encoded = || EncodedRow { bytes: key.into(), key: key.into() };
        screen.judge(&batch, 0, 0, &mut vec![(column, hazard)], encoded)
    }

    #[track_caller]
    fn check(on_hazard: OnHazard, not_null: bool, column: usize, hazard: Odd, expected: Fate, counts: (u64, u64)) {
        let mut screen = screen(on_hazard, not_null);
        assert_eq!(judged(&mut screen, column, hazard, "k"), expected);
        let set_aside = screen.take_set_aside();
        assert_eq!((set_aside.rows, set_aside.replaced), counts);
    }

    #[test]
    fn policies_decide() {
        use OnHazard::{Fail, Quarantine, Replace};
        check(Replace, true, 1, Odd::Cut, Fate::Published, (0, 1));
        check(Replace, false, 1, Odd::Null, Fate::Published, (0, 1));
        check(Replace, true, 1, Odd::Null, Fate::Aside, (1, 0));
        check(Replace, false, 1, Odd::Nothing, Fate::Aside, (1, 0));
        check(Replace, false, 0, Odd::Cut, Fate::Held, (0, 0));
        check(Replace, false, 0, Odd::Null, Fate::Aside, (1, 0));
        check(Quarantine, false, 1, Odd::Cut, Fate::Aside, (1, 0));
        check(Fail, false, 1, Odd::Cut, Fate::Published, (0, 0));
        check(Fail, false, 1, Odd::Nothing, Fate::Refused, (0, 0));
    }

    #[test]
    fn replaced_keys_are_published_if_they_are_unique() {
        let mut screen = screen(OnHazard::Replace, false);
        for key in ["a", "b", "b", "c"] {
            judged(&mut screen, 0, Odd::Cut, key);
        }
        let mut counts = screen.held_keys();
        // `c` is another row's, too.
        for key in ["a", "b", "b", "c", "c", "d"] {
            if let Some(count) = counts.get_mut(key.as_bytes()) {
                *count += 1;
            }
        }
        let mut published = Vec::new();
        screen.settle_held(&counts, |bytes| published.push(bytes.to_vec()));
        assert_eq!(published, [b"a"]);
        let set_aside = screen.take_set_aside();
        assert_eq!((set_aside.rows, set_aside.replaced, set_aside.entries()), (3, 1, 4));
    }
}
