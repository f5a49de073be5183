//! `profiles.yml`: the outputs of a dbt profile. An output of type `duckdb` is a target.
//!
//! Knows the possible places of the file and dbt-duckdb's keys. Opens no database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::environment::Environment;
use super::profile::Target;
use super::profiles::DATABASE;
use super::written::{Entry, Kept, Written, clamp, find, together, unknown_keys};
use super::yaml_template::YamlTemplate;
use super::yaml_text;
use crate::messages;
use elt_base::error::{Error, Result, SourceText};

const PROFILES_YML: &str = "profiles.yml";

const OUTPUT_KEYS: &[&str] = &["type", "path", "database", "schema", "threads", "extensions", "settings"];
/// Options for dbt's connection and its retries. They have no effect here.
const IGNORED: &[&str] = &[
    "config_options",
    "disable_transactions",
    "external_root",
    "keep_open",
    "module_paths",
    "priority",
    "retries",
    "use_credential_provider",
];
const UNSUPPORTED: &[&str] = &["attach", "filesystems", "is_ducklake", "plugins", "remote", "secrets"];
/// The extensions of this program's DuckDB.
const EXTENSIONS: &[&str] = &["core_functions", "icu", "json", "parquet"];
/// Warehouses that are not local files.
const REMOTE: &[&str] =
    &["md:", "motherduck:", "ducklake:", "s3:", "gs:", "gcs:", "http:", "https:", "sqlite:", "postgres:"];

/// The place where `profiles.yml` was found.
struct Found {
    source: Arc<SourceText>,
    text: String,
    /// Whether the file is in a place that belongs to this project only.
    is_own: bool,
}

/// The target `asked` of the profile `profile`, or its default target. If no `profiles.yml` contains the profile,
/// returns a target whose warehouse is this tool's own.
///
/// `folder` is `--profiles-dir`. Without it, `DBT_PROFILES_DIR`, the project's folder and `~/.dbt` are searched.
///
/// # Errors
/// A named folder does not contain the file, the YAML is malformed, the profile or target does not exist, an output
/// needs another adapter, or keys are unknown or unsupported. Exit code 2.
pub(super) fn read(
    root: &Path,
    folder: Option<&Path>,
    profile: &str,
    asked: Option<&str>,
    template: &YamlTemplate,
    environment: &Environment,
) -> Result<Target> {
    let found = find_file(root, folder, environment)?;
    let Some(Found { source, text, is_own }) = found else { return Ok(default_target(root, asked)) };
    let file = yaml_text::parse_shown(&text, &source)?;
    let profiles = file.table(PROFILES_YML)?;
    let Some(entry) = profiles.iter().find(|entry| entry.key == profile) else {
        if !is_own {
            return Ok(default_target(root, asked));
        }
        let known: Vec<&str> = profiles.iter().map(|entry| entry.key.as_str()).filter(|key| *key != "config").collect();
        return Err(messages::unknown_profile(profile, &known, clamp(&source, 0, 0)));
    };
    let of = format!("profile `{profile}`");
    let entries = entry.value.table(profile)?;
    let mut target = find(entries, "target").cloned();
    if let Some(target) = &mut target {
        template.render(target)?;
    }
    let name = match (asked, &target) {
        (Some(asked), _) => asked.to_owned(),
        (None, Some(written)) => written.text("target")?.to_owned(),
        (None, None) => "default".to_owned(),
    };
    let mut errors = unknown_keys(entries, &["target", "outputs", "config"], &of);
    let Some(outputs) = find(entries, "outputs") else {
        return Err(messages::key_missing("outputs", &of, entry.key_place.clone()));
    };
    let outputs = outputs.table("outputs")?;
    let Some(output) = outputs.iter().find(|output| output.key == name) else {
        let known: Vec<&str> = outputs.iter().map(|output| output.key.as_str()).collect();
        let place = target.filter(|_| asked.is_none()).map_or_else(|| entry.key_place.clone(), |target| target.place);
        return Err(messages::unknown_output(&name, profile, &known, place));
    };
    let mut output = output.clone();
    if let Err(error) = template.render(&mut output.value) {
        errors.extend(error.split());
    }
    together(read_output(root, &output), errors)
}

