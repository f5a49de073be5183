//! `profiles.toml`: the project's name, variables and folder defaults, and its targets.
//!
//! Knows how to read and check the file, but not how models or servers use it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::export_profile::{self, ExportPlace, ExportProfile, ExportTable};
use super::paths::Paths;
use super::profile::{Profiles, SourceProfile, Target};
use super::settings;
use super::target_part::{MissingVariable, NamedPart, TargetPart};
use super::toml_text;
use super::written::{Entry, Kept, Written, WrittenValue, clamp, find, together, unknown_keys};
use crate::messages;
use elt_base::error::{Error, Place, Result, SourceText};
use elt_base::secret::Secret;

/// The file's name, in the project's root.
pub const PROFILES_FILE: &str = "profiles.toml";

/// The catalog's name if none is configured.
pub(super) const DATABASE: &str = "elt_warehouse";
const TARGET_KEYS: &[&str] =
    &["warehouse", "landing", "schema", "threads", "memory_limit", "sources", "export", "exports"];

impl Profiles {
    /// Reads `profiles.toml` in `root` from its text, for `target` or for the default target.
    ///
    /// Fails, always with exit code 2 and if possible at the place in the file, if it is not TOML, a key or target is
    /// unknown, a value has the wrong type, or a variable is not set.
    /// Also returns the entries of `[project]`.
    pub(super) fn of_toml(
        root: &Path,
        text: &str,
        target: Option<&str>,
        environment: &Environment,
    ) -> Result<(Self, Vec<Entry>)> {
        Self::parse(root.to_path_buf(), text, target, environment)
    }

    fn parse(root: PathBuf, text: &str, target: Option<&str>, environment: &Environment) -> Result<(Self, Vec<Entry>)> {
        let shown = SourceText::new(PROFILES_FILE, blot_passwords(text));
        let file = toml_text::parse(text, &shown)?;
        let top = file.table("profiles.toml")?;
        let mut keep = Kept { errors: unknown_keys(top, &["project", "target"], "`profiles.toml`") };

        let mut project = match find(top, "project") {
            Some(project) => project.clone(),
            None => return Err(messages::key_missing("project", "`profiles.toml`", clamp(&shown, 0, 0))),
        };
        keep.errors.extend(fill(&mut project, environment));
        let entries = project.table("project")?;
        let known: Vec<&str> = [settings::KEYS, settings::DEFAULTS_KEYS, Paths::KEYS, &["target"]].concat();
        keep.errors.extend(unknown_keys(entries, &known, "`[project]`"));
        let target = target_of(&root, top, entries, &project.place, target, environment);
        let target = keep.keep(target);
        let profiles = settings::read(root, entries, "`[project]`", &project.place, target, &mut keep);
        keep.errors.sort_by_key(|error| error.places().first().map(|place| place.span.start));
        match (profiles, Error::many(keep.errors)) {
            (Some(profiles), None) => Ok((profiles, entries.to_vec())),
            (_, Some(error)) => Err(error),
            (None, None) => Err(messages::no_targets(clamp(&shown, 0, 0))),
        }
    }

    /// The target in `profiles.toml` for a project whose settings are in `dbt_project.yml`.
    pub(super) fn target_beside_dbt(
        root: &Path,
        text: &str,
        target: Option<&str>,
        environment: &Environment,
    ) -> Result<Target> {
        let shown = SourceText::new(PROFILES_FILE, blot_passwords(text));
        let file = toml_text::parse(text, &shown)?;
        let top = file.table("profiles.toml")?;
        let mut errors = unknown_keys(top, &["project", "target"], "`profiles.toml`");
        let mut project = find(top, "project").cloned();
        let (entries, place) = match &mut project {
            Some(project) => {
                errors.extend(fill(project, environment));
                (project.table("project")?, project.place.clone())
            }
            None => (&[][..], clamp(&shown, 0, 0)),
        };
        let stray = entries.iter().filter(|entry| entry.key != "target");
        errors.extend(stray.map(|entry| messages::two_projects(&entry.key, entry.key_place.clone())));
        together(target_of(root, top, entries, &place, target, environment), errors)
    }
}

