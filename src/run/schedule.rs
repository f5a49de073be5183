//! Runs a graph of steps on several threads. Each step runs after those it needs, and none runs if one of these failed.
//!
//! Knows the steps only as numbers.

use parking_lot::{Condvar, Mutex};

use elt_base::cancel::Cancel;
use elt_base::stack;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Failed,
}

/// The reason why a step was not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// This step, which it needs, failed (the first cause, not another skipped one).
    Because(usize),
    /// The user asked to stop, or the first failure stops the run.
    Stopped,
}

struct State {
    /// The steps that can start now. The last one starts first.
    ready: Vec<usize>,
    /// The number of unfinished needs of each step.
    open: Vec<usize>,
    left: usize,
    stopped: bool,
    settled: Vec<bool>,
}

/// Runs all steps. `needs[i]` are the steps that must end before `i` starts; the graph has no cycle. `work` runs a step
/// on one of `threads` threads, each with its own value from `start`. `skip` is called for every step that is not run.
pub fn run<W, S: Fn() -> W + Sync>(
    needs: &[Vec<usize>],
    threads: usize,
    fail_fast: bool,
    cancel: &Cancel,
    start: S,
    work: impl Fn(&mut W, usize) -> Outcome + Sync,
    skip: impl Fn(usize, Skip) + Sync,
) {
    let mut readers = vec![Vec::new(); needs.len()];
    for (step, needs) in needs.iter().enumerate() {
        for need in needs {
            readers[*need].push(step);
        }
    }
    let open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let ready = (0..needs.len()).rev().filter(|step| open[*step] == 0).collect();
    let state = State { ready, open, left: needs.len(), stopped: false, settled: vec![false; needs.len()] };
    let (state, wake) = (Mutex::new(state), Condvar::new());
    let lock = || state.lock();

    let parent = tracing::Span::current();
    let one_thread = || {
        let _in_parent = parent.enter();
        let mut worker = None;
        loop {
            let step = {
                let mut state = lock();
                loop {
                    if state.left == 0 || state.stopped || cancel.is_requested() {
                        wake.notify_all();
                        return;
                    }
                    if let Some(step) = state.ready.pop() {
                        break step;
                    }
                    wake.wait(&mut state);
                }
            };
            let outcome = work(worker.get_or_insert_with(&start), step);
            let mut state = lock();
            settle(&mut state, step);
            match outcome {
                Outcome::Done => {
                    for reader in &readers[step] {
                        state.open[*reader] -= 1;
                        if state.open[*reader] == 0 && !state.settled[*reader] {
                            state.ready.insert(0, *reader);
                        }
                    }
                }
                Outcome::Failed => {
                    state.stopped |= fail_fast;
                    let mut reached = readers[step].clone();
                    while let Some(next) = reached.pop() {
                        if !state.settled[next] {
                            settle(&mut state, next);
                            skip(next, Skip::Because(step));
                            reached.extend(&readers[next]);
                        }
                    }
                }
            }
            wake.notify_all();
        }
    };
    std::thread::scope(|scope| {
        // If the system refuses another thread, the work is done by fewer.
        let _ = (1..threads.min(needs.len())).try_for_each(|_| stack::start(scope, &one_thread).map(drop));
        one_thread();
    });
    let state = lock();
    for step in (0..needs.len()).filter(|step| !state.settled[*step]) {
        skip(step, Skip::Stopped);
    }
}

fn settle(state: &mut State, step: usize) {
    state.settled[step] = true;
    state.left -= 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        needs: &[&[usize]],
        failing: &[usize],
        fail_fast: bool,
        expected_done: &[usize],
        expected_skipped: &[usize],
    ) {
        for threads in [1, 4] {
            let needs: Vec<Vec<usize>> = needs.iter().map(|needs| needs.to_vec()).collect();
            let (done, skipped) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
            run(
                &needs,
                threads,
                fail_fast,
                &Cancel::default(),
                || (),
                |(), step| {
                    let before = done.lock();
                    assert!(needs[step].iter().all(|need| before.contains(need)), "{step} ran before its needs");
                    drop(before);
                    if failing.contains(&step) {
                        return Outcome::Failed;
                    }
                    done.lock().push(step);
                    Outcome::Done
                },
                |step, _| skipped.lock().push(step),
            );
            let (mut done, mut skipped) = (done.into_inner(), skipped.into_inner());
            done.sort_unstable();
            skipped.sort_unstable();
            if fail_fast && threads > 1 {
                continue;
            }
            assert_eq!((done.as_slice(), skipped.as_slice()), (expected_done, expected_skipped));
        }
    }

    #[test]
    fn runs_in_order_and_skips_what_depends_on_a_failure() {
        check(&[], &[], false, &[], &[]);
        check(&[&[], &[0], &[0], &[1, 2]], &[], false, &[0, 1, 2, 3], &[]);
        check(&[&[], &[0], &[0], &[1, 2], &[3]], &[1], false, &[0, 2], &[3, 4]);
        check(&[&[], &[], &[]], &[0], true, &[], &[1, 2]);
    }

    #[test]
    fn a_slow_step_holds_no_others() {
        // Step 0 ends only when all other steps are done, on the one remaining thread.
        let needs: Vec<Vec<usize>> = (0..20).map(|step| if step > 10 { vec![step - 1] } else { Vec::new() }).collect();
        let (done, all) = (Mutex::new(0), Condvar::new());
        run(
            &needs,
            2,
            false,
            &Cancel::default(),
            || (),
            |(), step| {
                let mut count = done.lock();
                if step == 0 {
                    let wait = std::time::Duration::from_secs(60);
                    let late = all.wait_while_for(&mut count, |count| *count < 19, wait);
                    assert!(!late.timed_out(), "only {count} of 19 steps were done beside the slow one");
                } else {
                    *count += 1;
                    all.notify_all();
                }
                Outcome::Done
            },
            |step, _| panic!("{step} was skipped"),
        );
    }
}
