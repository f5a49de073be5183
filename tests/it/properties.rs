//! For any two states of a relation and any key: the published rows with the changes applied equal the new rows.
//!
//! One test runs only the SQL of `delta`, with a table of DuckDB as the target and many cases. The other uses the
//! program and Postgres, with few cases. Both have the same cases in each run. `ELT_TEST_SEED=7` chooses others.

use std::cell::Cell;
use std::collections::BTreeMap;

use elt::run::WarehouseLedger;
use elt_export::contract::{self, Relation, Table};
use elt_export::delta::{Delta, FoundChanges};
use elt_export::ledger::{Ledger, StagedDelta};
use elt_export::{Coverage, Shape};
use elt_project::{OnHazard, TableContract};
use elt_warehouse::{Session, Warehouse};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::project::Project;
use crate::servers::Postgres;
use crate::typed_values::{KEY_TYPES, OTHER_TYPES};

/// A row: the index of each column's value. Only columns outside the key can be null.
type Row = (Vec<usize>, Vec<Option<usize>>);

#[derive(Debug, Clone)]
struct Case {
    /// Indexes into `KEY_TYPES`. Empty for a table without a key.
    key: Vec<usize>,
    /// Indexes into the two lists, as if they were one.
    others: Vec<usize>,
    /// The states of the relation, one after the other.
    states: Vec<Vec<Row>>,
}

