//! The log file and the details that `-v`, `-vv` and `ELT_LOG` print: what they hold, and what they never hold.
//!
//! Knows the lines of the log, not how they are made.

use serde_json::Value;

use crate::project::Project;
use crate::servers::Postgres;

/// A value of a row, and a literal in SQL.
const HUSH: &str = "hush-4711";

fn project() -> Project {
    Project::of(&[
        (
            "profiles.toml",
            "[project]\nname = \"small\"\n\n[target.dev]\n\n[target.prod.export]\ntype = \"postgres\"\n\
             uri = \"${POSTGRES_URI}\"\nschema = \"paints\"\n",
        ),
        ("seeds/colours.csv", &format!("colour_id,name\n1,red\n2,{HUSH}\n")),
        (
            "models/marts/paints.sql",
            &format!("select colour_id, name from {{{{ ref('colours') }}}} where name <> '{HUSH}x' -- {HUSH}\n"),
        ),
        (
            "models/marts/paints.yml",
            "version: 2\nmodels:\n  - name: paints\n    columns:\n      - name: colour_id\n        constraints:\n          \
             - type: primary_key\n        data_tests: [unique, not_null]\n",
        ),
    ])
}

fn log(project: &Project) -> String {
    std::fs::read_to_string(project.path().join("target/logs/elt.log")).expect("a log")
}

#[test]
fn the_log_file_keeps_what_happened_without_values() {
    let postgres = Postgres::shared().database();
    let mut project = project();
    project.set("POSTGRES_URI", &postgres.uri);
    project.elt(&["build", "--target", "prod"]).ok().hides("statement");
    let log = log(&project);
    for expected in [
        "command{name=\"build\"",
        "stage{name=\"models\"}",
        "work{stage=\"model\" name=\"paints\"",
        "work{stage=\"test\" name=\"unique_paints_colour_id\"",
        "publication{id=",
        "table{name=\"paints\"}",
        "elt_warehouse::session: statement",
        "connected to Postgres",
        "elt_connect::postgres: statement",
        "inserted=2",
        // The work's span as it was closed, and the summary that people saw.
        "status=\"success\"",
        "done in ",
    ] {
        assert!(log.contains(expected), "the log does not contain `{expected}`:\n{log}");
    }
    assert!(!log.contains(HUSH), "the log contains a value:\n{log}");
}

#[test]
fn an_error_is_in_the_log_as_it_was_shown() {
    let project = project();
    project.write("models/marts/wrong.sql", "select nothing_like_it from {{ ref('colours') }}\n");
    project.elt(&["build"]).exits(1).says("nothing_like_it");
    assert!(log(&project).contains("nothing_like_it"));
    // Where there is no project, no folder appears.
    let empty = Project::empty();
    empty.elt(&["build"]).exits(2);
    assert!(!empty.path().join("target").exists());
}

#[test]
fn details_are_shown_on_request() {
    let mut project = project();
    project.elt(&["build"]).ok();
    project.elt(&["run", "-vv"]).ok().says("debug    elt_warehouse::session: statement").hides(HUSH);
    project.elt(&["run", "-v"]).ok().hides("statement");
    project.set("ELT_LOG", "elt_warehouse=debug");
    let run = project.elt(&["run", "--log-format", "json"]).ok().says("statement").hides(HUSH);
    let events: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let is_detail = |event: &&Value| event["event"] == "log";
    assert!(
        events
            .iter()
            .filter(is_detail)
            .all(|event| event["target"].as_str().is_some_and(|at| at.starts_with("elt_warehouse")))
    );
    assert!(events.iter().any(|event| event["event"] == "log" && event["message"] == "statement"), "{}", run.stderr);
    project.set("ELT_LOG", "elt_export=loud");
    project.elt(&["run"]).exits(2).says("ELT_LOG");
}
