//! Counts the values that a target cannot store, by column and hazard, and applies each column's policy to them.
//!
//! A target defines its hazards and finds them. Knows no target. Shows keys, and no other value of a row.

use arrow::array::{Array, RecordBatch};

use super::value_text::value_text;
use crate::capabilities::Capabilities;
use crate::difference::KEYS_SHOWN;
use crate::messages;
use elt_base::error::Result;
use elt_project::OnHazard;

/// Characters of a key that are shown.
const KEY_CHARACTERS_MAX: usize = 100;

/// Why a value does not fit its column.
pub trait Hazard: Copy + Ord {
    /// The text before the count of values: `the character U+0000: 3 values`.
    fn text(self) -> &'static str;

    fn replacement(self) -> Replacement;

    /// Whether one column has it, not the whole row.
    fn is_of_column(self) -> bool {
        true
    }
}

/// What is published in place of a value with a hazard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The nearest value, in words: `rounded values`.
    Nearest(&'static str),
    Null,
    /// There is no replacement.
    None,
}

/// How many values of one column have one hazard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault<H> {
    /// The column's index.
    pub column: usize,
    pub hazard: H,
    /// Their rows are quarantined, whatever the column's policy.
    pub is_aside: bool,
    pub values: u64,
    /// The keys of some of the rows; of a table without key their numbers, from 1.
    pub keys: Vec<String>,
}

/// The faults of one table, by column, then hazard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults<H>(Vec<Fault<H>>);

/// The table whose faults are judged.
pub struct FaultyTable<'a> {
    pub capabilities: &'a Capabilities,
    pub name: &'a str,
    /// The quarantine table.
    pub beside: &'a str,
    /// The key's columns.
    pub key: &'a [String],
    pub columns: Vec<FaultyColumn<'a>>,
}

pub struct FaultyColumn<'a> {
    pub name: &'a str,
    pub on_hazard: OnHazard,
    pub may_be_null: bool,
}

impl<H> Default for Faults<H> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<H: Hazard> Faults<H> {
    /// Counts one value, or one row, which is quarantined if `is_aside`. `key` is the row's.
    #[cold]
    pub fn add(&mut self, column: usize, hazard: H, is_aside: bool, key: impl FnOnce() -> String) {
        let sought = (column, hazard, is_aside);
        let at = self.0.binary_search_by_key(&sought, |fault| (fault.column, fault.hazard, fault.is_aside));
        let at = at.unwrap_or_else(|at| {
            self.0.insert(at, Fault { column, hazard, is_aside, values: 0, keys: Vec::new() });
            at
        });
        let fault = &mut self.0[at];
        fault.values += 1;
        if fault.keys.len() < KEYS_SHOWN {
            fault.keys.push(key());
        }
    }

    /// Adds values that were counted elsewhere, and the keys of some of their rows.
    pub fn add_counted(&mut self, column: usize, hazard: H, is_aside: bool, values: u64, keys: Vec<String>) {
        self.0.push(Fault { column, hazard, is_aside, values, keys });
    }

    #[cfg(test)]
    pub fn all(&self) -> &[Fault<H>] {
        &self.0
    }

    /// An error if a fault is not allowed; else one line for each other fault, with how it was handled.
    pub fn judge(&self, table: &FaultyTable<'_>) -> Result<Vec<String>> {
        let (mut refused, mut notes) = (Vec::new(), Vec::new());
        for fault in &self.0 {
            let line = fault.line(table);
            let column = table.columns.get(fault.column);
            let may_be_null = column.is_some_and(|column| column.may_be_null);
            let kept = match table.beside {
                "" => String::new(),
                beside => format!("; the original rows are in `{beside}`"),
            };
            let replaced = |by: &str| format!("`{}`, {line}; replaced by {by}{kept}", table.name);
            match (column.map_or(OnHazard::Fail, |column| column.on_hazard), fault.hazard.replacement()) {
                (OnHazard::Quarantine, _) => {
                    notes.push(format!("`{}`, {line}; their rows are in `{}`", table.name, table.beside));
                }
                (OnHazard::Replace, _) if fault.is_aside => {
                    notes.push(format!("`{}`, {line}; their rows are in `{}`", table.name, table.beside));
                }
                (OnHazard::Replace, Replacement::Nearest(nearest)) => notes.push(replaced(nearest)),
                (OnHazard::Replace, Replacement::Null) if may_be_null => notes.push(replaced("NULL")),
                (OnHazard::Replace, Replacement::Null) => {
                    refused.push(format!(
                        "{line}; `on_hazard: replace` would store NULL, which the column does not accept"
                    ));
                }
                _ => refused.push(line),
            }
        }
        match refused.is_empty() {
            true => Ok(notes),
            false => Err(messages::export_hazards(
                table.name,
                table.capabilities.called,
                table.capabilities.can_quarantine,
                &refused,
            )),
        }
    }
}