impl Case {
    fn types(&self) -> Vec<(&'static str, &'static [&'static str; 6])> {
        let all: Vec<_> = KEY_TYPES.iter().chain(&OTHER_TYPES).map(|(name, values)| (*name, values)).collect();
        let others: Vec<_> = OTHER_TYPES.iter().chain(&KEY_TYPES).map(|(name, values)| (*name, values)).collect();
        self.key.iter().map(|index| all[*index]).chain(self.others.iter().map(|index| others[*index])).collect()
    }

    fn columns(&self) -> Vec<(String, &'static str)> {
        let name = |index: usize| if index < self.key.len() { format!("k {index}") } else { format!("c{index}") };
        self.types().iter().enumerate().map(|(index, (duckdb, _))| (name(index), *duckdb)).collect()
    }

    fn key(&self) -> Vec<String> {
        self.columns().into_iter().take(self.key.len()).map(|(name, _)| name).collect()
    }

    /// The rows of a state, one for each key.
    fn rows(&self, state: usize) -> Vec<Row> {
        let mut rows = self.states[state].clone();
        if self.key.is_empty() {
            return rows;
        }
        // Compares values, because some types list a value twice.
        let types = self.types();
        let key = |row: &Row| -> Vec<&str> { row.0.iter().zip(&types).map(|(value, (_, all))| all[*value]).collect() };
        let mut unique = BTreeMap::new();
        for row in rows.drain(..) {
            unique.insert(key(&row), row);
        }
        unique.into_values().collect()
    }

    /// A query that returns the relation in a state.
    fn query(&self, state: usize) -> String {
        let (types, columns) = (self.types(), self.columns());
        let literal = |index: usize, value: Option<usize>| {
            let (duckdb, values) = types[index];
            format!("cast({} as {duckdb})", value.map_or("null", |value| values[value]))
        };
        let selected = |values: Vec<Option<usize>>| {
            let parts = values.into_iter().enumerate();
            parts
                .map(|(index, value)| format!("{} as \"{}\"", literal(index, value), columns[index].0))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let rows = self.rows(state);
        if rows.is_empty() {
            return format!("select * from (select {}) where false", selected(vec![None; types.len()]));
        }
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(key, others)| format!("select {}", selected(key.into_iter().map(Some).chain(others).collect())))
            .collect();
        rows.join("\nunion all ")
    }
}

fn case(states: usize) -> impl Strategy<Value = Case> {
    let others = KEY_TYPES.len() + OTHER_TYPES.len();
    (prop::collection::vec(0..KEY_TYPES.len(), 0..4), prop::collection::vec(0..others, 0..5))
        .prop_map(|(key, others)| {
            // A table must have a column.
            let others = if key.is_empty() && others.is_empty() { vec![0] } else { others };
            (key, others)
        })
        .prop_flat_map(move |(key, others)| {
            let row = (
                prop::collection::vec(0..6_usize, key.len()),
                prop::collection::vec(prop::option::weighted(0.8, 0..6_usize), others.len()),
            );
            let rows = prop::collection::vec(row, 0..10);
            (Just(key), Just(others), prop::collection::vec(rows, states))
        })
        .prop_map(|(key, others, states)| Case { key, others, states })
        .prop_map(|mut case| {
            // Some rows do not change.
            for state in 1..case.states.len() {
                let kept: Vec<Row> = case.states[state - 1].iter().step_by(2).cloned().collect();
                case.states[state].extend(kept);
            }
            case
        })
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    match std::env::var("ELT_TEST_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()) {
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        Some(seed) => {
            let seed: Vec<u8> = seed.to_le_bytes().into_iter().cycle().take(32).collect();
            TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
        }
    }
}

fn table(case: &Case) -> Table {
    let relation = Relation {
        model: "model.p.t".into(),
        name: "t".into(),
        columns: case.columns().into_iter().map(|(name, duckdb)| (name, duckdb.to_uppercase())).collect(),
        constraints: Vec::new(),
        unique_key: case.key(),
        contract: TableContract::default(),
    };
    let mut tables = contract::resolve(&[relation], &[], OnHazard::Fail).expect("a table");
    tables.pop().expect("a table")
}

fn execute(session: &Session, sql: &str) -> Result<(), TestCaseError> {
    session.execute(sql).map_err(|error| TestCaseError::fail(format!("`{sql}`: {error:?}")))
}

fn count(session: &Session, sql: &str) -> Result<u64, TestCaseError> {
    session.count(sql).map_err(|error| TestCaseError::fail(format!("`{sql}`: {error:?}")))
}

/// Changes `target` from one state to the next, like an exporter, and updates the ledger.
fn publish(session: &Session, case: &Case, state: usize) -> Result<(), TestCaseError> {
    execute(session, &format!("create or replace table t as {}", case.query(state)))?;
    let table = table(case);
    let delta = Delta::new(&table, "t", "v", Shape::Nested);
    let store = WarehouseLedger(session);
    let ledger = Ledger::open(&store, "target").expect("a ledger");
    let current = ledger.current().map(str::to_owned);
    let reconciled = ledger.reconcile(current.as_deref(), false).expect("its tables");
    let coverage = reconciled.snapshots().coverage(&delta, false);
    prop_assert_eq!(coverage == Coverage::Everything, state == 0);
    let fingerprint = session.value(&delta.fingerprint()).expect("a fingerprint");
    let is_same = state > 0 && reconciled.snapshots().fingerprint("t") == fingerprint.as_deref();
    for statement in delta.compute(coverage) {
        execute(session, &statement)?;
    }
    let FoundChanges { counts, null_keys, duplicate_keys } =
        FoundChanges::read(&session.rows(&delta.counts(coverage)).expect("counts"));
    prop_assert_eq!((null_keys, duplicate_keys), (0, 0), "keys");
    let changed = counts.inserted + counts.updated + counts.deleted;
    prop_assert!(!is_same || coverage == Coverage::Everything || changed == 0, "a fingerprint that hides changes");
    let there = state > 0;
    let differing =
        |from: &str, to: &str| count(session, &format!("select count(*) from (from {from} except all from {to})"));
    if there {
        let (more, less) = (differing("t", "target")?, differing("target", "t")?);
        prop_assert_eq!(counts.is_zero(), more + less == 0, "counts of a change");
        if !case.key.is_empty() {
            prop_assert_eq!((counts.inserted + counts.updated, counts.deleted + counts.updated), (more, less));
        }
    }
    if let Some(staged) = delta.staged(coverage, &counts) {
        let queries = delta.queries(staged);
        match queries.deletes {
            None => execute(session, &format!("create or replace table target as {}", queries.rows))?,
            Some(deletes) => {
                let on: Vec<_> = case.key().iter().map(|name| format!("o.\"{name}\" = n.\"{name}\"")).collect();
                let on = on.join(" and ");
                execute(session, &format!("create or replace temp table staged as {}", queries.rows))?;
                execute(session, &format!("delete from target o using ({deletes}) n where {on}"))?;
                execute(session, &format!("delete from target o using staged n where {on}"))?;
                execute(session, "insert into target from staged")?;
            }
        }
        let fingerprint = match coverage {
            Coverage::Everything | Coverage::Own => {
                session.value(&delta.fingerprint_computed()).expect("a fingerprint")
            }
            Coverage::Delta => fingerprint,
        };
        let staged = StagedDelta { delta: &delta, coverage, fingerprint };
        let pending = reconciled.begin(&format!("publication {state}"), &[staged]).expect("a pending publication");
        pending.settle(true).expect("a settled one");
    }
    prop_assert_eq!((differing("t", "target")?, differing("target", "t")?), (0, 0), "rows of {}", case.query(state));
    Ok(())
}

#[test]
fn changes_of_any_relation_applied_give_the_new_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let warehouse = Warehouse::in_memory(folder.path(), "w").expect("a database");
    let session = warehouse.session().expect("a session");
    let checked = runner(120).run(&case(4), |case| {
        execute(&session, "drop schema if exists _elt cascade; drop schema if exists _elt_published cascade; drop table if exists target")?;
        (0..case.states.len()).try_for_each(|state| publish(&session, &case, state))
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

/// The tables of one project, which are published together.
const TABLES: usize = 6;

#[test]
fn any_relation_published_by_changes_equals_one_published_anew() {
    let database = Postgres::shared().database();
    let number = Cell::new(0);
    let checked = runner(4).run(&prop::collection::vec(case(3), TABLES), |cases| {
        number.set(number.get() + 1);
        let number = number.get();
        let project = |schema: &str, state: usize| {
            let mut yaml = "version: 2\nmodels:\n".to_owned();
            let mut project = Project::of(&[(
                "profiles.toml",
                "[project]\nname = \"any\"\n\n[target.dev.export]\ntype = \"postgres\"\nuri = \"${POSTGRES_URI}\"\nschema = \"${TO}\"\n",
            )]);
            project.set("POSTGRES_URI", &database.uri).set("TO", schema);
            for (index, case) in cases.iter().enumerate() {
                write(&project, index, case, state);
                yaml += &format!("  - name: t{index}\n");
                if !case.key.is_empty() {
                    yaml += &format!("    constraints: [{{type: primary_key, columns: {:?}}}]\n", case.key());
                }
            }
            project.write("models/marts/models.yml", &yaml);
            project
        };
        let by_changes = project(&format!("changes_{number}"), 0);
        by_changes.elt(&["build"]).ok();
        for state in 1..3 {
            for (index, case) in cases.iter().enumerate() {
                write(&by_changes, index, case, state);
            }
            by_changes.elt(&["build"]).ok();
            let anew = format!("anew_{number}_{state}");
            project(&anew, state).elt(&["build"]).ok();
            for (index, case) in cases.iter().enumerate() {
                let (a, b) = (format!("changes_{number}.t{index}"), format!("{anew}.t{index}"));
                let different = database.number(&format!(
                    "select count(*) from ((table {a} except all table {b}) union all (table {b} except all table {a})) d"
                ));
                prop_assert_eq!(different, 0, "{} from {}", case.query(state), case.query(state - 1));
            }
        }
        by_changes.elt(&["export", "--verify"]).ok();
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

fn write(project: &Project, index: usize, case: &Case, state: usize) {
    let sql = format!("{{{{ config(materialized='table') }}}}\n{}\n", case.query(state));
    project.write(&format!("models/marts/t{index}.sql"), &sql);
}
