//! The command line: only clap's definitions. No I/O; no other module uses clap.
//!
//! `parse` returns a `command::Invocation`. The `--help` texts are the doc comments of the flags in these files.

mod collections;
mod keys;
mod look;
mod operation;
mod selection;
mod stages;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use self::collections::{GenerateArgs, QuarantineArgs, StateArgs};
use self::keys::KeysArgs;
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
    /// The project's folder, which contains profiles.toml or dbt_project.yml
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    project_dir: PathBuf,
    /// The folder of a dbt project's profiles.yml; by default DBT_PROFILES_DIR, the project's folder, or ~/.dbt
    #[arg(long, global = true, value_name = "DIR")]
    profiles_dir: Option<PathBuf>,
    /// The profile in profiles.yml; by default the `profile` of dbt_project.yml
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// The target to run, a `[target.NAME]` of profiles.toml; by default the project's `target`
    #[arg(long, short, global = true, value_name = "NAME", env = "ELT_TARGET")]
    target: Option<String>,
    /// Variables for `var()`, as a JSON or YAML object: '{as_of: 2024-06-30}'
    #[arg(long, global = true, value_name = "OBJECT")]
    vars: Option<String>,
    /// The number of models, collections and tables to process at once; by default the target's `threads`
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Quote values of rows in messages, where a database does. Without it they are masked
    #[arg(long, global = true)]
    show_values: bool,
    /// The format of stderr: `text`, with progress bars on a terminal and plain lines in a pipe, or `json`, one
    /// object per line
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", value_enum, hide_possible_values = true)]
    log_format: LogFormatArg,
    /// Print only errors, failures and the summary
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Also print details: the work of each stage (-v), and every statement (-vv). `ELT_LOG=elt_export=debug` prints
    /// the details of one part. target/logs/elt.log always contains all details
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
    /// Create a new project that is ready to build
    Init {
        /// The name of the project and of its folder
        name: String,
    },
    /// Check profiles.toml, the project, and the connections of the target
    Debug,
    /// Create the micro-finance sample data, or apply a day's changes to it
    Generate(GenerateArgs),
    /// Load the collections that the selected models read
    Extract(BuildArgs),
    /// Build the selected models, without extraction, tests or export
    Run(RunArgs),
    /// Load the selected seeds
    Seed(BuildArgs),
    /// Update the selected snapshots
    Snapshot(BuildArgs),
    /// Run the data tests of the selected models
    Test(TestArgs),
    /// Run all stages: extract, build, test and export
    Build(AllArgs),
    /// Publish the selected models from the warehouse, without building them
    Export(ExportArgs),
    /// Show the steps that change the target's tables to match their contracts, and change nothing
    Plan(PlanArgs),
    /// Execute the steps of `plan` and publish, in one transaction
    Apply(ApplyArgs),
    /// Inspect the sources: `source freshness` shows the age of their data
    Source {
        #[command(subcommand)]
        what: SourceSub,
    },
    /// List the selected nodes
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    /// Read and check the project, write target/manifest.json, and print how long this took
    Parse,
    /// Print the fields of loaded collections: columns, the types found, rescued values, changes
    Schema(SchemaArgs),
    /// Print the origins and the uses of a column, down to the fields of the documents
    Lineage(LineageArgs),
    /// Check every query of the project against the real columns, and print all errors
    Check(CheckArgs),
    /// Print rows of a model, or of a query
    Show(ShowArgs),
    /// Show the watermark of each collection, or change where its next load starts
    State(StateArgs),
    /// List documents that could not be decoded, write their bytes to a file, or load them again
    Quarantine(QuarantineArgs),
    /// List the maps of surrogate keys, or import existing ids into one
    Keys(KeysArgs),
    /// Check the selected models and render their SQL to target/compiled
    Compile(CompileArgs),
    /// Run the last command again, only for the nodes that failed or were skipped
    Retry(RetryArgs),
    /// Copy relations from another target's warehouse into the warehouse of this target
    Clone(CloneArgs),
    /// Run a macro of the project, in one transaction
    RunOperation(OperationArgs),
    /// Remove files that elt can create again: compiled SQL and artifacts under target/
    Clean,
}

/// Reads the arguments. `Err` is clap's text for help, version or wrong usage, with the exit code.
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
        show_values: cli.common.show_values,
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
        Sub::Keys(args) => Command::Keys(args.into()),
        Sub::Compile(args) => Command::Compile(args.into()),
        Sub::Clone(args) => Command::Clone(args.into()),
        Sub::Retry(args) => Command::Retry(args.into()),
        Sub::RunOperation(args) => Command::RunOperation(args.into()),
        Sub::Clean => Command::Clean,
    };
    Ok(Invocation { common, command })
}

/// dbt's name of the command, and whether it is a full refresh.
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
