//! The renderings that are under way in this process, so that a stop can tell one that does not end.
//!
//! Counters. Stops nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

static BEGUN: AtomicUsize = AtomicUsize::new(0);
static ENDED: AtomicUsize = AtomicUsize::new(0);

/// A rendering, until it is dropped.
pub(super) struct UnderWay(());

impl UnderWay {
    pub fn begin() -> Self {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        ENDED.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many renderings have begun, and how many have ended. While both stay the same and differ, one does not end.
pub fn renderings() -> (usize, usize) {
    (BEGUN.load(Ordering::Relaxed), ENDED.load(Ordering::Relaxed))
}
