//! The names of the events that the console sends and the screen shows, and the forms in which it shows them.
//!
//! Values only.

/// The targets of the console's own events.
pub(super) const FINISHED: &str = "elt::finished";
pub(super) const SAID: &str = "elt::said";
pub(super) const DIAGNOSTIC: &str = "elt::diagnostic";
pub(super) const SUMMARY: &str = "elt::summary";

/// How stderr is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people: bars where stderr is a terminal, plain lines elsewhere.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
