//! Tests of selectors with one small project.

use serde_json::json;

use super::earlier_artifacts::EarlierArtifacts;
use super::selection::SelectionRequest;
use super::spec::Indirect;
use super::steps::Gate;
use crate::compile::Compiler;
use crate::graph::{Graph, NodeKind};
use crate::sample::{column, errors, graph, node, project, properties, source};

/// raw.a -> stg_a -> loan_a -> report; raw.b -> stg_b -> loan_b -> report; rates -> loan_b.
fn sample() -> Compiler {
    let mut sample = project(&[
        ("models/staging/stg_a.sql", "select * from {{ source('raw', 'a') }}"),
        ("models/staging/stg_b.sql", "select * from {{ source('raw', 'b') }}"),
        (
            "models/marts/core/loan_a.sql",
            "{{ config(materialized='table', tags=['nightly']) }} select * from {{ ref('stg_a') }}",
        ),
        (
            "models/marts/core/loan_b.sql",
            "{{ config(meta={'owner': 'x'}) }} select * from {{ ref('stg_b') }} join {{ ref('rates') }}",
        ),
        (
            "models/marts/report.sql",
            "{{ config(tags='weekly') }} select * from {{ ref('loan_a') }} join {{ ref('loan_b') }}",
        ),
        ("seeds/rates.csv", ""),
        ("tests/whole.sql", "select * from {{ ref('report') }}"),
    ]);
    sample.properties.sources.push(source("raw", &["a", "b"]));
    let mut entry = properties("loan_a", json!({}));
    entry.columns.push(column("id", &[("unique", json!({}), json!({"tags": "slow"}))]));
    entry.columns.push(column("b_id", &[("relationships", json!({"to": "ref('loan_b')", "field": "id"}), json!({}))]));
    sample.properties.models.push(entry);
    graph(&sample)
}

const UNIQUE: &str = "unique_loan_a_id";
const TO: &str = "relationships_loan_a_b_id__id__ref_loan_b_";

#[track_caller]
fn check(select: &str, expected: &[&str]) {
    check_excluding(select, "", expected);
}

#[track_caller]
fn check_excluding(select: &str, exclude: &str, expected: &[&str]) {
    let graph = sample();
    let found = match graph.select(&[select.to_owned()], &[exclude.to_owned()]) {
        Ok(selection) => selection.iter().map(|id| graph.node(id).display_name()).collect(),
        Err(error) => errors(&error),
    };
    assert_eq!(found, expected, "{select}");
}

#[test]
fn names_and_globs() {
    check("stg_a", &["stg_a"]);
    check("loan_a", &["loan_a", UNIQUE, TO]);
    check("loan_*", &["loan_a", "loan_b", UNIQUE, TO]);
    check("stg_?", &["stg_a", "stg_b"]);
    check("loan_[b]", &["loan_b", TO]);
    check("staging", &["stg_a", "stg_b"]);
    check("shop.staging.stg_a", &["stg_a"]);
    check("marts.core.*", &["loan_a", "loan_b", UNIQUE, TO]);
    check("fqn:marts.core", &["loan_a", "loan_b", UNIQUE, TO]);
    check("rates", &["rates"]);
}

#[test]
fn graph_operators() {
    check("+stg_a", &["raw.a", "stg_a"]);
    check("stg_a+", &["stg_a", "loan_a", "report", "whole", UNIQUE, TO]);
    check("stg_a+1", &["stg_a", "loan_a", UNIQUE, TO]);
    check("1+report", &["loan_a", "loan_b", "report", "whole", UNIQUE, TO]);
    check("1+loan_a+1", &["stg_a", "loan_a", "report", "whole", UNIQUE, TO]);
    check("@stg_b", &["raw.a", "raw.b", "rates", "stg_a", "stg_b", "loan_a", "loan_b", "report", "whole", UNIQUE, TO]);
    check("source:raw.b+1", &["raw.b", "stg_b"]);
}

