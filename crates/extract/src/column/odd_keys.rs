//! The keys of one object that have no column. Their values are rescued, and are counted here.
//!
//! Knows no column.

use std::collections::HashMap;

use crate::bson::{Malformed, Value};
use crate::column::context::Context;
use crate::column::counts::{Keys, TypeCounts};
use crate::column::value_path::ValuePath;
use elt_base::census::Census;
use elt_base::path::{Step, push_key};

/// The most keys that are counted separately. The other keys share one count.
const ODD_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub struct OddKeys {
    /// The last count, after `ODD_MAX`, is for all other keys.
    keys: Vec<OddKey>,
    by_key: HashMap<Box<[u8]>, usize>,
}

#[derive(Debug)]
struct OddKey {
    key: Box<[u8]>,
    counts: TypeCounts,
    /// The last row that had the key, plus one.
    seen_until: usize,
}

impl OddKeys {
    /// Counts and rescues the value that `key` has in row `row`.
    pub fn take(
        &mut self,
        row: usize,
        key: &[u8],
        value: Value<'_>,
        path: &ValuePath<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Malformed> {
        let index = self.index(key);
        let odd = &mut self.keys[index];
        odd.counts.saw(value.kind, cx);
        odd.counts.rescued(value.kind, cx);
        // If keys share one count, the keys within them are data, too.
        let keys = if index < ODD_MAX { Keys::Named } else { Keys::Any };
        odd.counts.look_within(value, keys, cx)?;
        let repeated = odd.seen_until > row && index < ODD_MAX;
        odd.seen_until = row + 1;
        cx.rescue(path, value, repeated)
    }

    fn index(&mut self, key: &[u8]) -> usize {
        if let Some(index) = self.by_key.get(key) {
            return *index;
        }
        if self.keys.len() <= ODD_MAX {
            let is_own = self.keys.len() < ODD_MAX;
            let key = if is_own { key } else { &[] };
            self.keys.push(OddKey { key: key.into(), counts: TypeCounts::default(), seen_until: 0 });
            if is_own {
                self.by_key.insert(key.into(), self.keys.len() - 1);
            }
        }
        self.keys.len() - 1
    }

    /// Begins a batch: rows count from 0 again.
    pub fn restart(&mut self) {
        for odd in &mut self.keys {
            odd.seen_until = 0;
        }
    }

    pub fn gather(&self, path: &str, census: &mut Census) {
        for (index, odd) in self.keys.iter().enumerate() {
            let mut path = path.to_owned();
            if index < ODD_MAX {
                push_key(&mut path, &String::from_utf8_lossy(&odd.key));
            } else {
                Step::OtherKeys.push(&mut path);
            }
            odd.counts.gather(&path, census);
        }
    }
}
