//! Landed segments that are damaged or lost: no wrong row comes out of them, and the next build mends them.
//!
//! Knows the layout of the landing folder, but not its format.

use std::fs;
use std::path::PathBuf;

use crate::project::{Project, Run};

const DOCUMENTS: usize = 3_000;

fn documents(count: usize) -> String {
    let line = |i: usize| format!("{{\"_id\":{i},\"n\":{},\"at\":{{\"$date\":\"2024-01-01T00:00:00Z\"}}}}\n", i * 7);
    (0..count).map(line).collect()
}

fn project(load: &str) -> Project {
    let source = format!(
        "version: 2\nsources:\n  - name: shop\n    config: {{load: {load}}}\n    tables:\n      - name: orders\n"
    );
    let project = Project::of(&[
        ("profiles.toml", "[project]\nname = \"p\"\n\n[target.dev.sources.shop]\ntype = \"files\"\npath = \"data\"\n"),
        ("data/orders.jsonl", &documents(DOCUMENTS)),
        ("models/sources.yml", &source),
        (
            "models/totals.sql",
            "{{ config(materialized='table') }} select count(*) as n, sum(n) as total from {{ source('shop', 'orders') }}\n",
        ),
    ]);
    project.elt(&["build"]).ok();
    project
}

const INCREMENTAL: &str = "incremental, watermark: at";

fn segment(project: &Project) -> PathBuf {
    let loads = project.path().join(".elt/dev/landing/shop/orders");
    let load = fs::read_dir(loads).expect("the loads").next().expect("a load").expect("a load").path();
    load.join("segment-00001.parquet")
}

/// Flips a bit in the middle, where the values are.
fn flip(project: &Project) {
    let path = segment(project);
    let mut bytes = fs::read(&path).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("a segment");
}

#[track_caller]
fn assert_totals(project: &Project) {
    let rows = project.query("dev", "select n, total::bigint as total from totals");
    assert_eq!(rows[0]["n"], DOCUMENTS, "documents");
    assert_eq!(rows[0]["total"], 7 * DOCUMENTS * (DOCUMENTS - 1) / 2, "their sum");
}

fn is_named(run: Run) {
    run.exits(1)
        .says("a landed segment of `shop.orders` is damaged")
        .says("segment-00001.parquet")
        .says("`elt extract --full-refresh --select source:shop.orders` loads the collection again");
}

#[test]
fn a_flipped_bit_is_noticed_and_mended() {
    for load in ["full", INCREMENTAL] {
        let project = project(load);
        project.elt(&["state", "--verify"]).ok().says("`shop.orders`: 1 segment intact");
        flip(&project);
        is_named(project.elt(&["run"]));
        is_named(project.elt(&["state", "--verify"]));
        assert_totals(&project);
        project.elt(&["build"]).ok();
        assert_totals(&project);
        project.elt(&["state", "--verify"]).ok();
    }
}

#[test]
fn a_lost_or_cut_segment_is_mended() {
    for load in ["full", INCREMENTAL] {
        let project = project(load);
        let path = segment(&project);
        let bytes = fs::read(&path).expect("a segment");
        fs::write(&path, &bytes[..bytes.len() / 3]).expect("a segment");
        is_named(project.elt(&["run"]));
        project.elt(&["build"]).ok();
        assert_totals(&project);
        fs::remove_file(segment(&project)).expect("a segment");
        project.elt(&["run"]).exits(1).says("is damaged").says("the file does not exist");
        project.elt(&["build"]).ok();
        assert_totals(&project);
        fs::remove_dir_all(project.path().join(".elt/dev/landing")).expect("the landing folder");
        project.elt(&["run"]).exits(1).says("is damaged").says("the folder or its manifest does not exist");
        project.elt(&["build"]).ok();
        assert_totals(&project);
    }
}
