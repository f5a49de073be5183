//! The command line: clap's definitions and nothing else. No I/O; nothing past this module sees clap.
//!
//! `parse` gives a `command::Invocation`; `--help` texts stand here, so a flag's documentation is its definition.

mod collections;
mod look;
mod operation;
mod selection;
mod stages;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use self::collections::{GenerateArgs, QuarantineArgs, StateArgs};
use self::look::{LineageArgs, LsArgs, SchemaArgs, ShowArgs, SourceSub};
use self::operation::OperationArgs;
use self::stages::{
    AllArgs, ApplyArgs, BuildArgs, CheckArgs, CloneArgs, CompileArgs, ExportArgs, PlanArgs, RetryArgs, RunArgs,
    TestArgs,
};
use crate::command::{Command, Common, Invocation};
use crate::report::LogFormat;
use crate::report::log::LogOptions;

/// Moves documents from MongoDB (or files) through SQL models into Postgres (or files).
#[derive(Parser)]
#[command(name = "elt", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Sub,
}

#[derive(Args)]
#[command(next_help_heading = "Global options")]
struct CommonArgs {
    /// The project's folder: the one that holds profiles.toml or dbt_project.yml
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    project_dir: PathBuf,
    /// The folder of a dbt project's profiles.yml; by default DBT_PROFILES_DIR, the project's folder, ~/.dbt
    #[arg(long, global = true, value_name = "DIR")]
    profiles_dir: Option<PathBuf>,
    /// The profile in it; by default the one that dbt_project.yml names
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// The target to run, a `[target.NAME]` of profiles.toml; by default the project's `target`
    #[arg(long, short, global = true, value_name = "NAME", env = "ELT_TARGET")]
    target: Option<String>,
    /// Variables for `var()`, as a JSON or YAML object: '{as_of: 2024-06-30}'
    #[arg(long, global = true, value_name = "OBJECT")]
    vars: Option<String>,
    /// Models, collections and tables worked on at once; by default the target's `threads`
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// How stderr is written: `text`, with progress bars on a terminal and plain lines in a pipe, or `json`, one
    /// object a line
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", value_enum, hide_possible_values = true)]
    log_format: LogFormatArg,
    /// Print errors, failures and the summary only
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Also print details: what each stage does (-v), and every statement (-vv). `ELT_LOG=elt_export=debug` prints those
    /// of one part. All details are always in target/logs/elt.log
    #[arg(long, short, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormatArg {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Sub {
    /// Make a new project that builds at once
    Init {
        /// The project's name, and its folder's
        name: String,
    },
    /// Check profiles.toml, the project, and the connections of the target
    Debug,
    /// Make the micro-finance sample data, or a day's changes to it
    Generate(GenerateArgs),
    /// Load the collections that the selected models read
    Extract(BuildArgs),
    /// Build the selected models, without extraction, tests or export
    Run(RunArgs),
    /// Load the selected seeds
    Seed(BuildArgs),
    /// Take the selected snapshots
    Snapshot(BuildArgs),
    /// Run the data tests of the selected models
    Test(TestArgs),
    /// The whole way: extract, build, test and export
    Build(AllArgs),
    /// Publish the selected models as they stand in the warehouse
    Export(ExportArgs),
    /// Show the steps that bring the target's tables to their contracts, and change nothing
    Plan(PlanArgs),
    /// Take these steps, and publish, in one transaction
    Apply(ApplyArgs),
    /// Look at the sources: `source freshness` tells how old their data are
    Source {
        #[command(subcommand)]
        what: SourceSub,
    },
    /// List what a selection holds
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    /// Read and check the project, write target/manifest.json, and say how long that took
    Parse,
    /// Print the fields of loaded collections: columns, types as met, rescued values, what changed
    Schema(SchemaArgs),
    /// Print where a column comes from and where it goes, down to the fields of the documents
    Lineage(LineageArgs),
    /// Check every query of the project against the real columns, and say all that is wrong
    Check(CheckArgs),
    /// Print rows of a model, or of a query
    Show(ShowArgs),
    /// Show how far each collection is loaded, or change where its next load begins
    State(StateArgs),
    /// List documents that could not be decoded, write out their bytes, or try them again
    Quarantine(QuarantineArgs),
    /// Check the selected models and render their SQL to target/compiled
    Compile(CompileArgs),
    /// Run the last command again, with what failed or was skipped in it
    Retry(RetryArgs),
    /// Copy relations from another target's warehouse into this one's
    Clone(CloneArgs),
    /// Call a macro of the project for what it does, in one transaction
    RunOperation(OperationArgs),
    /// Remove what can be made again: compiled SQL and artifacts under target/
    Clean,
}

