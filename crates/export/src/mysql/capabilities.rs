//! The capabilities of a MySQL target.
//!
//! A value.

use crate::capabilities::Capabilities;
use crate::changes::Shape;

pub const CAPABILITIES: Capabilities = Capabilities {
    shape: Shape::Json,
    can_quarantine: true,
    can_compare: true,
    // A schema of MySQL is a database, which this user may not be allowed to create.
    has_schemas: false,
    ..Capabilities::only_publishes("MySQL")
};
