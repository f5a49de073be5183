//! The soak test, which `tests/soak` runs on request: random changes and faults, over all sources and targets, for a
//! given time.
//!
//! Only reads the arguments and reports. `soaking` has the rounds.

#![allow(dead_code, unused_imports, reason = "the modules that drive the program and the servers are shared with `it`")]

mod conformance;
mod csv_cells;
mod documents;
mod main_job;
mod mariadb;
mod project;
mod servers;
mod shop;
mod soaking;
mod typed_values;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use soaking::Soak;

const USAGE: &str = "usage: tests/soak [--minutes 60] [--seed N] [--rounds N] [--every 3]
  --minutes N   how long it runs
  --seed N      which documents, changes and faults; the clock's by default
  --rounds N    ends after so many rounds
  --every N     compares sources, warehouse and targets after so many rounds";

fn main() {
    let mut options = [("--minutes", 60), ("--seed", now()), ("--rounds", u64::MAX), ("--every", 3)];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        let option = options.iter_mut().find(|(name, _)| *name == pair[0]);
        match (option, pair.get(1).and_then(|text| text.parse().ok())) {
            (Some(option), Some(number)) => option.1 = number,
            _ => {
                eprintln!("{USAGE}");
                std::process::exit(2);
            }
        }
    }
    let [minutes, seed, rounds, every] = options.map(|(_, number)| number);
    println!("soak: seed {seed}, {minutes} minutes");
    let started = Instant::now();
    let mut soak = Soak::new(seed, every);
    let mut round = 0;
    while round < rounds && started.elapsed() < Duration::from_secs(60 * minutes) {
        let is_last = round + 1 == rounds;
        step(&mut soak, round, |soak| soak.round(round, is_last));
        round += 1;
    }
    step(&mut soak, round, Soak::compare);
    println!("soak: {round} rounds in {} s, {}", started.elapsed().as_secs(), soak.summary());
}

/// Runs a part of the test. A failure ends the program, which leaves all folders.
fn step(soak: &mut Soak, round: u64, part: impl FnOnce(&mut Soak)) {
    if catch_unwind(AssertUnwindSafe(|| part(soak))).is_err() {
        soak.keep_sources();
        eprintln!("soak: FAILED at seed {}, round {round}", soak.seed());
        eprintln!("soak: the project is in {}, its commands in {}", soak.folder().display(), soaking::LOG);
        std::process::exit(1);
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
