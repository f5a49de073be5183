//! SQL as text: statements that create, fill and change relations, and the only tokenizer of SQL.
//!
//! Pure. Renders no template and runs nothing.

mod binder;
mod compiled;
mod contract;
mod field_change;
mod fixture;
mod generic_test;
pub mod keys;
mod materialize;
mod query;
mod schema_change;
mod snapshot;
mod source_map;
mod token;
mod volatile;

pub use binder::{Binder, KnownColumns};
pub use compiled::Compiled;
pub use contract::Contract;
pub use field_change::{FieldChange, field_changes, missing_field};
pub use fixture::{own_types, value_sql};
pub use materialize::{
    Existing, Incremental, Key, children_only, create_table, create_view, doubled_keys, drop_existing, duplicate_keys,
    sweep,
};
pub use schema_change::{NewColumn, SchemaChange};
pub use snapshot::Snapshot;
pub use source_map::SourceMap;
pub use volatile::is_volatile;

pub(crate) use compiled::{is_blank, trimmed};
pub(crate) use generic_test::built_in;
pub(crate) use keys::{KeyUse, column};
pub(crate) use query::is_query;
pub(crate) use source_map::MapSegment;
