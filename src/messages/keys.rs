//! The messages about surrogate keys.

use elt_base::error::Error;
use elt_base::sql_error::SqlError;

pub(crate) fn keys_failed(during: &str, cause: &SqlError) -> Error {
    Error::failed(format!("{during} failed")).because(cause.message.clone())
}

/// `is_uuid`: whether the model asks for UUIDs now.
pub(crate) fn key_map_of_other_type(map: &str, is_uuid: bool) -> Error {
    let (old, new) = if is_uuid { ("integers", "uuid") } else { ("UUIDs", "integer") };
    Error::failed(format!("the key map `{map}` contains {old}, but the model asks for the type `{new}`"))
        .hint("ids never change; use another map name to start a new map")
}

/// `maps`: the maps, each with the number of ids that the target's ids replaced.
pub(crate) fn keys_gave_way(maps: &[(String, String)]) -> Error {
    let mut error =
        Error::failed("another machine has published different ids for natural keys that already have ids here");
    for (map, count) in maps {
        error = error.because(format!("`{map}`: {count} ids were replaced by the target's ids"));
    }
    error.hint("`elt build --full-refresh` rebuilds the models that contain the replaced ids")
}
