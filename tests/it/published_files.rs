//! Publications to files and to a DuckDB file: killed at every point and run again, with changes by others, and with a
//! reader in a loop.
//!
//! The published files are read with the program itself, as a user would read them with DuckDB.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::project::Project;

/// A project that publishes a table with a key, a partitioned one and one without a key to four targets.
fn project() -> Project {
    let targets = [
        ("parquet", "type = \"parquet\"\npath = \"out/parquet\""),
        ("csv", "type = \"csv\"\npath = \"out/csv\"\nnull = \"NA\""),
        ("json", "type = \"json\"\npath = \"out/json\"\ncompression = \"gzip\""),
        ("file", "type = \"duckdb\"\npath = \"out/shop.duckdb\"\nschema = \"sales\""),
    ];
    let mut profiles = "[project]\nname = \"shop\"\ntarget = \"parquet\"\n[project.vars]\nday = 1\n".to_owned();
    for (name, export) in targets {
        profiles.push_str(&format!("[target.{name}]\nthreads = 2\n[target.{name}.export]\n{export}\n"));
    }
    let orders = "{{ config(materialized='table') }}\nselect i as order_id, i % 7 as shop_id, \
                  'order ' || i || ' of day ' || case when i % 3 = 0 then {{ var('day') }} else 1 end as title, \
                  {'lines': [i, null]} as content from range({{ var('day') }}, 500 + {{ var('day') }}) t(i)";
    Project::of(&[
        ("profiles.toml", &profiles),
        ("models/marts/orders.sql", orders),
        ("models/marts/by_shop.sql", "select * exclude (content) from {{ ref('orders') }}"),
        (
            "models/marts/totals.sql",
            "select shop_id, count(*) as n, max(title) as last from {{ ref('orders') }} group by 1",
        ),
        (
            "models/marts/marts.yml",
            "models:\n  - name: orders\n    constraints:\n      - {type: primary_key, columns: [order_id]}\n      \
             - {type: unique, columns: [title]}\n  - name: by_shop\n    config:\n      unique_key: order_id\n      \
             export: {partition_by: [shop_id]}\n",
        ),
    ])
}

/// The rows of the three tables in a target.
fn relations(target: &str) -> [(&'static str, String); 3] {
    let at = |path: &str| match target {
        "parquet" => format!("read_parquet('out/parquet/{path}.parquet', hive_partitioning = true)"),
        "csv" => format!("read_csv('out/csv/{path}.csv', hive_partitioning = true, nullstr = 'NA', header = true)"),
        _ => format!("read_json('out/json/{path}.jsonl.gz', hive_partitioning = true)"),
    };
    [("orders", at("orders")), ("by_shop", at("by_shop/*/*")), ("totals", at("totals"))]
}

/// Fails unless the target's rows equal those of the warehouse.
#[track_caller]
fn assert_published(project: &Project, target: &str, when: &str) {
    if target == "file" {
        // Uses a copy, because the program reads files but does not attach a database.
        let left = project.path().join("out/shop.duckdb.wal");
        assert!(!left.exists(), "the file alone is whole, {when}");
        let reader = reader(project);
        for table in ["orders", "by_shop", "totals"] {
            // The warehouse of the reader is the published file.
            let of_file = reader.query("file", &format!("select * from sales.{table} order by all"));
            let of_warehouse = project.query("file", &format!("select * from {table} order by all"));
            assert_eq!(of_file, of_warehouse, "`{table}`, {when}");
        }
        return;
    }
    for (table, relation) in relations(target) {
        let columns = match table {
            "orders" => "order_id, shop_id, title, content::json::varchar",
            "by_shop" => "order_id, shop_id::bigint, title",
            _ => "shop_id, n, last",
        };
        let different = project.number(
            target,
            &format!(
                "with a as (select {columns} from {table}), b as (select {columns} from {relation}) \
                 select (select count(*) from (from a except all from b)) + (select count(*) from (from b except all from a))"
            ),
        );
        assert_eq!(different, 0, "`{table}` as {target}, {when}");
    }
    let left: Vec<PathBuf> = fs::read_dir(project.path().join("out").join(target))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("._elt")))
        .collect();
    assert!(left.is_empty(), "{left:?}, {when}");
}

