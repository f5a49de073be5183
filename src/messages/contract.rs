//! The messages about changed contracts.

use elt_base::error::{Error, Place};

pub(crate) fn no_export(target: &str) -> Error {
    Error::usage(format!("target `{target}` has no export"))
        .hint(format!("add `[target.{target}.export]` to profiles.toml with the place to publish to"))
}

/// Two models, by name, whose published tables would have one name.
pub(crate) fn published_twice(
    table: &str,
    (model, place): (&str, Place),
    (other, other_place): (&str, Place),
) -> Error {
    Error::usage(format!("`{model}` and `{other}` would both be published as `{table}`"))
        .because("a published table must have a name that no other has, without regard to letter case and Unicode form")
        .at(place)
        .at(other_place.label("the other one"))
        .hint("set a different `alias` or `export.table` in the config of one of them")
}
