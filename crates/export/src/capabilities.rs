//! The capabilities and the name of a target: each target declares one value.
//!
//! A value. Knows no target.

use super::changes::Shape;

/// What a target can do beyond publishing, and what people call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// `Postgres`, `DuckDB`.
    pub called: &'static str,
    /// How it takes rows.
    pub shape: Shape,
    /// `elt plan` shows the steps that a publication would take.
    pub can_plan: bool,
    /// `--ddl` prints the SQL that makes its tables.
    pub can_print_ddl: bool,
    /// Rows with values that it cannot hold can be set aside in a table beside.
    pub can_quarantine: bool,
    /// A warehouse without surrogate keys can read them back from it.
    pub can_read_keys: bool,
    /// It notices what others change in its tables.
    pub can_notice_changes: bool,
    /// Its rows can be compared with the warehouse's (`--verify`).
    pub can_compare: bool,
    /// Its tables are in schemas that a publication may make.
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
            can_read_keys: false,
            can_notice_changes: false,
            can_compare: false,
            has_schemas: true,
        }
    }
}
