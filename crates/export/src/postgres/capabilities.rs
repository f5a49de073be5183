//! The capabilities of a Postgres target.
//!
//! A value.

use crate::capabilities::Capabilities;

pub const CAPABILITIES: Capabilities = Capabilities {
    can_plan: true,
    can_print_ddl: true,
    can_quarantine: true,
    can_read_keys: true,
    can_notice_changes: true,
    can_compare: true,
    ..Capabilities::only_publishes("Postgres")
};
