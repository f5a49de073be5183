//! Finds out whether a publication was committed when the answer to its commit was lost.
//!
//! Knows no driver.

use std::time::{Duration, Instant};

use super::lock::LOCK_WAIT;
use super::steps::Applying;
use crate::messages;
use elt_base::error::Result;

/// How often the target is asked.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Ok if the publication `id` was committed, else an error with its cause. The target is asked under its lock, because
/// a lost connection releases the lock only after its transaction has ended.
pub fn look_back<T: Applying>(target: &mut T, id: &str, cause: &str) -> Result<()> {
    let start = Instant::now();
    for attempt in 0..TRIES {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        match target.is_recorded(id) {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(target.failed("committing", cause)),
            // Whoever has the lock for so long keeps it.
            Err(_) if start.elapsed() >= LOCK_WAIT => break,
            Err(_) => {}
        }
    }
    Err(messages::export_outcome_unknown(target.capabilities().called, &target.place(), id, cause))
}
