//! Reads a collection into the parts of a load, range by range. Reads several ranges at once if threads are free, and
//! reads a range again if the connection to the source was lost.
//!
//! Combines `extract` and `land`. Does not know the raw tables.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Scope};
use std::time::Duration;

use crossbeam_channel::bounded;
use parking_lot::Mutex;

use crate::messages;
use crate::report::{Activity, Console};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::failpoint::failpoint;
use elt_base::reading::Reading;
use elt_extract::batch::Output;
use elt_extract::land::{Load, Part};
use elt_extract::window::IdRange;
use elt_extract::{Question, ReadingPlan, Source};

/// The largest number of outputs between decoding and Parquet writing. Extraction limits the size of each.
const OUTPUTS_AHEAD: usize = 2;

/// How often a range is read after the connection was lost, and the first wait. Each later wait is twice as long.
const ATTEMPTS_MAX: u32 = 6;
const WAIT_FIRST: Duration = Duration::from_millis(500);

/// How often a waiting thread checks whether the user asked to stop.
const CANCEL_EVERY: Duration = Duration::from_millis(50);

/// Threads that no collection uses. Each collection also has one thread of its own.
#[derive(Debug)]
pub struct SpareThreads(AtomicUsize);

impl SpareThreads {
    pub fn new(threads: usize) -> Self {
        Self(AtomicUsize::new(threads))
    }

    /// Takes a free thread, if there is one.
    pub fn take(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(1)).is_ok()
    }

    pub fn give(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The reading of one collection.
pub struct RangeReading<'a> {
    pub source: &'a dyn Source,
    pub question: &'a Question,
    pub plan: &'a ReadingPlan,
    pub load: &'a Load,
    pub ranges: &'a [IdRange],
    /// The name of the collection in messages.
    pub name: &'a str,
    pub spare: &'a SpareThreads,
    pub cancel: &'a Cancel,
    pub activity: &'a Activity,
    pub console: &'a Console,
}

/// The ranges that the threads take one after the other.
struct RangeWork {
    /// The numbers of the ranges to read, from 1.
    open: Vec<usize>,
    next: AtomicUsize,
    done: Mutex<Vec<Part>>,
    failed: Mutex<Option<Error>>,
}

impl RangeReading<'_> {
    /// Reads every range that has not landed, and returns the new parts.
    pub fn read(&self) -> Result<Vec<Part>> {
        let landed = |number: &usize| self.load.landed().iter().any(|part| part.number == *number);
        let work = RangeWork {
            open: (1..=self.ranges.len()).filter(|number| !landed(number)).collect(),
            next: AtomicUsize::new(0),
            done: Mutex::default(),
            failed: Mutex::default(),
        };
        thread::scope(|scope| self.work(scope, &work));
        match work.failed.into_inner() {
            Some(error) => Err(error),
            None => Ok(work.done.into_inner()),
        }
    }

    /// Takes one range after the other; starts another thread while there are more.
    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, work: &'scope RangeWork) {
        loop {
            let index = work.next.fetch_add(1, Ordering::SeqCst);
            let Some(number) = work.open.get(index) else { return };
            if index + 1 < work.open.len() && self.spare.take() {
                scope.spawn(|| {
                    self.work(scope, work);
                    self.spare.give();
                });
            }
            match self.part(*number) {
                Ok(part) => work.done.lock().push(part),
                Err(error) => {
                    // The other threads finish their ranges, and these ranges are kept.
                    work.next.store(work.open.len(), Ordering::SeqCst);
                    work.failed.lock().get_or_insert(error);
                    return;
                }
            }
        }
    }

    /// Reads one range, again after each loss of the source.
    fn part(&self, number: usize) -> Result<Part> {
        let range = self.ranges.get(number - 1).cloned().unwrap_or_default();
        let what = match self.ranges.len() {
            1 => format!("collection `{}`", self.name),
            all => format!("range {number} of {all} of collection `{}`", self.name),
        };
        let mut attempt = 1;
        loop {
            let error = match self.attempt(&range, number) {
                Ok(part) => {
                    failpoint("land.part");
                    return Ok(part);
                }
                Err(error) => error,
            };
            if !error.is_transient() || attempt >= ATTEMPTS_MAX {
                return Err(if error.is_transient() { messages::source_lost(&what, attempt, error) } else { error });
            }
            let wait = WAIT_FIRST * 2_u32.pow(attempt - 1);
            self.console.warning(&messages::source_again(&what, wait, &error));
            let mut waited = Duration::ZERO;
            while waited < wait {
                self.cancel.check()?;
                thread::sleep(CANCEL_EVERY);
                waited += CANCEL_EVERY;
            }
            attempt += 1;
        }
    }

    /// Decodes in this thread and writes Parquet in another. A failed attempt leaves nothing.
    fn attempt(&self, range: &IdRange, number: usize) -> Result<Part> {
        let mut writer = self.load.part(number);
        let (sender, receiver) = bounded::<Output>(OUTPUTS_AHEAD);
        let mut rows = 0;
        let part = thread::scope(|scope| {
            let writing = scope.spawn(move || -> Result<_> {
                for output in receiver {
                    writer.write(&output)?;
                    failpoint("land.batch");
                }
                Ok(writer)
            });
            let reading: Result<Reading> = self.source.read(self.question, self.plan, range, &mut |output| {
                failpoint("extract.batch");
                if let Output::Documents(batch) = &output {
                    rows += batch.data.num_rows() as u64;
                    self.activity.advance(batch.data.num_rows() as u64);
                }
                // If the writer has stopped, joining its thread returns the reason.
                sender.send(output).map_err(|_| elt_base::messages::interrupted())
            });
            drop(sender);
            let writer = match writing.join() {
                Ok(writer) => writer?,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            writer.finish(reading?)
        });
        if part.is_err() {
            self.activity.retreat(rows);
        }
        part
    }
}
