//! Features of dbt projects that this tool does not support: packages, Python models, custom materializations.
//!
//! Finds them and reports them at their place, so that a project is never built only in part.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::dbt_project::read_text;
use super::paths::Paths;
use super::project_file::ProjectFile;
use super::written::{WrittenValue, find};
use super::yaml_text;
use crate::messages;
use elt_base::error::{Error, Place, SourceText};

/// Reports all unsupported features.
pub(super) fn find_all(root: &Path, paths: &Paths, macros: &[ProjectFile], python: &[ProjectFile]) -> Vec<Error> {
    let mut errors: Vec<Error> =
        python.iter().map(|file| messages::python_model(Place::line(&file.source, 1))).collect();
    errors.extend(macros.iter().flat_map(materializations));
    errors.extend(packages(root, paths));
    errors
}

fn materializations(file: &ProjectFile) -> Vec<Error> {
    static TAG: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?s)\{#.*?#\}|\{%-?\s*(materialization\s+\w+)").ok());
    let Some(tag) = TAG.as_ref() else { return Vec::new() };
    // The expression also matches comments, so that nothing inside them is found. A comment has no group.
    let found = tag.captures_iter(&file.source.text).filter_map(|found| found.get(1));
    found.map(|tag| messages::own_materialization(Place::new(&file.source, tag.range()))).collect()
}

/// Reports `packages.yml` and `dependencies.yml` that name something, and a package in the packages folder.
fn packages(root: &Path, paths: &Paths) -> Vec<Error> {
    let mut errors = Vec::new();
    for name in ["packages.yml", "dependencies.yml"] {
        let text = match read_text(root, name) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        let written = match yaml_text::parse(&SourceText::new(name, text)) {
            Ok(written) => written,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        let entries = written.table(name).unwrap_or_default();
        for key in ["packages", "projects"] {
            let items = match find(entries, key).map(|written| &written.value) {
                Some(WrittenValue::List(items)) => items.as_slice(),
                _ => &[],
            };
            errors.extend(items.first().map(|first| messages::packages(first.place.clone())));
        }
    }
    if errors.is_empty()
        && let Ok(folders) = std::fs::read_dir(root.join(&paths.packages))
    {
        let mut names: Vec<String> = folders
            .flatten()
            .filter(|folder| folder.path().join("dbt_project.yml").is_file())
            .map(|folder| folder.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        errors.extend(names.first().map(|name| messages::package_folder(&paths.packages.join(name))));
    }
    errors
}
