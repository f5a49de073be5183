//! The capabilities of a DuckDB file as a target.
//!
//! A value.

use crate::capabilities::Capabilities;

pub const CAPABILITIES: Capabilities = Capabilities {
    can_quarantine: true,
    can_compare: true,
    // The schema `_elt` of the file holds the record of publications, so surrogate keys need another place.
    has_schemas: false,
    ..Capabilities::only_publishes("DuckDB")
};
