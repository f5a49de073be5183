//! Walks through a project's folders: lists the files, and reads the text of text files.
//!
//! Knows names and folders, but not the content of a file.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::paths::Paths;
use super::project_file::ProjectFile;
use crate::messages;
use elt_base::error::{Error, Result, SourceText};

/// Folders below `tests/` that do not belong to a project of this tool's own: the Rust integration tests and their
/// cases.
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
    pub analyses: Vec<ProjectFile>,
    pub properties: Vec<ProjectFile>,
    /// Markdown, for doc blocks.
    pub docs: Vec<ProjectFile>,
    /// Models in Python.
    pub python: Vec<ProjectFile>,
}

/// The kind of files in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Models,
    Seeds,
    Tests,
    Macros,
    Snapshots,
    Analyses,
    Docs,
}

/// Walks the project's folders below `root`. Hidden files are skipped, and missing folders count as empty. Reports all
/// unreadable files at once.
pub(super) fn walk(root: &Path, paths: &Paths, is_dbt: bool) -> Result<Files> {
    let mut files = Files::default();
    let mut errors = Vec::new();
    // A folder may contain several kinds of files, and folders may be nested. YAML and Markdown files are read once.
    let mut seen: HashSet<PathBuf> = HashSet::new();
    let tops = [
        (Holds::Models, &paths.models),
        (Holds::Seeds, &paths.seeds),
        (Holds::Snapshots, &paths.snapshots),
        (Holds::Analyses, &paths.analyses),
        (Holds::Tests, &paths.tests),
        (Holds::Macros, &paths.macros),
        (Holds::Docs, &paths.docs),
    ];
    for (holds, top) in tops.iter().flat_map(|(holds, tops)| tops.iter().map(|top| (*holds, top))) {
        let folder = root.join(top);
        if !folder.is_dir() {
            continue;
        }
        let walk = WalkDir::new(&folder).follow_links(true).sort_by_file_name().min_depth(1);
        let kept = walk.into_iter().filter_entry(|entry| {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let no_test = !is_dbt
                && top == Path::new("tests")
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
                    errors.push(elt_base::messages::unreadable(&path, &error.into()));
                    continue;
                }
            };
            let list = match (holds, path.extension().and_then(OsStr::to_str)) {
                (Holds::Docs, Some("md")) => &mut files.docs,
                (Holds::Docs, _) => continue,
                (_, Some("yml" | "yaml")) => &mut files.properties,
                (Holds::Models, Some("sql")) => &mut files.models,
                (Holds::Models, Some("py")) => &mut files.python,
                (Holds::Seeds, Some("csv")) => &mut files.seeds,
                (Holds::Snapshots, Some("sql")) => &mut files.snapshots,
                (Holds::Analyses, Some("sql")) => &mut files.analyses,
                (Holds::Macros, Some("sql")) => &mut files.macros,
                (Holds::Tests, Some("sql")) if path.starts_with(folder.join("generic")) => &mut files.macros,
                (Holds::Tests, Some("sql" | "csv")) if path.starts_with(folder.join("fixtures")) => &mut files.fixtures,
                (Holds::Tests, Some("sql")) => &mut files.tests,
                _ => continue,
            };
            if !seen.insert(path.clone()) {
                continue;
            }
            let is_seed = holds == Holds::Seeds && path.extension() == Some(OsStr::new("csv"));
            match read(root, &folder, &path, is_seed) {
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

fn read(root: &Path, top: &Path, path: &Path, is_seed: bool) -> Result<ProjectFile> {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let below = path.strip_prefix(top).unwrap_or(path);
    let texts: Option<Vec<String>> =
        below.iter().map(|part| part.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    let (Some(mut folders), Some(name)) = (texts, path.file_stem().and_then(OsStr::to_str)) else {
        return Err(messages::path_not_utf8(relative));
    };
    folders.pop();
    // A seed may be large, and DuckDB reads it itself.
    let text = if is_seed {
        String::new()
    } else {
        let bytes = std::fs::read(path).map_err(|error| elt_base::messages::unreadable(relative, &error))?;
        String::from_utf8(bytes).map_err(|error| messages::not_utf8(relative, error.utf8_error().valid_up_to()))?
    };
    Ok(ProjectFile {
        source: SourceText::new(relative, text),
        name: name.to_owned(),
        folders,
        path: path.to_path_buf(),
    })
}

/// The checksum of a seed's file, computed as in dbt: SHA-256 in hex. None for a file that cannot be read or is larger
/// than 1 MiB.
pub fn seed_checksum(path: &Path) -> Option<String> {
    const BYTES_MAX: u64 = 1 << 20;
    let size = std::fs::metadata(path).ok()?.len();
    let text = std::fs::read_to_string(path).ok().filter(|_| size <= BYTES_MAX)?;
    Some(elt_base::digest::sha256(text.trim()))
}
