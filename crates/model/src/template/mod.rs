//! The template engine: Jinja with dbt's context, the project's macros, and places that are kept by rendering.
//!
//! Knows nodes only as values in templates. Parses no project and opens no database.

mod engine;
mod failure;
mod generic_test;
mod host;
mod invocation;
pub(crate) mod jinja;
pub(crate) mod markup;
pub(crate) mod node_value;
mod overrides;
mod places;
mod reason;
mod templates;

pub use host::{Answer, Cell, Host, TemplateMessage};
pub use invocation::Invocation;

pub(crate) use host::Asker;
pub(crate) use overrides::overridden;
pub(crate) use templates::{Rendered, TemplateText, Templates};
