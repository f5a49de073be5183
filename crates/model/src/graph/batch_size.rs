//! The length of a batch of a microbatch model, and the start and end of batches.
//!
//! Pure arithmetic over UTC time.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Timelike, Utc};

/// The length of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    Hour,
    Day,
    Month,
    Year,
}

impl BatchSize {
    pub(crate) const CHOICES: &'static [(&'static str, Self)] =
        &[("hour", Self::Hour), ("day", Self::Day), ("month", Self::Month), ("year", Self::Year)];

    /// The start of the batch that contains a time.
    pub fn truncate(self, time: DateTime<Utc>) -> DateTime<Utc> {
        let date = time.date_naive();
        let (month, day) = match self {
            Self::Hour | Self::Day => (date.month(), date.day()),
            Self::Month => (date.month(), 1),
            Self::Year => (1, 1),
        };
        let hour = if self == Self::Hour { time.hour() } else { 0 };
        let start = NaiveDate::from_ymd_opt(date.year(), month, day).and_then(|date| date.and_hms_opt(hour, 0, 0));
        start.map_or(time, |start| start.and_utc())
    }

    /// The start of the next batch, also for a time that is the start of a batch.
    pub(super) fn next(self, time: DateTime<Utc>) -> DateTime<Utc> {
        let start = self.truncate(time);
        let next = match self {
            Self::Hour => start.checked_add_signed(TimeDelta::hours(1)),
            Self::Day => start.checked_add_days(Days::new(1)),
            Self::Month => start.checked_add_months(Months::new(1)),
            Self::Year => start.checked_add_months(Months::new(12)),
        };
        next.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The start of the batch that is `count` batches before the one that contains a time.
    pub(super) fn before(self, time: DateTime<Utc>, count: u32) -> DateTime<Utc> {
        let start = self.truncate(time);
        let before = match self {
            Self::Hour => start.checked_sub_signed(TimeDelta::hours(count.into())),
            Self::Day => start.checked_sub_days(Days::new(count.into())),
            Self::Month => start.checked_sub_months(Months::new(count)),
            Self::Year => start.checked_sub_months(Months::new(count.saturating_mul(12))),
        };
        before.unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// The end of the batch that contains a time, or the time itself if a batch begins there.
    pub(super) fn ceiling(self, time: DateTime<Utc>) -> DateTime<Utc> {
        if self.truncate(time) == time { time } else { self.next(time) }
    }

    /// dbt's name of the batch that begins at a time: `2024-01-31T13`, `2024-01-31`, `2024-01`, `2024`.
    pub fn name(self, start: DateTime<Utc>) -> String {
        let format = match self {
            Self::Hour => "%Y-%m-%dT%H",
            Self::Day => "%Y-%m-%d",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
        };
        start.format(format).to_string()
    }
}
