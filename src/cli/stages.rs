//! The flags of the commands that run stages: `build`, `extract`, `run`, `seed`, `snapshot`, `test`, `export`,
//! `compile`.
//!
//! Definitions of clap, and their conversion to the options of `command`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::selection::SelectionArgs;
use crate::command::{BuildOptions, CloneOptions, EventTimes, PlanOptions, RetryOptions, Selection};

/// The time range for which microbatch models are built.
#[derive(Args)]
pub(super) struct EventTimeArgs {
    /// Build microbatch models from this time on, in UTC: 2024-01-31 or 2024-01-31T13:00:00
    #[arg(long, value_name = "TIME")]
    pub(super) event_time_start: Option<String>,
    /// Build microbatch models only before this time, in UTC
    #[arg(long, value_name = "TIME")]
    pub(super) event_time_end: Option<String>,
}

/// The flags that `build`, `extract` and `run` share. The commands below have only those that apply to them.
#[derive(Args)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Load collections and build incremental models from the start, as if for the first time
    #[arg(long, short)]
    pub(super) full_refresh: bool,
    /// Stop at the first failure
    #[arg(long, short = 'x')]
    pub(super) fail_fast: bool,
    /// Print the plan and execute nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Args)]
pub(super) struct ExportsArgs {
    /// Publish only to the export with this name in `[[target.….exports]]` (may be repeated)
    #[arg(long, value_name = "NAME")]
    to: Vec<String>,
}

/// The flags of `run`.
#[derive(Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) build: BuildArgs,
    #[command(flatten)]
    pub(super) event_times: EventTimeArgs,
    /// Skip models whose SQL, configuration and inputs have not changed since their last build
    #[arg(long)]
    pub(super) changed: bool,
}

impl From<RunArgs> for BuildOptions {
    fn from(args: RunArgs) -> Self {
        Self { changed: args.changed, event_times: args.event_times.into(), ..args.build.into() }
    }
}

/// The flags of `build`.
#[derive(Args)]
pub(super) struct AllArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Commit models before their tests run, as dbt does: a failing test skips only the nodes downstream of all its
    /// parents
    #[arg(long)]
    pub(super) no_gate: bool,
    /// Store the failing rows of data tests in tables, in the schema that ends in `_dbt_test__audit`
    #[arg(long)]
    pub(super) store_failures: bool,
    /// Allow changes to published tables that lose columns or values, if their contracts require them
    #[arg(long)]
    pub(super) allow_destructive: bool,
    #[command(flatten)]
    pub(super) exports: ExportsArgs,
}

#[derive(Args)]
pub(super) struct TestArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Stop at the first failure
    #[arg(long, short = 'x')]
    pub(super) fail_fast: bool,
    /// Print the plan and execute nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Store the failing rows of data tests in tables, in the schema that ends in `_dbt_test__audit`
    #[arg(long)]
    pub(super) store_failures: bool,
}

#[derive(Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Print the plan and execute nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Compare the target with the warehouse in full, print the differences, and change nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) verify: bool,
    /// Compare in full, and make a target that others changed equal to the warehouse, even if `on_divergence` is
    /// `fail`
    #[arg(long, conflicts_with = "verify")]
    pub(super) heal: bool,
    /// Update rows of others that have keys of the models, whatever `on_conflict` says; they belong to elt from then on
    #[arg(long, conflicts_with = "verify")]
    pub(super) adopt: bool,
    /// Print the SQL that creates the tables, and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "verify", "heal", "adopt"])]
    pub(super) ddl: bool,
    /// Allow changes to published tables that lose columns or values, if their contracts require them
    #[arg(long, conflicts_with_all = ["verify", "ddl"])]
    pub(super) allow_destructive: bool,
    #[command(flatten)]
    pub(super) exports: ExportsArgs,
}

#[derive(Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// The format of the steps: `text`, or `json`, one object per line
    #[arg(long, value_name = "FORM", value_enum, default_value = "text", hide_possible_values = true)]
    output: PlanOutputArg,
    #[command(flatten)]
    pub(super) exports: ExportsArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum PlanOutputArg {
    Text,
    Json,
}