#[test]
fn methods() {
    check("tag:nightly", &["loan_a", UNIQUE, TO]);
    check("tag:slow", &[UNIQUE]);
    check("tag:*ly,report", &["report", "whole"]);
    check("path:models/staging", &["stg_a", "stg_b"]);
    check("models/staging/stg_a.sql", &["stg_a"]);
    check("path:models/*/core", &["loan_a", "loan_b", UNIQUE, TO]);
    check("stg_b.sql", &["stg_b"]);
    check("file:rates", &["rates"]);
    check("source:raw", &["raw.a", "raw.b"]);
    check("source:raw.a", &["raw.a"]);
    check("source:shop.raw.*", &["raw.a", "raw.b"]);
    check("config.materialized:table", &["loan_a", UNIQUE, TO]);
    check("config.meta.owner:x", &["loan_b", TO]);
    check("config.tags:weekly", &["report", "whole"]);
    check("resource_type:seed", &["rates"]);
    check("test_name:unique", &[UNIQUE]);
    check("test_type:singular", &["whole"]);
    check("test_type:generic", &[UNIQUE, TO]);
    check("package:this,resource_type:seed", &["rates"]);
}

#[test]
fn sets() {
    check("stg_a rates", &["rates", "stg_a"]);
    check("loan_*,tag:nightly", &["loan_a", UNIQUE, TO]);
    check("+report,resource_type:source", &["raw.a", "raw.b"]);
    check("loan_a,test_name:unique", &[UNIQUE]);
    check_excluding("marts", "loan_b", &["loan_a", "report", "whole", UNIQUE]);
    check_excluding("loan_a", "resource_type:test", &["loan_a"]);
    check_excluding("* source:*", "resource_type:test +loan_a report", &["raw.b", "rates", "stg_b", "loan_b"]);
}

#[test]
fn refusals() {
    check("loan", &["`loan` selects nothing | did you mean `loan_a`, `loan_b`?"]);
    check("stg_x", &["`stg_x` selects nothing | did you mean `stg_a`, `stg_b`?"]);
    check("tag:nightlyy", &["`tag:nightlyy` selects nothing | did you mean `tag:nightly`?"]);
    check("loan_a,loan_zzz*", &["`loan_a,loan_zzz*` selects nothing | did you mean `loan_a`, `loan_b`?"]);
    check(
        "tagg:x",
        &[
            "selector `tagg:x` uses the method `tagg:`, which does not exist | did you mean `tag`? | the known methods are \
           `access:`, `config:`, `exposure:`, `file:`, `fqn:`, `group:`, `package:`, `path:`, `resource_type:`, \
           `result:`, `selector:`, `source:`, `source_status:`, `state:`, `tag:`, `test_name:`, `test_type:`, \
           `unit_test:`, `version:`",
        ],
    );
    check("@a+", &["selector `@a+` has both `@` and a `+` at its end; `@` includes the descendants"]);
    check("+", &["selector `+` has no value"]);
    check("", &["`--select` is empty | omit `--select` to select everything"]);
    check(
        "resource_type:modell",
        &["selector `resource_type:modell` cannot have `modell` | it accepts `source`, `seed`, `snapshot`, `model`, \
             `analysis`, `test`, `unit_test`, `exposure`"],
    );
    check_excluding("stg_a", "stg_*", &["`--exclude stg_*` excludes all of `stg_a`"]);
}

#[test]
fn indirect_selection() {
    #[track_caller]
    fn check(select: &str, indirect: Indirect, expected: &[&str]) {
        let graph = sample();
        let select = [select.to_owned()];
        let found = graph.select_with(&SelectionRequest { select: &select, indirect, ..SelectionRequest::default() });
        let names: Vec<String> = found.unwrap_or_default().iter().map(|id| graph.node(id).display_name()).collect();
        assert_eq!(names, expected);
    }
    check("loan_a", Indirect::Eager, &["loan_a", UNIQUE, TO]);
    check("loan_a", Indirect::Cautious, &["loan_a", UNIQUE]);
    check("loan_a loan_b", Indirect::Cautious, &["loan_a", "loan_b", UNIQUE, TO]);
    check("loan_a", Indirect::Empty, &["loan_a"]);
    check("loan_a", Indirect::Buildable, &["loan_a", UNIQUE]);
    check("report", Indirect::Buildable, &["report", "whole"]);
    check("report loan_a", Indirect::Buildable, &["loan_a", "report", "whole", UNIQUE, TO]);
}

