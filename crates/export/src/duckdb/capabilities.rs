//! The capabilities of a DuckDB file as a target.
//!
//! A value.

use crate::capabilities::Capabilities;

pub const CAPABILITIES: Capabilities = Capabilities { can_compare: true, ..Capabilities::only_publishes("DuckDB") };
