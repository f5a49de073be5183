//! The messages about landing.

use std::io;
use std::path::Path;

use elt_base::error::Error;

/// Writing, renaming, syncing or removing below the landing folder failed.
pub(crate) fn landing(what: &str, path: &Path, cause: &(dyn std::error::Error + 'static)) -> Error {
    let kind = io_kind(cause);
    let hint = match kind {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            Some("the disk is full; free some space and run the same command again")
        }
        Some(io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => Some(
            "the landing folder must be writable; `landing` in profiles.toml sets it (default: beside the warehouse)",
        ),
        _ => None,
    };
    Error::failed(format!("cannot {what} `{}`", path.display())).caused_by(cause).hint_maybe(hint.map(str::to_owned))
}

pub(crate) fn landing_exists(path: &Path) -> Error {
    Error::failed(format!("the load `{}` is already complete", path.display()))
}

/// A file of quarantined documents does not have the columns that elt writes.
pub(crate) fn malformed_quarantine(path: &Path) -> Error {
    Error::failed(format!("`{}` is not a file of quarantined documents in elt's format", path.display()))
}

pub(crate) fn malformed_manifest(path: &Path, cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::failed(format!("cannot read the manifest `{}` of a load", path.display())).caused_by(cause).hint(
        "remove the folder of the load, and run `elt extract --full-refresh` to load the collection from its start",
    )
}

pub(crate) fn manifest_version(path: &Path, version: u32) -> Error {
    Error::failed(format!(
        "the manifest `{}` of a load has version {version}, which this version of elt cannot read",
        path.display()
    ))
    .hint("a newer version of elt wrote the manifest; use that version")
}

/// The kind of the first I/O error among a cause and its own causes.
fn io_kind(cause: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(cause);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}
