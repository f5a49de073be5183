//! Contracts, and a DBA's changes to the same tables: views over them, additional indexes and grants, and a schema that
//! was created from `elt export --ddl`.
//!
//! Does not know how the steps of a migration are found.

use std::process::Command;

use crate::project::Project;
use crate::servers::{Postgres, PostgresDatabase, postgres_programs};

const PROFILES: &str = r#"
[project]
name = "shop"

[target.dev]
threads = 1

[target.dev.export]
type = "postgres"
uri = "${POSTGRES_URI}"
schema = "shop"
"#;

fn shop(uri: &str, orders: &str, yaml: &str) -> Project {
    let mut project = Project::of(&[
        ("profiles.toml", PROFILES),
        ("models/marts/customers.sql", "{{ config(materialized='table') }} select i as id from range(3) t(i)"),
        ("models/marts/orders.sql", orders),
        ("models/marts/shop.yml", yaml),
    ]);
    project.set("POSTGRES_URI", uri);
    project
}

fn texts(database: &PostgresDatabase, sql: &str) -> Vec<String> {
    let rows = database.client().query(sql, &[]).unwrap_or_else(|error| panic!("`{sql}`: {error}"));
    rows.iter().map(|row| row.get(0)).collect()
}

const ORDERS: &str = "{{ config(materialized='table', unique_key='id') }} \
    select i as id, i % 3 as customer_id, i::integer as amount from range(4) t(i)";
const WIDER: &str = "{{ config(materialized='table', unique_key='id') }} \
    select i as id, i % 3 as customer_id, i::bigint as amount, 'x' as note from range(4) t(i)";

#[test]
fn a_view_over_a_table_stays_and_is_named_where_it_is_in_the_way() {
    let database = Postgres::shared().database();
    let project = shop(&database.uri, ORDERS, "models: []\n");
    project.elt(&["build"]).ok();
    database.client().batch_execute("create view shop.amounts as select amount from shop.orders").expect("a view");
    project.write("models/marts/orders.sql", WIDER);
    project.elt(&["run"]).ok();
    let run = project.elt(&["plan"]).ok().says("views block these steps");
    assert!(run.stdout.contains("column `amount` cannot become bigint: view `shop.amounts` reads it"), "{run}");
    let said = "caused by: column `amount` cannot become bigint: view `shop.amounts` reads it";
    project.elt(&["export"]).exits(1).says(said).says("elt never drops views");
    project.elt(&["apply", "--allow-destructive"]).exits(1).says(said);
    assert_eq!(database.number("select sum(amount)::bigint from shop.amounts"), 6);
    // Columns that the view does not read may change.
    project.write(
        "models/marts/orders.sql",
        &WIDER.replace("i::bigint", "i::integer").replace("i % 3", "(i % 3)::hugeint"),
    );
    project.elt(&["build"]).ok();
    assert_eq!(database.number("select sum(amount)::bigint from shop.amounts"), 6);
    assert_eq!(database.number("select count(*) from shop.orders where note = 'x'"), 4);
}

#[test]
fn what_no_contract_made_stays() {
    let database = Postgres::shared().database();
    let with = "models: [{name: orders, config: {indexes: [{columns: [amount]}], grants: {select: [public]}}}]\n";
    let project = shop(&database.uri, ORDERS, with);
    project.elt(&["build"]).ok();
    let by_hand = "create index by_hand on shop.orders (amount, id); grant insert on shop.orders to public; \
         alter table shop.orders alter column amount set not null; alter table shop.orders add check (amount < 100)";
    database.client().batch_execute(by_hand).expect("a DBA's own");
    project.write("models/marts/shop.yml", "models: []\n");
    project.elt(&["build"]).ok();
    let indexes =
        "select indexname::text from pg_indexes where schemaname = 'shop' and tablename = 'orders' order by 1";
    assert_eq!(texts(&database, indexes), ["by_hand", "orders_pkey"]);
    let grants = "select privilege_type::text from information_schema.role_table_grants \
         where table_name = 'orders' and grantee = 'PUBLIC' order by 1";
    assert_eq!(texts(&database, grants), ["INSERT"]);
    let not_null = "select count(*) from pg_attribute where attrelid = 'shop.orders'::regclass and attname = 'amount' and attnotnull";
    assert_eq!(database.number(not_null), 1);
    assert_eq!(database.number("select count(*) from pg_constraint where conname = 'orders_amount_check'"), 1);
    project.elt(&["plan"]).ok().says("2 tables: no differences from the contracts");
}