/// Reads the chosen target.
fn target_of(
    root: &Path,
    top: &[Entry],
    project: &[Entry],
    project_place: &Place,
    asked: Option<&str>,
    environment: &Environment,
) -> Result<Target> {
    let Some(targets) = find(top, "target") else {
        return Err(messages::no_targets(clamp(&project_place.source, 0, 0)));
    };
    let (name, written) = chosen(targets, project, asked, project_place)?;
    let target = read_target(root, name, written, environment)?;
    let exports = targets.table("target")?.iter().filter_map(|target| target.value.table("target").ok());
    let of_all = exports.flat_map(exports_of).filter_map(|export| {
        let path = find(export.table("export").ok()?, "path")?.text("path").ok()?;
        Some(root.join(environment.fill(path).ok()?))
    });
    Ok(Target { export_paths: of_all.collect(), ..target })
}

/// The target to use: the requested one, else `[project]`'s, else the only one, else `dev`.
fn chosen<'a>(
    targets: &'a Written,
    project: &[Entry],
    asked: Option<&str>,
    project_place: &Place,
) -> Result<(&'a str, &'a Written)> {
    let entries = targets.table("target")?;
    let candidates: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let (name, place) = match (asked, find(project, "target")) {
        (Some(asked), _) => (asked, None),
        (None, Some(default)) => (default.text("target")?, Some(default.place.clone())),
        (None, None) if candidates.contains(&"dev") => ("dev", None),
        (None, None) => match candidates.as_slice() {
            [only] => (*only, None),
            [] => return Err(messages::no_targets(targets.place.clone())),
            _ => return Err(messages::no_default_target(&candidates, project_place.clone())),
        },
    };
    match entries.iter().find(|entry| entry.key == name) {
        Some(entry) => Ok((&entry.key, &entry.value)),
        None => Err(messages::unknown_target(name, &candidates, place)),
    }
}

/// The tables of a target's exports.
fn exports_of(target: &[Entry]) -> impl Iterator<Item = &Written> {
    let several = find(target, "exports").and_then(|exports| exports.list("exports").ok()).unwrap_or_default();
    find(target, "export").into_iter().chain(several)
}

/// Reads `export` or `exports`; those that can be read, and the errors in `keep`.
fn read_exports(
    table: &ExportTable<'_>,
    entries: &[Entry],
    warehouse: &Path,
    missing: &[MissingVariable],
    keep: &mut Kept,
) -> Vec<ExportProfile> {
    let several = find(entries, "exports");
    if let (Some(_), Some(several)) = (find(entries, "export"), several) {
        keep.errors.push(messages::export_and_exports(several.place.clone()));
        return Vec::new();
    }
    if let Some(several) = several {
        keep.keep(several.list("exports"));
    }
    let table = ExportTable { is_named: several.is_some(), ..*table };
    let mut exports = Vec::new();
    for written in exports_of(entries) {
        let is_warehouse = |export: &ExportProfile| match &export.place {
            ExportPlace::Duckdb { path, .. } => path == warehouse,
            _ => false,
        };
        let export = export_profile::read(&table, written).and_then(|export| match is_warehouse(&export) {
            true => Err(messages::export_duckdb_is_warehouse(warehouse).at(written.place.clone())),
            false => Ok(export),
        });
        let name = name_of(written);
        let export = keep.keep(or_missing(export, missing, TargetPart::Export(name.as_deref())));
        exports.extend(export.map(|export| (export, &written.place)));
    }
    let placed: Vec<_> = exports.iter().map(|(export, place)| (export, *place)).collect();
    keep.errors.extend(export_profile::doubles(&placed));
    exports.into_iter().map(|(export, _)| export).collect()
}

/// The `name` of an export's table.
fn name_of(written: &Written) -> Option<String> {
    find(written.table("exports").ok()?, "name")?.text("name").ok().map(str::to_owned)
}

