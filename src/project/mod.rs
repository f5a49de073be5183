//! What the project's files say, as one value: profiles, properties, and the text of models, tests, macros and seeds.
//!
//! The only module that walks the project's folders. Renders no model and opens no connection.

mod environment;
mod exposures;
mod files;
mod init;
mod profiles;
mod properties;
mod property_file;
mod toml_text;
mod unit_test;
mod written;
mod yaml_template;
mod yaml_text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::{Error, Place, Result, SourceText};
use yaml_template::YamlTemplate;

pub use environment::Environment;
pub use exposures::{ExposureProperties, GroupProperties, Owner};
pub use init::init;
pub use profiles::{ExportProfile, PROFILES_FILE, Profiles, SourceProfile, Target};
pub use properties::{
    ColumnProperties, Constraint, ConstraintKind, NodeProperties, Properties, SourceProperties, TableProperties,
    TestProperties,
};
pub use unit_test::{
    FixtureCell, FixtureProperties, FixtureRow, FixtureRows, GivenProperties, OverrideProperties, UnitTestProperties,
};

/// A project as it lies on disk, read once; nothing in it is rendered or resolved yet.
#[derive(Debug, Clone)]
pub struct Project {
    pub profiles: Profiles,
    /// `models/**/*.sql`.
    pub models: Vec<ProjectFile>,
    /// `tests/*.sql` and below: singular data tests. `tests/generic/` holds macros; `tests/it/` and `tests/cases/`
    /// are no part of a project.
    pub tests: Vec<ProjectFile>,
    /// `tests/fixtures/**/*.csv` and `.sql`: rows of unit tests.
    pub fixtures: Vec<ProjectFile>,
    /// `macros/**/*.sql` and `tests/generic/**/*.sql`.
    pub macros: Vec<ProjectFile>,
    /// `seeds/**/*.csv`; their text is not read here (`source.text` is empty).
    pub seeds: Vec<ProjectFile>,
    /// `snapshots/**/*.sql`: each holds `{% snapshot name %}` blocks.
    pub snapshots: Vec<ProjectFile>,
    /// All YAML files beside models, seeds and snapshots, merged.
    pub properties: Properties,
    /// What `env_var` reads in models.
    pub environment: Environment,
}

/// What stands for the path of a query that was given on the command line.
pub const INLINE_PATH: &str = "--inline";

/// One file of the project.
#[derive(Debug, Clone)]
pub struct ProjectFile {
    /// Path relative to the project's root, and text.
    pub source: Arc<SourceText>,
    /// File name without its ending: the model's name.
    pub name: String,
    /// Folders between the resource's top folder (`models/`) and the file.
    pub folders: Vec<String>,
    /// Absolute path.
    pub path: PathBuf,
}

impl Project {
    /// Reads the project in `root` for `target` (the default one if None); `vars` are laid over `[project.vars]`.
    ///
    /// Fails with exit code 2 and everything that is wrong with `profiles.toml`, or else with everything that is
    /// wrong with the other files: unreadable or not UTF-8, malformed YAML, unknown keys, two models of one name,
    /// two entries for one model.
    pub fn read(
        root: &Path,
        target: Option<&str>,
        vars: &Map<String, Value>,
        environment: &Environment,
    ) -> Result<Self> {
        let mut profiles = Profiles::read(root, target, environment)?;
        profiles.override_vars(vars);
        let files = files::walk(&profiles.root)?;
        let template = YamlTemplate::new(&profiles, environment);
        let mut properties = Properties::default();
        let mut errors = Vec::new();
        for file in &files.properties {
            property_file::read(&file.source, &template, &mut properties, &mut errors);
        }
        errors.extend(twice("model", properties.models.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("seed", properties.seeds.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("snapshot", properties.snapshots.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("data test", properties.tests.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("exposure", properties.exposures.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("group", properties.groups.iter().map(|group| (group.name.as_str(), &group.place))));
        let (sources, source_errors) = join_sources(std::mem::take(&mut properties.sources));
        properties.sources = sources;
        errors.extend(source_errors);
        errors.extend(same_name("models or seeds", files.models.iter().chain(&files.seeds)));
        errors.extend(same_name("data tests", files.tests.iter()));
        match Error::many(errors) {
            Some(error) => Err(error),
            None => Ok(Self {
                profiles,
                models: files.models,
                tests: files.tests,
                fixtures: files.fixtures,
                macros: files.macros,
                seeds: files.seeds,
                snapshots: files.snapshots,
                properties,
                environment: environment.clone(),
            }),
        }
    }
}

/// An error for each name that has more than one entry, with both places.
fn twice<'a>(what: &str, entries: impl Iterator<Item = (&'a str, &'a Place)>) -> Vec<Error> {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut errors = Vec::new();
    for (name, place) in entries {
        match first.get(name) {
            Some(known) => errors.push(Error::defined_twice(what, name, (*known).clone(), place.clone())),
            None => {
                first.insert(name, place);
            }
        }
    }
    errors
}

/// A source may be described in several files, each with other tables: one entry a source comes out.
fn join_sources(all: Vec<SourceProperties>) -> (Vec<SourceProperties>, Vec<Error>) {
    let mut joined: Vec<SourceProperties> = Vec::new();
    let mut errors = Vec::new();
    for source in all {
        match joined.iter_mut().find(|known| known.name == source.name) {
            Some(known) if known.schema == source.schema => known.tables.extend(source.tables),
            // Raw tables of one source lie in one schema.
            Some(known) => {
                errors.push(Error::defined_twice("source", &source.name, known.place.clone(), source.place));
            }
            None => joined.push(source),
        }
    }
    for source in &joined {
        let names: Vec<String> = source.tables.iter().map(|table| format!("{}.{}", source.name, table.name)).collect();
        let places = source.tables.iter().map(|table| &table.place);
        errors.extend(twice("source", names.iter().map(String::as_str).zip(places)));
    }
    (joined, errors)
}

fn same_name<'a>(what: &str, files: impl Iterator<Item = &'a ProjectFile>) -> Vec<Error> {
    let mut first: BTreeMap<&str, &Path> = BTreeMap::new();
    let mut errors = Vec::new();
    for file in files {
        match first.get(file.name.as_str()) {
            Some(known) => errors.push(Error::same_name(what, &file.name, known, &file.source.path)),
            None => {
                first.insert(&file.name, &file.source.path);
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests;