#[test]
fn states() {
    let before = EarlierArtifacts {
        manifest: Some(sample().manifest(json!({}), &Default::default())),
        ..EarlierArtifacts::default()
    };
    let check = |graph: &Graph, select: &str, expected: &[&str]| {
        let select = [select.to_owned()];
        let request = SelectionRequest {
            select: &select,
            previous: Some(&before),
            indirect: Indirect::Empty,
            ..SelectionRequest::default()
        };
        let found = match graph.select_with(&request) {
            Ok(selection) => selection.iter().map(|id| graph.node(id).display_name()).collect(),
            Err(error) => errors(&error),
        };
        assert_eq!(found, expected, "{select:?}");
    };
    check(&sample(), "state:modified", &[]);
    check(&sample(), "state:new", &[]);
    check(&sample(), "state:old,resource_type:seed", &["rates"]);
    let mut changed = project(&[
        ("models/staging/stg_a.sql", "select 1 from {{ source('raw', 'a') }}"),
        ("models/staging/stg_c.sql", "select 1 from {{ ref('stg_a') }}"),
        ("models/marts/core/loan_a.sql", "{{ config(materialized='view') }} select * from {{ ref('stg_a') }}"),
    ]);
    changed.properties.sources.push(source("raw", &["a", "b"]));
    let changed = graph(&changed);
    check(&changed, "state:modified", &["stg_a", "stg_c", "loan_a"]);
    check(&changed, "state:modified.configs", &["stg_c", "loan_a"]);
    check(&changed, "state:new", &["stg_c"]);
    check(&changed, "state:modified.relation", &["stg_c"]);
    check(
        &changed,
        "result:error",
        &[
            "selector `result:error` compares with an earlier state, but run_results.json was not found | pass `--state \
           DIR` with the folder that contains it, such as a copy of an earlier run's `target/`",
        ],
    );
}

#[test]
fn missing_parents() {
    #[track_caller]
    fn check(select: &str, built: &[&str], expected: &[&str]) {
        let graph = sample();
        let selection = graph.select(&[select.to_owned()], &[]).unwrap_or_default();
        let is_built = |node: &crate::Node| built.contains(&node.display_name().as_str());
        let missing = graph.with_missing_parents(&selection, &is_built);
        assert_eq!(missing.iter().map(|id| graph.node(*id).display_name()).collect::<Vec<_>>(), expected);
    }
    check("report", &[], &["raw.a", "raw.b", "rates", "stg_a", "stg_b", "loan_a", "loan_b"]);
    check("report", &["loan_a", "stg_b", "rates"], &["loan_b"]);
    check("stg_a", &["raw.a"], &[]);
    check("test_name:unique", &["raw.a"], &["stg_a", "loan_a"]);
}

#[test]
fn order() {
    #[track_caller]
    fn check(select: &str, expected: &[&str]) {
        let graph = sample();
        let selection = graph.select(&[select.to_owned()], &[]).unwrap_or_default();
        let name = |id| graph.node(id).display_name();
        let lines: Vec<String> = graph
            .order(&selection, Gate::Commit)
            .iter()
            .map(|step| {
                let waits: Vec<String> = step.waits_for.iter().map(|id| name(*id)).collect();
                let tests: Vec<String> = step.tests.iter().map(|id| name(*id)).collect();
                let builds = if step.builds { "" } else { " (tests only)" };
                format!("{}{builds} <- {} [{}]", name(step.node), waits.join(" "), tests.join(" "))
            })
            .collect();
        assert_eq!(lines, expected);
    }
    // The relationships test reads loan_b, so loan_a waits for it.
    check(
        "resource_type:model",
        &[
            "stg_a <-  []",
            "stg_b <-  []",
            "loan_b <- stg_b []",
            &format!("loan_a <- stg_a loan_b [{UNIQUE} {TO}]"),
            "report <- loan_a loan_b [whole]",
        ],
    );
    check("stg_a report", &["stg_a <-  []", "report <- stg_a [whole]"]);
    check("test_name:unique", &[&format!("loan_a (tests only) <-  [{UNIQUE}]")]);
    assert!(sample().nodes().filter(|node| node.kind == NodeKind::Test).count() == 3);
}

#[test]
fn a_test_whose_other_parent_comes_later_runs_with_it() {
    let mut sample = project(&[("models/a.sql", "select 1 as id"), ("models/b.sql", "select * from {{ ref('a') }}")]);
    let mut entry = properties("a", json!({}));
    entry.columns.push(column("id", &[("relationships", json!({"to": "ref('b')", "field": "id"}), json!({}))]));
    sample.properties.models.push(entry);
    let graph = graph(&sample);
    let selection = graph.select(&[], &[]).unwrap_or_default();
    let steps = graph.order(&selection, Gate::Commit);
    let tests: Vec<usize> = steps.iter().map(|step| step.tests.len()).collect();
    assert_eq!(tests, [0, 1]);
    assert_eq!(steps[1].node, node(&graph, "b").id);
}
