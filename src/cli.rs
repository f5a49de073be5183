//! The command line: clap's definitions and nothing else. No I/O; nothing past this file sees clap.
//!
//! `parse` gives a `command::Invocation`; `--help` texts stand here, so a flag's documentation is its definition.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::command::{
    self, BuildOptions, Common, GenerateOptions, Invocation, LsOptions, LsOutput, QuarantineAction, QuarantineOptions,
    SchemaOptions, SchemaOutput, Selection, ShowOptions, StateAction, StateOptions,
};
use crate::report::LogFormat;
use crate::report::table::Output;

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

#[derive(Args)]
struct SelectionArgs {
    /// What to work on: names, globs ('loan_*'), +model, model+, 2+model, @model, tag:, path:, source: …; several are a
    /// union, a comma is an intersection
    #[arg(long, short, num_args = 1.., value_name = "SELECTOR", visible_alias = "models", short_alias = 'm')]
    select: Vec<String>,
    /// What to leave out of that, in the same words
    #[arg(long, num_args = 1.., value_name = "SELECTOR")]
    exclude: Vec<String>,
}

/// The flags of `build`, `extract` and `run`; the commands below have those of them that mean something there.
#[derive(Args)]
struct BuildArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Load collections and build incremental models from nothing
    #[arg(long, short)]
    full_refresh: bool,
    /// Stop at the first failure
    #[arg(long, short = 'x')]
    fail_fast: bool,
    /// Print the plan and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
struct TestArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Stop at the first failure
    #[arg(long, short = 'x')]
    fail_fast: bool,
    /// Print the plan and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
struct ExportArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Print the plan and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
struct CompileArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Render incremental models as a full refresh would
    #[arg(long, short)]
    full_refresh: bool,
    /// Check only, write nothing
    #[arg(long)]
    dry_run: bool,
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
    Run(BuildArgs),
    /// Run the data tests of the selected models
    Test(TestArgs),
    /// The whole way: extract, build, test and export
    Build(BuildArgs),
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
    /// Remove what can be made again: compiled SQL and artifacts under target/
    Clean,
}

#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("to").args(["out", "mongodb"]).required(true))]
struct GenerateArgs {
    /// How many customers; the other collections follow (about 7.75 documents a customer)
    #[arg(long, value_name = "N", default_value_t = 200)]
    customers: u64,
    /// The same seed makes the same data
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,
    /// Write <collection>.bson files into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write into this MongoDB server
    #[arg(long, value_name = "URI", requires = "database")]
    mongodb: Option<String>,
    /// The database there
    #[arg(long, value_name = "DB")]
    database: Option<String>,
    /// Instead of making data: apply a day's changes (inserts, updates, deletes) to this share of what is there
    #[arg(long, value_name = "RATE", value_parser = share)]
    mutate: Option<f64>,
    /// The share of documents that get a dirty value: a number as text, an address that is a string …
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = share)]
    dirty: f64,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("a rate lies between 0 and 1".into()),
    }
}

#[derive(Args)]
struct LsArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Only resources of these kinds
    #[arg(long, value_name = "KIND", num_args = 1.., value_parser = ["model", "seed", "source", "test"])]
    resource_type: Vec<String>,
    /// What a line shows: `selector` (project.staging.stg_loans__customers), `name`, `path` of the file, or `json`
    #[arg(long, value_name = "FORM", value_enum, default_value = "selector", hide_possible_values = true)]
    output: LsOutputArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum LsOutputArg {
    Selector,
    Name,
    Path,
    Json,
}

