//! The capabilities of a MySQL target.
//!
//! A value.

use crate::capabilities::Capabilities;
use crate::changes::Shape;

pub const CAPABILITIES: Capabilities = Capabilities {
    shape: Shape::Json,
    can_compare: true,
    // A schema of MySQL's is a database, which may not be ours to make.
    has_schemas: false,
    ..Capabilities::only_publishes("MySQL")
};
