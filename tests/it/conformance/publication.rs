//! Behaviours of undisturbed publications: first load, changes, no changes, keys, and foreign keys.

use super::bench::Bench;
use super::target::Kind;

pub fn first_load(bench: &mut Bench) {
    let shop = bench.shop(0);
    shop.project.write("models/marts/nothing.sql", "select 1::bigint as id, 'x' as name where false\n");
    let run = shop.project.elt(&["build"]);
    bench.exits("published", 0, &run);
    bench.is_at("rows", 0, "after the first load");
    let nothing = bench.target.rows("nothing", &[("id", Kind::Integer), ("name", Kind::Text)]);
    bench.check("table without rows", nothing == Some(Vec::new()), format!("{nothing:?}"));
}

pub fn delta(bench: &mut Bench) {
    let shop = bench.published(0);
    for number in [1, 2, 3] {
        shop.turn(number);
        let run = shop.project.elt(&["export"]);
        bench.exits("published", 0, &run);
        bench.is_at("rows", number, "after a delta");
        let counts =
            run.stderr.lines().find(|line| line.trim_start().starts_with("export   parents ")).unwrap_or_default();
        bench.check("counts", number > 1 || counts.ends_with("1 inserted, 2 updated, 1 deleted"), &run);
    }
}

pub fn delete(bench: &mut Bench) {
    let shop = bench.published(0);
    let columns = [("parent_id", Kind::Integer), ("name", Kind::Text)];
    for (point, parents) in [("some rows", "0,p0 at 0\n4,p4 at 0\n"), ("all rows", "")] {
        shop.project.write("parents.csv", parents);
        shop.project.write("children.csv", "");
        shop.project.write("lines.csv", "");
        let run = shop.project.elt(&["export"]);
        bench.exits(point, 0, &run);
        bench.equals(point, &shop.project, "parents", &columns, "after rows went");
        let left: Vec<String> = bench.state().into_iter().filter(|line| !line.starts_with("parent ")).collect();
        bench.check(point, left.is_empty(), format!("{left:?}"));
    }
    shop.turn(1);
    shop.project.elt(&["export"]).ok();
    bench.is_at("rows come again", 1, "after all rows went");
}

pub fn no_change(bench: &mut Bench) {
    let shop = bench.published(0);
    let before = bench.target.record();
    for command in ["export", "build"] {
        let run = shop.project.elt(&[command]);
        bench.exits("published", 0, &run);
        bench.check("said", run.stderr.contains("(0 rows changed)"), &run);
        let after = bench.target.record();
        bench.check(
            "nothing written",
            before == after,
            format!("{before}\nbefore, and\n{after}\nafter `elt {command}`"),
        );
    }
    bench.is_at("rows", 0, "after nothing");
}

pub fn key_change(bench: &mut Bench) {
    const COLUMNS: [(&str, Kind); 3] = [("id", Kind::Integer), ("code", Kind::Text), ("name", Kind::Text)];
    let model = |key: &str, values: &str| {
        format!(
            "{{{{ config(materialized='table', unique_key='{key}') }}}}\n\
             select id::bigint as id, code, name from (values {values}) t(id, code, name)\n"
        )
    };
    let project =
        bench.project(&[("models/marts/people.sql", &model("id", "(1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', 'z')"))]);
    project.elt(&["build"]).ok();
    // A row gets another key.
    project.write("models/marts/people.sql", &model("id", "(1, 'a', 'x'), (20, 'b', 'y'), (3, 'c', 'z')"));
    let run = project.elt(&["build"]);
    bench.exits("another value", 0, &run);
    bench.equals("another value", &project, "people", &COLUMNS, "after a key changed its value");
    // The table gets another key. With this key, two rows are new and one is changed.
    project.write(
        "models/marts/people.sql",
        &model("code", "(1, 'a', 'x'), (20, 'd', 'y'), (4, 'c', 'zz'), (1, 'e', 'w')"),
    );
    let run = project.elt(&["build"]);
    bench.exits("another column", 0, &run);
    bench.equals("another column", &project, "people", &COLUMNS, "after the key became another column");
    project.write("models/marts/people.sql", &model("code", "(1, 'a', 'xx'), (4, 'c', 'zz'), (1, 'e', 'w')"));
    let run = project.elt(&["build"]);
    bench.exits("another column", 0, &run);
    bench.equals("another column", &project, "people", &COLUMNS, "after a delta by the new key");
}

pub fn foreign_keys_in_order(bench: &mut Bench) {
    let shop = bench.published(0);
    // All old parents are deleted and all new ones are inserted, so children must be deleted before and inserted after
    // their parents.
    for number in [6, 16, 2] {
        shop.turn(number);
        let run = shop.project.elt(&["export"]);
        bench.exits("published", 0, &run);
        bench.is_at("rows", number, "after all parents were exchanged");
    }
}

/// Customers and orders refer to each other, and orders also to themselves. `day` changes, adds and deletes rows in
/// both tables.
const CYCLE: [(&str, &str); 3] = [
    (
        "models/marts/customers.sql",
        "{{ config(materialized='table') }}\nselect i::bigint as id, 'name ' || (i + day) as name, \
         if(i < 60, greatest(i, day), null) as best from range(40) t(i), (select {{ var('day', 0) }} as day) where i <> day - 1\n",
    ),
    (
        "models/marts/orders.sql",
        "{{ config(materialized='table') }}\nselect i as id, if(i % 40 = day - 1, null, i % 40) as customer, \
         if(i < day + 1, null, i - 1) as after from range(60 + {{ var('day', 0) }}) t(i), \
         (select {{ var('day', 0) }} as day) where i >= day\n",
    ),
    (
        "models/marts/marts.yml",
        "version: 2\nmodels:\n- name: customers\n  constraints:\n    - {type: primary_key, columns: [id]}\n    \
         - {type: foreign_key, columns: [best], to: ref('orders'), to_columns: [id]}\n\
         - name: orders\n  constraints:\n    - {type: primary_key, columns: [id]}\n    \
         - {type: foreign_key, columns: [customer], to: ref('customers'), to_columns: [id]}\n    \
         - {type: foreign_key, columns: [after], to: ref('orders'), to_columns: [id]}\n",
    ),
];

pub fn foreign_keys_in_cycles(bench: &mut Bench) {
    let project = bench.project(&CYCLE);
    for day in 0..3 {
        let run = project.elt(&["build", "--vars", &format!("{{\"day\": {day}}}")]);
        bench.exits("published", 0, &run);
        for (table, columns) in [("customers", ["id", "name", "best"]), ("orders", ["id", "customer", "after"])] {
            let columns = columns.map(|name| (name, if name == "name" { Kind::Text } else { Kind::Integer }));
            bench.equals("rows", &project, table, &columns, format!("day {day}"));
        }
    }
}

pub fn row_that_points_nowhere(bench: &mut Bench) {
    let shop = bench.published(0);
    shop.turn(1);
    shop.project.write("children.csv", "10,1,100\n990,99,5\n");
    let run = shop.project.elt(&["export"]);
    if bench.exits("refused", 1, &run) {
        bench.is_at("nothing published", 0, "after a row that points nowhere");
        shop.turn(1);
        shop.project.elt(&["export"]).ok();
        bench.is_at("published once mended", 1, "after it was mended");
    }
}
