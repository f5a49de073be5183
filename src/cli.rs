//! The command line: clap's definitions and nothing else. No I/O; nothing past this module sees clap.
//!
//! `parse` gives a `command::Invocation`; `--help` texts stand here, so a flag's documentation is its definition.

mod collections;
mod look;
mod stages;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::collections::{GenerateArgs, QuarantineArgs, StateArgs};
use self::look::{LsArgs, SchemaArgs, ShowArgs};
use self::stages::{AllArgs, BuildArgs, CloneArgs, CompileArgs, ExportArgs, RetryArgs, RunArgs, TestArgs};
use crate::command::{Command, Common, Invocation};
use crate::report::LogFormat;

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
    /// The project's folder: the one that holds profiles.toml
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    project_dir: PathBuf,
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
    /// List what a selection holds
    Ls(LsArgs),
    /// Print the fields of loaded collections: columns, types as met, rescued values, what changed
    Schema(SchemaArgs),
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
    /// Remove what can be made again: compiled SQL and artifacts under target/
    Clean,
}

/// Reads the arguments. `Err` is clap's text for help, version or misuse, with the exit code.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let cli = Cli::try_parse_from(args)?;
    let common = Common {
        project_dir: cli.common.project_dir,
        target: cli.common.target,
        vars: cli.common.vars,
        threads: cli.common.threads.map(usize::from),
        log_format: match cli.common.log_format {
            LogFormatArg::Text => LogFormat::Text,
            LogFormatArg::Json => LogFormat::Json,
        },
        quiet: cli.common.quiet,
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
        Sub::Export(args) => Command::Export(args.into()),
        Sub::Ls(args) => Command::Ls(args.into()),
        Sub::Schema(args) => Command::Schema(args.into()),
        Sub::Show(args) => Command::Show(args.into()),
        Sub::State(args) => Command::State(args.into()),
        Sub::Quarantine(args) => Command::Quarantine(args.into()),
        Sub::Compile(args) => Command::Compile(args.into()),
        Sub::Clone(args) => Command::Clone(args.into()),
        Sub::Retry(args) => Command::Retry(args.into()),
        Sub::Clean => Command::Clean,
    };
    Ok(Invocation { common, command })
}
