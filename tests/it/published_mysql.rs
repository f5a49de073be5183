//! Publications to MySQL and MariaDB: deltas, foreign keys, types, kills, tables of others, what cannot stand.

use std::thread;
use std::time::Duration;

use crate::mariadb::{Database, MariaDb};
use crate::project::Project;

const PROFILES: &str = "[project]\nname = \"shop\"\n[project.vars]\nday = 1\n[target.dev]\nthreads = 2\n\
    [target.dev.export]\ntype = \"mysql\"\nuri = \"${MYSQL_URI}\"\n";
const MARTS: &str = "models:\n  - name: shops\n    constraints:\n      - {type: primary_key, columns: [shop_id]}\n  \
    - name: orders\n    constraints:\n      - {type: primary_key, columns: [order_id]}\n      \
    - {type: foreign_key, columns: [shop_id], to: ref('shops'), to_columns: [shop_id]}\n";

/// Shops come and go with the day, and their orders with them.
fn project(database: &Database) -> Project {
    let mut project = Project::of(&[
        ("profiles.toml", PROFILES),
        (
            "models/marts/shops.sql",
            "{{ config(materialized='table') }}\nselect i as shop_id, 'Shop ' || i as name from range({{ var('day') }}, 7 + {{ var('day') }}) t(i)",
        ),
        (
            "models/marts/orders.sql",
            "{{ config(materialized='table') }}\nselect i as order_id, {{ var('day') }} + i % 7 as shop_id, \
             'day ' || case when i % 3 = 0 then {{ var('day') }} else 1 end as title \
             from range({{ var('day') }}, 300 + {{ var('day') }}) t(i)",
        ),
        ("models/marts/totals.sql", "select shop_id, count(*) as n from {{ ref('orders') }} group by 1"),
        ("models/marts/marts.yml", MARTS),
    ]);
    project.set("MYSQL_URI", &database.uri);
    project
}

fn day(day: i64) -> String {
    format!("{{\"day\": {day}}}")
}

#[track_caller]
fn assert_at(database: &Database, day: i64, when: &str) {
    let shops: Vec<String> = (day..7 + day).map(|i| format!("{i} Shop {i}")).collect();
    assert_eq!(database.texts("select concat(shop_id, ' ', name) from shops order by shop_id"), shops, "{when}");
    let orders: Vec<String> =
        (day..300 + day).map(|i| format!("{i} {} day {}", day + i % 7, if i % 3 == 0 { day } else { 1 })).collect();
    let found = database.texts("select concat(order_id, ' ', shop_id, ' ', title) from orders order by order_id");
    assert_eq!(found, orders, "{when}");
    assert_eq!(database.texts("select cast(sum(n) as char) from totals"), ["300"], "{when}");
    let left = database.texts("show tables like '\\_elt\\_rows%'");
    assert!(left.is_empty(), "{left:?}, {when}");
}

#[test]
fn only_changes_go_in_one_transaction() {
    let database = MariaDb::shared().database();
    let project = project(&database);
    project.elt(&["build"]).ok().says("300 inserted");
    assert_at(&database, 1, "the first load");
    project.elt(&["build"]).ok().says("(0 rows changed)");
    assert_eq!(database.texts("select cast(count(*) as char) from _elt_publications"), ["1"]);
    project.elt(&["build", "--vars", &day(3)]).ok();
    assert_at(&database, 3, "a delta");
    // Another warehouse, or a backup: the record is not ours, all is compared, and what others changed is healed.
    database.run("delete from orders where order_id = 9");
    database.run("update shops set name = 'theirs' where shop_id = 5");
    database.run("delete from _elt_publications");
    project.elt(&["export"]).ok().says("1 inserted").says("1 updated");
    assert_at(&database, 3, "healed");
}

