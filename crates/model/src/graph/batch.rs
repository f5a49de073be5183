//! The batches of a microbatch model: half-open ranges of UTC time, with the configured length.
//!
//! Pure. Does not know the model's query or the result of a batch.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::config::BatchConfig;

/// One batch: it includes `start` and excludes `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeBatch {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

impl TimeBatch {
    /// The SQL condition that a time is in the batch.
    pub fn condition(self, event_time: &str) -> String {
        let literal = |time: DateTime<Utc>| format!("timestamp '{}'", time.format("%Y-%m-%d %H:%M:%S%.f"));
        format!("{event_time} >= {} and {event_time} < {}", literal(self.start), literal(self.end))
    }

    /// A time in dbt's notation in a template: `2024-01-31 00:00:00+00:00`.
    pub fn shown(time: DateTime<Utc>) -> String {
        time.format("%Y-%m-%d %H:%M:%S%.f+00:00").to_string()
    }

    /// The batch in the notation of `run_results.json`.
    pub fn json(self) -> serde_json::Value {
        let iso = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%S%.f+00:00").to_string();
        serde_json::json!([iso(self.start), iso(self.end)])
    }

    /// Reads the value that `json` returns.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        let at = |index: usize| parse_time(value.get(index)?.as_str()?);
        Some(Self { start: at(0)?, end: at(1)? })
    }
}

/// The options of a run that concern microbatch models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchWindow {
    /// `--event-time-start` and `--event-time-end`.
    pub given: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// When the run began.
    pub now: DateTime<Utc>,
}

impl Default for BatchWindow {
    fn default() -> Self {
        Self { given: None, now: Utc::now() }
    }
}

impl BatchWindow {
    /// The batches to build, oldest first, by dbt's rules: an incremental run begins `lookback` batches before the one
    /// that contains the end, any other run begins at `begin`.
    pub fn batches(&self, config: &BatchConfig, is_incremental: bool) -> Vec<TimeBatch> {
        let size = config.batch_size;
        let end = size.ceiling(self.given.map_or(self.now, |(_, end)| end));
        let start = match self.given {
            Some((start, _)) => size.truncate(start),
            None if !is_incremental => size.truncate(config.begin),
            // The end is the start of a batch that is not built.
            None => size.before(end, config.lookback.saturating_add(1)),
        };
        let mut batches = Vec::new();
        let mut at = start;
        while at < end {
            let next = size.next(at);
            batches.push(TimeBatch { start: at, end: next });
            at = next;
        }
        batches
    }
}

/// `2024-01-31`, `2024-01-31 13:00:00`, `2024-01-31T13:00:00.5+02:00`; UTC if there is no offset.
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    let text = text.replacen('T', " ", 1);
    let text = text.strip_suffix('Z').unwrap_or(&text);
    for format in ["%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M%:z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.to_utc());
        }
    }
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::super::batch_size::BatchSize;
    use super::{BatchConfig, BatchWindow, parse_time};

    fn config(size: BatchSize, lookback: u32) -> BatchConfig {
        let begin = parse_time("2024-01-30 05:30:00").unwrap_or_default();
        BatchConfig { event_time: "at".into(), begin, batch_size: size, lookback }
    }

    /// The names of the batches, then the end of the last.
    #[track_caller]
    fn check(config: &BatchConfig, given: Option<(&str, &str)>, now: &str, is_incremental: bool, expected: &str) {
        let time = |text: &str| parse_time(text).unwrap_or_else(|| panic!("{text}"));
        let given = given.map(|(start, end)| (time(start), time(end)));
        let batches = BatchWindow { given, now: time(now) }.batches(config, is_incremental);
        let mut found: Vec<String> = batches.iter().map(|batch| config.batch_size.name(batch.start)).collect();
        found.extend(batches.last().map(|batch| batch.end.format("to %Y-%m-%d %H:%M").to_string()));
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn batches() {
        let day = config(BatchSize::Day, 1);
        check(&day, None, "2024-02-01 10:00", false, "2024-01-30 2024-01-31 2024-02-01 to 2024-02-02 00:00");
        check(&day, None, "2024-02-01 00:00", false, "2024-01-30 2024-01-31 to 2024-02-01 00:00");
        check(&day, None, "2024-03-01 10:00", true, "2024-02-29 2024-03-01 to 2024-03-02 00:00");
        check(&day, None, "2024-03-01 00:00", true, "2024-02-28 2024-02-29 to 2024-03-01 00:00");
        check(&config(BatchSize::Day, 0), None, "2024-03-01 10:00", true, "2024-03-01 to 2024-03-02 00:00");
        check(
            &config(BatchSize::Hour, 2),
            None,
            "2024-03-01 01:10",
            true,
            "2024-02-29T23 2024-03-01T00 2024-03-01T01 to 2024-03-01 02:00",
        );
        check(&config(BatchSize::Month, 1), None, "2024-03-31 01:10", true, "2024-02 2024-03 to 2024-04-01 00:00");
        check(&config(BatchSize::Year, 1), None, "2025-03-31", false, "2024 2025 to 2026-01-01 00:00");
        check(
            &day,
            Some(("2023-05-06 07:00", "2023-05-07 01:00")),
            "2024-03-01",
            true,
            "2023-05-06 2023-05-07 to 2023-05-08 00:00",
        );
        check(&day, None, "2024-01-01", false, "");
    }

    #[test]
    fn times() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(parse_time(text).map(|time| time.to_rfc3339()).as_deref(), expected, "{text}");
        }
        check("2024-01-31", Some("2024-01-31T00:00:00+00:00"));
        check("2024-01-31T13:00:00", Some("2024-01-31T13:00:00+00:00"));
        check("2024-01-31 13:00:00Z", Some("2024-01-31T13:00:00+00:00"));
        check("2024-01-31T13:00:00+02:00", Some("2024-01-31T11:00:00+00:00"));
        check("yesterday", None);
        check("2024-02-31", None);
    }
}
