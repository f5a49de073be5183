//! The messages about surrogate keys.

use elt_base::error::Error;

/// How many natural keys have another id in the target.
pub(crate) fn keys_would_change(count: i64) -> Error {
    Error::failed(format!("the target has other ids for {count} natural keys, and elt never changes an id"))
        .hint("nothing was published; run `elt build --full-refresh` to adopt the target's ids and build with them")
}
