//! What is said of surrogate keys.

use elt_base::error::Error;
use elt_base::sql_error::SqlError;

pub(crate) fn keys_failed(during: &str, cause: &SqlError) -> Error {
    Error::failed(format!("{during} failed")).because(cause.message.clone())
}

/// `is_uuid`: what is asked for now.
pub(crate) fn key_map_of_other_type(map: &str, is_uuid: bool) -> Error {
    let (old, new) = if is_uuid { ("integers", "uuid") } else { ("UUIDs", "integer") };
    Error::failed(format!("the key map `{map}` has given {old}, and is asked for type `{new}`"))
        .hint("an id is never changed; another map name starts anew")
}

/// Maps with how many of our ids gave way to the target's.
pub(crate) fn keys_gave_way(maps: &[(String, String)]) -> Error {
    let mut error = Error::failed("another machine has published other ids for natural keys that were given ids here");
    for (map, count) in maps {
        error = error.because(format!("`{map}`: {count} ids gave way to the target's"));
    }
    error.hint("`elt build --full-refresh` builds with the target's ids what was built with those")
}
