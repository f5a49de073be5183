//! The folders of each kind of file: dbt's `model-paths`, `seed-paths`, `target-path` and others.
//!
//! Knows names and defaults. Does not walk folders.

use std::path::{Component, Path, PathBuf};

use super::written::{Entry, Kept, Written, WrittenValue, find};
use crate::messages;
use elt_base::error::Result;

/// A project's folders, relative to its root.
/// <https://docs.getdbt.com/reference/dbt_project.yml>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `model-paths`
    pub models: Vec<PathBuf>,
    /// `seed-paths`
    pub seeds: Vec<PathBuf>,
    /// `test-paths`. Each contains macros in the folder `generic` and fixtures of unit tests in `fixtures`.
    pub tests: Vec<PathBuf>,
    /// `snapshot-paths`
    pub snapshots: Vec<PathBuf>,
    /// `macro-paths`
    pub macros: Vec<PathBuf>,
    /// `analysis-paths`
    pub analyses: Vec<PathBuf>,
    /// `docs-paths`; all of the above by default.
    pub docs: Vec<PathBuf>,
    /// `target-path`: compiled SQL and artifacts.
    pub target: PathBuf,
    /// `clean-targets`: the folders in which `elt clean` searches for outputs of runs; the target path by default.
    pub clean: Vec<PathBuf>,
    /// `packages-install-path`, which must contain no packages.
    pub packages: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        let one = |name: &str| vec![PathBuf::from(name)];
        let mut paths = Self {
            models: one("models"),
            seeds: one("seeds"),
            tests: one("tests"),
            snapshots: one("snapshots"),
            macros: one("macros"),
            analyses: one("analyses"),
            docs: Vec::new(),
            target: PathBuf::from("target"),
            clean: one("target"),
            packages: PathBuf::from("dbt_packages"),
        };
        paths.docs = paths.all();
        paths
    }
}

impl Paths {
    /// The keys of this value in `dbt_project.yml` and `[project]`. `asset-paths` names files that only a documentation
    /// site shows. It is not read.
    pub(super) const KEYS: &[&str] = &[
        "model-paths",
        "seed-paths",
        "test-paths",
        "snapshot-paths",
        "macro-paths",
        "analysis-paths",
        "docs-paths",
        "asset-paths",
        "target-path",
        "clean-targets",
        "packages-install-path",
    ];

    /// Reads the keys. Missing keys have their defaults.
    pub(super) fn read(entries: &[Entry], keep: &mut Kept) -> Self {
        let mut paths = Self::default();
        let mut list = |key: &str, into: &mut Vec<PathBuf>| {
            let written = find(entries, key).filter(|written| !written.is_null());
            let read = written.and_then(|written| keep.keep(folders(key, written)));
            let is_given = read.is_some();
            if let Some(read) = read {
                *into = read;
            }
            is_given
        };
        list("model-paths", &mut paths.models);
        list("seed-paths", &mut paths.seeds);
        list("test-paths", &mut paths.tests);
        list("snapshot-paths", &mut paths.snapshots);
        list("macro-paths", &mut paths.macros);
        list("analysis-paths", &mut paths.analyses);
        let has_docs = list("docs-paths", &mut paths.docs);
        let has_clean = list("clean-targets", &mut paths.clean);
        list("asset-paths", &mut Vec::new());
        for (key, into) in [("target-path", &mut paths.target), ("packages-install-path", &mut paths.packages)] {
            if let Some(path) = find(entries, key).and_then(|written| keep.keep(folder(key, written))) {
                *into = path;
            }
        }
        if !has_docs {
            paths.docs = paths.all();
        }
        if !has_clean {
            paths.clean = vec![paths.target.clone()];
        }
        paths
    }

    /// All folders that contain nodes and their properties, each once.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = Vec::new();
        for list in [&self.models, &self.seeds, &self.tests, &self.snapshots, &self.macros, &self.analyses] {
            for path in list {
                if !all.contains(path) {
                    all.push(path.clone());
                }
            }
        }
        all
    }
}

/// A list of folders, or one.
fn folders(key: &str, written: &Written) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    let one = std::slice::from_ref(written);
    let items = if matches!(written.value, WrittenValue::Text(_)) { one } else { written.list(key)? };
    for item in items {
        let path = folder(key, item)?;
        if !found.contains(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

fn folder(key: &str, written: &Written) -> Result<PathBuf> {
    let text = written.text(key)?;
    let path: PathBuf = Path::new(text).components().filter(|part| *part != Component::CurDir).collect();
    if path.is_absolute() {
        return Err(messages::path_absolute(key, text, written.place.clone()));
    }
    Ok(path)
}
