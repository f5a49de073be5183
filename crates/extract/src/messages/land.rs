//! The messages of the `land` stage.

use std::io;
use std::path::Path;

use elt_base::error::Error;

/// Writing, renaming, syncing or removing below the landing folder failed.
pub(crate) fn landing(what: &str, path: &Path, cause: &(dyn std::error::Error + 'static)) -> Error {
    let kind = io_kind(cause);
    let hint = match kind {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            Some("the disk is full; once there is room, the next run starts this load again")
        }
        Some(io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => {
            Some("the landing folder must be writable; the target's `warehouse` path decides where it is")
        }
        _ => None,
    };
    Error::failed(format!("cannot {what} `{}`", path.display())).caused_by(cause).hint_maybe(hint.map(str::to_owned))
}

pub(crate) fn landing_exists(path: &Path) -> Error {
    Error::failed(format!("the load `{}` is finished already", path.display()))
}

/// A file of quarantined documents of another shape.
pub(crate) fn malformed_quarantine(path: &Path) -> Error {
    Error::failed(format!("`{}` does not hold quarantined documents as elt writes them", path.display()))
}

pub(crate) fn malformed_manifest(path: &Path, cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::failed(format!("the load's manifest `{}` is malformed", path.display()))
        .caused_by(cause)
        .hint("without the load's folder, a load with `--full-refresh` starts anew")
}

pub(crate) fn manifest_version(path: &Path, version: u32) -> Error {
    Error::failed(format!("the load's manifest `{}` has version {version}, which this elt cannot read", path.display()))
        .hint("a newer elt wrote it")
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
