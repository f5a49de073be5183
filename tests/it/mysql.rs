//! Publications to MariaDB: first load, changes, no changes, types, foreign keys, tables of others, hazards, kills.
//!
//! Reads the program's output, and reads the server with its own driver.

use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::mariadb::{MariaDb, MariaDbDatabase, PASSWORD};
use crate::project::Project;

const PROFILES: &str =
    "[project]\nname = \"shop\"\ntarget = \"prod\"\n\n[target.prod.export]\ntype = \"mysql\"\nuri = \"${URI}\"\n";
const KEYS: &str = "version: 2\nmodels:\n\
    - name: customers\n  constraints:\n    - {type: primary_key, columns: [id]}\n    \
    - {type: foreign_key, columns: [best], to: ref('orders'), to_columns: [id]}\n\
    - name: orders\n  constraints:\n    - {type: primary_key, columns: [id]}\n    \
    - {type: foreign_key, columns: [customer], to: ref('customers'), to_columns: [id]}\n    \
    - {type: foreign_key, columns: [after], to: ref('orders'), to_columns: [id]}\n";
/// The tables refer to each other, and orders also to themselves. `day` changes, adds and deletes rows in both.
const CUSTOMERS: &str = "{{ config(materialized='table') }}\nselect i::bigint as id, 'name ' || (i + day) as name, \
    if(i < 60, i, null) as best from range(40) t(i), (select {{ var('day', 0) }} as day) where i <> day - 1\n";
const ORDERS: &str = "{{ config(materialized='table') }}\nselect i as id, if(i % 40 = day - 1, null, i % 40) as customer, \
    if(i < day + 1, null, i - 1) as after from range(60 + {{ var('day', 0) }}) t(i), (select {{ var('day', 0) }} as day) \
    where i >= day\n";

fn project(database: &MariaDbDatabase, files: &[(&str, &str)]) -> Project {
    let mut project = Project::of(&[&[("profiles.toml", PROFILES)], files].concat());
    project.set("URI", &database.uri);
    project
}

fn shop(database: &MariaDbDatabase) -> Project {
    project(
        database,
        &[
            ("models/marts/customers.sql", &CUSTOMERS.replace("i, null) as best", "greatest(i, day), null) as best")),
            ("models/marts/orders.sql", ORDERS),
            ("models/marts/marts.yml", KEYS),
        ],
    )
}

fn day(project: &Project, day: u32) -> crate::project::Run {
    project.elt(&["build", "--vars", &format!("{{\"day\": {day}}}")])
}

/// All rows of both tables.
fn state(database: &MariaDbDatabase) -> Vec<String> {
    let mut rows =
        database.rows::<String>("select concat_ws(' ', id, name, ifnull(best, '-')) from customers order by id");
    rows.extend(database.rows::<String>(
        "select concat_ws(' ', id, ifnull(customer, '-'), ifnull(after, '-')) from orders order by id",
    ));
    rows
}

/// The result of a full load of a day.
fn expected(day_number: u32) -> Vec<String> {
    let database = MariaDb::shared().database();
    day(&shop(&database), day_number).ok();
    state(&database)
}

#[test]
fn publishes_changes_across_cycles_and_nothing_when_nothing_changed() {
    let database = MariaDb::shared().database();
    let project = shop(&database);
    day(&project, 0).ok().says("40 inserted").hides(PASSWORD);
    let keys = "select count(*) from information_schema.referential_constraints where constraint_schema = database()";
    assert_eq!(database.number(keys), 3);
    let publications = "select count(*) from _elt_publications";
    assert_eq!(database.number(publications), 1);
    day(&project, 0).ok().says("unchanged");
    assert_eq!(database.number(publications), 1);
    for number in 1..4 {
        day(&project, number).ok();
        assert_eq!(state(&database), expected(number), "day {number}");
    }
    // The target was restored from a backup. The record shows it, and everything is compared.
    database.run("delete from _elt_publications where number > 2");
    database.run("update customers set name = 'by hand' where id = 7");
    day(&project, 3).ok().says("comparing in full");
    assert_eq!(state(&database), expected(3));
    let left = "select count(*) from information_schema.tables where table_schema = database() \
                and table_name regexp '_elt_(rows|gone)'";
    assert_eq!(database.number(left), 0);
}

