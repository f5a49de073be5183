//! The project's settings and its target as values.
//!
//! Knows neither the files that they are read from nor how models or servers use them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::export_profile::ExportProfile;
use super::folder_defaults::{Defaults, RunHook};
use super::paths::Paths;
use super::target_part::{MissingVariable, TargetPart};
use elt_base::digest::sha256;
use elt_base::error::{Error, Result};
use elt_base::secret::Secret;

/// The project's settings, and the target it runs with: all of `profiles.toml`, or the equivalent keys of
/// `dbt_project.yml` and `profiles.yml`. Environment variables are replaced.
///
/// ```toml
/// [project]
/// name = "loans"            # required
/// target = "dev"            # the default target; the only one, or `dev`, if absent
///
/// [project.vars]            # the values of `var('..')`; `--vars` takes precedence
/// [project.models]          # folder defaults, nested as the folders are, as dbt's `models:`
/// [project.seeds]           # the same for seeds; snapshots, data_tests, unit_tests, sources, exposures alike
///
/// [target.dev]              # one table per target, see `Target`
/// ```
///
/// `${VAR}` and `${VAR:-default}` are replaced within `[project]` and the chosen target. If there is a
/// `dbt_project.yml`, it defines the project, and `[project]` may contain only `target`.
#[derive(Debug, Clone)]
pub struct Profiles {
    /// The project's root folder, absolute.
    pub root: PathBuf,
    pub name: String,
    /// The name of the profile in `profiles.yml`; the project's own name if there is none.
    pub profile: String,
    /// Whether `dbt_project.yml` defines the project. Then sources that no target loads are tables that already exist.
    pub is_dbt: bool,
    pub vars: Map<String, Value>,
    pub defaults: Defaults,
    pub paths: Paths,
    pub on_run_start: Vec<RunHook>,
    pub on_run_end: Vec<RunHook>,
    /// dbt's `flags:`. Most have no effect here.
    pub flags: Map<String, Value>,
    pub target: Target,
}

impl Profiles {
    /// Whether one of dbt's flags is set.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.flags.get(name), Some(Value::Bool(true)))
    }
}

/// One way to run the project: `[target.<name>]`.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    /// `warehouse`: the DuckDB file, absolute; `.elt/<target>/warehouse.duckdb` below the root by default.
    pub warehouse: PathBuf,
    /// `landing`: the absolute folder for landed Parquet segments; `landing` next to the warehouse by default.
    pub landing: PathBuf,
    /// `schema`: the DuckDB schema that models are built in; `main` by default.
    pub schema: String,
    /// `threads`: how many models, collections and tables are processed at once, and DuckDB's threads; all cores by
    /// default.
    pub threads: usize,
    /// `memory_limit`: DuckDB's, such as `4GB`; None leaves DuckDB's default.
    pub memory_limit: Option<String>,
    /// `[target.<name>.sources.<source>]`.
    pub sources: BTreeMap<String, SourceProfile>,
    /// `[target.<name>.export]`, or each of `[[target.<name>.exports]]`, in the order of the file.
    pub exports: Vec<ExportProfile>,
    /// The name of the database in SQL, if it is a valid name. For an output of `profiles.yml`, it is the file's name
    /// without its ending, as in dbt.
    pub database: String,
    /// `settings:` of an output of `profiles.yml`: DuckDB's settings in every session.
    pub settings: Vec<(String, String)>,
    /// Environment variables of sources and of exports that are not set. Their text is unchanged in the values.
    pub missing: Vec<MissingVariable>,
    /// The `path` of the exports of each target in the same file, absolute.
    pub export_paths: Vec<PathBuf>,
}

impl Target {
    /// The exports, as parts of the target.
    pub fn export_parts(&self) -> impl Iterator<Item = TargetPart<'_>> {
        self.exports.iter().map(|export| TargetPart::Export(export.name.as_deref()))
    }

    /// Fails if a variable of one of these parts is not set. Reports all such variables.
    pub fn require(&self, parts: &[TargetPart<'_>]) -> Result<()> {
        let is_needed = |missing: &&MissingVariable| parts.iter().any(|part| missing.part.is(*part));
        let errors = self.missing.iter().filter(is_needed).map(MissingVariable::error).collect();
        Error::many(errors).map_or(Ok(()), Err)
    }
}

/// The place of a source's collections.
#[derive(Debug, Clone)]
pub enum SourceProfile {
    /// `type = "mongodb"`, `uri`, `database`; `snapshot`: whether all collections are read at the same point in time.
    Mongodb { uri: Secret, database: String, snapshot: bool },
    /// `type = "files"`, `path` (absolute here): each file in that folder is a collection, with the name of the file
    /// without its endings. For a mongodump, it is the folder of one database (`dump/<database>`).
    Files { path: PathBuf },
}

impl SourceProfile {
    /// Identifies a source without revealing a secret: hex digits.
    pub fn fingerprint(&self) -> String {
        let text = match self {
            Self::Mongodb { uri, database, .. } => {
                let hosts = uri.reveal().rsplit('@').next().unwrap_or_default();
                format!("mongodb {hosts} {database}")
            }
            Self::Files { path } => format!("files {}", path.display()),
        };
        sha256(&text)
    }
}
