//! The messages about changed contracts.

use elt_base::error::Error;

pub(crate) fn no_export(target: &str) -> Error {
    Error::usage(format!("target `{target}` has no export"))
        .hint(format!("add `[target.{target}.export]` to profiles.toml with the place to publish to"))
}
