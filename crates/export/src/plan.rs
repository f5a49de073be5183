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
    /// How many values it loses or may change, if they are cheap to count.
    pub values: Option<u64>,
    /// It is a foreign key, and the referenced table does not exist yet.
    pub is_waiting: bool,
    /// The text is not a step, but the reason why a step cannot be run.
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