#[derive(Args)]
struct SchemaArgs {
    /// Which: `loans.customers`, or `customers` where only one source has it; by default all, a line each
    #[arg(value_name = "COLLECTION")]
    collections: Vec<String>,
    /// `tree`, or `json`: one object a path (without COLLECTION one a collection)
    #[arg(long, value_name = "FORM", value_enum, default_value = "tree", hide_possible_values = true)]
    output: SchemaOutputArg,
    /// Print the sources' YAML instead, with each column's present type, ready to pin
    #[arg(long, conflicts_with = "output")]
    yaml: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum SchemaOutputArg {
    Tree,
    Json,
}

#[derive(Args)]
struct ShowArgs {
    /// The model: `elt show customers` is `elt show --select customers`
    #[arg(value_name = "MODEL", conflicts_with_all = ["select", "inline"])]
    model: Option<String>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// A query instead of a model; may use ref() and source()
    #[arg(long, value_name = "SQL", conflicts_with_all = ["select", "exclude"])]
    inline: Option<String>,
    /// Rows to print; 0 prints all
    #[arg(long, value_name = "N", default_value_t = 5)]
    limit: u64,
    /// The form of the rows: `table`, `json` (one object a line), or `csv` (NULL is empty, an empty text is "")
    #[arg(long, value_name = "FORM", value_enum, default_value = "table", hide_possible_values = true)]
    output: OutputArg,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
struct StateArgs {
    #[command(subcommand)]
    change: Option<StateSub>,
    /// Only these, such as `loans.customers`
    #[arg(value_name = "COLLECTION")]
    collections: Vec<String>,
    /// The form of the rows: `table`, `json` (one object a line), or `csv`
    #[arg(long, value_name = "FORM", value_enum, default_value = "table", hide_possible_values = true)]
    output: OutputArg,
}

#[derive(Subcommand)]
enum StateSub {
    /// Let the next load of a collection begin at this watermark
    Set {
        /// The collection, such as `loans.customers`
        #[arg(value_name = "COLLECTION", required = true)]
        collections: Vec<String>,
        /// Extended JSON, such as '{"$date": "2024-06-01T00:00:00Z"}', or a number; other text is a string
        #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
        watermark: String,
        /// Also if the stored watermark is of another type
        #[arg(long)]
        force: bool,
    },
    /// Forget watermarks: the next load of these collections is a full one
    #[command(group = ArgGroup::new("which").args(["collections", "all"]).required(true))]
    Reset {
        /// The collections, such as `loans.customers`
        #[arg(value_name = "COLLECTION")]
        collections: Vec<String>,
        /// All that have one
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("what").args(["show", "retry"]))]
struct QuarantineArgs {
    /// Only of these collections, such as `loans.customers`
    #[arg(value_name = "COLLECTION")]
    collections: Vec<String>,
    /// The bytes of the collection's document of this number, as they stood at the source
    #[arg(long, value_name = "N")]
    show: Option<u64>,
    /// Write them to this file, instead of stdout
    #[arg(long, value_name = "FILE", requires = "show")]
    out: Option<PathBuf>,
    /// Load the collections that have such documents again, whole; exits with 1 if some are left
    #[arg(long)]
    retry: bool,
    /// The form of the rows: `table`, `json` (one object a line), or `csv`
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        default_value = "table",
        hide_possible_values = true,
        conflicts_with = "what"
    )]
    output: OutputArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum OutputArg {
    Table,
    Json,
    Csv,
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
        Sub::Init { name } => command::Command::Init { name },
        Sub::Debug => command::Command::Debug,
        Sub::Generate(args) => command::Command::Generate(generate(args)),
        Sub::Extract(args) => command::Command::Extract(build(args)),
        Sub::Run(args) => command::Command::Run(build(args)),
        Sub::Test(args) => command::Command::Test(BuildOptions {
            selection: selection(args.selection),
            full_refresh: false,
            fail_fast: args.fail_fast,
            dry_run: args.dry_run,
        }),
        Sub::Build(args) => command::Command::Build(build(args)),
        Sub::Export(args) => command::Command::Export(BuildOptions {
            selection: selection(args.selection),
            full_refresh: false,
            fail_fast: false,
            dry_run: args.dry_run,
        }),
        Sub::Ls(args) => command::Command::Ls(LsOptions {
            selection: selection(args.selection),
            resource_types: args.resource_type,
            output: match args.output {
                LsOutputArg::Selector => LsOutput::Selector,
                LsOutputArg::Name => LsOutput::Name,
                LsOutputArg::Path => LsOutput::Path,
                LsOutputArg::Json => LsOutput::Json,
            },
        }),
        Sub::Schema(args) => command::Command::Schema(SchemaOptions {
            collections: args.collections,
            output: match (args.yaml, args.output) {
                (true, _) => SchemaOutput::Yaml,
                (false, SchemaOutputArg::Tree) => SchemaOutput::Tree,
                (false, SchemaOutputArg::Json) => SchemaOutput::Json,
            },
        }),
        Sub::Show(args) => command::Command::Show(ShowOptions {
            selection: match args.model {
                Some(model) => Selection { select: vec![model], exclude: args.selection.exclude },
                None => selection(args.selection),
            },
            inline: args.inline,
            limit: args.limit,
            output: output(args.output),
        }),
        Sub::State(args) => command::Command::State(state(args)),
        Sub::Quarantine(args) => command::Command::Quarantine(quarantine(args)),
        Sub::Compile(args) => command::Command::Compile(BuildOptions {
            selection: selection(args.selection),
            full_refresh: args.full_refresh,
            fail_fast: false,
            dry_run: args.dry_run,
        }),
        Sub::Clean => command::Command::Clean,
    };
    Ok(Invocation { common, command })
}

fn selection(args: SelectionArgs) -> Selection {
    Selection { select: args.select, exclude: args.exclude }
}

fn build(args: BuildArgs) -> BuildOptions {
    BuildOptions {
        selection: selection(args.selection),
        full_refresh: args.full_refresh,
        fail_fast: args.fail_fast,
        dry_run: args.dry_run,
    }
}

fn output(arg: OutputArg) -> Output {
    match arg {
        OutputArg::Table => Output::Table,
        OutputArg::Json => Output::Json,
        OutputArg::Csv => Output::Csv,
    }
}

fn state(args: StateArgs) -> StateOptions {
    match args.change {
        None => StateOptions { collections: args.collections, action: StateAction::List(output(args.output)) },
        Some(StateSub::Set { collections, watermark, force }) => {
            StateOptions { collections, action: StateAction::Set { watermark, force } }
        }
        Some(StateSub::Reset { collections, all: _ }) => StateOptions { collections, action: StateAction::Reset },
    }
}

fn quarantine(args: QuarantineArgs) -> QuarantineOptions {
    let action = match args.show {
        Some(number) => QuarantineAction::Show { number, out: args.out },
        None if args.retry => QuarantineAction::Retry,
        None => QuarantineAction::List(output(args.output)),
    };
    QuarantineOptions { collections: args.collections, action }
}

fn generate(args: GenerateArgs) -> GenerateOptions {
    GenerateOptions {
        customers: args.customers,
        seed: args.seed,
        out: args.out,
        mongodb: args.mongodb.zip(args.database).map(|(uri, database)| (crate::secret::Secret::new(uri), database)),
        mutate: args.mutate,
        dirty: args.dirty,
    }
}
