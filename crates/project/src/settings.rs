//! The settings of a project: its name, variables, folders, folder defaults and hooks. `dbt_project.yml` and the
//! `[project]` of `profiles.toml` have the same keys.
//!
//! Knows the keys and their shapes. Does not know the format of either file, or targets.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::folder_defaults::{Defaults, RunHook};
use super::paths::Paths;
use super::profile::{Profiles, Target};
use super::written::{Entry, Kept, Written, WrittenValue, find};
use crate::messages;
use elt_base::error::{Place, Result};

/// Folder defaults by their key.
pub(super) const DEFAULTS_KEYS: &[&str] =
    &["models", "seeds", "snapshots", "data_tests", "tests", "unit_tests", "sources", "exposures"];

/// The keys that both files have, except `Paths::KEYS` and `DEFAULTS_KEYS`.
pub(super) const KEYS: &[&str] = &["name", "vars", "on-run-start", "on-run-end", "flags"];

/// Reads the keys. Errors go to `keep`. None if the name or the target is missing. `of` is the table's name in
/// messages.
pub(super) fn read(
    root: PathBuf,
    entries: &[Entry],
    of: &str,
    place: &Place,
    target: Option<Target>,
    keep: &mut Kept,
) -> Option<Profiles> {
    let name = match find(entries, "name") {
        Some(written) => keep.keep(written.text("name")).map(str::to_owned),
        None => {
            keep.errors.push(messages::key_missing("name", of, place.clone()));
            None
        }
    };
    let defaults = Defaults {
        models: keep.map(entries, "models"),
        seeds: keep.map(entries, "seeds"),
        snapshots: keep.map(entries, "snapshots"),
        data_tests: {
            let mut tests = keep.map(entries, "tests");
            overlay(&mut tests, keep.map(entries, "data_tests"));
            tests
        },
        unit_tests: keep.map(entries, "unit_tests"),
        sources: keep.map(entries, "sources"),
        exposures: keep.map(entries, "exposures"),
    };
    let paths = Paths::read(entries, keep);
    let mut hooks = |key: &str| {
        let read = find(entries, key).map(|written| hooks(key, written));
        read.and_then(|read| keep.keep(read)).unwrap_or_default()
    };
    let (on_run_start, on_run_end) = (hooks("on-run-start"), hooks("on-run-end"));
    let mut vars = keep.map(entries, "vars");
    let flags = keep.map(entries, "flags");
    super::flags::check(entries, keep);
    let (name, target) = (name?, target?);
    // Variables below the project's own name belong to the project, and take precedence.
    if let Some(Value::Object(own)) = vars.get(&name).cloned() {
        vars.extend(own);
    }
    Some(Profiles {
        root,
        profile: name.clone(),
        name,
        is_dbt: false,
        vars,
        defaults,
        paths,
        on_run_start,
        on_run_end,
        flags,
        target,
    })
}

/// Merges one nested table over another.
fn overlay(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => overlay(old, new),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// A statement, `{sql: statement}`, or a list of them. Empty statements are omitted.
fn hooks(key: &str, written: &Written) -> Result<Vec<RunHook>> {
    let one = std::slice::from_ref(written);
    let items = match &written.value {
        WrittenValue::List(items) => items.as_slice(),
        WrittenValue::Null => &[],
        _ => one,
    };
    let mut hooks = Vec::new();
    for item in items.iter().filter(|item| !item.is_null()) {
        let statement = match &item.value {
            WrittenValue::Table(entries) => find(entries, "sql").unwrap_or(item),
            _ => item,
        };
        let sql = statement.text(key)?;
        if !sql.trim().is_empty() {
            hooks.push(RunHook { sql: sql.to_owned(), place: statement.place.clone() });
        }
    }
    Ok(hooks)
}

/// Configuration keys whose value is a map. A map below them is not a folder.
pub const MAP_KEYS: [&str; 8] =
    ["meta", "column_types", "export", "contract", "persist_docs", "grants", "docs", "freshness"];

/// A folder of folder defaults, as written.
#[derive(Debug, Clone)]
pub struct DefaultFolder {
    /// Its top key: `models`.
    pub key: &'static str,
    /// The folders' names, from the top folder on, without the project's own name.
    pub path: Vec<String>,
    pub place: Place,
    /// The configuration directly in it, with places.
    pub settings: Vec<(String, Value, Place)>,
}

/// The folders of all folder defaults, each before its subfolders. The top of each kind has no path.
pub(super) fn default_folders(entries: &[Entry], project: &str) -> Vec<DefaultFolder> {
    let mut folders = Vec::new();
    for key in DEFAULTS_KEYS {
        let Some(top) = entries.iter().find(|entry| entry.key == *key) else { continue };
        let mut open: Vec<(&Entry, Vec<String>)> = vec![(top, Vec::new())];
        while let Some((entry, path)) = open.pop() {
            let WrittenValue::Table(below) = &entry.value.value else { continue };
            let mut settings = Vec::new();
            for entry in below {
                let is_table = matches!(entry.value.value, WrittenValue::Table(_));
                let name = entry.key.trim_start_matches('+');
                if !is_table || entry.key.starts_with('+') || MAP_KEYS.contains(&name) {
                    settings.push((name.to_owned(), entry.value.to_json(), entry.key_place.clone()));
                    continue;
                }
                let mut path = path.clone();
                if !(path.is_empty() && entry.key == project) {
                    path.push(entry.key.clone());
                }
                open.push((entry, path));
            }
            folders.push(DefaultFolder { key, path, place: entry.key_place.clone(), settings });
        }
    }
    folders
}
