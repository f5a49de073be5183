//! Users of a target that may not do what a publication does: `elt debug` and the build name each right and its grant.
//!
//! Knows the rights of Postgres and MariaDB.

use crate::mariadb::MariaDb;
use crate::project::Project;
use crate::servers::{Postgres, PostgresDatabase};

/// A project with one table, published by a role of its own.
fn project(database: &PostgresDatabase, role: &str) -> Project {
    let mut client = database.client();
    client
        .batch_execute(&format!("drop role if exists {role}; create role {role} login password 'hush-{role}'"))
        .expect("a role");
    let (scheme, rest) = database.uri.split_once("://").expect("an URI");
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let mut project = Project::of(&[
        (
            "profiles.toml",
            "[project]\nname = \"p\"\n\n[target.prod.export]\ntype = \"postgres\"\nuri = \"${POSTGRES_URI}\"\nschema = \"shop\"\n",
        ),
        ("models/marts/t.sql", "{{ config(materialized='table', unique_key='id') }} select 1 as id, 'a' as name\n"),
    ]);
    project.set("POSTGRES_URI", format!("{scheme}://{role}:hush-{role}@{host}"));
    project
}

#[test]
fn debug_lists_each_missing_right_with_its_grant() {
    let database = Postgres::shared().database();
    let role = "elt_no_rights";
    let project = project(&database, role);
    let mut client = database.client();
    let debug = || project.elt(&["debug", "--target", "prod"]);
    debug()
        .exits(1)
        .says("the target's user lacks rights")
        .says("schema `_elt` does not exist, and this role may not create it")
        .says("create schema \"_elt\" authorization \"elt_no_rights\"")
        .says("schema `shop` does not exist, and this role may not create it");
    project.elt(&["build", "--target", "prod"]).exits(1).says("the target's user lacks rights").says("authorization");
    client
        .batch_execute("create schema _elt; create schema shop; create table shop.t (id int primary key, name text)")
        .expect("schemas");
    debug()
        .exits(1)
        .says("this role may not create tables in schema `_elt`")
        .says("grant usage, create on schema \"_elt\" to \"elt_no_rights\"")
        .says("grant usage, create on schema \"shop\" to \"elt_no_rights\"")
        .says("grant select, insert, update, delete on \"shop\".\"t\" to \"elt_no_rights\"");
    client
        .batch_execute(&format!(
            "grant usage, create on schema _elt, shop to {role}; grant select, insert, update, delete on shop.t to {role}"
        ))
        .expect("rights");
    debug().ok();
    let tables = "select count(*) from pg_class where relnamespace in ('_elt'::regnamespace, 'shop'::regnamespace)";
    assert_eq!(database.number(tables), 2, "`debug` changes nothing: the table and its index");
    project.elt(&["build", "--target", "prod"]).ok();
    client.batch_execute(&format!("alter role {role} set default_transaction_read_only = on")).expect("a setting");
    debug().exits(1).says("read-only for this role");
    client.batch_execute(&format!("drop owned by {role} cascade; drop role {role}")).expect("an end");
}

#[test]
fn the_words_of_a_trigger_are_kept_without_values() {
    let database = Postgres::shared().database();
    let role = "elt_by_trigger";
    let project = project(&database, role);
    let mut client = database.client();
    client
        .batch_execute(&format!(
            "create schema _elt authorization {role}; create schema shop authorization {role}; \
             create table shop.t (id int primary key, name text unique); alter table shop.t owner to {role}; \
             create function shop.refuse() returns trigger language plpgsql as $$ begin \
             raise exception 'no row % of \"%\" please', new.id, new.name using hint = 'ask the DBA'; end $$; \
             create trigger refuses before insert on shop.t for each row execute function shop.refuse()"
        ))
        .expect("a table");
    let build = &["build", "--target", "prod"];
    project
        .elt(build)
        .exits(1)
        .says("no row … of \"…\" please [P0001]; hint: ask the DBA; in PL/pgSQL function shop.refuse()");
    let shown = [build.as_slice(), &["--show-values"]].concat();
    project.elt(&shown).exits(1).says("no row 1 of \"a\" please");
    client.batch_execute("drop trigger refuses on shop.t; alter table shop.t add check (id > 5)").expect("a check");
    project.elt(build).exits(1).says("[23514]; Failing row contains (…)").hides("(1, a)");
    client.batch_execute(&format!("drop owned by {role} cascade; drop role {role}")).expect("an end");
}

#[test]
fn debug_lists_the_rights_that_a_user_of_mariadb_lacks() {
    let database = MariaDb::shared().database();
    let user = "elt_no_rights";
    database.run(&format!("create or replace user {user}@'%' identified by 'hush-{user}'"));
    let (scheme, rest) = database.uri.split_once("://").expect("an URI");
    let (host, name) = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest).split_once('/').expect("a database");
    database.run(&format!("grant select on `{name}`.* to {user}@'%'"));
    database.run("create table t (id bigint primary key, name text)");
    let mut project = Project::of(&[
        (
            "profiles.toml",
            "[project]\nname = \"p\"\n\n[target.prod.export]\ntype = \"mysql\"\nuri = \"${MYSQL_URI}\"\n",
        ),
        ("models/marts/t.sql", "{{ config(materialized='table', unique_key='id') }} select 1 as id, 'a' as name\n"),
    ]);
    project.set("MYSQL_URI", format!("{scheme}://{user}:hush-{user}@{host}/{name}"));
    let debug = || project.elt(&["debug", "--target", "prod"]);
    let missing = "insert, update, delete, create, drop, alter, index";
    let said = format!("this user may not {missing} in database `{name}`");
    let grant = format!("grant {missing} on `{name}`.* to `{user}`@`%`");
    debug().exits(1).says("the target's user lacks rights").says(&said).says(&grant);
    project.elt(&["build", "--target", "prod"]).exits(1).says(&said).says(&grant);
    database.run(&format!("grant {missing} on `{name}`.* to {user}@'%'"));
    debug().ok();
    assert_eq!(database.rows::<String>("show tables"), ["t"], "`debug` changes nothing");
    project.elt(&["build", "--target", "prod"]).ok();
    database.run(&format!("drop user {user}@'%'"));
}
