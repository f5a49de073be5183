//! What a publication would do to a target's tables, for people to read first.
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
}
