//! The walk through a project's folders: which files there are, and the text of those that are text.
//!
//! Knows names and folders; not what a file says.

use std::ffi::OsStr;
use std::path::Path;

use walkdir::WalkDir;

use super::ProjectFile;
use crate::error::{Error, Result, SourceText};

/// Folders below `tests/` that are no part of a project: the Rust integration tests and their cases.
const NO_TESTS: &[&str] = &["it", "cases"];

/// Everything that belongs to the project, each list in the order of paths.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub models: Vec<ProjectFile>,
    pub tests: Vec<ProjectFile>,
    pub fixtures: Vec<ProjectFile>,
    pub macros: Vec<ProjectFile>,
    pub seeds: Vec<ProjectFile>,
    pub snapshots: Vec<ProjectFile>,
    pub properties: Vec<ProjectFile>,
}

/// Walks `models/`, `seeds/`, `snapshots/`, `tests/` and `macros/` below `root`; hidden files are passed over, folders that do not
/// exist are empty. All that cannot be read is reported at once.
pub(super) fn walk(root: &Path) -> Result<Files> {
    let mut files = Files::default();
    let mut errors = Vec::new();
    for top in ["models", "seeds", "snapshots", "tests", "macros"] {
        let folder = root.join(top);
        if !folder.is_dir() {
            continue;
        }
        let walk = WalkDir::new(&folder).follow_links(true).sort_by_file_name().min_depth(1);
        let kept = walk.into_iter().filter_entry(|entry| {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let no_test = top == "tests"
                && entry.depth() == 1
                && entry.file_type().is_dir()
                && NO_TESTS.iter().any(|name| entry.file_name() == OsStr::new(name));
            !hidden && !no_test
        });
        for entry in kept {
            let path = match entry {
                Ok(entry) if entry.file_type().is_file() => entry.into_path(),
                Ok(_) => continue,
                Err(error) => {
                    let path = error.path().unwrap_or(&folder).to_path_buf();
                    let path = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
                    errors.push(Error::unreadable(&path, &error.into()));
                    continue;
                }
            };
            let list = match (top, path.extension().and_then(OsStr::to_str)) {
                (_, Some("yml" | "yaml")) => &mut files.properties,
                ("models", Some("sql")) => &mut files.models,
                ("seeds", Some("csv")) => &mut files.seeds,
                ("snapshots", Some("sql")) => &mut files.snapshots,
                ("macros", Some("sql")) => &mut files.macros,
                ("tests", Some("sql")) if path.starts_with(folder.join("generic")) => &mut files.macros,
                ("tests", Some("sql" | "csv")) if path.starts_with(folder.join("fixtures")) => &mut files.fixtures,
                ("tests", Some("sql")) => &mut files.tests,
                _ => continue,
            };
            match read(root, &folder, &path) {
                Ok(file) => list.push(file),
                Err(error) => errors.push(error),
            }
        }
    }
    match Error::many(errors) {
        Some(error) => Err(error),
        None => Ok(files),
    }
}

fn read(root: &Path, top: &Path, path: &Path) -> Result<ProjectFile> {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let below = path.strip_prefix(top).unwrap_or(path);
    let texts: Option<Vec<String>> =
        below.iter().map(|part| part.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    let (Some(mut folders), Some(name)) = (texts, path.file_stem().and_then(OsStr::to_str)) else {
        return Err(Error::path_not_utf8(relative));
    };
    folders.pop();
    // A seed may be large, and DuckDB reads it by itself.
    let is_seed = path.extension() == Some(OsStr::new("csv")) && top.file_name() == Some(OsStr::new("seeds"));
    let text = if is_seed {
        String::new()
    } else {
        let bytes = std::fs::read(path).map_err(|error| Error::unreadable(relative, &error))?;
        String::from_utf8(bytes).map_err(|error| Error::not_utf8(relative, error.utf8_error().valid_up_to()))?
    };
    Ok(ProjectFile {
        source: SourceText::new(relative, text),
        name: name.to_owned(),
        folders,
        path: path.to_path_buf(),
    })
}
