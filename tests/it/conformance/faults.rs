//! Behaviours of disturbed publications: the program is killed, an answer is lost, or two programs publish at the same
//! time.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::bench::{Bench, differing};
use crate::shop::{Rows, rows};
use crate::wire::Fate;

const WAIT: Duration = Duration::from_secs(30);

/// The program is killed in the first load, then in a delta. The target has the old or the new state, and the next run
/// publishes.
pub fn killed(bench: &mut Bench, failpoint: &str) {
    let mut shop = bench.shop(0);
    let is_after = failpoint == "export.after_commit";
    for number in [0, 1] {
        shop.turn(number);
        shop.project.set("ELT_FAILPOINT", failpoint);
        let command = if number == 0 { "build" } else { "export" };
        shop.project.elt(&[command]).died();
        shop.project.unset("ELT_FAILPOINT");
        let state = bench.state();
        let expected = match (is_after, number) {
            (true, _) => rows(number),
            (false, 0) => Vec::new(),
            (false, _) => rows(number - 1),
        };
        bench.check("whole", state == expected, format!("killed at {number}: {}", differing(&state, &expected)));
        let run = shop.project.elt(&[command]);
        bench.exits("published by the next run", 0, &run);
        bench.is_at("published by the next run", number, "after the kill");
    }
    let run = shop.project.elt(&["export"]);
    bench.check("then unchanged", run.stderr.contains("(0 rows changed)"), &run);
}

/// The request to commit does not arrive.
pub fn commit_lost(bench: &mut Bench) {
    lost(bench, Fate::CutBefore);
}

/// The request arrives, and the connection ends before its answer.
pub fn commit_answer_lost(bench: &mut Bench) {
    lost(bench, Fate::CutAfter);
}

fn lost(bench: &mut Bench, fate: Fate) {
    let mut shop = bench.published(0);
    let Some(relayed) = bench.target.relay() else {
        bench.check("has a server", false, "no connection can be lost");
        return;
    };
    let (server, relay) = (bench.target.environment(), relayed.wire.uri.clone());
    let (is_commit, was_cut) = (relayed.is_commit, Arc::new(AtomicBool::new(false)));
    let has_cut = was_cut.clone();
    relayed.wire.judge(
        move |message| {
            if is_commit(message) && !has_cut.swap(true, Ordering::SeqCst) { fate } else { Fate::Pass }
        },
    );
    // The table without a key does not change, because MongoDB has a transaction only for changes by key.
    let lines = fs::read(shop.project.path().join("lines.csv")).expect("the lines");
    shop.turn(1);
    fs::write(shop.project.path().join("lines.csv"), lines).expect("the lines");
    let before = bench.target.record();
    shop.project.set(relayed.variable, relay);
    let run = shop.project.elt(&["export"]);
    for (name, value) in server {
        shop.project.set(name, value);
    }
    bench.check("a commit is sent", was_cut.load(Ordering::SeqCst), &run);
    let state = bench.state();
    let (is_old, is_new) = (state == rows(0), state == with_old_lines(1));
    bench.check("whole", is_old || is_new, differing(&state, &with_old_lines(1)));
    let said = match run.status.code() {
        Some(0) => is_new,
        Some(1) => is_old || run.stderr.contains("is unknown"),
        _ => false,
    };
    bench.check("tells what became of it", said, format!("old: {is_old}, new: {is_new}\n{run}"));
    let run = shop.project.elt(&["export"]);
    bench.exits("published by the next run", 0, &run);
    let state = bench.state();
    let holds = state == with_old_lines(1);
    bench.check("published by the next run", holds, differing(&state, &with_old_lines(1)));
    let number = |record: &str| record.parse::<i64>().expect("a count of publications");
    let after = bench.target.record();
    bench.check("one publication", number(&after) == number(&before) + 1, format!("{before}, then {after}"));
}

/// The rows of a number, except that the lines are those of 0.
fn with_old_lines(number: u32) -> Rows {
    let is_numbered = |line: &String| line.starts_with("line number ");
    let mut all: Rows = rows(number).into_iter().filter(|line| !is_numbered(line)).collect();
    all.extend(rows(0).into_iter().filter(is_numbered));
    all.sort();
    all
}

/// The first publication is delayed while it reads its rows, because its file of parents is a pipe.
pub fn two_writers(bench: &mut Bench) {
    let (first, second) = (bench.published(0), bench.shop(2));
    second.project.elt(&["run"]).ok();
    first.turn(1);
    let (file, kept) = (first.project.path().join("parents.csv"), first.project.path().join("parents.kept"));
    fs::rename(&file, &kept).expect("to move the file");
    let made = Command::new("mkfifo").arg(&file).status();
    assert!(made.is_ok_and(|status| status.success()), "no pipe");
    let running_first = first.project.start(&["export"]);
    let mut pipe = open_when_read(&file);
    let mut running_second = second.project.start(&["export"]);
    let deadline = Instant::now() + WAIT;
    let mut waits = false;
    while !waits && running_second.is_running() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
        waits = running_second.stderr().contains("waiting for ");
    }
    bench.check("the second waits and says so", waits, running_second.stderr());
    let before = bench.state();
    bench.check("nothing is published meanwhile", before == rows(0), differing(&before, &rows(0)));
    // The next reader finds a file.
    let text = fs::read(&kept).expect("the parents");
    fs::rename(&kept, &file).expect("to move the file back");
    pipe.write_all(&text).expect("to write to the pipe");
    drop(pipe);
    let run = running_first.finish();
    bench.exits("both publish", 0, &run);
    let run = running_second.finish();
    bench.exits("both publish", 0, &run);
    bench.is_at("the later one's rows", 2, "after two publications");
    let run = first.project.elt(&["export"]);
    bench.exits("the first finds out", 0, &run);
    bench.is_at("the first finds out", 1, "after the first published again");
}

/// Opens a pipe for writing, after another process has opened it for reading.
fn open_when_read(pipe: &Path) -> File {
    const NONBLOCK: i32 = 0o4000;
    let deadline = Instant::now() + WAIT;
    loop {
        match OpenOptions::new().write(true).custom_flags(NONBLOCK).open(pipe) {
            Ok(file) => return file,
            Err(error) => assert!(Instant::now() < deadline, "nobody reads the pipe: {error}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}
