//! Builds the steps of a plan: each node with its tests in one transaction, several steps at once.
//!
//! Combines `model` and `warehouse`. Knows neither sources nor targets.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use parking_lot::Mutex;

use crate::messages;
use crate::report::{Console, Stage, Status};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::failpoint::failpoint;
use elt_base::numbers::counted;
use elt_model::{BatchConfig, BuildStep, Compile, Compiler, Node, NodeId, NodeKind, Severity};
use elt_warehouse::{Catalog, Session, Warehouse};

use super::changed::{Changed, Print};
use super::host::SessionHost;
use super::keys;
use super::materialize;
use super::microbatch::{Batches, Microbatch};
use super::plan;
use super::results::{NodeResult, Results};
use super::schedule::{self, Outcome, Skip};
use super::snapshot;
use super::statement::test_error;
use super::stored_failures;
use super::unit_test::UnitTests;
use super::unit_test_step::run_unit_tests;

/// The inputs and settings of a build.
pub struct Build<'a> {
    pub graph: &'a Compiler,
    pub warehouse: &'a Warehouse,
    pub console: &'a Console,
    pub results: &'a Results,
    pub cancel: &'a Cancel,
    pub full_refresh: bool,
    pub fail_fast: bool,
    pub threads: usize,
    /// The folder for compiled SQL: `target/compiled/<project>`.
    pub compiled: PathBuf,
    /// The folder for files that pass rows from one transaction to another: `target/run`.
    pub scratch: PathBuf,
    /// Nodes that cannot be built because one of their collections could not be loaded, with that collection.
    pub blocked: Vec<(NodeId, String)>,
    /// The unit tests of the steps; None if there are none.
    pub unit_tests: Option<UnitTests>,
    /// The batches that microbatch models build.
    pub batches: Batches,
    /// The relations of the warehouse when the build started. No step changes the relation of another step.
    pub catalog: Catalog,
    /// The fingerprints of earlier builds, and whether unchanged nodes are skipped.
    pub changed: Changed<'a>,
}

/// The outcome of a node's tests.
#[derive(Default)]
struct Tested {
    passed: usize,
    warned: usize,
    failed: usize,
    /// The tests that passed.
    good: Vec<NodeId>,
    /// The node was not built, because it has not changed.
    is_left: bool,
}

