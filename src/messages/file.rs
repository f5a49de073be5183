//! The messages of publications to files and to a DuckDB file.

use std::path::Path;

use elt_base::error::Error;
use elt_base::sql_error::SqlError;

/// A COPY that failed.
pub(crate) fn export_copy(table: &str, path: &Path, cause: &SqlError) -> Error {
    if cause.is_interrupt() {
        return elt_base::messages::interrupted();
    }
    let folder = path.parent().unwrap_or(path);
    Error::failed(format!("cannot write `{table}` to `{}`", folder.display()))
        .because(cause.message.clone())
        .hint("nothing was published; the files are unchanged")
}
