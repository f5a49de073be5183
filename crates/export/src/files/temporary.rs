//! The names of files and folders that are not published yet, or no longer published.
//!
//! Knows names only.

/// Begins every name that is not a published file's.
pub const TEMPORARY_START: &str = "._elt_";
/// Ends the name of what is not yet published, or no longer.
pub const TEMPORARY_END: &str = ".tmp";
