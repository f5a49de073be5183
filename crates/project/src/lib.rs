//! The content of the project's files as one value: profiles, properties, and the text of models, tests, macros and
//! seeds.
//!
//! The only module that walks the project's folders. Renders no model and opens no connection.

mod dbt_profile;
mod dbt_project;
mod described;
mod docs;
mod environment;
mod export_profile;
mod exposure_properties;
mod exposures;
mod files;
mod flags;
mod folder_defaults;
mod init;
pub mod messages;
mod paths;
mod profile;
mod profiles;
mod project_file;
mod properties;
mod property_file;
mod published;
mod selectors;
mod settings;
mod target_part;
mod toml_text;
mod unit_test;
mod unit_test_properties;
mod unsupported;
mod written;
mod yaml_template;
mod yaml_text;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use dbt_project::DbtProject;
use elt_base::error::{Error, Place, Result};
use yaml_template::YamlTemplate;

pub use dbt_project::DBT_PROJECT_FILE;
pub use docs::DocBlock;
pub use environment::Environment;
pub use export_profile::{
    CsvFormat, ExportPlace, ExportPolicy, ExportProfile, FileFormat, OnContractChange, OnDivergence,
};
pub use exposure_properties::{ExposureProperties, GroupProperties, Owner};
pub use files::seed_checksum;
pub use init::init;
pub use paths::Paths;
pub use profile::{Profiles, SourceProfile, Target};
pub use profiles::PROFILES_FILE;
pub use project_file::ProjectFile;
pub use properties::{
    ColumnProperties, Constraint, ConstraintKind, MacroArgument, MacroProperties, NodeProperties, Properties,
    SourceProperties, TableProperties, TestProperties,
};
pub use published::{ColumnContract, Index, OnConflict, OnHazard, RowsOf, TableContract};
pub use selectors::{Criterion, Definition, SelectorDefinition};
pub use unit_test_properties::{
    FixtureCell, FixtureProperties, FixtureRow, FixtureRows, GivenProperties, OverrideProperties, UnitTestProperties,
};

pub use folder_defaults::{Defaults, RunHook};
pub use settings::{DefaultFolder, MAP_KEYS};
pub use target_part::{MissingVariable, TargetPart};

/// A project as it is stored on disk, read once. Nothing in it is rendered or resolved yet.
#[derive(Debug, Clone)]
pub struct Project {
    pub profiles: Profiles,
    /// `**/*.sql` below the model paths (`models/`).
    pub models: Vec<ProjectFile>,
    /// `*.sql` in and below the test paths (`tests/`): singular data tests. The folder `generic/` contains macros. In a
    /// project without `dbt_project.yml`, `tests/it/` and `tests/cases/` are ignored.
    pub tests: Vec<ProjectFile>,
    /// `fixtures/**/*.csv` and `.sql` in the test paths: rows of unit tests.
    pub fixtures: Vec<ProjectFile>,
    /// `**/*.sql` below the macro paths (`macros/`), and `tests/generic/**/*.sql`.
    pub macros: Vec<ProjectFile>,
    /// `**/*.csv` below the seed paths (`seeds/`). Their text is not read here (`source.text` is empty).
    pub seeds: Vec<ProjectFile>,
    /// `**/*.sql` below the snapshot paths (`snapshots/`).
    pub snapshots: Vec<ProjectFile>,
    /// `**/*.sql` below the analysis paths (`analyses/`).
    pub analyses: Vec<ProjectFile>,
    /// All YAML files in those folders, merged.
    pub properties: Properties,
    /// `selectors.yml`, in its order.
    pub selectors: Vec<SelectorDefinition>,
    /// The folders of the folder defaults in `dbt_project.yml` or in `[project]`.
    pub default_folders: Vec<DefaultFolder>,
    /// The doc blocks of all Markdown files there.
    pub docs: Vec<DocBlock>,
    /// The variables that `env_var` reads in models.
    pub environment: Environment,
    /// Oddities in the files that stop nothing.
    pub warnings: Vec<Arc<Error>>,
}

/// The options of reading a project.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// The target. None chooses the default target.
    pub target: Option<&'a str>,
    /// The folder of `profiles.yml`. It takes precedence over all others.
    pub profiles_dir: Option<&'a Path>,
    /// The profile in it. None chooses the profile that `dbt_project.yml` names.
    pub profile: Option<&'a str>,
    /// Variables that take precedence over the project's variables.
    pub vars: Map<String, Value>,
}

/// The path that represents a query from the command line.
pub const INLINE_PATH: &str = "--inline";