impl Build<'_> {
    /// Skips all steps and tests, because something before them failed.
    pub fn skip_all(&self, steps: &[BuildStep], loose_tests: &[NodeId], because: &str) {
        steps.iter().for_each(|step| self.skip(step, because));
        loose_tests.iter().for_each(|id| self.skip_one(*id, because));
    }

    /// Builds all steps, and reports every outcome to the results and the console. An error means that nothing was
    /// built.
    pub fn run(&self, steps: &[BuildStep], loose_tests: &[NodeId]) -> Result<()> {
        let session = self.session()?;
        session.prepare_built()?;
        keys::prepare(&session)?;
        drop(session);
        let positions: HashMap<NodeId, usize> =
            steps.iter().enumerate().map(|(index, step)| (step.node, index)).collect();
        let position = |id: &NodeId| positions.get(id).copied();
        let needs: Vec<Vec<usize>> =
            steps.iter().map(|step| step.waits_for.iter().filter_map(position).collect()).collect();
        let because: Mutex<Vec<(usize, String)>> = Mutex::default();
        schedule::run(
            &needs,
            self.threads,
            self.fail_fast,
            self.cancel,
            || self.session(),
            |session, index| match session {
                Ok(session) => self.step(session, &steps[index]),
                Err(error) => {
                    let node = self.graph.node(steps[index].node);
                    self.finish(NodeResult::new(stage(node), &node.unique_id, &node.name, Status::Error), Some(error));
                    Outcome::Failed
                }
            },
            |index, skip| {
                let reason = match skip {
                    Skip::Because(cause) => self.graph.node(steps[cause].node).display_name(),
                    Skip::Stopped => String::new(),
                };
                because.lock().push((index, reason));
            },
        );
        let mut skipped = because.into_inner();
        skipped.sort();
        for (index, reason) in skipped {
            self.skip(&steps[index], &reason);
        }
        self.changed.said().iter().for_each(|said| self.console.say(said));
        let stopped = self.cancel.is_requested() || self.fail_fast && self.results.any_failed();
        if stopped {
            loose_tests.iter().for_each(|id| self.results.push(self.skipped(*id, "")));
        } else if !loose_tests.is_empty() {
            match self.session() {
                Ok(session) => drop(self.tests(&session, loose_tests, None)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn session(&self) -> Result<Session> {
        let session = self.warehouse.session()?;
        let interrupter = session.interrupter();
        self.cancel.on_request(move || interrupter.interrupt());
        Ok(session)
    }

    /// Builds and tests one node in one transaction, which is committed as a whole or rolled back.
    fn step(&self, session: &Session, step: &BuildStep) -> Outcome {
        let node = self.graph.node(step.node);
        if let Some((_, collection)) = self.blocked.iter().find(|(id, _)| *id == step.node) {
            self.skip(step, collection);
            return Outcome::Failed;
        }
        let print = if step.builds { self.changed.print(node) } else { Print::default() };
        let is_left = step.builds && self.changed.is_unchanged(node, &print, &self.catalog);
        let open = if is_left { self.changed.open_tests(node, &step.unit_tests) } else { step.unit_tests.clone() };
        let failed = self.run_unit_tests(&open);
        if let Some(first) = failed.first().filter(|_| step.builds) {
            // As in dbt: the model is not built, and no node below it.
            self.skip_node(step, first);
            return Outcome::Failed;
        }
        let unit_tests_failed = !failed.is_empty();
        let mut result = NodeResult::new(stage(node), &node.unique_id, node.display_name(), Status::Success);
        let _in_node = result.enter();
        let activity = self.console.begin(result.stage, &result.name, "", None);
        let started = Instant::now();
        let outcome = match is_left {
            true => self.left(session, node, step, open.len()),
            false => self.build_and_test(session, node, step, print, &mut result),
        };
        drop(activity);
        result.seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(tested) => {
                let total = tested.passed + tested.warned + tested.failed;
                if total > 0 {
                    let note = counted(total as u64, "tests");
                    result.note = if result.note.is_empty() { note } else { format!("{}, {note}", result.note) };
                }
                let failed = tested.failed > 0 || result.status.is_failure();
                if step.builds && !tested.is_left {
                    if result.batches.is_some() {
                        if tested.failed > 0 {
                            result.note = format!("{}, {} failed", result.note, tested.failed);
                        }
                    } else if failed {
                        result.status = Status::Error;
                        result.note =
                            format!("{} of {} failed, rolled back", tested.failed, counted(total as u64, "tests"));
                        result.message = Some(result.note.clone());
                    }
                    self.finish(result, None);
                }
                if failed || unit_tests_failed { Outcome::Failed } else { Outcome::Done }
            }
            Err(error) => {
                session.rollback();
                result.status = Status::Error;
                self.finish(result, Some(&error));
                Outcome::Failed
            }
        }
    }

    fn build_and_test(
        &self,
        session: &Session,
        node: &Node,
        step: &BuildStep,
        print: Print,
        result: &mut NodeResult,
    ) -> Result<Tested> {
        self.cancel.check()?;
        if !step.builds {
            // Tests change nothing. They are independent, so a test that cannot run does not affect the others.
            return self.tests(session, &step.tests, None);
        }
        if node.kind != NodeKind::Seed {
            keys::give(self.graph, self.warehouse, self.console, node)?;
        }
        if let Some(config) = &node.config.batch {
            return self.in_batches(session, node, config, step, result);
        }
        session.begin()?;
        let built = match node.kind {
            NodeKind::Snapshot => {
                let built = snapshot::snapshot(session, self.console, self.graph, node, &self.catalog)?;
                self.write_compiled(node, &built.compiled)?;
                built
            }
            NodeKind::Seed => materialize::seed(session, self.console, self.graph, node, &self.catalog)?,
            _ => {
                let built =
                    materialize::model(session, self.console, self.graph, node, &self.catalog, self.full_refresh)?;
                self.write_compiled(node, &built.compiled)?;
                built
            }
        };
        result.amount = built.rows.map(|rows| (rows, "rows"));
        result.note = built.note;
        result.relation = Some(node.relation.to_string());
        result.compiled = Some(built.compiled).filter(|sql| !sql.is_empty());
        failpoint("model.before_tests");
        let tested = self.tests(session, &step.tests, Some(&node.name))?;
        if tested.failed == 0 {
            let built = self.changed.built(node, print, [&tested.good, &step.unit_tests]);
            session
                .record_built(&node.unique_id, &built)
                .map_err(|error| messages::model_failed(&node.name, &error))?;
        }
        failpoint("model.before_commit");
        if tested.failed > 0 {
            session.rollback();
        } else {
            session.commit().map_err(|error| messages::model_failed(&node.name, &error))?;
            failpoint("model.after_commit");
        }
        Ok(tested)
    }

    /// Builds a microbatch model, then tests it. Its batches are committed one by one and are not rolled back.
    fn in_batches(
        &self,
        session: &Session,
        node: &Node,
        config: &BatchConfig,
        step: &BuildStep,
        result: &mut NodeResult,
    ) -> Result<Tested> {
        let run = Microbatch {
            graph: self.graph,
            node,
            config,
            catalog: &self.catalog,
            full_refresh: self.full_refresh,
            batches: &self.batches,
            console: self.console,
            is_stopped: &|| self.cancel.is_requested(),
            write: &|batch, sql| write_compiled_batch(&self.compiled, node, batch, sql),
        };
        let built = run.run(session)?;
        result.amount = Some((built.rows, "rows"));
        result.note = built.note;
        result.status = built.status;
        result.relation = Some(node.relation.to_string());
        result.compiled = Some(built.compiled).filter(|sql| !sql.is_empty());
        result.batches = Some(built.results);
        if result.status.is_failure() {
            result.message = Some(result.note.clone());
            step.tests.iter().for_each(|id| self.skip_one(*id, &node.name));
            return Ok(Tested::default());
        }
        self.tests(session, &step.tests, None)
    }

    /// Skips a node that is up to date, and runs only those of its tests that have not passed. `unit_tests` is the
    /// number of unit tests that were run.
    fn left(&self, session: &Session, node: &Node, step: &BuildStep, unit_tests: usize) -> Result<Tested> {
        self.cancel.check()?;
        let open = self.changed.open_tests(node, &step.tests);
        self.changed.leave(node, step.tests.len() + step.unit_tests.len() - open.len() - unit_tests);
        let tested = self.tests(session, &open, None)?;
        if tested.good.len() + unit_tests > 0
            && let Some(built) = self.changed.retested(node, [&tested.good, &step.unit_tests])
        {
            session
                .record_built(&node.unique_id, &built)
                .map_err(|error| messages::model_failed(&node.name, &error))?;
        }
        Ok(Tested { is_left: true, ..tested })
    }

    /// Runs data tests; `owner` is the model that is rolled back if one fails.
    fn tests(&self, session: &Session, tests: &[NodeId], owner: Option<&str>) -> Result<Tested> {
        let mut tested = Tested::default();
        for (index, id) in tests.iter().enumerate() {
            self.cancel.check()?;
            let node = self.graph.node(*id);
            let mut result = NodeResult::new(Stage::Test, &node.unique_id, &node.name, Status::Pass);
            let _in_test = result.enter();
            let started = Instant::now();
            let outcome = self.test(session, node, owner, &mut result);
            result.seconds = started.elapsed().as_secs_f64();
            match (outcome, result.status) {
                (Err(error), _) => {
                    tested.failed += 1;
                    result.status = Status::Error;
                    self.finish(result, Some(&error));
                    if owner.is_some() {
                        // A failed statement has ended the transaction, so no later test can run.
                        tests[index + 1..].iter().for_each(|id| self.skip_one(*id, &node.name));
                        return Ok(tested);
                    }
                }
                (Ok(()), Status::Fail) => {
                    tested.failed += 1;
                    let stored = (node.config.test.store_failures
                        && !(node.config.test.stores_view && owner.is_some()))
                    .then(|| node.relation.to_string());
                    let failures = result.failures.unwrap_or(0);
                    let error = messages::test_failed(&node.name, failures, owner, stored.as_deref()).at(node.place());
                    self.finish(result, Some(&error));
                }
                (Ok(()), Status::Warn) => {
                    tested.warned += 1;
                    self.console.line(&result.line());
                    self.results.push(result);
                }
                (Ok(()), _) => {
                    tested.passed += 1;
                    tested.good.push(*id);
                    if owner.is_none() {
                        self.console.line(&result.line());
                    }
                    self.results.push(result);
                }
            }
        }
        Ok(tested)
    }

    fn test(&self, session: &Session, node: &Node, owner: Option<&str>, result: &mut NodeResult) -> Result<()> {
        let config = &node.config.test;
        let host = SessionHost::new(session, self.console);
        let test = self.graph.compile(node, &Compile { host: Some(&host), ..Compile::default() })?;
        let row = if config.store_failures {
            result.compiled = Some(test.sql.clone());
            result.relation = Some(node.relation.to_string());
            stored_failures::store(session, &self.session()?, node, &test, &self.scratch)
        } else {
            let counting = test.failures(config);
            result.compiled = Some(counting.sql.clone());
            let rows = session.rows(&counting.sql).map_err(|error| test_error(node, &counting, &error));
            rows.map(|rows| rows.into_iter().next().unwrap_or_default())
        };
        let row = row.map_err(|error| self.unmet(node, owner).unwrap_or(error))?;
        let at = |index: usize| row.get(index).and_then(Option::as_deref);
        let failures: u64 = at(0).and_then(|text| text.parse().ok()).unwrap_or(0);
        let (should_warn, should_error) = (at(1) == Some("true"), at(2) == Some("true"));
        result.failures = Some(failures);
        result.amount = Some((failures, "failures"));
        result.status = match config.severity {
            Severity::Error if should_error => Status::Fail,
            _ if should_warn => Status::Warn,
            _ => Status::Pass,
        };
        // dbt reports 0 for a test that passes, even if it found rows below the thresholds.
        if result.status == Status::Pass {
            result.failures = Some(0);
            result.amount = Some((0, "failures"));
        }
        Ok(())
    }

    /// A better message for a test that cannot run because one of its inputs has never been built. `owner` is the node
    /// that is being built and tested in its own transaction.
    fn unmet(&self, test: &Node, owner: Option<&str>) -> Option<Error> {
        if self.cancel.is_requested() {
            return None;
        }
        let catalog = self.session().and_then(|session| Ok(session.catalog()?)).ok()?;
        let is_there = |node: &Node| owner == Some(node.name.as_str()) || plan::exists(node, &catalog);
        let missing = plan::unmet(self.graph, test.id, &is_there);
        plan::unmet_error(test, &missing)
    }

    /// Reports the outcome of a piece of work to the console and the results.
    fn finish(&self, mut result: NodeResult, error: Option<&Error>) {
        if let Some(error) = error {
            result.message = Some(error.to_string());
            if !self.cancel.is_requested() {
                self.console.error(error);
            }
        }
        if self.cancel.is_requested() && result.status.is_failure() {
            // The user stopped the work; it did not fail.
            result.status = Status::Skipped;
            result.note = "interrupted".into();
        }
        self.console.line(&result.line());
        self.results.push(result);
    }

    fn skip(&self, step: &BuildStep, because: &str) {
        step.unit_tests.iter().for_each(|id| self.results.push(self.skipped(*id, &because_of(because))));
        self.skip_node(step, because);
    }

    /// Skips a step whose unit tests have already run.
    fn skip_node(&self, step: &BuildStep, because: &str) {
        let node = self.graph.node(step.node);
        let note = because_of(because);
        let ids = step.builds.then_some(step.node).into_iter().chain(step.tests.iter().copied());
        for id in ids {
            let result = self.skipped(id, &note);
            if id == node.id && !because.is_empty() {
                self.console.line(&result.line());
            }
            self.results.push(result);
        }
    }

    fn skip_one(&self, id: NodeId, because: &str) {
        self.results.push(self.skipped(id, &because_of(because)));
    }

    fn skipped(&self, id: NodeId, note: &str) -> NodeResult {
        let node = self.graph.node(id);
        let mut result = NodeResult::new(stage(node), &node.unique_id, node.display_name(), Status::Skipped);
        result.note = note.to_owned();
        result
    }

    /// Returns the names of the tests that failed.
    fn run_unit_tests(&self, tests: &[NodeId]) -> Vec<String> {
        match &self.unit_tests {
            Some(unit_tests) if !tests.is_empty() => {
                run_unit_tests(self.graph, unit_tests, tests, self.fail_fast, self.console, self.results, self.cancel)
            }
            _ => Vec::new(),
        }
    }

    fn write_compiled(&self, node: &Node, sql: &str) -> Result<()> {
        write_compiled(&self.compiled, node, sql)
    }
}

/// Creates the schemas for the relations of the steps and tests.
pub fn create_schemas(graph: &Compiler, session: &Session, steps: &[BuildStep], loose_tests: &[NodeId]) -> Result<()> {
    let tests = steps.iter().flat_map(|step| &step.tests).chain(loose_tests);
    let storing = tests.filter(|id| graph.node(**id).config.test.store_failures).copied();
    let made = steps.iter().filter(|step| step.builds).map(|step| step.node).chain(storing);
    Ok(session.create_schemas(made.map(|id| graph.node(id).relation.schema.as_str()))?)
}

fn because_of(cause: &str) -> String {
    if cause.is_empty() { String::new() } else { format!("because of `{cause}`") }
}

/// Writes the SQL of one batch to the same path as dbt: in a folder with the model's name.
fn write_compiled_batch(folder: &std::path::Path, node: &Node, batch: &str, sql: &str) -> Result<()> {
    let below = node.original_path().with_extension("");
    let path = folder.join(below).join(format!("{}_{batch}.sql", node.name));
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(&path, format!("{sql}\n"))
    };
    write().map_err(|cause| messages::artifact(&path, &cause))
}

/// Writes a node's compiled SQL to the same path as dbt: under `target/compiled/<project>/`, at the path of its file.
pub fn write_compiled(folder: &std::path::Path, node: &Node, sql: &str) -> Result<()> {
    let mut path = folder.join(node.original_path());
    if node.kind == NodeKind::Snapshot && node.reads.is_none() {
        // A file can contain several.
        path.set_file_name(format!("{}.sql", node.name));
    } else if path.extension().is_none_or(|ending| ending != "sql") {
        // Several generic tests share one YAML file.
        path = path.join(format!("{}.sql", node.name));
    }
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, format!("{sql}\n"))
    };
    write().map_err(|cause| messages::artifact(&path, &cause))
}

/// The stage that a node's lines show.
pub fn stage(node: &Node) -> Stage {
    match node.kind {
        NodeKind::Seed => Stage::Seed,
        NodeKind::Test | NodeKind::UnitTest => Stage::Test,
        NodeKind::Snapshot => Stage::Snapshot,
        NodeKind::Source => Stage::Extract,
        NodeKind::Model | NodeKind::Analysis | NodeKind::Exposure => Stage::Model,
    }
}