#[test]
fn killed_publications_are_repeated() {
    let database = MariaDb::shared().database();
    let mut project = project(&database);
    for (index, failpoint) in ["export.staged", "export.before_commit", "export.after_commit"].into_iter().enumerate() {
        let day_of_kill = 1 + 2 * index as i64;
        project.set("ELT_FAILPOINT", failpoint);
        project.elt(&["build", "--vars", &day(day_of_kill)]).died();
        project.unset("ELT_FAILPOINT");
        project.elt(&["build", "--vars", &day(day_of_kill)]).ok();
        assert_at(&database, day_of_kill, failpoint);
        project.elt(&["build", "--vars", &day(day_of_kill + 1)]).ok();
        assert_at(&database, day_of_kill + 1, &format!("the day after `{failpoint}`"));
    }
    for kill in 0..6_u64 {
        let running = project.start(&["build", "--vars", &day(10 * (kill as i64 + 1))]);
        thread::sleep(Duration::from_millis(120 + 50 * kill));
        running.signal("KILL");
        running.finish_within(Duration::from_secs(10));
    }
    project.elt(&["build", "--vars", &day(4)]).ok();
    assert_at(&database, 4, "after a row of kills");
}

#[test]
fn values_arrive_as_duckdb_has_them() {
    let database = MariaDb::shared().database();
    let mut project = Project::of(&[
        ("profiles.toml", PROFILES),
        (
            "models/marts/types.sql",
            "{{ config(materialized='table', unique_key='id') }}\nselect 1 as id, true as flag, (-128)::tinyint as tiny, \
             9223372036854775807 as big, 18446744073709551615::ubigint as vast, -12345.67::decimal(18, 2) as amount, \
             0.1::double as real_number, 'tab\\tback\\\\slash ''quote'' 😀' as text, date '2024-02-29' as day, \
             timestamp '2024-02-29 12:34:56.789012' as at, timestamptz '2024-02-29 12:34:56+02' as instant, \
             '\\xFF\\x00'::blob as bytes, {'a': [1, null]} as nested, uuid '00112233-4455-6677-8899-aabbccddeeff' as uuid, \
             null::varchar as nothing union all select 2, null, null, null, null, null, null, '', null, null, null, ''::blob, null, null, null",
        ),
    ]);
    project.set("MYSQL_URI", &database.uri);
    project.elt(&["build"]).ok();
    let row = database.texts(
        "select concat_ws('|', id, flag, tiny, big, vast, amount, real_number, hex(text), day, at, instant, hex(bytes), \
         hex(json_extract(nested, '$.a[0]')), hex(uuid), coalesce(nothing, 'null')) from types order by id",
    );
    let text: String = "tab\\tback\\\\slash 'quote' 😀".bytes().map(|byte| format!("{byte:02X}")).collect();
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    let uuid: String = uuid.bytes().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(
        row[0],
        format!(
            "1|1|-128|9223372036854775807|18446744073709551615|-12345.67|0.1|{text}|2024-02-29|2024-02-29 12:34:56.789012|\
             2024-02-29 10:34:56.000000|FF00|31|{uuid}|null"
        )
    );
    assert_eq!(row[1], "2|||null", "an empty text and empty bytes are no nulls");
}

#[test]
fn tables_of_others_keep_what_is_theirs() {
    let database = MariaDb::shared().database();
    database.run(
        "create table shops (number int auto_increment primary key, shop_id bigint not null unique, name varchar(20), \
         note varchar(10) not null default 'theirs') engine = InnoDB",
    );
    let project = project(&database);
    project.elt(&["build"]).ok();
    assert_eq!(database.texts("select distinct note from shops"), ["theirs"]);
    assert_at(&database, 1, "into a table of others");
    database.run("alter table shops drop column name, add column name int");
    project.elt(&["export"]).exits(1).says("`name`");
}

#[test]
fn a_key_that_is_double_there_names_no_value() {
    let database = MariaDb::shared().database();
    let mut project = Project::of(&[
        ("profiles.toml", PROFILES),
        (
            "models/marts/people.sql",
            "{{ config(materialized='table', unique_key='id') }}\nselect i as id, 'hush' as name from range(3) t(i)",
        ),
        (
            "models/marts/people.yml",
            "models:\n  - name: people\n    constraints:\n      - {type: unique, columns: [name]}\n",
        ),
    ]);
    project.set("MYSQL_URI", &database.uri);
    project.elt(&["build"]).exits(1).hides("hush").says("duplicate entry for key");
    // A date that MySQL does not reach, found before it is sent.
    project.write(
        "models/marts/people.sql",
        "{{ config(materialized='table', unique_key='id') }}\nselect i as id, 'n' || i as name, date '0044-03-15' as day from range(3) t(i)",
    );
    project.elt(&["build"]).exits(1).says("`day`").says("nothing was published");
}
