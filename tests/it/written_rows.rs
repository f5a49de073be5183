//! Rows that Postgres does not hold as they were published, because of what others put on a table that elt made.
//!
//! Each publication fails before its commit, and succeeds once the cause is gone.

use crate::servers::{Postgres, PostgresDatabase};
use crate::shop::{Shop, assert_at};

/// What others do, its undoing, and the error.
const HANDS: [(&str, &str, &str); 5] = [
    (
        "create function shop.skip() returns trigger language plpgsql as $$ begin return null; end $$; \
         create trigger skip before update on shop.parents for each row execute function shop.skip()",
        "drop function shop.skip() cascade",
        "Postgres holds other values than published in 2 rows of `parents`",
    ),
    (
        "create rule nothing as on update to shop.parents do instead nothing",
        "drop rule nothing on shop.parents",
        "caused by: rule `nothing` of others replaces statements",
    ),
    (
        "create rule nothing as on insert to shop.children do instead nothing",
        "drop rule nothing on shop.children",
        "Postgres did not insert 5 rows of `children`",
    ),
    (
        "create rule nothing as on delete to shop.children do instead nothing",
        "drop rule nothing on shop.children",
        "Postgres did not delete 5 rows of `children`",
    ),
    (
        "create rule nothing as on insert to shop.lines do instead nothing",
        "drop rule nothing on shop.lines",
        "Postgres did not insert 4 rows of `lines`",
    ),
];

fn execute(database: &PostgresDatabase, sql: &str) {
    database.client().batch_execute(sql).unwrap_or_else(|error| panic!("`{sql}`: {error}"));
}

#[test]
fn what_others_put_on_a_table_swallows_no_row() {
    let database = Postgres::shared().database();
    let shop = Shop::published(&database.uri, 0);
    shop.turn(1);
    for (put, take, said) in HANDS {
        execute(&database, put);
        shop.project.elt(&["export"]).exits(1).says(said);
        assert_at(&mut database.client(), 0, put);
        execute(&database, take);
    }
    shop.project.elt(&["export"]).ok();
    assert_at(&mut database.client(), 1, "after others took all away");
}

#[test]
fn row_security_hides_no_difference() {
    let database = Postgres::shared().database();
    let role = "elt_it_secured";
    let _ = database.client().batch_execute(&format!("create role {role}"));
    let name = database.uri.rsplit('/').next().unwrap_or_default();
    execute(&database, &format!("grant create on database {name} to {role}"));
    let shop = Shop::published(&format!("{}?options=-c%20role%3D{role}", database.uri), 0);
    shop.turn(1);
    for (hidden, said) in [
        // A row to delete, and a row to update.
        ("parent_id <> 0", "parents"),
        ("parent_id <> 2", "parents"),
    ] {
        execute(
            &database,
            &format!(
                "alter table shop.parents enable row level security; alter table shop.parents force row level security; \
                 create policy seen on shop.parents using ({hidden})"
            ),
        );
        shop.project.elt(&["export"]).exits(1).says(said).says("row security applies to this role");
        execute(&database, "drop policy seen on shop.parents; alter table shop.parents disable row level security");
        assert_at(&mut database.client(), 0, hidden);
    }
    // A policy that hides nothing changes nothing.
    execute(
        &database,
        "alter table shop.parents enable row level security; create policy seen on shop.parents using (true)",
    );
    shop.project.elt(&["export"]).ok();
    assert_at(&mut database.client(), 1, "with a policy that hides nothing");
    drop(shop);
    execute(&database, &format!("drop owned by {role} cascade; drop role {role}"));
}
