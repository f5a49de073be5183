//! The main job with real servers: from MongoDB, through the repository's own models, to Postgres. A full load is
//! followed by changed days. The runs are undisturbed, or killed at every stage.
//!
//! The condition is always the same: each published table equals, row for row, the table that a full reload of the
//! source publishes to a fresh schema.

use std::thread;
use std::time::{Duration, Instant};

use crate::project::Project;
use crate::servers::{Mongo, MongoDatabase, Postgres, PostgresDatabase};

/// The tables that the marts must include. Each has a primary key.
const MARTS: [&str; 17] = [
    "customer_documents",
    "customer_loan_history",
    "customer_phones",
    "customer_tags",
    "customers",
    "loan_applications",
    "loan_collateral",
    "loan_disbursements",
    "loan_guarantors",
    "loan_portfolio",
    "loan_repayments",
    "loan_restructure_terms",
    "loan_restructurings",
    "loan_status_events",
    "loan_type_terms",
    "loan_types",
    "repayment_performance",
];

/// All failpoints, at which the tool aborts if `ELT_FAILPOINT` names them (`tidy` checks that the list is complete).
pub const FAILPOINTS: [&str; 13] = [
    "extract.batch",
    "land.batch",
    "land.part",
    "land.manifest",
    "load.before_commit",
    "load.after_commit",
    "model.before_tests",
    "model.before_commit",
    "model.after_commit",
    "export.staged",
    "export.before_commit",
    "export.after_commit",
    "build.end",
];

const SCHEMA: &str = "analytics";

/// The repository's project, with its own servers.
struct Bench {
    project: Project,
    mongo: MongoDatabase,
    postgres: PostgresDatabase,
    reloads: usize,
}

impl Bench {
    fn with_customers(customers: usize) -> Self {
        let mongo = Mongo::shared().database();
        let postgres = Postgres::shared().database();
        let mut project = Project::repository();
        project
            .set("MONGODB_URI", &mongo.uri)
            .set("MONGODB_DATABASE", &mongo.name)
            .set("POSTGRES_URI", &postgres.uri)
            .set("POSTGRES_SCHEMA", SCHEMA);
        let bench = Self { project, mongo, postgres, reloads: 0 };
        bench.generate(&["--customers", &customers.to_string(), "--seed", "7", "--dirty", "0.02"]);
        let loaded = bench.mongo.count("customers");
        assert!(loaded.abs_diff(customers as u64) * 10 <= customers as u64, "{loaded} customers for {customers}");
        bench
    }

    fn generate(&self, arguments: &[&str]) {
        let place = ["generate", "--mongodb", &self.mongo.uri, "--database", &self.mongo.name];
        self.project.elt(&[&place, arguments].concat()).ok();
    }

    fn a_day_passes(&self, seed: usize) {
        self.generate(&["--mutate", "0.05", "--dirty", "0.02", "--seed", &seed.to_string()]);
    }

    fn build(&self) {
        self.project.elt(&["build", "--target", "prod"]).ok();
    }

    /// Builds into a fresh schema from a fresh warehouse; returns the schema.
    fn reload(&mut self) -> String {
        self.reloads += 1;
        let schema = format!("reload_{}", self.reloads);
        self.point_at_fresh(&schema);
        self.build();
        self.project.set("POSTGRES_SCHEMA", SCHEMA).unset("ELT_WAREHOUSE");
        schema
    }

    /// The following commands build into this schema, with a separate warehouse.
    fn point_at_fresh(&mut self, schema: &str) {
        let warehouse = self.project.path().join(format!(".elt/{schema}/warehouse.duckdb"));
        self.project.set("POSTGRES_SCHEMA", schema).set("ELT_WAREHOUSE", warehouse.display().to_string());
    }

    /// Published tables, without the tool's own.
    fn tables(&self, schema: &str) -> Vec<String> {
        let mut tables = self.postgres.tables(schema);
        tables.retain(|table| !table.starts_with("_elt"));
        tables
    }

    #[track_caller]
    fn assert_equal(&self, left: &str, right: &str, when: &str) {
        let tables = self.tables(left);
        assert_eq!(tables, self.tables(right), "tables of `{left}` and `{right}`, {when}");
        for mart in MARTS {
            assert!(tables.iter().any(|table| table == mart), "`{mart}` is not published, {when}: {tables:?}");
        }
        let mut wrong = Vec::new();
        for table in tables {
            let columns = self.columns(left, &table);
            assert_eq!(columns, self.columns(right, &table), "columns of `{table}`, {when}");
            let list = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
            let missing = |from: &str, to: &str| {
                self.postgres.number(&format!(
                    "select count(*) from (select {list} from {from}.\"{table}\" \
                     except all select {list} from {to}.\"{table}\") rows"
                ))
            };
            let (more, less) = (missing(left, right), missing(right, left));
            if more + less > 0 {
                wrong.push(format!("`{table}`: {more} rows only in `{left}`, {less} only in `{right}`"));
            }
        }
        assert!(wrong.is_empty(), "{when}:\n{}", wrong.join("\n"));
    }