#[test]
fn hands_in_between_are_told_and_healed_or_refused() {
    let database = MariaDb::shared().database();
    let project = shop(&database);
    project.write(
        "models/marts/loose.sql",
        "{{ config(materialized='table') }}\nselect 'x' as a, i % 2 as b from range(4) t(i)\n",
    );
    day(&project, 0).ok();
    project.elt(&["export", "--verify"]).ok();
    database.run("update customers set name = 'by hand' where id = 7");
    database.run("delete from orders where id = 59");
    database.run("update loose set b = 2 where b = 1 limit 1");
    let verified = project.elt(&["export", "--verify"]).exits(1);
    for part in [
        "`customers`: 1 row with other values in the target (`id` 7)",
        "`orders`: 1 row missing in the target (`id` 59)",
        "`loose`: 1 row missing in the target, 1 row in the target",
    ] {
        assert!(verified.stderr.contains(part), "{part}\n{verified}");
    }
    database.run("delete from _elt_publications");
    project.write(
        "profiles.toml",
        &PROFILES.replace("[target.prod.export]\n", "[target.prod.export]\non_divergence = \"fail\"\n"),
    );
    day(&project, 0).exits(1).says("`id` 7");
    assert_eq!(database.number("select count(*) from customers where name = 'by hand'"), 1);
    project.write("profiles.toml", PROFILES);
    day(&project, 0).ok().says("1 row with other values in the target");
    assert_eq!(state(&database), expected(0));
    project.elt(&["export", "--verify"]).ok();
}

#[test]
fn killed_anywhere_the_next_run_publishes() {
    let database = MariaDb::shared().database();
    let mut project = shop(&database);
    let mut number = 0;
    for failpoint in ["export.staged", "export.before_commit", "export.after_commit"] {
        for _ in 0..2 {
            project.set("ELT_FAILPOINT", failpoint);
            day(&project, number).died();
            project.unset("ELT_FAILPOINT");
            day(&project, number).ok();
            assert_eq!(state(&database), expected(number), "day {number}, killed at {failpoint}");
            number += 1;
        }
    }
}

#[test]
fn a_row_that_points_nowhere_keeps_everything_back() {
    let database = MariaDb::shared().database();
    let project = shop(&database);
    day(&project, 0).ok();
    let before = state(&database);
    project.write("models/marts/orders.sql", &ORDERS.replace("i % 40)", "i % 41)"));
    project.elt(&["build"]).exits(1).says("rows of `orders` (customer) point to rows that `customers` does not have");
    assert_eq!(state(&database), before);
    // A table of others refers to a row of ours.
    project.write("models/marts/orders.sql", ORDERS);
    database.run(
        "create table theirs (id int primary key, customer bigint, foreign key (customer) references customers (id))",
    );
    database.run("insert into theirs values (1, 2)");
    day(&project, 3).exits(1).says("rows of `theirs` (customer) point to rows that `customers` does not have");
    assert_eq!(state(&database), before);
    database.run("delete from theirs");
    day(&project, 3).ok();
    assert_eq!(state(&database), expected(3));
}

