//! Doc blocks: `{% docs name %} … {% enddocs %}` in Markdown files.
//!
//! Finds the blocks. Does not know where they are shown.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::project_file::ProjectFile;
use crate::messages;
use elt_base::error::{Error, Place, SourceText};

/// One block. Its text is the text between the tags, without the blanks around it.
#[derive(Debug, Clone)]
pub struct DocBlock {
    pub name: String,
    pub text: String,
    /// The file that contains it.
    pub source: Arc<SourceText>,
    /// The opening tag.
    pub place: Place,
}

static TAG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{%-?\s*(docs\s+([^\s%]+)|docs|enddocs)\s*-?%\}").ok());

/// The blocks of all files. Errors are blocks without an end or a name, ends without a block, and duplicate names.
pub(super) fn blocks(files: &[ProjectFile]) -> (Vec<DocBlock>, Vec<Error>) {
    let mut blocks: Vec<DocBlock> = Vec::new();
    let mut errors = Vec::new();
    let Some(tag) = TAG.as_ref() else { return (blocks, errors) };
    for file in files {
        let text = &file.source.text;
        let mut open: Option<(String, Place)> = None;
        for found in tag.captures_iter(text) {
            let Some(whole) = found.get(0) else { continue };
            let place = Place::new(&file.source, whole.range());
            let is_end = found.get(1).is_some_and(|word| word.as_str() == "enddocs");
            match (open.take(), is_end, found.get(2)) {
                (None, false, Some(name)) => open = Some((name.as_str().to_owned(), place)),
                (None, false, None) => errors.push(messages::doc_without_name(place)),
                (None, true, _) => errors.push(messages::doc_end_alone(place)),
                (Some((_, begun)), false, _) => errors.push(messages::doc_without_end(begun)),
                (Some((name, begun)), true, _) => {
                    let inner = text[begun.span.end..whole.start()].trim().to_owned();
                    if let Some(first) = blocks.iter().find(|known| known.name == name) {
                        errors.push(messages::defined_twice("doc block", &name, first.place.clone(), begun));
                        continue;
                    }
                    blocks.push(DocBlock { name, text: inner, source: file.source.clone(), place: begun });
                }
            }
        }
        errors.extend(open.map(|(_, begun)| messages::doc_without_end(begun)));
    }
    (blocks, errors)
}