impl Project {
    /// Reads the project in `root`. Its settings are in `dbt_project.yml` or in the `[project]` of `profiles.toml`. Its
    /// target is in `profiles.toml`, else in `profiles.yml`, which may be missing.
    ///
    /// Fails with exit code 2 and all errors in those files, or else with all errors in the other files: unreadable or
    /// not UTF-8, malformed YAML, unknown keys, two models with one name, two entries for one model, unsupported
    /// features.
    pub fn read(root: &Path, wanted: &Wanted<'_>, environment: &Environment) -> Result<Self> {
        let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        let root = std::path::absolute(root).map_err(|error| elt_base::messages::unreadable(root, &error))?;
        let (mut profiles, defaults) = settings_of(&root, wanted, environment)?;
        profiles.vars.extend(wanted.vars.clone());
        let files = files::walk(&root, &profiles.paths, profiles.is_dbt)?;
        let (docs, mut errors) = docs::blocks(&files.docs);
        let template = YamlTemplate::new(&profiles.vars, Some((&profiles.target, &profiles.profile)), environment)
            .with_docs(&profiles.name, &docs);
        let mut properties = Properties::default();
        let mut warnings = Vec::new();
        for file in &files.properties {
            property_file::read(&file.source, &template, &mut properties, &mut errors, &mut warnings);
        }
        let selectors = selectors::read(&profiles.root, &template, &mut errors);
        errors.extend(unsupported::find_all(&root, &profiles.paths, &files.macros, &files.python));
        errors.extend(twice("model", properties.models.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("seed", properties.seeds.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("snapshot", properties.snapshots.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("analysis", properties.analyses.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("data test", properties.tests.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("exposure", properties.exposures.iter().map(|node| (node.name.as_str(), &node.place))));
        errors.extend(twice("group", properties.groups.iter().map(|group| (group.name.as_str(), &group.place))));
        let (sources, source_errors) = join_sources(std::mem::take(&mut properties.sources));
        properties.sources = sources;
        errors.extend(source_errors);
        errors.extend(same_name("models or seeds", files.models.iter().chain(&files.seeds)));
        errors.extend(same_name("data tests", files.tests.iter()));
        errors.extend(same_name("analyses", files.analyses.iter()));
        warnings.extend(flags::unheeded(&defaults));
        match Error::many(errors) {
            Some(error) => Err(error),
            None => Ok(Self {
                default_folders: settings::default_folders(&defaults, &profiles.name),
                profiles,
                models: files.models,
                tests: files.tests,
                fixtures: files.fixtures,
                macros: files.macros,
                seeds: files.seeds,
                snapshots: files.snapshots,
                analyses: files.analyses,
                properties,
                selectors,
                docs,
                environment: environment.clone(),
                warnings: warnings.into_iter().map(Arc::new).collect(),
            }),
        }
    }

    /// One of the project's targets.
    pub fn target(root: &Path, wanted: &Wanted<'_>, environment: &Environment) -> Result<Target> {
        let root = std::path::absolute(root).map_err(|error| elt_base::messages::unreadable(root, &error))?;
        settings_of(&root, wanted, environment).map(|(profiles, _)| profiles.target)
    }

    /// The folder for a project's outputs that can be created again, and the folders that `elt clean` searches. Returns
    /// the default folders if the project cannot be read.
    pub fn paths(root: &Path, wanted: &Wanted<'_>, environment: &Environment) -> Paths {
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
        settings_of(&root, wanted, environment).map(|(profiles, _)| profiles.paths).unwrap_or_default()
    }
}

/// The settings and the target, and the entries of `dbt_project.yml`, if that file defines the project.
fn settings_of(root: &Path, wanted: &Wanted<'_>, environment: &Environment) -> Result<(Profiles, Vec<written::Entry>)> {
    let toml = dbt_project::read_text(root, PROFILES_FILE)?;
    let Some(dbt) = DbtProject::read(root)? else {
        let Some(toml) = toml else { return Err(messages::profiles_missing(root)) };
        return Profiles::of_toml(root, &toml, wanted.target, environment);
    };
    let untargeted = YamlTemplate::new(&wanted.vars, None, environment);
    let profile = match wanted.profile {
        Some(profile) => profile.to_owned(),
        None => dbt.profile(&untargeted)?,
    };
    let target = match &toml {
        Some(toml) => Profiles::target_beside_dbt(root, toml, wanted.target, environment)?,
        None => {
            let folder = wanted.profiles_dir;
            dbt_profile::read(root, folder, &profile, wanted.target, &untargeted, environment)?
        }
    };
    dbt.settings(root, target, profile, &wanted.vars, environment)
}

/// An error for each name that has more than one entry, with both places.
fn twice<'a>(what: &str, entries: impl Iterator<Item = (&'a str, &'a Place)>) -> Vec<Error> {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut errors = Vec::new();
    for (name, place) in entries {
        match first.get(name) {
            Some(known) => errors.push(messages::defined_twice(what, name, (*known).clone(), place.clone())),
            None => {
                first.insert(name, place);
            }
        }
    }
    errors
}

/// A source may be described in several files, each with other tables. They are merged into one entry per source.
fn join_sources(all: Vec<SourceProperties>) -> (Vec<SourceProperties>, Vec<Error>) {
    let mut joined: Vec<SourceProperties> = Vec::new();
    let mut errors = Vec::new();
    for source in all {
        match joined.iter_mut().find(|known| known.name == source.name) {
            Some(known) if known.schema == source.schema => known.tables.extend(source.tables),
            // The raw tables of one source are in one schema.
            Some(known) => {
                errors.push(messages::defined_twice("source", &source.name, known.place.clone(), source.place));
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
            Some(known) => errors.push(messages::same_name(what, &file.name, known, &file.source.path)),
            None => {
                first.insert(&file.name, &file.source.path);
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests;
