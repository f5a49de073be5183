//! The capabilities and the name of a target: each target declares one value.
//!
//! A value. Knows no target.

use super::changes::Shape;

/// The capabilities of a target beyond publishing, and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// `Postgres`, `DuckDB`.
    pub called: &'static str,
    /// The shape in which it accepts rows.
    pub shape: Shape,
    /// `elt plan` shows the steps that a publication would run.
    pub can_plan: bool,
    /// `--ddl` prints the SQL that creates its tables.
    pub can_print_ddl: bool,
    /// Rows with values that it cannot store can be moved to a quarantine table.
    pub can_quarantine: bool,
    /// Every value of every type can be stored, so `on_hazard` has nothing to decide.
    pub holds_every_value: bool,
    /// A warehouse that has no surrogate keys can read them from the target.
    pub can_read_keys: bool,
    /// It detects changes that others make to its tables.
    pub can_notice_changes: bool,
    /// Its rows can be compared with the warehouse's (`--verify`).
    pub can_compare: bool,
    /// A publication may create the schema `_elt` for the table of surrogate keys.
    pub has_schemas: bool,
}

impl Capabilities {
    /// A target that only publishes.
    pub const fn only_publishes(called: &'static str) -> Self {
        Self {
            called,
            shape: Shape::Flat,
            can_plan: false,
            can_print_ddl: false,
            can_quarantine: false,
            holds_every_value: false,
            can_read_keys: false,
            can_notice_changes: false,
            can_compare: false,
            has_schemas: true,
        }
    }
}
