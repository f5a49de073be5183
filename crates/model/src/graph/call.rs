//! A call of `ref` or `source`.
//!
//! A value: what it names is for `resolve`.

/// A call of `ref` or `source` with what it was given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Ref(String),
    Source(String, String),
}
