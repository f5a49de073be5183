//! The guarantees of a publication to Postgres. It publishes all tables or none, even if a process is killed. Only one
//! publication runs at a time. Nothing is written if nothing changed. Changes by others in the target are noticed.
//!
//! The tests use `shop`: all tables of the target must have the same number. Does not know how rows are staged.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::own_postgres::OwnPostgres;
use crate::project::{Project, Run};
use crate::servers::{Postgres, PostgresDatabase};
use crate::shop::{Shop, assert_at, publications, read, rows};
use crate::wire::{Fate, Message, Side, Wire};

const FAIL: &str = "on_divergence = \"fail\"\n";

fn execute(database: &PostgresDatabase, sql: &str) {
    database.client().batch_execute(sql).unwrap_or_else(|error| panic!("`{sql}`: {error}"));
}

fn touched(database: &PostgresDatabase) -> i64 {
    database.number("select count(*) from _elt.touched")
}

/// Changes to a table of ours by others, and the message of the next publication.
const BY_HAND: [(&str, &str); 7] = [
    (
        "update shop.parents set name = 'other' where parent_id = 2",
        "`shop.parents`: 1 row with other values in the target (`parent_id` 2)",
    ),
    (
        "delete from shop.totals where parent_id = 3; insert into shop.parents values (99, 'new')",
        "`shop.totals`: 1 row missing in the target (`parent_id` 3)",
    ),
    (
        "insert into shop.parents values (99, 'new')",
        "`shop.parents`: 1 row in the target that the warehouse does not have (`parent_id` 99)",
    ),
    ("truncate shop.lines", "`shop.lines`: 4 rows missing in the target"),
    (
        "alter table shop.children disable trigger all; update shop.children set amount = -1 where child_id = 10; \
         alter table shop.children enable trigger all",
        "`shop.children`: 1 row with other values in the target (`child_id` 10)",
    ),
    (
        "begin isolation level repeatable read; update shop.totals set amount = -1 where parent_id = 1; commit; \
         set session_replication_role = replica; update shop.totals set amount = -1 where parent_id = 2",
        "`shop.totals`: 2 rows with other values in the target (`parent_id` 1, 2)",
    ),
    // As after a restore of only the schema.
    (
        "alter table shop.lines rename to old; create table shop.lines (line text); drop table shop.old",
        "`shop.lines`: 4 rows missing in the target",
    ),
];

#[test]
fn changes_by_hand_are_noticed_told_and_healed() {
    let database = Postgres::shared().database();
    let shop = Shop::published(&database.uri, 0);
    for (sql, said) in BY_HAND {
        execute(&database, sql);
        shop.project.elt(&["export", "--verify"]).exits(1).says(said).says("nothing was changed");
        shop.project
            .elt(&["export"])
            .ok()
            .says(&format!("note: changed by others, and set back to the warehouse's data: {said}"));
        assert_at(&mut database.client(), 0, sql);
        assert_eq!(touched(&database), 0, "{sql}");
        shop.project
            .elt(&["export", "--verify"])
            .ok()
            .says("the target has the same data as the warehouse, in 4 tables");
        // After healing, there is no divergence.
        let run = shop.project.elt(&["export"]).ok().says("(0 rows changed)");
        assert!(!run.stderr.contains("note:"), "{run}");
    }
    // Together with our own changes, and with changes in a table that is not published.
    execute(&database, "update shop.parents set name = 'other' where parent_id = 3; delete from shop.totals");
    shop.turn(1);
    shop.project.elt(&["export", "-s", "parents", "children", "lines"]).ok().says("`shop.parents`");
    shop.project.elt(&["export"]).ok().says("`shop.totals`: 6 rows missing in the target");
    assert_at(&mut database.client(), 1, "changed on both sides");
    // Two first sessions do not wait for each other.
    let (mut one, mut other) = (database.client(), database.client());
    let mut first = one.transaction().expect("a transaction");
    first.batch_execute("update shop.parents set name = 'one' where parent_id = 1").expect("a change");
    other
        .batch_execute("set lock_timeout = '1s'; update shop.parents set name = 'two' where parent_id = 2")
        .expect("another row's change to wait for nobody");
    first.commit().expect("a commit");
    shop.project.elt(&["export"]).ok().says("2 rows with other values in the target");
    assert_at(&mut database.client(), 1, "changed by two sessions");
}