#[test]
fn a_lost_connection_and_a_second_run() {
    let database = MariaDb::shared().database();
    let project = shop(&database);
    day(&project, 0).ok();
    let before = state(&database);
    // Another session writes the row to be deleted, so that the transaction waits. Then its connection is killed.
    let mut holder = database.client();
    holder.query_drop("start transaction").expect("a transaction");
    holder.query_drop("update customers set name = name where id = 0").expect("a lock");
    holder.query_drop("select * from customers where id = 0 for update").expect("a lock");
    let running = project.start(&["build", "--vars", "{\"day\": 1}"]);
    let waiting = "select ifnull(max(id), 0) from information_schema.processlist where db = database() and info like 'delete t from%'";
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut waits = 0;
    while waits == 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
        waits = database.number(waiting);
    }
    assert!(waits > 0, "the publication was to wait\n{}", running.stderr());
    // A second run waits for the first one's lock.
    let other = shop(&database);
    let second = other.start(&["build", "--vars", "{\"day\": 1}"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !second.stderr().contains("waiting for it to end") && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    assert!(second.stderr().contains("another publication to"), "{}", second.stderr());
    holder.query_drop(format!("kill connection {waits}")).expect("to kill");
    running.finish().exits(1).says("nothing was published");
    assert_eq!(state(&database), before);
    holder.query_drop("rollback").expect("to let go");
    second.finish().ok();
    assert_eq!(state(&database), expected(1));
    day(&project, 2).ok();
    assert_eq!(state(&database), expected(2));
}

/// A DuckDB literal, and MariaDB's text for it.
const VALUES: [(&str, &str); 34] = [
    ("true", "1"),
    ("(-128)::tinyint", "-128"),
    ("255::utinyint", "255"),
    ("65535::usmallint", "65535"),
    ("4294967295::uinteger", "4294967295"),
    ("(-9223372036854775808)::bigint", "-9223372036854775808"),
    ("18446744073709551615::ubigint", "18446744073709551615"),
    ("(-170141183460469231731687303715884105727)::hugeint", "-170141183460469231731687303715884105727"),
    ("340282366920938463463374607431768211455::uhugeint", "340282366920938463463374607431768211455"),
    ("0.1::double", "0.1"),
    ("1.7976931348623157e308::double", "1.7976931348623157e308"),
    ("2.2250738585072014e-308::double", "2.2250738585072014e-308"),
    ("1.5::float", "1.5"),
    ("(-0.005)::decimal(38,3)", "-0.005"),
    ("99999999999999999999999999999999999999::decimal(38,0)", "99999999999999999999999999999999999999"),
    ("0.00::decimal(4,2)", "0.00"),
    ("'tab\t''quote'' \\ back 😀'", "tab\t'quote' \\ back 😀"),
    ("''", ""),
    ("'\\N'", "\\N"),
    ("'a' || chr(0) || chr(10) || chr(13) || 'b'", "a\0\n\rb"),
    ("date '1000-01-01'", "1000-01-01"),
    ("date '9999-12-31'", "9999-12-31"),
    ("time '23:59:59.999999'", "23:59:59.999999"),
    ("timestamp '9999-12-31 23:59:59.999999'", "9999-12-31 23:59:59.999999"),
    ("timestamp '1969-12-31 23:59:59.999999'", "1969-12-31 23:59:59.999999"),
    ("timestamptz '2020-01-01 01:02:03.000004+02'", "2019-12-31 23:02:03.000004"),
    ("timestamp_ns '2020-01-01 01:02:03.000004'", "2020-01-01 01:02:03.000004"),
    ("'0a0b0c0d-0000-0000-0000-00000000000f'::uuid", "0a0b0c0d-0000-0000-0000-00000000000f"),
    ("{'a': [1, null], 'b': 'x\"y'}", "{\"a\":[1,null],\"b\":\"x\\\"y\"}"),
    ("[1, null, 2]", "[1,null,2]"),
    ("[]::integer[]", "[]"),
    ("map {'k': 1}", "{\"k\":1}"),
    ("interval '14 months 3 days 4 seconds'", "1 year 2 months 3 days 00:00:04"),
    ("'x'::enum('x', 'y')", "x"),
];

#[test]
fn every_type_arrives_as_it_was_by_load_and_by_insert() {
    let columns: Vec<String> =
        VALUES.iter().enumerate().map(|(index, (sql, _))| format!("{sql} as c{index}")).collect();
    let nulls: Vec<String> = (0..VALUES.len()).map(|index| format!("null as c{index}")).collect();
    let model = format!(
        "{{{{ config(materialized='table') }}}}\nselect 'a' as id, {}, '\\x00\\xFF\\x27\\x5C'::blob as bytes\n\
         union all select 'A', {nulls}, null\nunion all select 'a ', {nulls}, ''::blob\n",
        columns.join(", "),
        nulls = nulls.join(", ")
    );
    let yaml = "version: 2\nmodels:\n- name: types\n  constraints:\n    - {type: primary_key, columns: [id]}\n";
    let files = [("models/marts/types.sql", model.as_str()), ("models/marts/types.yml", yaml)];
    // The setting is for the whole server. On the shared server it would make other tests' publications fail.
    let server = MariaDb::own();
    for by_load in [true, false] {
        let database = server.database();
        database.run(&format!("set global local_infile = {}", u8::from(by_load)));
        let project = project(&database, &files);
        project.elt(&["build"]).ok().says("3 inserted");
        for (index, (sql, shown)) in VALUES.iter().enumerate() {
            let found = database.rows::<Option<String>>(&format!("select c{index} from types order by id desc"));
            assert!(found.contains(&Some(shown.to_string())), "{sql}: {found:?}, by load: {by_load}");
            assert_eq!(found.iter().filter(|value| value.is_none()).count(), 2, "{sql}");
        }
        let bytes = database.rows::<Option<String>>("select hex(bytes) from types order by id");
        assert_eq!(bytes, [None, Some("00FF275C".into()), Some(String::new())]);
        project.elt(&["build"]).ok().says("unchanged");
        // A full comparison finds no difference.
        database.run("delete from _elt_publications");
        project.elt(&["build"]).ok().says("0 rows");
    }
}

#[test]
fn tables_of_others_are_checked_and_used_as_they_are() {
    let database = MariaDb::shared().database();
    database.run(
        "create table people (number int auto_increment unique, ID varchar(20) collate utf8mb4_general_ci primary key, \
         amount decimal(6,2), doubled decimal(8,2) as (amount * 2) stored, note text default 'theirs')",
    );
    database.run("insert into people (ID, amount) values ('gone', 1), ('b', 2)");
    let model =
        "{{ config(materialized='table') }}\nselect 'b' as id, 3.5::decimal(10,2) as amount union all select 'c', 4\n";
    let yaml = "version: 2\nmodels:\n- name: people\n  config: {export: {on_hazard: fail}}\n  constraints:\n    \
                - {type: primary_key, columns: [id]}\n";
    let project = project(&database, &[("models/marts/people.sql", model), ("models/marts/people.yml", yaml)]);
    project.elt(&["build"]).exits(1).says("`people`: 1 row (`id` b); 1 more row of others would stay");
    project.write("models/marts/people.yml", &yaml.replace("on_hazard: fail", "on_hazard: fail, rows: all"));
    project.elt(&["build"]).ok().says("1 inserted, 1 updated, 1 deleted");
    let rows = database.rows::<String>("select concat_ws(' ', id, amount, doubled, note) from people order by id");
    assert_eq!(rows, ["b 3.50 7.00 theirs", "c 4.00 8.00 theirs"]);
    // Values that do not fit are found before they are sent, and are reported with the key.
    project.write("models/marts/people.sql", &model.replace("'c', 4", "'c', 12345"));
    project
        .elt(&["build"])
        .exits(1)
        .says("column `amount`, beyond the range of the column's type: 1 value")
        .says("(`id` c)");
    project.write("models/marts/people.sql", &model.replace("3.5::decimal(10,2)", "3.5::double"));
    project.elt(&["build"]).exits(1).says("column `amount`: decimal(6,2) in the target, double in the model");
    database.run("create table notes (id bigint primary key) engine = MyISAM");
    project.write("models/marts/people.sql", model);
    project.write(
        "models/marts/notes.sql",
        "{{ config(materialized='table', unique_key='id') }}\nselect 1::bigint as id\n",
    );
    project.elt(&["build"]).exits(1).says("its engine is MyISAM");
}

#[test]
fn a_contract_makes_and_alters_tables() {
    let database = MariaDb::shared().database();
    let yaml = "version: 2\nmodels:\n- name: things\n  description: all things\n  config:\n    persist_docs: {relation: true, columns: true}\n    \
        indexes: [{columns: [code], unique: true}]\n    grants: {select: [elt_it_reader]}\n  constraints:\n    \
        - {type: primary_key, columns: [id]}\n    - {type: check, expression: \"size > 0\"}\n  columns:\n    \
        - {name: code, description: its code, config: {export: {type: varchar(10)}}}\n    \
        - {name: at, config: {export: {type: timestamp(6)}}}\n    - {name: uid, config: {export: {type: uuid}}}\n    \
        - {name: size, config: {export: {default: \"7\"}}}\n";
    let model = "{{ config(materialized='table') }}\nselect 1::integer as id, 'x' as code, timestamptz '2020-01-01 00:00:00+00' as at, \
        '0a0b0c0d-0000-0000-0000-00000000000f'::uuid as uid, 3 as size\n";
    database.run("create or replace user elt_it_reader");
    let project = project(&database, &[("models/marts/things.sql", model), ("models/marts/things.yml", yaml)]);
    project.elt(&["build"]).ok();
    let made: Vec<(String, String)> = database.rows("show create table things");
    for part in [
        "`code` varchar(10)",
        "COMMENT 'its code'",
        "`at` timestamp(6) NULL",
        "`uid` uuid",
        "`size` int(11) DEFAULT 7",
        "UNIQUE KEY",
        "CHECK (`size` > 0)",
        "COMMENT='all things'",
    ] {
        assert!(made[0].1.contains(part), "{part}: {}", made[0].1);
    }
    let grants = database.rows::<String>("show grants for elt_it_reader");
    assert!(grants.iter().any(|grant| grant.contains("SELECT") && grant.contains("things")), "{grants:?}");
    database.run("drop user elt_it_reader");
    // One column is wider, one is new, one is removed.
    let changed = model.replace("1::integer", "1::bigint").replace("3 as size", "2.5::double as weight");
    project.write("models/marts/things.sql", &changed);
    project.write(
        "models/marts/things.yml",
        &yaml
            .replace("    - {type: check, expression: \"size > 0\"}\n", "")
            .replace("    - {name: size, config: {export: {default: \"7\"}}}\n", ""),
    );
    project.elt(&["build"]).ok().says("column `size` of `things` is no longer filled");
    assert_eq!(database.rows::<String>("select concat_ws(' ', id, code, weight, size) from things"), ["1 x 2.5 3"]);
    // The error for an impossible type has its place.
    project.write(
        "models/marts/things.yml",
        &yaml.replace("type: uuid", "type: bigint").replace("    - {type: check, expression: \"size > 0\"}\n", ""),
    );
    project
        .elt(&["build"])
        .exits(2)
        .says("column `uid` of `things` cannot be `bigint` in MySQL")
        .says("models/marts/things.yml:");
}

#[test]
fn hazards_are_told_or_replaced() {
    let database = MariaDb::shared().database();
    let model = "{{ config(materialized='table') }}\nselect 1 as id, 'nan'::double as d, date '10000-01-01' as day, [1, 'nan'::double] as list, \
        repeat('ä', 5) as code union all select 2, 'infinity'::double, 'infinity'::date, [1], 'short'\n";
    let yaml = |policy: &str| {
        format!(
            "version: 2\nmodels:\n- name: odd\n  config: {{export: {{on_hazard: {policy}}}}}\n  constraints:\n    \
             - {{type: primary_key, columns: [id]}}\n  columns:\n    - {{name: code, config: {{export: {{type: varchar(3)}}}}}}\n"
        )
    };
    let project = project(&database, &[("models/marts/odd.sql", model), ("models/marts/odd.yml", &yaml("fail"))]);
    project
        .elt(&["build"])
        .exits(1)
        .says("`odd` contains values that MySQL cannot store")
        .says("column `d`, Infinity: 1 value (`id` 2)")
        .says("column `d`, NaN: 1 value (`id` 1)")
        .says("column `day`, a year outside the range of the column: 2 values (`id` 1, 2)")
        .says("column `list`, NaN or Infinity, which JSON does not have: 1 value (`id` 1)")
        .says("column `code`, longer than the column allows: 2 values (`id` 1, 2)")
        .hides("ääääät");
    let tables =
        "select count(*) from information_schema.tables where table_schema = database() and table_name = 'odd'";
    assert_eq!(database.number(tables), 0);
    project.write("models/marts/odd.yml", &yaml("replace"));
    project
        .elt(&["build"])
        .ok()
        .says("column `code`, longer than the column allows: 2 values (`id` 1, 2); replaced by the value cut off");
    let rows = database
        .rows::<String>("select concat_ws(' ', id, ifnull(d, '-'), day, ifnull(convert(list using utf8mb4) collate utf8mb4_nopad_bin, '-'), code) from odd order by id");
    assert_eq!(rows, ["1 - 9999-12-31 [1.0,null] äää", "2 1.7976931348623157e308 9999-12-31 [1.0] sho"]);
    project.write("models/marts/odd.yml", &yaml("quarantine"));
    project
        .elt(&["build"])
        .ok()
        .says("column `code`, longer than the column allows: 2 values (`id` 1, 2); their rows are in `odd_quarantine`")
        .says("2 deleted");
    assert_eq!(database.number("select count(*) from odd"), 0);
    let kept = database.rows::<String>(
        "select concat_ws(' ', id, _elt_column, json_unquote(json_extract(_elt_row, '$.code')), _elt_published) \
         from odd_quarantine order by id",
    );
    assert_eq!(kept, ["1 d äääää 0", "2 d short 0"]);
}
