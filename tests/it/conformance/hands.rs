//! Behaviours with changes by others in the target: they are noticed, verified, healed, or are an error.

use super::bench::Bench;
use super::target::Hand;
use crate::shop::rows;

fn point(hand: Hand) -> &'static str {
    match hand {
        Hand::Edit => "edited row",
        Hand::Delete => "deleted row",
        Hand::Insert => "inserted row",
    }
}

/// The next publication notices a change, reports it, and heals it.
pub fn noticed(bench: &mut Bench) {
    let shop = bench.published(0);
    for hand in Hand::ALL {
        bench.target.change(hand);
        let run = shop.project.elt(&["export"]);
        bench.exits(point(hand), 0, &run);
        if !bench.is_at(point(hand), 0, &run) {
            shop.project.elt(&["export", "--heal"]).ok();
        }
    }
}

/// `--verify` reports a change and keeps it. `--heal` reverts it.
pub fn verified(bench: &mut Bench) {
    let shop = bench.published(0);
    for hand in Hand::ALL {
        bench.target.change(hand);
        let before = bench.state();
        assert_ne!(before, rows(0), "{hand:?} changes something");
        let run = shop.project.elt(&["export", "--verify"]);
        let told = run.status.code() == Some(1) && run.stderr.contains(&format!("{}`", hand.table()));
        bench.check("told", told, &run);
        bench.check("left alone", bench.state() == before, "`--verify` changed the target");
        let run = shop.project.elt(&["export", "--heal"]);
        bench.exits("healed", 0, &run);
        bench.is_at("healed", 0, format!("{hand:?} healed"));
    }
    let run = shop.project.elt(&["export", "--verify"]);
    bench.exits("no difference", 0, &run);
}

/// A target without a record, as after a restored backup, is compared in full.
pub fn record_lost(bench: &mut Bench) {
    let shop = bench.published(0);
    for hand in Hand::ALL {
        bench.target.change(hand);
        bench.target.forget();
        let run = shop.project.elt(&["export"]);
        bench.exits(point(hand), 0, &run);
        bench.is_at(point(hand), 0, &run);
    }
    bench.target.change(Hand::Edit);
    bench.target.forget();
    shop.turn(1);
    let run = shop.project.elt(&["export"]);
    bench.exits("with changes of ours", 0, &run);
    bench.is_at("with changes of ours", 1, &run);
}

/// With `on_divergence = "fail"`, a change by others is not overwritten until the user requests it.
pub fn divergence_refused(bench: &mut Bench) {
    let shop = bench.shop_with(0, "on_divergence = \"fail\"\n");
    shop.project.elt(&["build"]).ok();
    bench.target.change(Hand::Edit);
    bench.target.forget();
    let before = bench.state();
    for _ in 0..2 {
        let run = shop.project.elt(&["export"]);
        bench.exits("refused", 1, &run);
        bench.check("left alone", bench.state() == before, &run);
    }
    let run = shop.project.elt(&["export", "--heal"]);
    bench.exits("healed on request", 0, &run);
    bench.is_at("healed on request", 0, "after `--heal`");
    let run = shop.project.elt(&["export"]);
    bench.exits("then published", 0, &run);
}