#[test]
fn a_divergence_is_refused_until_it_is_healed() {
    let database = Postgres::shared().database();
    let shop = Shop::published_with(&database.uri, 0, FAIL);
    shop.turn(1);
    shop.project.elt(&["export"]).ok();
    let diverged = [
        // The target was restored from a backup that is one publication older.
        "delete from _elt.publications where number = (select max(number) from _elt.publications)",
        // A backup from before the first publication.
        "delete from _elt.publications",
        // Another warehouse has published to the target.
        "insert into _elt.publications (id, schema, project, target, tool, tables) \
         values (gen_random_uuid(), 'shop', 'other', 'dev', 'elt', '{}')",
        "select 1",
    ];
    for sql in diverged {
        execute(&database, &format!("{sql}; delete from shop.totals where parent_id = 4"));
        let before = read(&mut database.client()).expect("the target's tables");
        for _ in 0..2 {
            shop.project
                .elt(&["export"])
                .exits(1)
                .says("error: the target was changed after elt's last publication, and `on_divergence` is `fail`")
                .says("caused by: `shop.totals`: 1 row missing in the target (`parent_id` 4)")
                .says("hint: nothing was published; `elt export --heal`");
            assert_eq!(read(&mut database.client()).expect("the target's tables"), before, "{sql}");
        }
        // A publication of only other tables does not clear the divergence.
        if sql != "select 1" {
            shop.project.elt(&["export", "--heal", "-s", "lines"]).ok();
        }
        shop.project.elt(&["export"]).exits(1).says("`shop.totals`: 1 row missing in the target");
        shop.project.elt(&["export", "--heal"]).ok().says("`shop.totals`");
        assert_at(&mut database.client(), 1, sql);
        shop.project.elt(&["export"]).ok().says("(0 rows changed)");
    }
    // Without a difference, there is no error.
    execute(&database, diverged[0]);
    shop.project.elt(&["export"]).ok().says("the target is not in the state of our last publication");
    assert_at(&mut database.client(), 1, "a record alone that is gone");
}

#[test]
fn tables_of_others_are_verified_but_not_watched() {
    let database = Postgres::shared().database();
    execute(
        &database,
        "create schema shop; create table shop.lines (line text, note text default 'theirs'); \
         create table shop.parents (parent_id bigint primary key, name text)",
    );
    let shop = Shop::published(&database.uri, 0);
    let triggers = "select count(*) from pg_trigger where tgname = 'elt_touched'";
    assert_eq!(database.number(triggers), 2, "on the tables that were made");
    execute(&database, "update shop.parents set name = 'other' where parent_id = 2");
    shop.project.elt(&["export"]).ok().says("(0 rows changed)");
    shop.project.elt(&["export", "--verify"]).exits(1).says("`shop.parents`: 1 row with other values in the target");
    shop.project.elt(&["export", "--heal"]).ok().says("`shop.parents`: 1 row with other values in the target");
    assert_at(&mut database.client(), 0, "healed");
    shop.project.elt(&["export"]).ok().says("(0 rows changed)");
    execute(&database, "update shop.parents set name = 'other' where parent_id = 2; delete from _elt.publications");
    shop.project.elt(&["export"]).ok().says("`shop.parents`: 1 row with other values in the target");
    assert_at(&mut database.client(), 0, "healed, by the record that is gone");
}

