//! The messages of the commands about loaded collections: `elt state` and `elt quarantine`.

use std::path::Path;

use elt_base::error::{Error, nearest};
use elt_base::numbers::counted;

/// A name on the command line that exists neither in the project nor in the warehouse.
pub(crate) fn collection_unknown<'a>(written: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Error {
    let near = nearest(written, known.clone()).map(|near| format!("did you mean `{near}`?"));
    let some: Vec<_> = known.into_iter().take(1).collect();
    let form = some.first().map(|name| format!("write the collection with its source, for example `{name}`"));
    Error::usage(format!("collection `{written}` does not exist")).hint_maybe(near.or(form))
}

pub(crate) fn collection_never_loaded(name: &str) -> Error {
    Error::failed(format!("`{name}` has never been loaded"))
        .hint(format!("`elt extract --select source:{name}` loads it"))
}

/// The value of `--watermark` is not valid. It is not shown, because it may be a row's value.
pub(crate) fn watermark_written(complaint: &str) -> Error {
    Error::usage(format!("the value of `--watermark` is not valid: {complaint}")).hint(
        "write Extended JSON, such as `{\"$date\": \"2024-06-01T00:00:00Z\"}` or `42`; \
         any other text is read as a string",
    )
}

/// A collection that is loaded without a watermark.
pub(crate) fn watermark_unused(name: &str) -> Error {
    Error::usage(format!("`{name}` is loaded in full each time, so it has no watermark"))
        .hint("to load it incrementally, set `load: incremental` and `watermark` under the `config` of its source")
}

/// A loaded collection that the project no longer names.
pub(crate) fn watermark_not_in_project(name: &str) -> Error {
    Error::usage(format!("`{name}` was loaded earlier, but the project no longer contains it"))
}

/// A watermark of another type than the stored one. Both types have MongoDB's names.
pub(crate) fn watermark_type(name: &str, written: &str, stored: &str, example: &str) -> Error {
    Error::usage(format!("the watermark of `{name}` has the type {stored}, but the new value has the type {written}"))
        .hint(format!("write a {stored} as `{example}`; `--force` changes the type of the watermark"))
}

/// A load on disk from a run that died before it copied the load into the raw table. The load has its own watermark.
pub(crate) fn watermark_landed(name: &str) -> Error {
    Error::failed(format!("a finished load of `{name}` is on disk, but not yet in the raw table")).hint(format!(
        "`elt extract --select source:{name}` copies it into the raw table; set the watermark after that"
    ))
}

pub(crate) fn quarantine_show_one() -> Error {
    Error::usage("`--show` needs exactly one collection")
        .hint("`elt quarantine loans.customers --show 1` shows the first document of `loans.customers`")
}

pub(crate) fn quarantine_number(name: &str, number: u64, all: u64) -> Error {
    let hint = match all {
        0 => "it has no quarantined documents".to_owned(),
        _ => format!("it has {}; `elt quarantine {name}` lists them", counted(all, "quarantined documents")),
    };
    Error::usage(format!("`{name}` has no quarantined document {number}")).hint(hint)
}

pub(crate) fn quarantine_without_bytes(name: &str) -> Error {
    Error::failed(format!("the bytes of this document of `{name}` were not stored")).hint(
        "if fields of a collection are masked or excluded, elt stores no bytes of a document \
         whose fields it cannot separate",
    )
}

pub(crate) fn quarantine_out(path: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("cannot write `{}`", path.display())).caused_by(cause)
}