/// Reads the arguments. `Err` is clap's text for help, version or misuse, with the exit code.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let cli = Cli::try_parse_from(args)?;
    let (which, full_refresh) = asked(&cli.command);
    let common = Common {
        which: which.into(),
        full_refresh,
        project_dir: cli.common.project_dir,
        profiles_dir: cli.common.profiles_dir,
        profile: cli.common.profile,
        target: cli.common.target,
        vars: cli.common.vars,
        threads: cli.common.threads.map(usize::from),
        log: LogOptions {
            format: match cli.common.log_format {
                LogFormatArg::Text => LogFormat::Text,
                LogFormatArg::Json => LogFormat::Json,
            },
            quiet: cli.common.quiet,
            verbosity: cli.common.verbose,
        },
    };
    let command = match cli.command {
        Sub::Init { name } => Command::Init { name },
        Sub::Debug => Command::Debug,
        Sub::Generate(args) => Command::Generate(args.into()),
        Sub::Extract(args) => Command::Extract(args.into()),
        Sub::Run(args) => Command::Run(args.into()),
        Sub::Seed(args) => Command::Seed(args.into()),
        Sub::Snapshot(args) => Command::Snapshot(args.into()),
        Sub::Test(args) => Command::Test(args.into()),
        Sub::Build(args) => Command::Build(args.into()),
        Sub::Export(args) if args.ddl => Command::Ddl(args.into()),
        Sub::Export(args) => Command::Export(args.into()),
        Sub::Plan(args) => Command::Plan(args.into()),
        Sub::Apply(args) => Command::Apply(args.into()),
        Sub::Source { what: SourceSub::Freshness(args) } => Command::SourceFreshness(args.into()),
        Sub::Ls(args) => Command::Ls(args.into()),
        Sub::Parse => Command::Parse,
        Sub::Schema(args) => Command::Schema(args.into()),
        Sub::Lineage(args) => Command::Lineage(args.into()),
        Sub::Check(args) => Command::Check(args.into()),
        Sub::Show(args) => Command::Show(args.into()),
        Sub::State(args) => Command::State(args.into()),
        Sub::Quarantine(args) => Command::Quarantine(args.into()),
        Sub::Compile(args) => Command::Compile(args.into()),
        Sub::Clone(args) => Command::Clone(args.into()),
        Sub::Retry(args) => Command::Retry(args.into()),
        Sub::RunOperation(args) => Command::RunOperation(args.into()),
        Sub::Clean => Command::Clean,
    };
    Ok(Invocation { common, command })
}

/// dbt's name of a command, and whether it is a full refresh.
fn asked(command: &Sub) -> (&'static str, bool) {
    match command {
        Sub::Build(args) => ("build", args.run.build.full_refresh),
        Sub::Run(args) => ("run", args.build.full_refresh),
        Sub::Extract(args) => ("extract", args.full_refresh),
        Sub::Seed(args) => ("seed", args.full_refresh),
        Sub::Snapshot(args) => ("snapshot", args.full_refresh),
        Sub::Compile(args) => ("compile", args.full_refresh),
        Sub::Test(_) => ("test", false),
        Sub::Show(_) => ("show", false),
        Sub::Ls(_) => ("list", false),
        Sub::Retry(args) => ("retry", args.full_refresh),
        Sub::Clone(args) => ("clone", args.full_refresh),
        Sub::RunOperation(_) => ("run-operation", false),
        _ => ("parse", false),
    }
}
