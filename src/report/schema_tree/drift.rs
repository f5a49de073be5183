//! The differences at a path between the last load and the loads before it.
//!
//! Knows only counts. If the last load read a part of the collection, rare values may be missing by chance. Only
//! differences that chance hardly explains are reported.

use std::collections::BTreeMap;

use elt_base::census::TypeCount;

/// A share that moved by fewer points is not a change.
const POINTS_MIN: u128 = 10;

/// A missing value is not reported if the probability that it is missing by chance is at least this.
const CHANCE_MIN: f64 = 0.01;

/// The number of standard errors by which the shares of a part must differ.
const ERRORS_MIN: f64 = 3.0;

/// A number out of another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub values: u64,
    pub of: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// With the current share of the path.
    NewPath(Share),
    /// With the earlier share of the path.
    GonePath(Share),
    NewType {
        kind: String,
        values: u64,
        rescued: u64,
        example: String,
    },
    /// With the earlier share of the type.
    GoneType {
        kind: String,
        before: Share,
    },
    Presence {
        before: Share,
        now: Share,
    },
}

/// A path in some loads.
pub struct Seen<'c> {
    pub counts: Option<&'c BTreeMap<String, TypeCount>>,
    /// The number of which the shares are computed.
    pub of: u64,
    /// The number of values that could have contained the path.
    pub could: u64,
}

impl Seen<'_> {
    fn values(&self) -> u64 {
        self.counts.into_iter().flatten().map(|(_, count)| count.values).sum()
    }

    fn kind(&self, kind: &str) -> Option<&TypeCount> {
        self.counts.and_then(|counts| counts.get(kind))
    }
}

/// `is_part`: whether the last load read only a part of the collection.
pub fn changes(before: &Seen<'_>, last: &Seen<'_>, is_part: bool) -> Vec<Change> {
    // Without a value that can contain the path, nothing can be missing: its parent is the new or the gone path.
    if before.could == 0 || last.could == 0 {
        return Vec::new();
    }
    let (was, is) = (before.values(), last.values());
    match (was, is) {
        (0, 0) => return Vec::new(),
        (0, _) => return vec![Change::NewPath(Share { values: is, of: last.of })],
        (_, 0) => {
            let gone = !is_part || !is_chance(was, before.could, last.could);
            let share = Share { values: was, of: before.of };
            return if gone { vec![Change::GonePath(share)] } else { Vec::new() };
        }
        _ => {}
    }
    let mut changes = Vec::new();
    for (kind, count) in last.counts.into_iter().flatten() {
        if before.kind(kind).is_none() {
            let TypeCount { values, rescued, example } = count.clone();
            changes.push(Change::NewType { kind: kind.clone(), values, rescued, example });
        }
    }
    for (kind, count) in before.counts.into_iter().flatten() {
        if last.kind(kind).is_none() && (!is_part || !is_chance(count.values, before.of, last.of)) {
            let before = Share { values: count.values, of: before.of };
            changes.push(Change::GoneType { kind: kind.clone(), before });
        }
    }
    let (was, is) = (Share { values: was, of: before.of }, Share { values: is, of: last.of });
    if has_moved(was, is) && (!is_part || is_significant(was, is)) {
        changes.push(Change::Presence { before: was, now: is });
    }
    changes
}

/// Whether something that `values` of `of` had can be missing by chance from this number of others.
fn is_chance(values: u64, of: u64, others: u64) -> bool {
    let share = (values as f64 / of as f64).min(1.0);
    (1.0 - share).powf(others as f64) >= CHANCE_MIN
}

fn has_moved(was: Share, is: Share) -> bool {
    let (a, b) = (u128::from(was.values) * u128::from(is.of), u128::from(is.values) * u128::from(was.of));
    a.abs_diff(b) * 100 >= POINTS_MIN * u128::from(was.of) * u128::from(is.of)
}

/// The test for two proportions. (A field that occurs several times in a document can have a share above 1.)
fn is_significant(was: Share, is: Share) -> bool {
    let share = |share: Share| share.values as f64 / share.of as f64;
    let both = ((was.values + is.values) as f64 / (was.of + is.of) as f64).min(1.0);
    let error = (both * (1.0 - both) * (1.0 / was.of as f64 + 1.0 / is.of as f64)).sqrt();
    (share(was) - share(is)).abs() >= ERRORS_MIN * error
}

#[cfg(test)]
mod tests {
    use super::*;

    type Kinds<'k> = &'k [(&'k str, u64)];

    fn counts(kinds: Kinds<'_>) -> BTreeMap<String, TypeCount> {
        let count = |values| TypeCount { values, rescued: 0, example: "7".into() };
        kinds.iter().map(|(kind, values)| ((*kind).to_owned(), count(*values))).collect()
    }

    /// Shares are written as `values/of`.
    #[track_caller]
    fn check(before: (Kinds<'_>, u64), last: (Kinds<'_>, u64), is_part: bool, expected: &[&str]) {
        let (was, is) = (counts(before.0), counts(last.0));
        let seen = |counts, of| Seen {
            counts: Some(counts).filter(|counts: &&BTreeMap<_, _>| !counts.is_empty()),
            of,
            could: of,
        };
        let share = |share: &Share| format!("{}/{}", share.values, share.of);
        let found: Vec<String> = changes(&seen(&was, before.1), &seen(&is, last.1), is_part)
            .iter()
            .map(|change| match change {
                Change::NewPath(now) => format!("new {}", share(now)),
                Change::GonePath(before) => format!("gone {}", share(before)),
                Change::NewType { kind, values, .. } => format!("new {kind} {values}"),
                Change::GoneType { kind, before } => format!("gone {kind} {}", share(before)),
                Change::Presence { before, now } => format!("{} {}", share(before), share(now)),
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn whole_loads_differ_in_all_that_differs() {
        check((&[("int", 5)], 10), (&[("int", 5)], 10), false, &[]);
        check((&[], 10), (&[("int", 1)], 10), false, &["new 1/10"]);
        check((&[("int", 1)], 10), (&[], 10), false, &["gone 1/10"]);
        check(
            (&[("int", 9), ("null", 1)], 10),
            (&[("int", 9), ("string", 1)], 10),
            false,
            &["new string 1", "gone null 1/10"],
        );
        check((&[("int", 90)], 100), (&[("int", 80)], 100), false, &["90/100 80/100"]);
        check((&[("int", 90)], 100), (&[("int", 81)], 100), false, &[]);
        check((&[], 0), (&[("int", 1)], 1), false, &[]);
        check((&[("int", 1)], 1), (&[], 0), false, &[]);
    }

    #[test]
    fn a_part_may_lack_what_is_rare() {
        check((&[("int", 10)], 1000), (&[], 100), true, &[]);
        check((&[("int", 10)], 1000), (&[], 1000), true, &["gone 10/1000"]);
        check((&[("int", 900), ("null", 10)], 1000), (&[("int", 92)], 100), true, &[]);
        check((&[("int", 500), ("null", 500)], 1000), (&[("int", 20)], 20), true, &["gone null 500/1000"]);
        check((&[("int", 500)], 1000), (&[("int", 7)], 10), true, &[]);
        check((&[("int", 500)], 1000), (&[("int", 70)], 100), true, &["500/1000 70/100"]);
        check((&[("int", 1000)], 1000), (&[("int", 1), ("string", 1)], 2), true, &["new string 1"]);
    }
}
