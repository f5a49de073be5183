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
mod invocation;
mod keys;
mod lineage;
mod ls;
mod options;
mod parse;
mod plan;
mod publication;
mod publishing;
mod quarantine;
mod retry;
mod run_operation;
mod run_results;
mod schema;
mod show;
mod state;
mod unit_test;
mod workspace;

pub use self::invocation::{
    CloneOptions, Command, Common, FreshnessOptions, GenerateOptions, Invocation, KeysOptions, LineageOptions,
    LsOptions, LsOutput, OperationOptions, PlanOptions, QuarantineAction, QuarantineOptions, RetryOptions,
    SchemaOptions, SchemaOutput, ShowOptions, StateAction, StateOptions,
};
pub use self::options::{BuildOptions, EventTimes, Selection};
pub use self::workspace::log_folder;

use self::options::scope_of;

use crate::report::Console;
use elt_base::cancel::Cancel;
use elt_base::error::Result;

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
        Command::Generate(options) => generate::run(common, options, console),
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
        Command::Keys(options) => keys::run(common, options, console),
        Command::Compile(options) => compile::run(common, options, console),
        Command::Clone(options) => clone::run(common, options, console, cancel),
        Command::RunOperation(options) => run_operation::run(common, options, console),
        Command::Clean => clean::run(common, console),
    }
}
