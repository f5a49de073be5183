//! The census: exact counts of the BSON types at each path of a collection's documents.
//!
//! Pure values. Knows no driver, no file format and no model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Exact counts of the BSON types at each path (see `path`), including the inside of rescued values and of JSON
/// columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census(pub BTreeMap<String, BTreeMap<String, TypeCount>>);

impl Census {
    /// Adds the counts of another part of the same load.
    pub fn add(&mut self, part: Census) {
        for (path, kinds) in part.0 {
            let have = self.0.entry(path).or_default();
            for (kind, count) in kinds {
                match have.get_mut(&kind) {
                    Some(sum) => {
                        if sum.rescued == 0 && count.rescued > 0 {
                            sum.example = count.example;
                        }
                        sum.values += count.values;
                        sum.rescued += count.rescued;
                    }
                    None => drop(have.insert(kind, count)),
                }
            }
        }
    }
}

/// How often a type occurred at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeCount {
    pub values: u64,
    /// How many of these values were rescued.
    pub rescued: u64,
    /// The `_id` (text form) of the first document with such a value, or of the first whose value was rescued, if any
    /// was.
    pub example: String,
}

/// The censuses of some loads of a collection, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CensusSum {
    pub loads: u64,
    /// Documents read. A document that several loads read is counted once for each load.
    pub documents: u64,
    /// Values in `_elt_rescued`.
    pub rescued: u64,
    pub census: Census,
}

/// The counts of a collection's loads, and the counts with which the last load is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Censuses {
    /// Of the loads whose documents are in the raw table: the last full load and all later loads.
    pub standing: CensusSum,
    /// Of the last load alone. None if the last load is the full one, because `standing` has its counts.
    pub last: Option<CensusSum>,
    /// Of the loads before the last one, beginning with the full load before it. None if the last load is the first.
    pub before: Option<CensusSum>,
}