    fn columns(&self, schema: &str, table: &str) -> Vec<(String, String)> {
        let sql = "select attname::text, format_type(atttypid, atttypmod) || case when attnotnull then ' not null' \
                   else '' end from pg_attribute where attrelid = (quote_ident($1) || '.' || quote_ident($2))::regclass \
                   and attnum > 0 and not attisdropped order by attnum";
        let rows = self.postgres.client().query(sql, &[&schema, &table]).expect("the columns of a table");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Rows of a table that were written by a transaction after `transaction`.
    fn written_after(&self, transaction: i64, table: &str) -> i64 {
        self.postgres
            .number(&format!("select count(*) from {SCHEMA}.\"{table}\" where xmin::text::bigint > {transaction}"))
    }

    fn transaction(&self) -> i64 {
        self.postgres.number("select pg_current_xact_id()::text::bigint")
    }

    fn rows(&self, table: &str) -> i64 {
        self.postgres.number(&format!("select count(*) from {SCHEMA}.\"{table}\""))
    }
}

#[test]
fn days_load_incrementally_and_equal_a_reload() {
    let mut bench = Bench::with_customers(300);
    bench.build();
    for mart in MARTS {
        assert!(bench.rows(mart) > 0, "`{mart}` is empty");
    }
    let with_key = bench.postgres.number(&format!(
        "select count(distinct conrelid) from pg_constraint where contype = 'p' and connamespace = '{SCHEMA}'::regnamespace"
    ));
    assert!(with_key >= MARTS.len() as i64, "only {with_key} tables have a primary key");
    let foreign = bench.postgres.number(&format!(
        "select count(*) from pg_constraint where contype = 'f' and connamespace = '{SCHEMA}'::regnamespace"
    ));
    assert!(foreign >= 5, "only {foreign} foreign keys");

    // Dirty documents are kept and reported.
    for (collection, mart) in [
        ("customers", "customers"),
        ("loan_applications", "loan_applications"),
        ("loan_repayments", "loan_repayments"),
        ("loan_types", "loan_types"),
    ] {
        assert_eq!(bench.rows(mart) as u64, bench.mongo.count(collection), "rows of `{mart}` and documents");
    }
    let rescued = "select count(*) from loans.customers where _elt_rescued is not null";
    assert!(bench.project.number("prod", rescued) > 0, "no dirty customer was rescued");

    // Without changes, nothing is written.
    let before = bench.transaction();
    bench.build();
    for table in bench.tables(SCHEMA) {
        assert_eq!(bench.written_after(before, &table), 0, "rows of `{table}` written by a build without changes");
    }

    for day in 1..=2 {
        let mut client = bench.postgres.client();
        for table in bench.tables(SCHEMA) {
            client
                .batch_execute(&format!(
                    "create schema if not exists before_{day}; \
                     create table before_{day}.\"{table}\" as table {SCHEMA}.\"{table}\""
                ))
                .expect("a copy of the table");
        }
        let before = bench.transaction();
        bench.a_day_passes(100 + day);
        bench.build();
        let mut changed_rows = 0;
        for table in bench.tables(SCHEMA) {
            let changed = bench.postgres.number(&format!(
                "select count(*) from (table {SCHEMA}.\"{table}\" except all table before_{day}.\"{table}\") rows"
            ));
            assert_eq!(bench.written_after(before, &table), changed, "rows of `{table}` written on day {day}");
            changed_rows += changed;
        }
        assert!(changed_rows > 0, "day {day} changed nothing");
        let reload = bench.reload();
        bench.assert_equal(SCHEMA, &reload, &format!("after day {day}"));
    }

    // A full refresh has the same result, and it also writes only the differences.
    let before = bench.transaction();
    bench.project.elt(&["build", "--target", "prod", "--full-refresh"]).ok();
    for table in bench.tables(SCHEMA) {
        assert_eq!(bench.written_after(before, &table), 0, "rows of `{table}` written by a full refresh");
    }
}

#[test]
fn killed_in_a_full_load() {
    let mut bench = Bench::with_customers(120);
    bench.build();
    for failpoint in FAILPOINTS {
        let schema = format!("killed_{}", failpoint.replace('.', "_"));
        bench.point_at_fresh(&schema);
        bench.project.set("ELT_FAILPOINT", failpoint);
        bench.project.elt(&["build", "--target", "prod"]).died();
        bench.project.unset("ELT_FAILPOINT");
        bench.build();
        bench.assert_equal(&schema, SCHEMA, &format!("killed at `{failpoint}` in a full load, and run again"));
    }
}

#[test]
fn killed_in_an_incremental_load() {
    let mut bench = Bench::with_customers(120);
    bench.build();
    for (day, failpoint) in FAILPOINTS.into_iter().enumerate() {
        bench.a_day_passes(200 + day);
        bench.project.set("ELT_FAILPOINT", failpoint);
        bench.project.elt(&["build", "--target", "prod"]).died();
        bench.project.unset("ELT_FAILPOINT");
        bench.build();
        let reload = bench.reload();
        bench.assert_equal(SCHEMA, &reload, &format!("killed at `{failpoint}` in an incremental load, and run again"));
    }
}

#[test]
fn killed_at_any_moment() {
    const KILLS: u32 = 8;
    let mut bench = Bench::with_customers(120);
    bench.build();
    bench.a_day_passes(300);
    // The duration of a build, to distribute the kills over it.
    let started = Instant::now();
    bench.reload();
    let whole = started.elapsed();
    for kill in 0..KILLS {
        let running = bench.project.start(&["build", "--target", "prod"]);
        thread::sleep(whole * kill / KILLS);
        // Later kills may happen after the run has finished.
        running.signal("KILL");
        running.finish_within(Duration::from_secs(10));
        if kill % 3 == 2 {
            bench.a_day_passes(301 + kill as usize);
        }
    }
    bench.build();
    let reload = bench.reload();
    bench.assert_equal(SCHEMA, &reload, "after a row of kills");
}
