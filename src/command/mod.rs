//! One short file per subcommand. Each combines the stages and decides nothing else.
//!
//! `run` is the one `match` over all subcommands. Knows no argument parser.

mod build;
mod check;
mod clean;
mod clone;
mod collections;
mod compile;
mod debug;
mod freshness;
mod generate;
mod init;
mod lineage;
mod ls;
mod options;
mod parse;
mod plan;
mod publication;
mod quarantine;
mod retry;
mod run_operation;
mod schema;
mod show;
mod state;
mod unit_tests;
mod workspace;

use std::path::PathBuf;

pub use self::options::{BuildOptions, EventTimes, Selection};

use crate::report::Console;
use crate::report::log::LogOptions;
use crate::report::table::Output;
use crate::run::Scope;
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::secret::Secret;
use elt_model::Gate;
use elt_project::{DBT_PROJECT_FILE, PROFILES_FILE};

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
    /// dbt's name of the command, for `flags.WHICH`.
    pub which: String,
    /// `--full-refresh`, for `flags.FULL_REFRESH`.
    pub full_refresh: bool,
}

impl Common {
    /// The folder of the log file; None if there is no project.
    pub fn log_folder(&self) -> Option<PathBuf> {
        let is_project = |name: &str| self.project_dir.join(name).is_file();
        [PROFILES_FILE, DBT_PROJECT_FILE].into_iter().any(is_project).then(|| workspace::artifacts_folder(self))
    }
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
    /// 0 means no limit.
    pub limit: u64,
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
    /// Extended JSON, or a text. `force` accepts a value of another type.
    Set {
        watermark: String,
        force: bool,
    },
    Reset,
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

/// Runs a subcommand. `Ok(false)`: it ran, and a part of it failed and was already reported.
pub fn run(invocation: &Invocation, console: &Console, cancel: &Cancel) -> Result<bool> {
    let common = &invocation.common;
    let stages = |name: &str, options: &BuildOptions| match scope_of(name, options) {
        Some(scope) => build::run(common, options, scope, console, cancel),
        None => Ok(false),
    };
    match &invocation.command {
        Command::Init { name } => init::run(common, name, console),
        Command::Debug => debug::run(common, console, cancel),
        Command::Generate(options) => generate::run(options, console),
        Command::Extract(options) => stages("extract", options),
        Command::Run(options) => stages("run", options),
        Command::Seed(options) => stages("seed", options),
        Command::Snapshot(options) => stages("snapshot", options),
        Command::Test(options) => stages("test", options),
        Command::Build(options) => stages("build", options),
        Command::Export(options) | Command::Apply(options) => stages("export", options),
        Command::Plan(options) => plan::run(common, options, console),
        Command::Ddl(options) => plan::ddl(common, options, console),
        Command::Retry(options) => retry::run(common, options, console, cancel),
        Command::SourceFreshness(options) => freshness::run(common, options, console),
        Command::Ls(options) => ls::run(common, options, console),
        Command::Parse => parse::run(common, console),
        Command::Schema(options) => schema::run(common, options, console),
        Command::Lineage(options) => lineage::run(common, options, console),
        Command::Check(selection) => check::run(common, selection, console),
        Command::Show(options) => show::run(common, options, console),
        Command::State(options) => state::run(common, options, console),
        Command::Quarantine(options) => quarantine::run(common, options, console, cancel),
        Command::Compile(options) => compile::run(common, options, console),
        Command::Clone(options) => clone::run(common, options, console, cancel),
        Command::RunOperation(options) => run_operation::run(common, options, console),
        Command::Clean => clean::run(common, console),
    }
}

/// The parts of the work that the command with this name does; None if it runs no stages.
fn scope_of(name: &str, options: &BuildOptions) -> Option<Scope> {
    let nothing = Scope::default();
    let gate = if options.no_gate { Gate::Children } else { Gate::Commit };
    Some(match name {
        "extract" => Scope { name: "extract", extract: true, ..nothing },
        "run" => Scope { name: "run", models: true, ..nothing },
        "seed" => Scope { name: "seed", seeds: true, ..nothing },
        "snapshot" => Scope { name: "snapshot", snapshots: true, ..nothing },
        "test" => Scope { name: "test", tests: true, ..nothing },
        "export" => Scope { name: "export", export: true, ..nothing },
        "build" => Scope {
            name: "build",
            extract: true,
            seeds: true,
            snapshots: true,
            models: true,
            tests: true,
            export: true,
            gate,
        },
        _ => return None,
    })
}