const EVERYTHING: &str = r#"
models:
  - name: customers
    config: {export: {schema: people, table: Customer}}
    constraints: [{type: primary_key, columns: [id]}]
  - name: orders
    description: It's what was ordered
    config:
      persist_docs: {relation: true, columns: true}
      grants: {select: [public]}
      indexes: [{columns: [amount]}, {columns: [amount], type: hash}, {columns: [id, amount], unique: true}]
    constraints:
      - {type: primary_key, columns: [id]}
      - {type: foreign_key, columns: [customer_id], to: ref('customers'), to_columns: [id]}
      - {type: check, expression: "amount >= 0"}
      - {type: unique, columns: [id, customer_id]}
    columns:
      - name: amount
        description: In cents
        constraints: [{type: not_null}]
        config: {export: {type: "numeric(10, 2)", default: "0"}}
"#;

/// A description of the existing tables that does not depend on who created them.
const SHAPE: &str = "\
select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint \
where connamespace in ('shop'::regnamespace, 'people'::regnamespace) \
union all select indexdef from pg_indexes where schemaname in ('shop', 'people') \
union all select format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) \
from information_schema.columns where table_schema in ('shop', 'people') \
union all select format('%s %s', c.relname, c.relacl is not null) from pg_class c \
where relnamespace in ('shop'::regnamespace, 'people'::regnamespace) and relkind = 'r' \
union all select description from pg_description where objoid = 'shop.orders'::regclass \
order by 1";

#[test]
fn the_ddl_makes_in_psql_what_a_publication_makes() {
    let ours = Postgres::shared().database();
    let project = shop(&ours.uri, ORDERS, EVERYTHING);
    project.elt(&["build"]).ok();
    let theirs = Postgres::shared().database();
    // Printing does not need a server.
    let mut project = shop("postgres://nobody@127.0.0.1:1/none", ORDERS, EVERYTHING);
    project.elt(&["run"]).ok();
    let script = project.elt(&["export", "--ddl"]).ok().stdout;
    project.write("shop.sql", &script);
    let psql = postgres_programs().expect("Postgres' programs").join("psql");
    let file = project.path().join("shop.sql");
    let output = Command::new(psql)
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file"])
        .arg(&file)
        .arg(&theirs.uri)
        .output()
        .expect("psql");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(texts(&theirs, SHAPE), texts(&ours, SHAPE));
    project.set("POSTGRES_URI", theirs.uri.clone());
    project.elt(&["export"]).ok().says("4 inserted");
    project.elt(&["plan"]).ok().says("2 tables: no differences from the contracts");
    project.elt(&["export"]).ok().says("(0 rows changed)");
    let orders = project.elt(&["export", "--ddl", "-s", "orders"]).ok().stdout;
    assert!(orders.contains("-- once that table exists: alter table \"shop\".\"orders\""), "{orders}");
}

