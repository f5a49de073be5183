//! Readers query in a loop during publications. They must see the old or the new state, and must not wait.
//!
//! Knows `shop` and its invariant: in every state that a reader sees, all tables have the same number.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::servers::{Postgres, PostgresDatabase};
use crate::shop::{Rows, Shop, read, rows};

const PUBLICATIONS: u32 = 16;
const READERS: usize = 2;
/// A query that waits for a lock for longer than this fails.
const LOCK_WAIT: &str = "20ms";

/// A query that checks the invariants of any state.
const BROKEN: &str = "select \
    (select count(*) from shop.children c where not exists (select from shop.parents p where p.parent_id = c.parent_id)) \
    + (select count(*) from shop.totals t where not exists (select from shop.parents p where p.parent_id = t.parent_id)) \
    + (select count(*) from (select parent_id, count(*) as children, sum(amount) as amount from shop.children group by 1) c \
       full join shop.totals t using (parent_id) where c.children is distinct from t.children or c.amount is distinct from t.amount)";

/// Reads until `is_over`. Returns the numbers of the states that it saw, and the count of its readings.
fn reader(database: &PostgresDatabase, states: &[Rows], is_over: &AtomicBool) -> (Vec<usize>, u32) {
    let mut client = database.client();
    client.batch_execute(&format!("set lock_timeout = '{LOCK_WAIT}'")).expect("a setting");
    let (mut seen, mut count) = (Vec::new(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let rows = read(&mut client).expect("to read without waiting for a lock");
        let state = states.iter().position(|state| *state == rows);
        let state = state.unwrap_or_else(|| panic!("a mixed state:\n{}", rows.join("\n")));
        if seen.last() != Some(&state) {
            seen.push(state);
        }
        let broken: i64 = client.query_one(BROKEN, &[]).expect("to read without waiting for a lock").get(0);
        assert_eq!(broken, 0, "rows that break what holds between tables");
        count += 1;
    }
    (seen, count)
}

#[test]
fn readers_see_one_state_and_wait_for_nobody() {
    let database = Postgres::shared().database();
    let shop = Shop::published(&database.uri, 0);
    let states: Vec<Rows> = (0..=PUBLICATIONS).map(rows).collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| reader(&database, &states, &is_over))).collect();
        let started = Instant::now();
        for number in 1..=PUBLICATIONS {
            shop.turn(number);
            if number % 4 == 0 {
                // A publication that finds changes by others, and compares in full.
                database.client().batch_execute("update shop.parents set name = name").expect("a change by hand");
            }
            shop.project.elt(&["export"]).ok();
        }
        is_over.store(true, Ordering::Relaxed);
        for reader in readers {
            let (seen, count) = reader.join().expect("a reader");
            assert!(seen.is_sorted(), "back to an older state: {seen:?}");
            assert!(seen.len() > 3, "{count} reads in {:?} saw only {seen:?}", started.elapsed());
        }
    });
}