impl From<PlanArgs> for PlanOptions {
    fn from(args: PlanArgs) -> Self {
        let json = matches!(args.output, PlanOutputArg::Json);
        let to = args.exports.to;
        Self { build: BuildOptions { selection: args.selection.into(), to, ..BuildOptions::default() }, json }
    }
}

#[derive(Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Also execute steps that lose data: dropped columns, and types that cannot store all existing values
    #[arg(long)]
    pub(super) allow_destructive: bool,
    #[command(flatten)]
    pub(super) exports: ExportsArgs,
}

impl From<ApplyArgs> for BuildOptions {
    fn from(args: ApplyArgs) -> Self {
        let ApplyArgs { selection, allow_destructive, exports } = args;
        Self { selection: selection.into(), apply: true, allow_destructive, to: exports.to, ..Self::default() }
    }
}

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
}

impl From<CheckArgs> for Selection {
    fn from(args: CheckArgs) -> Self {
        args.selection.into()
    }
}

#[derive(Args)]
pub(super) struct CompileArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Render incremental models as a full refresh would
    #[arg(long, short)]
    pub(super) full_refresh: bool,
    /// Only check, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Args)]
pub(super) struct RetryArgs {
    /// The folder with the run_results.json to retry; by default the project's target/
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Load collections and build incremental models from the start, as if for the first time
    #[arg(long, short)]
    pub(super) full_refresh: bool,
    /// Stop at the first failure
    #[arg(long, short = 'x')]
    pub(super) fail_fast: bool,
    #[command(flatten)]
    pub(super) event_times: EventTimeArgs,
}

impl From<EventTimeArgs> for EventTimes {
    fn from(args: EventTimeArgs) -> Self {
        Self { start: args.event_time_start, end: args.event_time_end }
    }
}

impl From<RetryArgs> for RetryOptions {
    fn from(args: RetryArgs) -> Self {
        Self {
            state: args.state,
            full_refresh: args.full_refresh,
            event_times: args.event_times.into(),
            fail_fast: args.fail_fast,
        }
    }
}

#[derive(Args)]
pub(super) struct CloneArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// The target to copy from
    #[arg(long, value_name = "NAME")]
    pub(super) from: String,
    /// Also replace relations that already exist
    #[arg(long, short)]
    pub(super) full_refresh: bool,
}

impl From<CloneArgs> for CloneOptions {
    fn from(args: CloneArgs) -> Self {
        Self { selection: args.selection.into(), from: args.from, full_refresh: args.full_refresh }
    }
}

impl From<BuildArgs> for BuildOptions {
    fn from(args: BuildArgs) -> Self {
        Self {
            selection: args.selection.into(),
            full_refresh: args.full_refresh,
            fail_fast: args.fail_fast,
            dry_run: args.dry_run,
            ..Self::default()
        }
    }
}

impl From<AllArgs> for BuildOptions {
    fn from(args: AllArgs) -> Self {
        let AllArgs { run, no_gate, store_failures, allow_destructive, exports } = args;
        Self { no_gate, store_failures, allow_destructive, to: exports.to, ..run.into() }
    }
}

impl From<TestArgs> for BuildOptions {
    fn from(args: TestArgs) -> Self {
        Self {
            selection: args.selection.into(),
            fail_fast: args.fail_fast,
            store_failures: args.store_failures,
            dry_run: args.dry_run,
            ..Self::default()
        }
    }
}

impl From<ExportArgs> for BuildOptions {
    fn from(args: ExportArgs) -> Self {
        let ExportArgs { selection, dry_run, verify, heal, adopt, ddl: _, allow_destructive, exports } = args;
        let to = exports.to;
        Self { selection: selection.into(), dry_run, verify, heal, adopt, allow_destructive, to, ..Self::default() }
    }
}

impl From<CompileArgs> for BuildOptions {
    fn from(args: CompileArgs) -> Self {
        Self {
            selection: args.selection.into(),
            full_refresh: args.full_refresh,
            dry_run: args.dry_run,
            ..Self::default()
        }
    }
}
