//! The conformance suite of the targets: one list of behaviours, which runs against every target.
//!
//! Each pair of a target and a behaviour is a test, `conformance::<target>::<behaviour>`. A behaviour checks several
//! points. A point that a target does not promise is in `differences`, with its reason. The test fails if a point
//! outside that list is false, or if a point of the list is true. Runs the program like a user, and reads the targets
//! with their own drivers.

mod bench;
mod contract;
mod differences;
mod faults;
mod hands;
mod local;
mod mongodb;
mod mysql;
mod postgres;
mod publication;
pub mod target;
mod values;

use std::collections::BTreeSet;

use libtest_mimic::{Failed, Trial};

use self::bench::Bench;
use self::differences::DIFFERENCES;
use self::local::{DuckDbFile, Files};
use self::mongodb::MongoTarget;
use self::mysql::MysqlTarget;
use self::postgres::PostgresTarget;
use self::target::Target;

pub type Fresh = fn() -> Box<dyn Target>;
type Behaviour = fn(&mut Bench);

/// Every target. Each has an empty place for one test.
pub const TARGETS: [(&str, Fresh); 7] = [
    ("postgres", || Box::new(PostgresTarget::fresh())),
    ("mysql", || Box::new(MysqlTarget::fresh())),
    ("mongodb", || Box::new(MongoTarget::fresh())),
    ("duckdb", || Box::new(DuckDbFile::fresh())),
    ("parquet", || Box::new(Files::fresh("parquet"))),
    ("csv", || Box::new(Files::fresh("csv"))),
    ("json", || Box::new(Files::fresh("json"))),
];

const BEHAVIOURS: [(&str, Behaviour); 27] = [
    ("first_load", publication::first_load),
    ("delta", publication::delta),
    ("delete", publication::delete),
    ("no_change", publication::no_change),
    ("key_change", publication::key_change),
    ("foreign_keys_in_order", publication::foreign_keys_in_order),
    ("foreign_keys_in_cycles", publication::foreign_keys_in_cycles),
    ("row_that_points_nowhere", publication::row_that_points_nowhere),
    ("killed_when_staged", |bench| faults::killed(bench, "export.staged")),
    ("killed_before_commit", |bench| faults::killed(bench, "export.before_commit")),
    ("killed_after_commit", |bench| faults::killed(bench, "export.after_commit")),
    ("commit_lost", faults::commit_lost),
    ("commit_answer_lost", faults::commit_answer_lost),
    ("two_writers", faults::two_writers),
    ("changes_by_others_noticed", hands::noticed),
    ("changes_by_others_verified", hands::verified),
    ("record_lost", hands::record_lost),
    ("divergence_refused", hands::divergence_refused),
    ("hazard_fails", values::hazard_fails),
    ("hazard_by_default", values::hazard_by_default),
    ("hazard_replaced", values::hazard_replaced),
    ("hazard_in_quarantine", values::hazard_in_quarantine),
    ("hazard_in_key", values::hazard_in_key),
    ("hazard_killed", values::hazard_killed),
    ("types", values::types),
    ("edges_of_types", values::edges_of_types),
    ("contract_change", contract::contract_change),
];

/// The tests, target by target.
pub fn trials() -> Vec<Trial> {
    let mut trials = vec![Trial::test("conformance::differences_name_tests", differences_name_tests)];
    for (target, fresh) in TARGETS {
        for (name, behaviour) in BEHAVIOURS {
            let test = move || run(target, fresh, name, behaviour);
            trials.push(Trial::test(format!("conformance::{target}::{name}"), test));
        }
    }
    trials
}

fn run(target: &'static str, fresh: Fresh, name: &'static str, behaviour: Behaviour) -> Result<(), Failed> {
    let mut bench = Bench::new(fresh());
    behaviour(&mut bench);
    let expected: BTreeSet<&str> = DIFFERENCES
        .iter()
        .filter(|difference| difference.behaviour == name && difference.targets.contains(&target))
        .map(|difference| difference.point)
        .collect();
    let mut wrong = Vec::new();
    for (point, found) in &bench.failed {
        if !expected.contains(point) {
            wrong.push(format!("`{point}`: {found}"));
        }
    }
    for point in expected.iter().filter(|point| !bench.failed.contains_key(*point)) {
        wrong.push(format!("`{point}` holds now: take it out of `differences.rs`"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// Checks that each difference names an existing target and behaviour, because others would never be used.
fn differences_name_tests() -> Result<(), Failed> {
    for difference in DIFFERENCES {
        let known = BEHAVIOURS.iter().any(|(name, _)| *name == difference.behaviour)
            && difference.targets.iter().all(|target| TARGETS.iter().any(|(name, _)| name == target))
            && !difference.targets.is_empty()
            && !difference.reason.is_empty();
        if !known {
            return Err(format!("no test for {difference:?}").into());
        }
    }
    Ok(())
}
