//! The configuration of a microbatch model: its time column, the begin of its first batch, and the length of a batch.
//!
//! Reads one merged map (<https://docs.getdbt.com/docs/build/incremental-microbatch>); computes no batches.

use super::value::ConfigReader;
use crate::graph::{BatchConfig, BatchSize, parse_time};

/// Batches run one after the other, whatever `concurrent_batches` says, because each is a transaction on the same
/// table.
const DEFAULT_LOOKBACK: u32 = 1;

impl BatchConfig {
    /// Reports missing and wrong values. Returns None if the intended value cannot be known.
    pub(crate) fn read(read: &mut ConfigReader<'_>, event_time: Option<&str>, has_key: bool) -> Option<Self> {
        let mut missing = |key: &'static str, what: &str| {
            if read.value(key).is_none() {
                read.refuse(key, format!("is missing: a microbatch model needs {what}"));
            }
        };
        missing("event_time", "the column with the time of each row");
        missing("begin", "the time of its first batch, such as `2024-01-01`");
        missing("batch_size", "one of `hour`, `day`, `month`, `year`");
        if has_key {
            read.refuse("unique_key", "conflicts with the strategy `microbatch`, which replaces whole batches".into());
        }
        let batch_size = read.choice("batch_size", BatchSize::CHOICES);
        let written = read.text("begin");
        let begin = written.as_deref().and_then(parse_time);
        if let (Some(written), None) = (&written, begin) {
            read.refuse("begin", format!("cannot be `{written}`: it must be a time such as `2024-01-01T00:00:00`"));
        }
        let lookback =
            read.count("lookback").map_or(DEFAULT_LOOKBACK, |count| u32::try_from(count).unwrap_or(u32::MAX));
        read.flag("concurrent_batches");
        Some(Self { event_time: event_time?.to_owned(), begin: begin?, batch_size: batch_size?, lookback })
    }
}
