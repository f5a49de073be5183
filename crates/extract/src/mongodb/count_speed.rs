//! Measures whether a server has stored counts, like MongoDB, or reads a collection to count it.
//!
//! A server that reads to count also reads to draw a sample, which would cost as much as the load itself. Knows only
//! times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Smaller collections are not measured, because the network takes longer than the count.
const DOCUMENTS_MIN: u64 = 20_000;

/// If a count takes more nanoseconds for each document, without the network, the server did not have it stored.
const NANOS_A_DOCUMENT_MAX: u64 = 50;

#[derive(Debug)]
pub struct CountSpeed {
    /// The time of the fastest answer to a question without reading, in nanoseconds.
    way: AtomicU64,
    /// The time of the fastest count, for each document.
    count: AtomicU64,
}

impl Default for CountSpeed {
    fn default() -> Self {
        Self { way: AtomicU64::new(u64::MAX), count: AtomicU64::new(u64::MAX) }
    }
}

impl CountSpeed {
    /// Records the time of an answer without reading.
    pub fn answered(&self, time: Duration) {
        self.way.fetch_min(nanos(time), Ordering::Relaxed);
    }

    /// Records the time of a count.
    pub fn counted(&self, documents: u64, time: Duration) {
        if documents >= DOCUMENTS_MIN {
            let way = Some(self.way.load(Ordering::Relaxed)).filter(|way| *way < u64::MAX).unwrap_or_default();
            self.count.fetch_min(nanos(time).saturating_sub(way) / documents, Ordering::Relaxed);
        }
    }

    /// Whether every count so far took the time of reading. False if no collection was large enough to know.
    pub fn counts_by_reading(&self) -> bool {
        let count = self.count.load(Ordering::Relaxed);
        count < u64::MAX && count > NANOS_A_DOCUMENT_MAX
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::CountSpeed;
    use std::time::Duration;

    #[track_caller]
    fn check(counts: &[(u64, u64)], expected: bool) {
        let pace = CountSpeed::default();
        pace.answered(Duration::from_millis(30));
        for (documents, millis) in counts {
            pace.counted(*documents, Duration::from_millis(*millis));
        }
        assert_eq!(pace.counts_by_reading(), expected);
    }

    #[test]
    fn the_quickest_count_says_it() {
        check(&[], false);
        check(&[(10, 500)], false);
        check(&[(1_000_000, 31)], false);
        check(&[(1_000_000, 280)], true);
        check(&[(60_000, 46), (1_000_000, 32)], false);
    }
}
