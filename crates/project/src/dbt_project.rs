//! `dbt_project.yml`: the settings of a plain dbt project.
//!
//! Knows the file's keys (<https://docs.getdbt.com/reference/dbt_project.yml>). Does not know where its targets are
//! defined.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::environment::Environment;
use super::paths::Paths;
use super::profile::{Profiles, Target};
use super::settings;
use super::written::{Entry, Kept, Written, WrittenValue, clamp, find};
use super::yaml_template::YamlTemplate;
use super::yaml_text;
use crate::messages;
use elt_base::error::{Error, Result, SourceText};

/// The file's name, in the project's root.
pub const DBT_PROJECT_FILE: &str = "dbt_project.yml";

/// Keys that a build does not need: access, options of dbt itself, and unsupported features.
const IGNORED: &[&str] = &[
    "analyses",
    "config-version",
    "dbt-cloud",
    "dispatch",
    "function-paths",
    "functions",
    "log-path",
    "metrics",
    "model-versions",
    "profile",
    "query-comment",
    "quoting",
    "require-dbt-version",
    "restrict-access",
    "saved-queries",
    "semantic-models",
    "version",
];
/// Keys from before dbt 1.0, and their present names.
const RENAMED: &[(&str, &str)] =
    &[("source-paths", "model-paths"), ("data-paths", "seed-paths"), ("modules-path", "packages-install-path")];
/// These keys are rendered where they are used.
const RENDERED_LATER: &[&str] = &["on-run-start", "on-run-end", "query-comment", "vars"];

/// The parsed file. Nothing in it is rendered yet.
pub(super) struct DbtProject {
    written: Written,
}

impl DbtProject {
    /// None if the project has no such file.
    pub fn read(root: &Path) -> Result<Option<Self>> {
        let Some(text) = read_text(root, DBT_PROJECT_FILE)? else { return Ok(None) };
        let source = SourceText::new(DBT_PROJECT_FILE, text);
        Ok(Some(Self { written: yaml_text::parse(&source)? }))
    }

    fn source(&self) -> &Arc<SourceText> {
        &self.written.place.source
    }

    /// `profile:`, or the project's name.
    pub fn profile(&self, template: &YamlTemplate) -> Result<String> {
        let entries = self.written.table(DBT_PROJECT_FILE)?;
        for key in ["profile", "name"] {
            if let Some(written) = find(entries, key).filter(|written| !written.is_null()) {
                let mut written = written.clone();
                template.render(&mut written)?;
                return written.text(key).map(str::to_owned);
            }
        }
        Err(messages::key_missing("name", "`dbt_project.yml`", clamp(self.source(), 0, 0)))
    }

    /// The settings with `target`, and the folder defaults as written, for later messages about them.
    pub fn settings(
        &self,
        root: &Path,
        target: Target,
        profile: String,
        vars: &Map<String, Value>,
        environment: &Environment,
    ) -> Result<(Profiles, Vec<Entry>)> {
        let template = YamlTemplate::new(vars, Some((&target, &profile)), environment);
        let mut entries = self.written.table(DBT_PROJECT_FILE)?.to_vec();
        let known: Vec<&str> = [settings::KEYS, settings::DEFAULTS_KEYS, Paths::KEYS, IGNORED].concat();
        let mut keep = Kept::default();
        for entry in &mut entries {
            let key = entry.key.as_str();
            if let Some((_, now)) = RENAMED.iter().find(|(then, _)| *then == key) {
                keep.errors.push(messages::key_renamed(key, now, entry.key_place.clone()));
            } else if !known.contains(&key) {
                keep.errors.push(messages::unknown_key(key, "`dbt_project.yml`", &known, entry.key_place.clone()));
            } else if key == "vars" {
                render_vars(&mut entry.value, &template);
            } else if !RENDERED_LATER.contains(&key) && !IGNORED.contains(&key) {
                let rendered = template.render(&mut entry.value);
                keep.keep(rendered);
            }
        }
        let place = clamp(self.source(), 0, 0);
        let read = settings::read(root.to_path_buf(), &entries, "`dbt_project.yml`", &place, Some(target), &mut keep);
        keep.errors.sort_by_key(|error| error.places().first().map(|place| place.span.start));
        match (read, Error::many(keep.errors)) {
            (Some(profiles), None) => Ok((Profiles { profile, is_dbt: true, ..profiles }, entries)),
            (_, Some(error)) => Err(error),
            (None, None) => Err(messages::key_missing("name", "`dbt_project.yml`", place)),
        }
    }
}

/// Renders a variable's own Jinja. A value that cannot be rendered here is kept unchanged, because it may never be
/// used.
fn render_vars(written: &mut Written, template: &YamlTemplate) {
    match &mut written.value {
        WrittenValue::Table(entries) => entries.iter_mut().for_each(|entry| render_vars(&mut entry.value, template)),
        WrittenValue::Text(_) => {
            let mut rendered = written.clone();
            if template.render(&mut rendered).is_ok() {
                *written = rendered;
            }
        }
        _ => {}
    }
}

/// A text file in `root`. None if it does not exist.
pub(super) fn read_text(root: &Path, name: &str) -> Result<Option<String>> {
    match std::fs::read(root.join(name)) {
        Ok(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|error| messages::not_utf8(Path::new(name), error.utf8_error().valid_up_to())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(elt_base::messages::unreadable(Path::new(name), &error)),
    }
}
