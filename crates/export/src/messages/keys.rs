//! What is said of surrogate keys.

use elt_base::error::Error;

/// How many natural keys have another id in the target.
pub(crate) fn keys_would_change(count: i64) -> Error {
    Error::failed(format!("the target has given other ids to {count} natural keys, and an id is never changed"))
        .hint("nothing was published; `elt build --full-refresh` takes in the target's ids and builds with them")
}
