//! A target with several exports: each is a publication of its own, with its own ledger.

use crate::mariadb::MariaDb;
use crate::project::Project;
use crate::servers::Postgres;

const PROFILES: &str = "[project]
name = \"shop\"

[target.dev]
threads = 2

[[target.dev.exports]]
name = \"bank\"
type = \"postgres\"
uri = \"${POSTGRES_URI}\"
schema = \"shop\"

[[target.dev.exports]]
name = \"reporting\"
type = \"mysql\"
uri = \"${MYSQL_URI}\"
select = \"orders\"

[[target.dev.exports]]
name = \"files\"
type = \"csv\"
";

fn project() -> Project {
    Project::of(&[
        ("profiles.toml", PROFILES),
        ("seeds/raw_orders.csv", "order_id,total\n1,10\n2,20\n"),
        ("models/marts/orders.sql", "select * from {{ ref('raw_orders') }}\n"),
        ("models/marts/totals.sql", "select sum(total) as total from {{ ref('raw_orders') }}\n"),
        (
            "models/marts/m.yml",
            "models:\n  - name: orders\n    columns:\n      - name: order_id\n        constraints: [{type: primary_key}]\n",
        ),
    ])
}

#[test]
fn each_is_published_for_itself() {
    let (postgres, mariadb) = (Postgres::shared().database(), MariaDb::shared().database());
    let mut project = project();
    // A variable is needed only for the exports that are chosen.
    project.elt(&["build", "--to", "files"]).ok().says("files: orders").hides("bank");
    project.elt(&["export", "--to", "bnk"]).exits(2).says("there is an export `bank`");
    project.elt(&["export"]).exits(2).says("`POSTGRES_URI` is not set").says("`MYSQL_URI` is not set");
    project.set("POSTGRES_URI", &postgres.uri).set("MYSQL_URI", &mariadb.uri);
    project.elt(&["build"]).ok().says("bank: totals").says("reporting: orders").hides("reporting: totals").says(
        "2 tables to `bank` (3 rows changed), 1 table to `reporting` (2 rows changed), 2 tables to `files` (0 rows",
    );

    // One that fails stops no other, and is published later with its own changes.
    project.write("seeds/raw_orders.csv", "order_id,total\n1,10\n3,30\n");
    project.set("MYSQL_URI", "mysql://nobody@127.0.0.1:1/shop");
    project
        .elt(&["build"])
        .exits(1)
        .says("cannot reach")
        .says("2 tables to `bank` (4 rows changed), export `reporting` failed, 2 tables to `files`")
        .hides("comparing in full");
    assert_eq!(postgres.number("select sum(order_id)::bigint from shop.orders"), 4);
    project.set("MYSQL_URI", &mariadb.uri);
    project.elt(&["retry"]).ok().says("1 inserted, 1 deleted").says("1 table to `reporting` (2 rows changed)");
    assert_eq!(mariadb.rows::<u64>("select sum(order_id) from orders"), [4]);
    project
        .elt(&["export", "--verify", "--to", "bank", "--to", "reporting"])
        .ok()
        .says("bank: the target has the same");

    // A failed model holds back only the exports that select it.
    project.write("tests/not_too_little.sql", "select * from {{ ref('totals') }} where total < 20\n");
    project.write("seeds/raw_orders.csv", "order_id,total\n1,10\n");
    project
        .elt(&["build"])
        .exits(1)
        .says("nothing to `bank` is published, because `not_too_little` failed")
        .says("nothing to `files` is published")
        .says("1 table to `reporting` (1 row changed)");
}

#[test]
fn a_single_export_gets_a_name_without_a_full_comparison() {
    let postgres = Postgres::shared().database();
    let mut project = project();
    project.set("POSTGRES_URI", &postgres.uri).set("MYSQL_URI", "mysql://nobody@127.0.0.1:1/shop");
    let single = "[project]\nname = \"shop\"\n\n[target.dev.export]\ntype = \"postgres\"\nuri = \"${POSTGRES_URI}\"\nschema = \"shop\"\n";
    project.write("profiles.toml", single);
    project.elt(&["build"]).ok();
    project.write("profiles.toml", PROFILES);
    project.elt(&["export", "--to", "bank"]).ok().says("bank: orders").says("unchanged").hides("comparing in full");
    project.write("profiles.toml", single);
    project.elt(&["export"]).ok().says("unchanged").hides("comparing in full");
}
