//! The project's macros as values: their files, and their names.
//!
//! Texts; `template` renders them.

use std::sync::Arc;

use elt_base::error::SourceText;

/// The project's macro files.
#[derive(Debug, Clone, Default)]
pub struct MacroFiles {
    /// In the order of their paths.
    pub(crate) files: Vec<Arc<SourceText>>,
    /// The names of all macros, sorted.
    pub(crate) names: Vec<String>,
}

impl MacroFiles {
    /// Whether the project has a macro with this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    /// Whether one of the files contains a word.
    pub(crate) fn mention(&self, word: &str) -> bool {
        self.files.iter().any(|file| file.text.contains(word))
    }
}
