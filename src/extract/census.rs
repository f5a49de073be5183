//! Counts of the BSON types met at a path, kept in the builder tree and gathered into a `Census` at the end.
//!
//! Knows nothing of documents beyond an example's `_id`. What lies below a value that was rescued or landed as JSON is
//! counted as that one value.

use crate::batch::{Census, Count};
use crate::extract::bson::{KINDS, Kind};
use crate::extract::rescue::Context;

/// One path's counts by kind.
#[derive(Debug)]
pub struct Counts {
    seen: Box<[u64; KINDS]>,
    rescued: Box<[u64; KINDS]>,
    examples: Vec<(Kind, Box<str>)>,
}

impl Default for Counts {
    fn default() -> Self {
        Self { seen: Box::new([0; KINDS]), rescued: Box::new([0; KINDS]), examples: Vec::new() }
    }
}

impl Counts {
    #[inline]
    pub fn saw(&mut self, kind: Kind, cx: &Context<'_>) {
        let seen = &mut self.seen[kind as usize];
        *seen += 1;
        if *seen == 1 {
            self.examples.push((kind, cx.example()));
        }
    }

    pub fn rescued(&mut self, kind: Kind) {
        self.rescued[kind as usize] += 1;
    }

    pub fn gather(&self, path: &str, census: &mut Census) {
        if self.examples.is_empty() {
            return;
        }
        let counts = census.0.entry(path.to_owned()).or_default();
        for (kind, example) in &self.examples {
            let index = *kind as usize;
            let count = counts.entry(kind.name().to_owned()).or_insert(Count {
                values: 0,
                rescued: 0,
                example: example.to_string(),
            });
            count.values += self.seen[index];
            count.rescued += self.rescued[index];
        }
    }
}
