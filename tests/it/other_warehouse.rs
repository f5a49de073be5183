//! Publications from a warehouse that is not the one of the last publication: a clone, a moved folder, a backup.
//!
//! Each compares in full where it must, accuses nobody, and changes only what differs.

use std::fs;

use crate::project::Project;
use crate::servers::{Postgres, PostgresDatabase};

const PROFILES: &str = "[project]
name = \"shop\"

[target.dev]
[target.dev.export]
type = \"postgres\"
uri = \"${POSTGRES_URI}\"
schema = \"shop\"

[target.other]
[target.other.export]
type = \"postgres\"
uri = \"${POSTGRES_URI}\"
schema = \"shop\"
";

fn project() -> (Project, PostgresDatabase) {
    let postgres = Postgres::shared().database();
    let mut project = Project::of(&[
        ("profiles.toml", PROFILES),
        ("seeds/raw_orders.csv", "order_id,total\n1,10\n2,20\n"),
        ("models/marts/orders.sql", "select *, {'a': total} as s from {{ ref('raw_orders') }}\n"),
        (
            "models/marts/m.yml",
            "models:\n  - name: orders\n    columns:\n      - name: order_id\n        constraints: [{type: primary_key}]\n",
        ),
    ]);
    project.set("POSTGRES_URI", &postgres.uri);
    project.elt(&["build"]).ok().says("2 inserted");
    (project, postgres)
}

#[test]
fn a_clone_compares_in_full_and_changes_what_differs() {
    let (project, _postgres) = project();
    project.elt(&["clone", "--from", "dev", "--target", "other"]).ok();
    project.elt(&["export", "--target", "other"]).ok().says("comparing in full").says("unchanged");
    project.elt(&["export", "--target", "other", "--verify"]).ok().says("the same data");
    // Now the first warehouse is the one that does not know the last publication.
    project.write("seeds/raw_orders.csv", "order_id,total\n1,10\n2,21\n");
    project.elt(&["build"]).ok().says("comparing in full").says("1 updated");
    project.elt(&["build"]).ok().says("unchanged").hides("comparing in full");
}

#[test]
fn a_moved_folder_goes_on_with_the_changes() {
    let (project, postgres) = project();
    let mut moved = Project::empty();
    moved.overlay(&project.path());
    drop(project);
    moved.set("POSTGRES_URI", &postgres.uri);
    moved.write("seeds/raw_orders.csv", "order_id,total\n1,10\n3,30\n");
    moved.elt(&["build"]).ok().says("1 inserted, 1 deleted").hides("comparing in full");
    moved.elt(&["export", "--verify"]).ok();
}

#[test]
fn a_restored_warehouse_is_brought_forward() {
    let (project, _postgres) = project();
    let backup = Project::empty();
    backup.overlay(&project.path());
    project.write("seeds/raw_orders.csv", "order_id,total\n1,11\n3,30\n");
    project.elt(&["build"]).ok().says("1 inserted, 1 updated, 1 deleted");
    fs::remove_dir_all(project.path().join(".elt")).expect("removed");
    project.overlay(&backup.path());
    project.elt(&["export", "--verify"]).exits(1).says("1 row missing in the target");
    project.write("seeds/raw_orders.csv", "order_id,total\n1,11\n3,30\n");
    project.elt(&["build"]).ok().says("comparing in full").says("unchanged");
    project.elt(&["export", "--verify"]).ok();
}
