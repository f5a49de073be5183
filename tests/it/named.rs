//! The tests that are tables, each row a test with a name: the data cases, and the conformance suite of the targets.
//!
//! `tests/run cases::cycle` runs one case, `tests/run conformance::mysql` all behaviours of one target. Knows only how
//! to collect them; the harness is `libtest-mimic`, which takes the arguments of cargo's own.

#![allow(dead_code, reason = "the modules that drive the program and the servers are shared with `main`")]

mod cases;
mod conformance;
mod mariadb;
mod project;
mod servers;
mod shop;
mod wire;

use libtest_mimic::Arguments;

fn main() {
    let trials = cases::trials().into_iter().chain(conformance::trials()).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