#[test]
fn watching_can_be_switched_off() {
    let database = Postgres::shared().database();
    let shop = Shop::published_with(&database.uri, 0, "watch = false\n");
    assert_eq!(database.number("select count(*) from pg_trigger where tgname = 'elt_touched'"), 0);
    execute(&database, "delete from shop.lines");
    shop.project.elt(&["export"]).ok().says("(0 rows changed)");
    shop.project.elt(&["export", "--verify"]).exits(1).says("`shop.lines`: 4 rows missing in the target");
}

#[test]
fn the_record_tells_what_was_published() {
    let database = Postgres::shared().database();
    let shop = Shop::published(&database.uri, 0);
    shop.project.write("models/marts/fixed.sql", "{{ config(materialized='table') }}\nselect 1 as fixed_id");
    shop.project.elt(&["build"]).ok();
    shop.turn(1);
    shop.project.elt(&["export"]).ok();
    let text = |sql: &str| -> Vec<String> {
        database.client().query(sql, &[]).expect("the record").iter().map(|row| row.get(0)).collect()
    };
    let said = text(
        "select concat_ws(' ', project, target, schema, (select string_agg(key || ' ' || (value - 'definition')::text, '; ' \
         order by key) from jsonb_each(tables))) from _elt.publications order by number",
    );
    assert_eq!(
        said,
        [
            "shop dev shop children {\"deleted\": 0, \"updated\": 0, \"inserted\": 12}; lines {\"deleted\": 0, \"updated\": \
             0, \"inserted\": 4}; parents {\"deleted\": 0, \"updated\": 0, \"inserted\": 6}; totals {\"deleted\": 0, \
             \"updated\": 0, \"inserted\": 6}",
            "shop dev shop fixed {\"deleted\": 0, \"updated\": 0, \"inserted\": 1}",
            "shop dev shop children {\"deleted\": 5, \"updated\": 2, \"inserted\": 5}; lines {\"deleted\": 4, \"updated\": \
             0, \"inserted\": 4}; parents {\"deleted\": 1, \"updated\": 2, \"inserted\": 1}; totals {\"deleted\": 1, \
             \"updated\": 5, \"inserted\": 1}",
        ]
    );
    let of_model = "select count(*) from _elt.publications where tables->'fixed'->>'definition' <> ''";
    assert_eq!(database.number(of_model), 1, "the model's fingerprint");
}

