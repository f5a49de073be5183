//! One file of the project, with its text.
//!
//! A value. Knows nothing of what the file says.

use std::path::PathBuf;
use std::sync::Arc;

use elt_base::error::SourceText;

/// One file of the project.
#[derive(Debug, Clone)]
pub struct ProjectFile {
    /// Path relative to the project's root, and text.
    pub source: Arc<SourceText>,
    /// The file name without its ending, which is the model's name.
    pub name: String,
    /// Folders between the resource's top folder (`models/`) and the file.
    pub folders: Vec<String>,
    /// Absolute path.
    pub path: PathBuf,
}
