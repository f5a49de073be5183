//! The tests that are tables: the data cases, and the conformance suite of the targets. Each row is a test with a name.
//!
//! `tests/run cases::cycle` runs one case. `tests/run conformance::mysql` runs all behaviours of one target. Only
//! collects the tests. The harness is `libtest-mimic`, which accepts the arguments of cargo's own harness.

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
