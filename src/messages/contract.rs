//! What is said of contracts that changed.

use elt_base::error::Error;

pub(crate) fn no_export(target: &str) -> Error {
    Error::usage(format!("target `{target}` publishes nothing"))
        .hint(format!("`[target.{target}.export]` in profiles.toml says where to"))
}
