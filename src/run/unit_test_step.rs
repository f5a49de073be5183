//! Runs unit tests as a part of a run, and reports the outcome of each to the console and the results.
//!
//! Combines `unit_test` with the results of the run. Decides nothing about models.

use std::time::Instant;

use crate::messages;
use crate::report::{Console, Stage, Status};
use elt_base::cancel::Cancel;
use elt_model::{Compiler, NodeId};

use super::results::{NodeResult, Results};
use super::unit_test::UnitTests;

/// Runs unit tests one after the other, and returns the names of those that failed. With `fail_fast` the first failure
/// skips the others.
pub fn run_unit_tests(
    graph: &Compiler,
    unit_tests: &UnitTests,
    tests: &[NodeId],
    fail_fast: bool,
    console: &Console,
    results: &Results,
    cancel: &Cancel,
) -> Vec<String> {
    let mut failed: Vec<String> = Vec::new();
    for id in tests {
        let node = graph.node(*id);
        let mut result = NodeResult::new(Stage::Test, &node.unique_id, &node.name, Status::Pass);
        if cancel.is_requested() || fail_fast && !failed.is_empty() {
            result.status = Status::Skipped;
            results.push(result);
            continue;
        }
        let started = Instant::now();
        let outcome = unit_tests.run(graph, node);
        result.seconds = started.elapsed().as_secs_f64();
        result.failures = Some(0);
        let error = match outcome {
            Ok(verdict) => {
                result.compiled = Some(verdict.compiled);
                verdict.diff.map(|diff| {
                    result.status = Status::Fail;
                    result.failures = Some(1);
                    let model = node.unit_test.as_ref().map(|test| graph.node(test.model).name.as_str());
                    messages::unit_test_failed(model.unwrap_or_default(), &node.name, &diff.summary, diff.picture)
                        .at(node.place())
                })
            }
            Err(error) => {
                result.status = Status::Error;
                result.failures = None;
                Some(error)
            }
        };
        if let Some(error) = error {
            let picture = error.shown_picture().map_or_else(String::new, |picture| format!("\n\n{picture}"));
            result.message = Some(format!("{error}{picture}"));
            if cancel.is_requested() {
                result.status = Status::Skipped;
                result.note = "interrupted".into();
            } else {
                console.error(&error);
                failed.push(node.name.clone());
            }
        }
        console.line(&result.line());
        results.push(result);
    }
    failed
}