fn read_target(root: &Path, name: &str, written: &Written, environment: &Environment) -> Result<Target> {
    let mut written = written.clone();
    let (missing, mut errors) = fill_parts(&mut written, environment);
    let of = format!("`[target.{name}]`");
    let entries = written.table(name)?;
    errors.extend(unknown_keys(entries, TARGET_KEYS, &of));
    let mut keep = Kept { errors };

    let folder = root.join(".elt").join(name);
    let path = |text: &str| root.join(text);
    let warehouse = keep.text(entries, "warehouse").map_or_else(|| folder.join("warehouse.duckdb"), path);
    let beside = warehouse.parent().unwrap_or(root).join("landing");
    let landing = keep.text(entries, "landing").map_or(beside, path);
    let schema = keep.text(entries, "schema").unwrap_or("main").to_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = keep.count(entries, "threads").unwrap_or(cores);
    let memory_limit = keep.text(entries, "memory_limit").map(str::to_owned);

    let mut sources = BTreeMap::new();
    if let Some(written) = find(entries, "sources") {
        for source in keep.keep(written.table("sources")).unwrap_or_default() {
            let profile = read_source(root, &of, source);
            let profile = or_missing(profile, &missing, TargetPart::Source(&source.key));
            if let Some(profile) = keep.keep(profile) {
                sources.insert(source.key.clone(), profile);
            }
        }
    }
    let table = ExportTable { root, folder: &folder, target: name, threads, is_named: false };
    let exports = read_exports(&table, entries, &warehouse, &missing, &mut keep);
    match Error::many(keep.errors) {
        Some(error) => Err(error),
        None => Ok(Target {
            name: name.to_owned(),
            warehouse,
            landing,
            schema,
            threads,
            memory_limit,
            sources,
            exports,
            database: DATABASE.to_owned(),
            settings: Vec::new(),
            missing,
            export_paths: Vec::new(),
        }),
    }
}

fn read_source(root: &Path, target: &str, source: &Entry) -> Result<SourceProfile> {
    let of = format!("source `{}` of {target}", source.key);
    let entries = source.value.table(&source.key)?;
    let place = &source.key_place;
    match required_text(entries, "type", &of, place)? {
        "mongodb" => {
            refuse_unknown(entries, &["type", "uri", "database", "snapshot"], &of)?;
            let uri = Secret::new(required_text(entries, "uri", &of, place)?);
            let database = required_text(entries, "database", &of, place)?.to_owned();
            let snapshot = find(entries, "snapshot").map(|written| written.flag("snapshot")).transpose()?;
            Ok(SourceProfile::Mongodb { uri, database, snapshot: snapshot.unwrap_or(false) })
        }
        "files" => {
            refuse_unknown(entries, &["type", "path"], &of)?;
            Ok(SourceProfile::Files { path: root.join(required_text(entries, "path", &of, place)?) })
        }
        other => Err(messages::unknown_kind_of(other, "source", &["files", "mongodb"], type_place(entries, place))),
    }
}

fn required_text<'a>(entries: &'a [Entry], key: &str, of: &str, place: &Place) -> Result<&'a str> {
    match find(entries, key) {
        Some(written) => written.text(key),
        None => Err(messages::key_missing(key, of, place.clone())),
    }
}

fn type_place(entries: &[Entry], place: &Place) -> Place {
    find(entries, "type").map_or_else(|| place.clone(), |written| written.place.clone())
}

fn refuse_unknown(entries: &[Entry], known: &[&str], of: &str) -> Result<()> {
    Error::many(unknown_keys(entries, known, of)).map_or(Ok(()), Err)
}