/// A project whose warehouse is a copy of the published file.
fn reader(project: &Project) -> Project {
    let reader = Project::of(&[(
        "profiles.toml",
        "[project]\nname = \"reader\"\ntarget = \"file\"\n[target.file]\nwarehouse = \"shop.duckdb\"\n",
    )]);
    fs::copy(project.path().join("out/shop.duckdb"), reader.path().join("shop.duckdb")).expect("a copy");
    reader
}

fn day(day: u32) -> String {
    format!("{{\"day\": {day}}}")
}

const TARGETS: [&str; 4] = ["parquet", "csv", "json", "file"];
const FAILPOINTS: [&str; 3] = ["export.staged", "export.before_commit", "export.after_commit"];

#[test]
fn killed_publications_are_repeated() {
    for target in TARGETS {
        let mut project = project();
        for (index, failpoint) in FAILPOINTS.into_iter().enumerate() {
            let vars = day(1 + 2 * index as u32);
            project.set("ELT_FAILPOINT", failpoint);
            project.elt(&["build", "--target", target, "--vars", &vars]).died();
            project.unset("ELT_FAILPOINT");
            project.elt(&["build", "--target", target, "--vars", &vars]).ok();
            assert_published(&project, target, &format!("killed at `{failpoint}`, and run again"));
            // An undisturbed day, as a delta.
            let vars = day(2 + 2 * index as u32);
            project.elt(&["build", "--target", target, "--vars", &vars]).ok();
            assert_published(&project, target, &format!("the day after `{failpoint}`"));
        }
        project.elt(&["build", "--target", target, "--vars", &day(6)]).ok().says("(0 rows changed)");
    }
}

#[test]
fn killed_at_any_moment() {
    for target in ["parquet", "file"] {
        let project = project();
        project.elt(&["build", "--target", target]).ok();
        for kill in 0..6 {
            let running = project.start(&["build", "--target", target, "--vars", &day(10 + kill)]);
            thread::sleep(Duration::from_millis(60 * u64::from(kill)));
            running.signal("KILL");
            running.finish_within(Duration::from_secs(10));
        }
        project.elt(&["build", "--target", target, "--vars", &day(20)]).ok();
        assert_published(&project, target, "after a row of kills");
    }
}

#[test]
fn a_reader_finds_whole_files_at_any_time() {
    let project = project();
    project.elt(&["build", "--target", "csv"]).ok();
    let (file, folder) = (project.path().join("out/csv/orders.csv"), project.path().join("out/csv/by_shop"));
    for round in 2..5 {
        let mut running = project.start(&["build", "--target", "csv", "--vars", &day(round)]);
        while running.is_running() {
            let text = fs::read_to_string(&file).expect("a file at any time");
            assert_eq!(text.lines().count(), 501, "lines of a whole file");
            let number = || fs::metadata(&folder).expect("a folder at any time").ino();
            let before = number();
            let partitions = fs::read_dir(&folder).expect("a folder at any time").count();
            // Of a folder that was exchanged while it was listed, the files are removed one by one.
            if number() == before {
                assert_eq!(partitions, 7, "partitions of a whole folder");
            }
        }
        running.finish_within(Duration::from_secs(10)).ok();
    }
}

#[test]
fn a_file_that_somebody_has_open_is_named() {
    let project = project();
    project.elt(&["build", "--target", "file"]).ok();
    // The file is the warehouse of another project, which has it open while its model runs.
    let slow = "select count(*) as n from range(200000) a, range(200000) b where hash(a.range, b.range) = 0";
    let other = Project::of(&[
        (
            "profiles.toml",
            &format!(
                "[project]\nname = \"other\"\ntarget = \"dev\"\n[target.dev]\nwarehouse = \"{}\"\nthreads = 1\n",
                project.path().join("out/shop.duckdb").display()
            ),
        ),
        ("models/slow.sql", &format!("{{{{ config(materialized='table') }}}}\n{slow}")),
    ]);
    let running = other.start(&["run"]);
    // The other one answers readers at this socket while it has the file open.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !project.path().join("out/shop.duckdb.sock").exists() {
        assert!(Instant::now() < deadline, "the other project does not open the file\n{}", running.stderr());
        thread::sleep(Duration::from_millis(20));
    }
    let run = project.elt(&["export", "--target", "file"]).exits(1);
    let run = run.says(&format!("is in use by process {}", running.id())).says("close the file in that program");
    run.says("open; waiting for it to end");
    running.signal("KILL");
    running.finish_within(Duration::from_secs(10));
    project.elt(&["export", "--target", "file"]).ok();
}