impl<H: Hazard> Fault<H> {
    /// `` column `name`, the character U+0000: 3 values (`id` 1, 7, 9) ``
    fn line(&self, table: &FaultyTable<'_>) -> String {
        let column = match (table.columns.get(self.column), self.hazard.is_of_column()) {
            (Some(column), true) => format!("column `{}`, ", column.name),
            _ => String::new(),
        };
        let values = if self.values == 1 { "1 value".to_owned() } else { format!("{} values", self.values) };
        let more = if self.values > self.keys.len() as u64 { ", …" } else { "" };
        let of = if table.key.is_empty() { String::new() } else { format!("`{}` ", table.key.join("`, `")) };
        format!("{column}{}: {values} ({of}{}{more})", self.hazard.text(), self.keys.join(", "))
    }
}

/// The key of a row for people: `17`, or `(17, a)`. For a table without a key, the row's number; `seen` rows precede
/// this batch.
pub fn key_text(batch: &RecordBatch, row: usize, key: impl Iterator<Item = usize>, seen: u64) -> String {
    let text = |column: usize| {
        let array = batch.column(column);
        let text = if array.is_null(row) { "NULL".to_owned() } else { value_text(array, row) };
        text.replace('\0', "").chars().take(KEY_CHARACTERS_MAX).collect::<String>()
    };
    let keys: Vec<String> = key.map(text).collect();
    match keys.as_slice() {
        [] => format!("row {}", seen + row as u64 + 1),
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Odd {
        Long,
        Lost,
        Whole,
    }

    impl Hazard for Odd {
        fn text(self) -> &'static str {
            match self {
                Self::Long => "too long",
                Self::Lost => "not a number",
                Self::Whole => "a row that is too large",
            }
        }

        fn replacement(self) -> Replacement {
            match self {
                Self::Long => Replacement::Nearest("the text cut off"),
                Self::Lost => Replacement::Null,
                Self::Whole => Replacement::None,
            }
        }

        fn is_of_column(self) -> bool {
            self != Self::Whole
        }
    }

    #[track_caller]
    fn check(hazard: Odd, on_hazard: OnHazard, may_be_null: bool, expected: Result<&str, &str>) {
        let mut faults = Faults::default();
        (1..=6).for_each(|key| faults.add(0, hazard, false, || key.to_string()));
        let table = FaultyTable {
            capabilities: &Capabilities::only_publishes("Odd"),
            name: "t",
            beside: "t_quarantine",
            key: &["id".to_owned()],
            columns: vec![FaultyColumn { name: "c", on_hazard, may_be_null }],
        };
        let found = faults.judge(&table).map(|notes| notes.join("\n")).map_err(|error| error.causes().join("\n"));
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn judges_by_policy() {
        check(Odd::Long, OnHazard::Fail, true, Err("column `c`, too long: 6 values (`id` 1, 2, 3, 4, 5, …)"));
        check(
            Odd::Long,
            OnHazard::Replace,
            false,
            Ok(
                "`t`, column `c`, too long: 6 values (`id` 1, 2, 3, 4, 5, …); replaced by the text cut off; the original rows are in `t_quarantine`",
            ),
        );
        check(
            Odd::Lost,
            OnHazard::Replace,
            false,
            Err(
                "column `c`, not a number: 6 values (`id` 1, 2, 3, 4, 5, …); `on_hazard: replace` would store NULL, which the column does not accept",
            ),
        );
        check(Odd::Whole, OnHazard::Replace, true, Err("a row that is too large: 6 values (`id` 1, 2, 3, 4, 5, …)"));
        check(
            Odd::Whole,
            OnHazard::Quarantine,
            true,
            Ok("`t`, a row that is too large: 6 values (`id` 1, 2, 3, 4, 5, …); their rows are in `t_quarantine`"),
        );
    }
}
