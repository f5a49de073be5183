//! The messages of the commands that speak of loaded collections: `elt state` and `elt quarantine`.

use std::path::Path;

use super::{Error, nearest};
use crate::report::counted;

impl Error {
    /// A name of the command line that neither the project nor the warehouse has.
    pub fn collection_unknown<'a>(written: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        let near = nearest(written, known.clone()).map(|near| format!("did you mean `{near}`?"));
        let some: Vec<_> = known.into_iter().take(1).collect();
        let form = some.first().map(|name| format!("a collection is named with its source, as `{name}`"));
        Self::usage(format!("there is no collection `{written}`")).hint_maybe(near.or(form))
    }

    pub fn collection_never_loaded(name: &str) -> Self {
        Self::failed(format!("`{name}` was never loaded"))
            .hint(format!("`elt extract --select source:{name}` loads it"))
    }

    // Watermarks.

    /// `--watermark` that is none. It is not shown, for it may be a row's value.
    pub fn watermark_written(complaint: &str) -> Self {
        Self::usage(format!("`--watermark` cannot be read: {complaint}")).hint(
            "it is Extended JSON, such as `{\"$date\": \"2024-06-01T00:00:00Z\"}` or `42`; other text is a string",
        )
    }

    /// A collection that no watermark limits.
    pub fn watermark_unused(name: &str) -> Self {
        Self::usage(format!("`{name}` is loaded in full each time, so it has no watermark"))
            .hint("`load: incremental` and `watermark` under the `config` of its source make it incremental")
    }

    /// A loaded collection that the project no longer names.
    pub fn watermark_not_in_project(name: &str) -> Self {
        Self::usage(format!("`{name}` was loaded once, but is not in the project any more"))
    }

    /// A watermark of another type than the stored one; both as MongoDB calls them.
    pub fn watermark_type(name: &str, written: &str, stored: &str, example: &str) -> Self {
        Self::usage(format!("the watermark of `{name}` is a {stored}, and the one given is a {written}"))
            .hint(format!("a {stored} is written `{example}`; `--force` sets the other type all the same"))
    }

    /// A load on disk that a run which died did not take in; it would bring its own watermark.
    pub fn watermark_landed(name: &str) -> Self {
        Self::failed(format!("a load of `{name}` has landed and waits to be taken in"))
            .hint(format!("`elt extract --select source:{name}` takes it in; then the watermark can be set"))
    }

    // Quarantine.

    pub fn quarantine_show_one() -> Self {
        Self::usage("`--show` takes a document of one collection")
            .hint("`elt quarantine loans.customers --show 1` shows the first of that collection")
    }

    pub fn quarantine_number(name: &str, number: u64, all: u64) -> Self {
        let hint = match all {
            0 => "nothing of it is quarantined".to_owned(),
            _ => format!("it has {}; `elt quarantine {name}` lists them", counted(all, "quarantined documents")),
        };
        Self::usage(format!("`{name}` has no quarantined document {number}")).hint(hint)
    }

    pub fn quarantine_without_bytes(name: &str) -> Self {
        Self::failed(format!("the bytes of this document of `{name}` were not kept")).hint(
            "where fields are masked or left out, nothing is kept of a document whose fields cannot be told apart",
        )
    }

    pub fn quarantine_out(path: &Path, cause: &std::io::Error) -> Self {
        Self::failed(format!("cannot write `{}`", path.display())).caused_by(cause)
    }
}
