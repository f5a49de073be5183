//! The command line as read and checked: which command, with which options.
//!
//! Values only. Knows no argument parser and no command's work.

use std::path::PathBuf;

use super::options::{BuildOptions, EventTimes, Selection};
use crate::report::log::LogOptions;
use crate::report::table::Output;
use elt_base::secret::Secret;

/// The parsed and checked command line.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub common: Common,
    pub command: Command,
}

/// The options of every subcommand.
#[derive(Debug, Clone)]
pub struct Common {
    pub project_dir: PathBuf,
    /// The folder of `profiles.yml`.
    pub profiles_dir: Option<PathBuf>,
    /// The profile in `profiles.yml`.
    pub profile: Option<String>,
    pub target: Option<String>,
    /// A JSON or YAML object.
    pub vars: Option<String>,
    pub threads: Option<usize>,
    pub log: LogOptions,
    /// Whether messages may quote values of rows.
    pub show_values: bool,
    /// dbt's name of the command, for `flags.WHICH`.
    pub which: String,
    /// `--full-refresh`, for `flags.FULL_REFRESH`.
    pub full_refresh: bool,
}

#[derive(Debug, Clone)]
pub enum Command {
    Init {
        name: String,
    },
    Debug,
    Generate(GenerateOptions),
    Extract(BuildOptions),
    Run(BuildOptions),
    Seed(BuildOptions),
    Snapshot(BuildOptions),
    Test(BuildOptions),
    Build(BuildOptions),
    Export(BuildOptions),
    /// Shows the changes that an export would make to the target's tables.
    Plan(PlanOptions),
    /// An export that executes all steps to the contracts.
    Apply(BuildOptions),
    Ddl(BuildOptions),
    SourceFreshness(FreshnessOptions),
    Ls(LsOptions),
    Parse,
    Schema(SchemaOptions),
    Lineage(LineageOptions),
    Check(Selection),
    Show(ShowOptions),
    State(StateOptions),
    Quarantine(QuarantineOptions),
    Keys(KeysOptions),
    Compile(BuildOptions),
    Clone(CloneOptions),
    Retry(RetryOptions),
    RunOperation(OperationOptions),
    Clean,
}

/// Options of `plan`.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    pub build: BuildOptions,
    /// One object per line.
    pub json: bool,
}

#[derive(Debug, Clone)]
pub struct RetryOptions {
    /// The folder with the run's artifacts; the project's own folder if None.
    pub state: Option<PathBuf>,
    pub full_refresh: bool,
    /// `--event-time-start` and `--event-time-end`, as written.
    pub event_times: EventTimes,
    pub fail_fast: bool,
}

#[derive(Debug, Clone)]
pub struct CloneOptions {
    pub selection: Selection,
    /// The target to copy from.
    pub from: String,
    /// Also replace relations that already exist.
    pub full_refresh: bool,
}

#[derive(Debug, Clone)]
pub struct GenerateOptions {
    pub customers: u64,
    pub seed: u64,
    pub out: Option<PathBuf>,
    /// Server and database.
    pub mongodb: Option<(Secret, String)>,
    pub mutate: Option<f64>,
    pub dirty: f64,
}

#[derive(Debug, Clone, Default)]
pub struct FreshnessOptions {
    pub selection: Selection,
    /// The path for `sources.json` instead of `target/`.
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct LsOptions {
    pub selection: Selection,
    pub output: LsOutput,
    /// Empty means dbt's default keys.
    pub output_keys: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LsOutput {
    Selector,
    Name,
    Path,
    Json,
}

#[derive(Debug, Clone)]
pub struct SchemaOptions {
    /// As people write them; empty means a short line for each loaded collection.
    pub collections: Vec<String>,
    pub output: SchemaOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaOutput {
    Tree,
    Json,
    Yaml,
}

#[derive(Debug, Clone)]
pub struct OperationOptions {
    /// The macro's name.
    pub name: String,
    /// A JSON or YAML object.
    pub args: Option<String>,
}

#[derive(Debug, Clone)]
pub struct LineageOptions {
    /// A model, `model.column`, or a source's field.
    pub of: String,
    pub json: bool,
    /// Also show fields that only decide which rows exist.
    pub conditions: bool,
}

#[derive(Debug, Clone)]
pub struct ShowOptions {
    pub selection: Selection,
    pub inline: Option<String>,
    /// None means no limit.
    pub limit: Option<u64>,
    pub output: Output,
}

/// The collections are `source.table`; empty means all.
#[derive(Debug, Clone)]
pub struct StateOptions {
    pub collections: Vec<String>,
    pub action: StateAction,
}

#[derive(Debug, Clone)]
pub enum StateAction {
    List(Output),
    /// Compare the landed files with what was written.
    Verify,
    /// Extended JSON, or a text. `force` accepts a value of another type.
    Set {
        watermark: String,
        force: bool,
    },
    Reset,
}

/// Options of `keys`.
#[derive(Debug, Clone)]
pub enum KeysOptions {
    List(Output),
    Import {
        map: String,
        /// A CSV file.
        file: PathBuf,
        /// The file's column with the ids.
        id: String,
    },
}

/// The collections are `source.table`; empty means all.
#[derive(Debug, Clone)]
pub struct QuarantineOptions {
    pub collections: Vec<String>,
    pub action: QuarantineAction,
}

#[derive(Debug, Clone)]
pub enum QuarantineAction {
    List(Output),
    /// Write the bytes of a collection's n-th document, counted from 1, to a file or to stdout.
    Show {
        number: u64,
        out: Option<PathBuf>,
    },
    Retry,
}
