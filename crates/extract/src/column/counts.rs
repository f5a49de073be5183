//! Counts of the BSON types met at a path, kept in the tree of column builders and gathered into a `Census` at the end.
//!
//! A value that has columns of its own is counted there. The fields of a value without columns (it is rescued, or lands
//! as JSON) are counted in a tree beside the column's counts, which grows only where there are such values. Knows
//! nothing of documents beyond an example's `_id`.

use std::collections::HashMap;

use crate::bson::{KINDS, Kind, Malformed, Value};
use crate::column::context::Context;
use elt_base::census::{Census, TypeCount};
use elt_base::path::{Step, push_key};

/// The most keys of one object within a rescued value that are counted separately. The other keys share one count.
const KEYS_MAX: usize = 1_000;

/// The most paths within the values of one column. Values under further paths are not counted.
const PATHS_MAX: usize = 10_000;

/// How the keys within a value are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Each key under its own path.
    Named,
    /// All keys under one path, `*`, because the keys are data.
    Any,
}

/// One path's counts by kind.
#[derive(Debug)]
pub struct TypeCounts {
    seen: Box<[u64; KINDS]>,
    rescued: Box<[u64; KINDS]>,
    examples: Vec<(Kind, Box<str>)>,
    within: Option<Box<Within>>,
}

/// The counts of the fields and elements within values, by the next step of the path.
#[derive(Debug, Default)]
struct Within {
    keys: Vec<(Box<[u8]>, TypeCounts)>,
    by_key: HashMap<Box<[u8]>, usize>,
    any: Option<TypeCounts>,
    others: Option<TypeCounts>,
    element: Option<TypeCounts>,
    /// The number of paths below the column so far. Only the top node has it.
    paths: usize,
}

impl Default for TypeCounts {
    fn default() -> Self {
        Self { seen: Box::new([0; KINDS]), rescued: Box::new([0; KINDS]), examples: Vec::new(), within: None }
    }
}

impl TypeCounts {
    #[inline]
    pub fn saw(&mut self, kind: Kind, cx: &Context<'_>) {
        let seen = &mut self.seen[kind as usize];
        *seen += 1;
        if *seen == 1 {
            self.examples.push((kind, cx.example()));
        }
    }

    /// Counts a value as rescued. The first rescued value becomes the example, because people look for it.
    pub fn rescued(&mut self, kind: Kind, cx: &Context<'_>) {
        let rescued = &mut self.rescued[kind as usize];
        *rescued += 1;
        if *rescued == 1
            && let Some((_, example)) = self.examples.iter_mut().find(|(seen, _)| *seen == kind)
        {
            *example = cx.example();
        }
    }

    /// Counts the fields within a value that has no columns of its own. If the value is rescued, it alone counts as
    /// rescued.
    pub fn look_within(&mut self, value: Value<'_>, keys: Keys, cx: &Context<'_>) -> Result<(), Malformed> {
        if !matches!(value.kind, Kind::Object | Kind::Array) {
            return Ok(());
        }
        let within = self.within.get_or_insert_default();
        let mut paths = within.paths;
        within.count(value, keys, &mut paths, cx)?;
        within.paths = paths;
        Ok(())
    }

    pub fn gather(&self, path: &str, census: &mut Census) {
        if !self.examples.is_empty() {
            let counts = census.0.entry(path.to_owned()).or_default();
            for (kind, example) in &self.examples {
                let index = *kind as usize;
                let count = counts.entry(kind.name().to_owned()).or_insert(TypeCount {
                    values: 0,
                    rescued: 0,
                    example: example.to_string(),
                });
                count.values += self.seen[index];
                count.rescued += self.rescued[index];
            }
        }
        if let Some(within) = &self.within {
            within.gather(path, census);
        }
    }
}

impl Within {
    /// Counts the fields or elements of `value`, and those within them.
    fn count(&mut self, value: Value<'_>, keys: Keys, paths: &mut usize, cx: &Context<'_>) -> Result<(), Malformed> {
        let mut elements = value.fields()?;
        while let Some(element) = elements.next(&[])? {
            let counts = match (value.kind, keys) {
                (Kind::Array, _) => one(&mut self.element, paths),
                (_, Keys::Any) => one(&mut self.any, paths),
                (_, Keys::Named) => self.of_key(element.key, paths),
            };
            let Some(counts) = counts else { continue };
            counts.saw(element.value.kind, cx);
            if matches!(element.value.kind, Kind::Object | Kind::Array) {
                counts.within.get_or_insert_default().count(element.value, keys, paths, cx)?;
            }
        }
        Ok(())
    }

    fn of_key(&mut self, key: &[u8], paths: &mut usize) -> Option<&mut TypeCounts> {
        let index = match self.by_key.get(key) {
            Some(index) => *index,
            None if self.keys.len() >= KEYS_MAX => return one(&mut self.others, paths),
            None if *paths >= PATHS_MAX => return None,
            None => {
                *paths += 1;
                self.by_key.insert(key.into(), self.keys.len());
                self.keys.push((key.into(), TypeCounts::default()));
                self.keys.len() - 1
            }
        };
        self.keys.get_mut(index).map(|(_, counts)| counts)
    }

    fn gather(&self, path: &str, census: &mut Census) {
        for (key, counts) in &self.keys {
            let mut path = path.to_owned();
            push_key(&mut path, &String::from_utf8_lossy(key));
            counts.gather(&path, census);
        }
        let steps = [(&self.any, Step::AnyKey), (&self.others, Step::OtherKeys), (&self.element, Step::Element)];
        for (counts, step) in steps {
            if let Some(counts) = counts {
                let mut path = path.to_owned();
                step.push(&mut path);
                counts.gather(&path, census);
            }
        }
    }
}

/// The counts of a step. None if there are too many paths.
fn one<'c>(counts: &'c mut Option<TypeCounts>, paths: &mut usize) -> Option<&'c mut TypeCounts> {
    if counts.is_none() {
        if *paths >= PATHS_MAX {
            return None;
        }
        *paths += 1;
    }
    Some(counts.get_or_insert_default())
}
