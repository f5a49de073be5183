//! The steps that a publication would run on a target's tables, for people to read first.
//!
//! Values only.

/// One step of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// As the target names it: `analytics.customers`.
    pub table: String,
    /// `add column "city" text`
    pub text: String,
    /// It loses data.
    pub is_destructive: bool,
    /// How many values it loses or may change, where that was cheap to count.
    pub values: Option<u64>,
    /// A foreign key, until the table it points to exists.
    pub is_waiting: bool,
    /// No step, but why one cannot be taken.
    pub is_blocked: bool,
}

impl PlannedStep {
    pub fn new(table: &str, text: String) -> Self {
        Self {
            table: table.to_owned(),
            text,
            is_destructive: false,
            values: None,
            is_waiting: false,
            is_blocked: false,
        }
    }
}
