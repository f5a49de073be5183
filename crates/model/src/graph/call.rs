//! A call of `ref` or `source`.
//!
//! A value. `resolve` finds the node that it names.

/// A call of `ref` or `source` with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Ref(String),
    Source(String, String),
}