#[test]
fn tables_that_cannot_be_written_say_why() {
    for (setup, said) in [
        ("create view shop.customers as select 1::bigint as id", "it is a view, not a table"),
        (
            // (An identity in a key takes our values: `overriding system value`.)
            "create table shop.customers (id bigint generated always as (1) stored primary key)",
            "column `id`: generated always in the target, published by the model",
        ),
        (
            "create table shop.customers (id bigint, name text, day date default now(), primary key (name, day)) partition by range (day)",
            "key: no primary key or unique index on `id` in the target; it is partitioned by RANGE (day), whose columns a unique index must have",
        ),
    ] {
        let database = Postgres::shared().database();
        database.client().batch_execute(&format!("create schema shop; {setup}")).expect("a table of others");
        let yaml = "models: [{name: customers, constraints: [{type: primary_key, columns: [id]}]}]\n";
        let project = shop(&database.uri, ORDERS, yaml);
        project.elt(&["build", "-s", "customers"]).exits(1).says(said);
    }
}

#[test]
fn rows_of_a_new_table_that_break_its_contract_are_counted() {
    let database = Postgres::shared().database();
    let orders = "{{ config(materialized='table', unique_key='id') }} \
        select i as id, i % 2 as customer_id, i::integer as amount, case when i > 1 then 'x' end as note from range(5) t(i)";
    let yaml = "models: [{name: orders, constraints: [{type: check, expression: amount < 3}, {type: unique, columns: [customer_id]}], \
        columns: [{name: note, constraints: [{type: not_null}]}]}]\n";
    let project = shop(&database.uri, orders, yaml);
    project
        .elt(&["build"])
        .exits(1)
        .says("rows of `orders` violate its contract")
        .says("column `note` contains NULL, but is declared not null: 2 rows")
        .says("check (amount < 3): 2 rows")
        .says("`customer_id` not unique: 5 rows");
    assert_eq!(database.number("select count(*) from pg_tables where schemaname = 'shop'"), 0);
    // Only an index differs.
    project.write(
        "models/marts/shop.yml",
        "models: [{name: orders, config: {indexes: [{columns: [customer_id], unique: true}]}}]\n",
    );
    project.elt(&["build"]).exits(1).says("`customer_id` not unique: 5 rows");
}

#[test]
fn owners_grants_and_schemas_may_have_any_name() {
    let database = Postgres::shared().database();
    let (owner, reader) = ("owner of \"orders\"", "Reader");
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let _ = database.client().batch_execute(&format!("create role {}", quoted(owner)));
    let _ = database.client().batch_execute(&format!("create role {}", quoted(reader)));
    let yaml = |owned: &str| {
        format!(
            "models:\n  - name: customers\n    config: {{export: {{schema: 'My People', table: 'Cust omer'}}}}\n    constraints: [{{type: primary_key, columns: [id]}}]\n  \
             - name: orders\n    config: {{{owned}}}\n    constraints: [{{type: primary_key, columns: [id]}}, \
             {{type: foreign_key, columns: [customer_id], to: ref('customers')}}]\n"
        )
    };
    let owned = "export: {owner: 'owner of \"orders\"'}, grants: {select: [Reader], update: [Reader]}";
    let project = shop(&database.uri, ORDERS, &yaml(owned));
    project.elt(&["build"]).ok();
    project.elt(&["plan"]).ok().says("2 tables: no differences from the contracts");
    let owns = "select count(*) from pg_class where oid = 'shop.orders'::regclass and pg_get_userbyid(relowner) = 'owner of \"orders\"'";
    assert_eq!(database.number(owns), 1);
    let may = |privilege: &str| {
        database.number(&format!("select has_table_privilege('Reader', 'shop.orders', '{privilege}')::int::bigint"))
    };
    assert_eq!((may("select"), may("update")), (1, 1));
    project.write("models/marts/shop.yml", &yaml("grants: {select: [Reader]}"));
    project.elt(&["build"]).ok();
    assert_eq!((may("select"), may("update")), (1, 0));
    assert_eq!(database.number(owns), 1);
    for role in [owner, reader] {
        let role = quoted(role);
        database
            .client()
            .batch_execute(&format!("drop owned by {role} cascade; drop role {role}"))
            .expect("to drop it");
    }
}