/// Replaces variables in a target. Those of its sources and exports may be missing, because not every command needs
/// them. Returns them, and an error for each other variable that is not set.
fn fill_parts(target: &mut Written, environment: &Environment) -> (Vec<MissingVariable>, Vec<Error>) {
    let mut missing = Vec::new();
    let mut errors = Vec::new();
    let mut note = |unset: Vec<(String, Place)>, part: NamedPart| {
        for (name, place) in unset {
            if name.is_empty() {
                errors.push(messages::bad_variable(place));
                continue;
            }
            let known = environment.names().map(str::to_owned).collect();
            missing.push(MissingVariable { part: part.clone(), name, place, known });
        }
    };
    let mut others = Vec::new();
    if let WrittenValue::Table(entries) = &mut target.value {
        for entry in entries {
            match (entry.key.as_str(), &mut entry.value.value) {
                ("sources", WrittenValue::Table(sources)) => {
                    for source in sources {
                        note(unfilled(&mut source.value, environment), NamedPart::Source(source.key.clone()));
                    }
                }
                ("exports", WrittenValue::List(exports)) => {
                    for export in exports {
                        let unset = unfilled(export, environment);
                        note(unset, NamedPart::Export(name_of(export)));
                    }
                }
                ("export", _) => note(unfilled(&mut entry.value, environment), NamedPart::Export(None)),
                _ => others.extend(fill(&mut entry.value, environment)),
            }
        }
    }
    errors.extend(others);
    (missing, errors)
}

/// A part that was read. If it cannot be read without its missing variables, they are the error.
fn or_missing<T>(read: Result<T>, missing: &[MissingVariable], part: TargetPart<'_>) -> Result<T> {
    let is_its = |missing: &&MissingVariable| missing.part.is(part);
    match (read, Error::many(missing.iter().filter(is_its).map(MissingVariable::error).collect())) {
        (Err(_), Some(error)) => Err(error),
        (read, _) => read,
    }
}

/// Replaces variables in every text of `written`. Returns an error for each variable that is not set.
fn fill(written: &mut Written, environment: &Environment) -> Vec<Error> {
    let error = |(name, place): (String, Place)| match name.is_empty() {
        true => messages::bad_variable(place),
        false => messages::unset_variable(&name, environment.names(), place),
    };
    unfilled(written, environment).into_iter().map(error).collect()
}

/// Replaces variables in every text of `written`. Returns those that are not set, with their places; without a name if
/// it is no variable.
fn unfilled(written: &mut Written, environment: &Environment) -> Vec<(String, Place)> {
    let mut found = Vec::new();
    written.each_text(&mut |text, place| match environment.fill(text) {
        Ok(filled) => *text = filled,
        Err(unset) => {
            // The part in the file's own text, so that the carets mark only the variable.
            let whole = place.source.text.get(place.span.clone()).unwrap_or("");
            let place = match whole.find(&unset.written) {
                Some(index) => {
                    let start = place.span.start + index;
                    clamp(&place.source, start, start + unset.written.len())
                }
                None => place.clone(),
            };
            found.push((unset.name, place));
        }
    });
    found
}

/// `text` with stars instead of the literal part of every URI's password, for errors. The length in bytes is unchanged.
/// `${VAR}` is kept, because it is the subject of errors, and not a secret.
fn blot_passwords(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut blot = |range: std::ops::Range<usize>| {
        let mut at = range.start;
        while at < range.end {
            if text[at..range.end].starts_with("${")
                && let Some(length) = text[at..range.end].find('}')
            {
                at += length + 1;
                continue;
            }
            let length = text[at..].chars().next().map_or(1, char::len_utf8);
            bytes[at..at + length].fill(b'*');
            at += length;
        }
    };
    let ends = |c: char| c.is_whitespace() || c == '"' || c == '\'';
    for (index, _) in text.match_indices("://") {
        let start = index + 3;
        let end = text[start..].find(ends).map_or(text.len(), |length| start + length);
        // The last `@`, because a password that is not percent-encoded may contain an `@`.
        if let Some(at) = text[start..end].rfind('@').map(|at| start + at)
            && let Some(colon) = colon_outside_variables(&text[start..at]).map(|colon| start + colon)
        {
            blot(colon + 1..at);
        }
    }
    for (index, word) in text.match_indices("password=") {
        let start = index + word.len();
        let end = text[start..].find(|c| ends(c) || c == '&').map_or(text.len(), |length| start + length);
        blot(start..end);
    }
    String::from_utf8(bytes).unwrap_or_else(|_| "*".repeat(text.len()))
}

/// The `:` between user and password, not the `:` of `${USER:-ann}`.
fn colon_outside_variables(userinfo: &str) -> Option<usize> {
    let mut depth = 0usize;
    userinfo.char_indices().find_map(|(index, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => return Some(index),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests;
