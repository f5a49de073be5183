//! Interruptions that a data-driven case cannot simulate: two commands at once, Ctrl-C, a source that disappears.

use std::thread;
use std::time::{Duration, Instant};

use mongodb::bson::doc;

use crate::project::{Project, Running};
use crate::relay::Relay;
use crate::servers::{Mongo, Postgres};

const PROFILES: &str = "[project]\nname = \"slow\"\n\n[target.dev.export]\ntype = \"parquet\"\npath = \"out\"\n";
/// A query that runs for hours, and can be interrupted at any time.
const SLOW: &str = "select count(*) as n\nfrom range(1000000000) as a (x), range(1000000) as b (y)\n\
                    where (a.x * 31 + b.y) % 1000003 = 7\n";

/// A project with a fast model, and a slow model that is running.
fn slow_build() -> (Project, Running) {
    let project = Project::of(&[
        ("profiles.toml", PROFILES),
        ("models/marts/quick.sql", "select 1 as n\n"),
        ("models/marts/slow.sql", SLOW),
    ]);
    let mut running = project.start(&["build"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    let warehouse = project.path().join(".elt/dev/warehouse.duckdb");
    // The fast model is built beside the slow one, or before it.
    while !warehouse.exists() || !running.stderr().contains("quick ") {
        assert!(running.is_running() && Instant::now() < deadline, "no warehouse, or no model\n{}", running.stderr());
        thread::sleep(Duration::from_millis(10));
    }
    // Waits until the slow model itself is running.
    thread::sleep(Duration::from_millis(700));
    assert!(running.is_running(), "the slow model is done\n{}", running.stderr());
    (project, running)
}

#[test]
fn a_warehouse_in_use_is_told_with_its_user() {
    let (project, running) = slow_build();
    let second = project.elt(&["build", "--select", "quick"]);
    assert!(matches!(second.status.code(), Some(1 | 2)), "{second}");
    second.says("warehouse.duckdb").says(&running.id().to_string()).says("hint:");
}

#[test]
fn what_is_committed_can_be_read_while_a_build_runs() {
    let (project, mut running) = slow_build();
    assert_eq!(project.number("dev", "select n from {{ ref('quick') }}"), 1);
    assert_eq!(project.elt(&["show", "quick", "--output", "json"]).ok().stdout, "{\"n\":1}\n");
    project.elt(&["show", "--inline", "select m from {{ ref('quick') }}"]).exits(1).says("--inline:1:8");
    project.elt(&["compile"]).ok();
    project.elt(&["state"]).ok().says("no collection has been loaded yet");
    assert!(running.is_running(), "the build was disturbed\n{}", running.stderr());
    // The writer removes the readers' socket when it ends.
    running.signal("INT");
    running.finish_within(Duration::from_secs(10));
    assert!(!project.path().join(".elt/dev/warehouse.duckdb.sock").exists());
    assert_eq!(project.number("dev", "select n from {{ ref('quick') }}"), 1);
}

#[test]
fn ctrl_c_stops_at_once_and_leaves_nothing_half_written() {
    for signal in ["INT", "TERM"] {
        let (project, running) = slow_build();
        running.signal(signal);
        let run = running.finish_within(Duration::from_secs(10));
        assert!(matches!(run.status.code(), Some(1 | 130 | 143)), "a clean exit on {signal}\n{run}");
        assert!(!run.stderr.contains("panicked"), "{run}");
        assert!(!project.path().join("out/slow.parquet").exists(), "an export of the interrupted model");
        project.write("models/marts/slow.sql", "select 2 as n\n");
        project.elt(&["build"]).ok();
        assert_eq!(project.number("dev", "select n from slow"), 2);
    }
}

#[test]
fn a_full_disk_leaves_the_last_good_state() {
    let rows = |letter: char, count: u32| {
        format!(
            "{{{{ config(materialized='table') }}}}\n\nselect x as n, '{letter}' || md5(x::text) as padding from range({count}) as r (x)\n"
        )
    };
    let project = Project::of(&[("profiles.toml", PROFILES), ("models/marts/numbers.sql", &rows('a', 1000))]);
    project.elt(&["build"]).ok();
    // About 40 MB of text that cannot be compressed.
    project.write("models/marts/numbers.sql", &rows('b', 1_000_000));
    let run = project.elt_on_a_full_disk(8_000, &["build"]).exits(1);
    assert!(!run.stderr.contains("panicked"), "{run}");
    let published = "select count(*) from read_parquet('out/numbers.parquet')";
    assert_eq!(project.number("dev", "select count(*) from numbers where padding like 'b%'"), 0);
    assert_eq!(project.number("dev", "select count(*) from numbers"), 1000);
    assert_eq!(project.number("dev", published), 1000);
    project.elt(&["build"]).ok();
    assert_eq!(project.number("dev", "select count(*) from numbers where padding like 'b%'"), 1_000_000);
    assert_eq!(project.number("dev", published), 1_000_000);
}

#[test]
fn a_mongodb_server_that_goes_away_loses_nothing() {
    const ORDERS: i32 = 4000;
    let mongo = Mongo::shared().database();
    let padding = "x".repeat(500);
    mongo.insert("orders", (0..ORDERS).map(|n| doc! { "n": n, "padding": &padding }).collect());
    // Half of the collection.
    let relay = Relay::before_mongo(&mongo, 1_000_000);
    let mut project = Project::of(&[
        (
            "profiles.toml",
            "[project]\nname = \"cut\"\n\n[target.dev.sources.shop]\ntype = \"mongodb\"\nuri = \"${MONGODB_URI}\"\n\
             database = \"${MONGODB_DATABASE}\"\n",
        ),
        ("models/sources.yml", "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: orders\n"),
        ("models/marts/orders.sql", "select _id as order_id, n from {{ source('shop', 'orders') }}\n"),
    ]);
    project.set("MONGODB_URI", &relay.uri).set("MONGODB_DATABASE", &mongo.name);
    let run = project.elt(&["build"]).exits(1).says("orders");
    assert!(!run.stderr.contains("panicked"), "{run}");
    relay.mend();
    project.elt(&["build"]).ok();
    assert_eq!(project.number("dev", "select count(distinct n) from orders"), i64::from(ORDERS));
    assert_eq!(project.number("dev", "select count(*) from orders"), i64::from(ORDERS));
}

#[test]
fn a_postgres_server_that_goes_away_publishes_nothing_or_all() {
    let postgres = Postgres::shared().database();
    let mut project = Project::of(&[
        (
            "profiles.toml",
            "[project]\nname = \"cut\"\n\n[target.dev.export]\ntype = \"postgres\"\nuri = \"${POSTGRES_URI}\"\n\
             schema = \"marts\"\n",
        ),
        ("models/marts/numbers.sql", "select x as n, repeat('x', 200) as padding from range(20000) as r (x)\n"),
        (
            "models/marts/numbers.yml",
            "version: 2\nmodels:\n  - name: numbers\n    columns:\n      - name: n\n        constraints:\n          \
             - type: primary_key\n",
        ),
    ]);
    project.set("POSTGRES_URI", &postgres.uri);
    project.elt(&["build"]).ok();
    assert_eq!(postgres.number("select count(*) from marts.numbers"), 20_000);

    // The server closes every connection of ours as soon as data was transferred.
    project
        .write("models/marts/numbers.sql", "select x as n, repeat('y', 200) as padding from range(30000) as r (x)\n");
    let mut watcher = postgres.client();
    let mut running = project.start(&["build"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut ended = 0;
    while ended == 0 && running.is_running() && Instant::now() < deadline {
        ended = watcher
            .query(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
                 and pid <> pg_backend_pid() and query ilike 'copy%'",
                &[],
            )
            .expect("the server's sessions")
            .len();
    }
    let run = running.finish();
    let rows = postgres.number("select count(*) from marts.numbers");
    let changed = postgres.number("select count(*) from marts.numbers where padding like 'y%'");
    match run.status.code() {
        // The copy ended before the test saw it.
        Some(0) => assert_eq!((rows, changed), (30_000, 30_000), "{run}"),
        Some(1) => assert_eq!((rows, changed), (20_000, 0), "{run}"),
        _ => panic!("{run}"),
    }
    project.elt(&["build"]).ok();
    assert_eq!(postgres.number("select count(*) from marts.numbers where padding like 'y%'"), 30_000);
}
