//! What is said of surrogate keys.

use super::Error;
use crate::warehouse::SqlError;

impl Error {
    pub fn keys_failed(during: &str, cause: &SqlError) -> Self {
        Self::failed(format!("{during} failed")).because(cause.message.clone())
    }

    /// `is_uuid`: what is asked for now.
    pub fn key_map_of_other_type(map: &str, is_uuid: bool) -> Self {
        let (old, new) = if is_uuid { ("integers", "uuid") } else { ("UUIDs", "integer") };
        Self::failed(format!("the key map `{map}` has given {old}, and is asked for type `{new}`"))
            .hint("an id is never changed; another map name starts anew")
    }

    /// Maps with how many of our ids gave way to the target's.
    pub fn keys_gave_way(maps: &[(String, String)]) -> Self {
        let mut error =
            Self::failed("another machine has published other ids for natural keys that were given ids here");
        for (map, count) in maps {
            error = error.because(format!("`{map}`: {count} ids gave way to the target's"));
        }
        error.hint("`elt build --full-refresh` builds with the target's ids what was built with those")
    }

    /// How many natural keys have another id in the target.
    pub fn keys_would_change(count: i64) -> Self {
        Self::failed(format!("the target has given other ids to {count} natural keys, and an id is never changed"))
            .hint("nothing was published; `elt build --full-refresh` takes in the target's ids and builds with them")
    }
}