#[test]
fn the_second_of_two_waits_or_says_who_publishes() {
    let database = Postgres::shared().database();
    // The first publication is delayed for longer than the second one waits.
    let shop = Shop::published(&format!("{}?options=-c%20lock_timeout%3D90s", database.uri), 0);
    shop.turn(1);
    let mut holder = database.client();
    let mut held = holder.transaction().expect("a transaction");
    held.batch_execute("lock table shop.parents in row exclusive mode").expect("a lock");
    let first = shop.project.start(&["export"]);
    let other = Shop::new(&database.uri, 2, "");
    other.project.elt(&["run"]).ok();
    let waiting = "select count(*) from pg_locks where locktype = 'relation' and not granted";
    let deadline = Instant::now() + Duration::from_secs(30);
    while database.number(waiting) == 0 {
        assert!(Instant::now() < deadline, "the first does not wait for the lock\n{}", first.stderr());
        thread::sleep(Duration::from_millis(50));
    }
    other
        .project
        .elt(&["export"])
        .exits(1)
        .says("note: another publication to `shop` is under way; waiting for it to end")
        .says("error: another publication to schema `shop` is under way (waited 3")
        .says(" s): process ")
        .says(", `elt shop/dev`, from 127.0.0.1");
    assert_at(&mut database.client(), 0, "while both wait");
    let second = other.project.start(&["export"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !second.stderr().contains("waiting for it to end") {
        assert!(Instant::now() < deadline, "the second does not wait\n{}", second.stderr());
        thread::sleep(Duration::from_millis(50));
    }
    held.rollback().expect("the lock's end");
    first.finish().ok();
    second.finish().ok().says("waiting for it to end");
    assert_at(&mut database.client(), 2, "one after the other");
}

#[test]
fn a_build_without_changes_writes_nothing() {
    let postgres = OwnPostgres::start();
    let shop = Shop::published(&postgres.uri, 0);
    let mut client = postgres.client();
    for quiet in ["vacuum", "checkpoint"] {
        client.batch_execute(quiet).expect("a quiet server");
    }
    // Only transactions that write get a number. The end of the log also moves because the running server writes to it.
    let mut stands = || -> (String, i64) {
        let row = client
            .query_one(
                "select pg_snapshot_xmax(pg_current_snapshot())::text, \
                 (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint",
                &[],
            )
            .expect("the log's end");
        (row.get(0), row.get(1))
    };
    let mut written = Vec::new();
    for command in ["build", "export", "build"] {
        // Tries again if the server itself wrote to the log meanwhile.
        let mut least = i64::MAX;
        for _ in 0..5 {
            let before = stands();
            shop.project.elt(&[command]).ok().says("(0 rows changed)");
            let after = stands();
            assert_eq!(before.0, after.0, "a transaction of `elt {command}` wrote");
            least = least.min(after.1 - before.1);
            if least == 0 {
                break;
            }
        }
        written.push(least);
    }
    assert_eq!(written, [0, 0, 0], "bytes of the log");
    assert_eq!(publications(&mut client), 1);
}

#[test]
fn what_postgres_refuses_leaves_the_old_state() {
    let database = Postgres::shared().database();
    let shop = Shop::published(&format!("{}?options=-c%20lock_timeout%3D300ms", database.uri), 0);
    shop.turn(1);
    let refused = |said: &str| -> Run {
        let run = shop
            .project
            .elt(&["export"])
            .exits(1)
            .says(said)
            .says("hint: nothing was published, and the target did not change");
        assert_at(&mut database.client(), 0, said);
        assert_eq!(publications(&mut database.client()), 1, "{said}");
        run
    };
    let raises = "create function public.refuse() returns trigger language plpgsql as \
                  $$ begin raise exception 'no % here', new; end $$; ";
    execute(
        &database,
        &format!(
            "{raises} create trigger refuse after insert on shop.totals for each row execute function public.refuse()"
        ),
    );
    refused("no (…) here [P0001]; in PL/pgSQL function refuse()");
    execute(
        &database,
        "drop function public.refuse() cascade; alter table shop.children add check (amount < 600) not valid",
    );
    refused("violates check constraint");
    execute(
        &database,
        "alter table shop.children drop constraint children_amount_check; create table public.on_parents (parent_id \
         bigint references shop.parents); insert into public.on_parents values (0)",
    );
    refused("violates foreign key constraint");
    execute(&database, "drop table public.on_parents");
    for lock in ["access exclusive", "row exclusive"] {
        let mut client = database.client();
        let mut held = client.transaction().expect("a transaction");
        held.batch_execute(&format!("lock table shop.totals in {lock} mode")).expect("a lock");
        let run = shop
            .project
            .elt(&["export"])
            .exits(1)
            .says("canceling statement due to lock timeout")
            .says("has the lock; its last statement: lock table shop.totals");
        run.says("nothing was published");
        held.rollback().expect("a rollback");
        assert_at(&mut database.client(), 0, lock);
    }
    // A server with a full log, or in read-only mode.
    execute(&database, &format!("alter database {} set default_transaction_read_only = on", name_of(&database)));
    shop.project.elt(&["export"]).exits(1).says("read-only transaction");
    let mut client = database.client();
    client.batch_execute("set default_transaction_read_only = off").expect("to write again");
    let reset = format!("alter database {} reset default_transaction_read_only", name_of(&database));
    client.batch_execute(&reset).expect("to reset it");
    shop.project.elt(&["export"]).ok();
    assert_at(&mut database.client(), 1, "refused no more");
    assert_eq!(publications(&mut database.client()), 2);
}

fn name_of(database: &PostgresDatabase) -> String {
    database.client().query_one("select current_database()::text", &[]).expect("a name").get(0)
}

#[test]
fn a_full_disk_leaves_the_old_state() {
    let postgres = OwnPostgres::on_a_full_disk(6000);
    let shop = Shop::published(&postgres.uri, 0);
    shop.turn(1);
    let many: String = (0..60_000).map(|line| format!("{line} {}\n", "x".repeat(200))).collect();
    shop.project.write("lines.csv", &many);
    shop.project.elt(&["export"]).exits(1).says("Postgres failed while staging `lines`").says("could not");
    assert_at(&mut postgres.client(), 0, "after a full disk");
    shop.turn(1);
    shop.project.elt(&["export"]).ok();
    assert_at(&mut postgres.client(), 1, "with less to write");
}

#[test]
fn a_killed_postgres_stands_at_the_old_or_the_new() {
    /// The time of the kill, and whether the publication was committed before.
    type When = fn(&Message, is_recorded: bool) -> bool;
    const MOMENTS: [(&str, When, u32); 6] = [
        ("copying", |message, _| message.from == Side::Client && message.tag == b'd', 0),
        ("ending a copy", |message, _| message.from == Side::Server && message.text.starts_with("COPY "), 0),
        ("updating", |message, _| message.tag == b'Q' && message.text.contains("update \"shop\""), 0),
        ("recorded", |message, _| message.tag == b'Q' && message.text.contains("insert into _elt.publications"), 0),
        (
            "before the commit",
            |message, is_recorded| is_recorded && message.tag == b'Q' && message.text.starts_with("COMMIT"),
            0,
        ),
        (
            "committed",
            |message, is_recorded| is_recorded && message.tag == b'C' && message.text.starts_with("COMMIT"),
            1,
        ),
    ];
    let postgres = Arc::new(OwnPostgres::start());
    let mut shop = Shop::published(&postgres.uri, 0);
    let wire = Wire::before(&postgres.uri);
    let mut number = 0;
    for (moment, when, committed) in MOMENTS {
        shop.turn(number + 1);
        let has_killed = Arc::new(Mutex::new(false));
        let (server, killed) = (postgres.clone(), has_killed.clone());
        let mut is_recorded = false;
        wire.judge(move |message| {
            let mut killed = killed.lock().expect("a flag");
            is_recorded |= message.tag == b'Q' && message.text.contains("insert into _elt.publications");
            if *killed || !when(message, is_recorded) {
                return Fate::Pass;
            }
            *killed = true;
            server.kill();
            server.start_again();
            Fate::CutBefore
        });
        let before = publications(&mut postgres.client());
        shop.project.set("POSTGRES_URI", &wire.uri);
        let run = shop.project.elt(&["export"]);
        assert!(*has_killed.lock().expect("a flag"), "never {moment}\n{run}");
        let run = run.exits(if committed == 1 { 0 } else { 1 });
        assert_at(&mut postgres.client(), number + committed, &format!("killed {moment}\n{run}"));
        shop.project.set("POSTGRES_URI", &postgres.uri);
        shop.project.elt(&["export"]).ok();
        number += 1;
        assert_at(&mut postgres.client(), number, &format!("killed {moment}, and published again"));
        assert_eq!(publications(&mut postgres.client()), before + 1, "killed {moment}");
        shop.project.elt(&["export", "--verify"]).ok();
    }
    // The publication is committed, and the server is unavailable for longer than the program waits.
    shop.turn(number + 1);
    let server = postgres.clone();
    let mut is_recorded = false;
    wire.judge(move |message| {
        is_recorded |= message.text.contains("insert into _elt.publications");
        if is_recorded && message.tag == b'C' && message.text.starts_with("COMMIT") {
            server.kill();
            return Fate::CutBefore;
        }
        // No connection to a stopped server is possible.
        Fate::Pass
    });
    shop.project.set("POSTGRES_URI", &wire.uri);
    shop.project.elt(&["export"]).exits(1).says("it is unknown whether it was published; run the command again");
    postgres.start_again();
    shop.project.set("POSTGRES_URI", &postgres.uri);
    // A plan before the publication does not change this.
    shop.project.elt(&["export", "--verify"]).ok();
    shop.project.elt(&["export"]).ok().says("(0 rows changed)");
    assert_at(&mut postgres.client(), number + 1, "after a commit whose answer was lost");
    assert_eq!(rows(number + 1).len(), read(&mut postgres.client()).expect("rows").len());
}

#[test]
fn a_killed_publication_is_made_up_for() {
    let database = Postgres::shared().database();
    let mut shop = Shop::published(&database.uri, 0);
    for (number, (failpoint, committed)) in
        [("export.staged", 0), ("export.before_commit", 0), ("export.after_commit", 1), ("build.end", 1)]
            .into_iter()
            .enumerate()
    {
        let number = number as u32;
        shop.turn(number + 1);
        shop.project.set("ELT_FAILPOINT", failpoint);
        shop.project.elt(&["build"]).died();
        shop.project.unset("ELT_FAILPOINT");
        assert_at(&mut database.client(), number + committed, failpoint);
        let run = shop.project.elt(&["build"]).ok();
        assert_eq!(run.stderr.contains("(0 rows changed)"), committed == 1, "{failpoint}\n{run}");
        assert_at(&mut database.client(), number + 1, failpoint);
        assert_eq!(publications(&mut database.client()), i64::from(number) + 2, "{failpoint}");
    }
}

const CIRCLE: &str = "\
version: 2
models:
  - name: heads
    constraints:
      - {type: primary_key, columns: [head_id]}
      - {type: foreign_key, columns: [team_id], to: ref('teams'), to_columns: [team_id]}
      - {type: foreign_key, columns: [above_id], to: ref('heads'), to_columns: [head_id]}
  - name: teams
    constraints:
      - {type: primary_key, columns: [team_id]}
      - {type: foreign_key, columns: [head_id], to: ref('heads'), to_columns: [head_id]}
";

#[test]
fn foreign_keys_in_a_circle_pass() {
    let database = Postgres::shared().database();
    let profiles = "[project]\nname = \"circle\"\n\n[target.dev.export]\ntype = \"postgres\"\nuri = \"${POSTGRES_URI}\"\n\
                    schema = \"circle\"\n";
    let mut project = Project::of(&[("profiles.toml", profiles), ("models/marts/models.yml", CIRCLE)]);
    project.set("POSTGRES_URI", &database.uri);
    // Every row of one day refers only to rows of that day.
    for (heads, teams) in [
        ("(1, 1, null), (2, 1, 1)", "(1, 1)"),
        ("(3, 2, 4), (4, 2, 3)", "(2, 4)"),
        ("(4, 3, 4), (5, 2, 4)", "(2, 5), (3, 4)"),
    ] {
        let model = |values: &str, names: &str| {
            format!("{{{{ config(materialized='table') }}}}\nselect * from (values {values}) as v ({names})")
        };
        project.write("models/marts/heads.sql", &model(heads, "head_id, team_id, above_id"));
        project.write("models/marts/teams.sql", &model(teams, "team_id, head_id"));
        project.elt(&["build"]).ok();
        let there = |sql: &str| -> String { database.client().query_one(sql, &[]).expect("rows").get(0) };
        let read = "select string_agg(format('(%s, %s, %s)', head_id, team_id, coalesce(above_id::text, 'null')), ', ' order by head_id) from circle.heads";
        assert_eq!(there(read), heads);
        let read = "select string_agg(format('(%s, %s)', team_id, head_id), ', ' order by team_id) from circle.teams";
        assert_eq!(there(read), teams);
        let keys = "select count(*) from pg_constraint where contype = 'f' and connamespace = 'circle'::regnamespace";
        assert_eq!(database.number(keys), 3);
    }
}