fn find_file(root: &Path, folder: Option<&Path>, environment: &Environment) -> Result<Option<Found>> {
    let named = folder
        .map(Path::to_path_buf)
        .or_else(|| environment.get("DBT_PROFILES_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from));
    let home = environment.get("HOME").map(|home| Path::new(home).join(".dbt"));
    let own = named.clone().unwrap_or_else(|| root.to_path_buf());
    let candidates = match &named {
        Some(_) => vec![own],
        None => std::iter::once(own).chain(home).collect(),
    };
    for (number, folder) in candidates.iter().enumerate() {
        let path = folder.join(PROFILES_YML);
        let shown = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
        match std::fs::read(&path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes)
                    .map_err(|error| messages::not_utf8(&shown, error.utf8_error().valid_up_to()))?;
                let source = SourceText::new(shown, blot_secrets(&text));
                return Ok(Some(Found { source, text, is_own: number == 0 }));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {}
            Err(error) => return Err(elt_base::messages::unreadable(&shown, &error)),
        }
    }
    Ok(None)
}

/// `text` with stars instead of the values of keys that sound like secrets, for errors. The length in bytes is
/// unchanged.
fn blot_secrets(text: &str) -> String {
    const SECRET: &[&str] = &["pass", "secret", "token", "key", "credential"];
    let blot = |line: &str| -> String {
        let Some((key, value)) = line.split_once(':') else { return line.to_owned() };
        let lower = key.to_lowercase();
        if value.contains("{{") || !SECRET.iter().any(|word| lower.contains(word)) {
            return line.to_owned();
        }
        let stars = value.chars().map(|c| if c.is_whitespace() { c.to_string() } else { "*".repeat(c.len_utf8()) });
        format!("{key}:{}", stars.collect::<String>())
    };
    text.split_inclusive('\n').map(blot).collect()
}

/// A target of this tool's own, for a project without one.
fn default_target(root: &Path, asked: Option<&str>) -> Target {
    let name = asked.unwrap_or("dev").to_owned();
    let folder = root.join(".elt").join(&name);
    Target {
        warehouse: folder.join("warehouse.duckdb"),
        landing: folder.join("landing"),
        name,
        schema: "main".to_owned(),
        threads: cores(),
        memory_limit: None,
        sources: Default::default(),
        exports: Vec::new(),
        database: DATABASE.to_owned(),
        settings: Vec::new(),
        missing: Vec::new(),
        export_paths: Vec::new(),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn read_output(root: &Path, output: &Entry) -> Result<Target> {
    let of = format!("output `{}`", output.key);
    let entries = output.value.table(&output.key)?;
    let kind = find(entries, "type").ok_or_else(|| messages::key_missing("type", &of, output.key_place.clone()))?;
    if kind.text("type")? != "duckdb" {
        return Err(messages::other_adapter(kind.text("type")?, kind.place.clone()));
    }
    let mut keep = Kept::default();
    for entry in entries {
        let key = entry.key.as_str();
        if UNSUPPORTED.contains(&key) && !is_nothing(&entry.value) {
            keep.errors.push(messages::not_supported_in_profile(key, entry.key_place.clone()));
        } else if !OUTPUT_KEYS.contains(&key) && !IGNORED.contains(&key) && !UNSUPPORTED.contains(&key) {
            keep.errors.push(messages::unknown_key(key, &of, OUTPUT_KEYS, entry.key_place.clone()));
        }
    }
    let mut target = default_target(root, Some(&output.key));
    if let Some(path) = keep.text(entries, "path")
        && let Some(written) = find(entries, "path")
    {
        if let Some(scheme) = REMOTE.iter().find(|scheme| path.starts_with(**scheme)) {
            keep.errors.push(messages::remote_warehouse(scheme, written.place.clone()));
        } else if path != ":memory:" && !path.is_empty() {
            target.warehouse = root.join(path);
            let stem = target.warehouse.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            target.database = stem.unwrap_or_else(|| DATABASE.to_owned());
        }
    }
    if let Some(schema) = keep.text(entries, "schema") {
        target.schema = schema.to_owned();
    }
    if let Some(threads) = keep.count(entries, "threads") {
        target.threads = threads;
    }
    if let Some(written) = find(entries, "extensions") {
        for extension in keep.keep(written.list("extensions")).unwrap_or_default() {
            let name = match extension.table("extensions") {
                Ok(entries) => find(entries, "name").map_or(Ok(""), |name| name.text("name")),
                Err(_) => extension.text("extensions"),
            };
            if let Some(name) = keep.keep(name)
                && !EXTENSIONS.contains(&name)
            {
                keep.errors.push(messages::no_extension(name, EXTENSIONS, extension.place.clone()));
            }
        }
    }
    if let Some(written) = find(entries, "settings") {
        for setting in keep.keep(written.table("settings")).unwrap_or_default() {
            match setting.key.to_lowercase().as_str() {
                "timezone" => keep.errors.push(messages::utc_only(setting.key_place.clone())),
                // Threads and memory are set when the warehouse is opened. The tool reads errors as JSON.
                "errors_as_json" => {}
                _ => target.settings.push((setting.key.clone(), setting_text(&setting.value))),
            }
        }
    }
    match Error::many(keep.errors) {
        Some(error) => Err(error),
        None => Ok(target),
    }
}

fn setting_text(written: &Written) -> String {
    match written.to_json() {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

fn is_nothing(written: &Written) -> bool {
    match written.to_json() {
        serde_json::Value::Null | serde_json::Value::Bool(false) => true,
        serde_json::Value::Array(items) => items.is_empty(),
        serde_json::Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
