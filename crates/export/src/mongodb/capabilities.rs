//! The capabilities of a MongoDB target.
//!
//! A value.

use crate::capabilities::Capabilities;
use crate::changes::Shape;

pub const CAPABILITIES: Capabilities = Capabilities {
    shape: Shape::Nested,
    can_quarantine: true,
    can_compare: true,
    has_schemas: false,
    ..Capabilities::only_publishes("MongoDB")
};
