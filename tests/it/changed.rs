//! `--changed` after a crash: uncommitted models are built again, and committed models are not.

use crate::project::Project;

const MODEL: &str = "{{ config(materialized='table') }}\nselect id, 1 as version from {{ ref('ids') }}";

fn project() -> Project {
    Project::of(&[
        ("profiles.toml", "[project]\nname = \"case\"\n\n[target.dev]\nthreads = 1\n"),
        ("seeds/ids.csv", "id\n1\n2\n"),
        ("models/numbered.sql", MODEL),
        (
            "models/models.yml",
            "version: 2\nmodels:\n  - name: numbered\n    columns:\n      - name: id\n        data_tests: [unique]\n",
        ),
    ])
}

fn version(project: &Project) -> i64 {
    project.number("dev", "select max(version) from numbered")
}

#[test]
fn a_build_that_was_killed_is_made_up_for() {
    for failpoint in ["model.before_tests", "model.before_commit"] {
        let mut project = project();
        project.elt(&["build"]).ok();
        project.write("models/numbered.sql", &MODEL.replace('1', "2"));
        project.set("ELT_FAILPOINT", failpoint);
        project.elt(&["build", "--changed"]).died();
        project.unset("ELT_FAILPOINT");
        assert_eq!(version(&project), 1, "killed at {failpoint}");
        project.elt(&["build", "--changed"]).ok().says("1 seed unchanged");
        assert_eq!(version(&project), 2, "built again after {failpoint}");
        project.elt(&["build", "--changed"]).ok().says("1 seed and 1 model unchanged, with 1 test that passed");
    }
}

#[test]
fn what_was_committed_before_a_kill_stands() {
    let mut project = project();
    project.elt(&["build"]).ok();
    project.write("models/numbered.sql", &MODEL.replace('1', "2"));
    project.set("ELT_FAILPOINT", "model.after_commit");
    project.elt(&["build", "--changed"]).died();
    project.unset("ELT_FAILPOINT");
    project.elt(&["build", "--changed"]).ok().says("1 seed and 1 model unchanged, with 1 test that passed");
    assert_eq!(version(&project), 2);
}
