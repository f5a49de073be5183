//! The flags of the commands that only read: `ls`, `schema`, `lineage`, `show`.
//!
//! Definitions of clap, and their conversion to the options of `command`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::selection::SelectionArgs;
use crate::command::{
    FreshnessOptions, LineageOptions, LsOptions, LsOutput, SchemaOptions, SchemaOutput, Selection, ShowOptions,
};
use crate::report::table::Output;
use elt_model::NodeKind;

#[derive(Args)]
pub(super) struct LsArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// The content of each line: `selector` (project.staging.stg_loans__customers), `name`, `path` of the file, or
    /// `json`
    #[arg(long, value_name = "FORM", value_enum, default_value = "selector", hide_possible_values = true)]
    pub(super) output: LsOutputArg,
    /// Print only these keys with `--output json`, such as `name config.materialized`
    #[arg(long, value_name = "KEY", num_args = 1.., value_delimiter = ' ')]
    pub(super) output_keys: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum LsOutputArg {
    Selector,
    Name,
    Path,
    Json,
}

#[derive(Subcommand)]
pub(super) enum SourceSub {
    /// Show the age of the sources' data, and write target/sources.json; exits with 1 if data is too old
    Freshness(FreshnessArgs),
}

#[derive(Args)]
pub(super) struct FreshnessArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Write sources.json to this file instead of target/sources.json
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

impl From<FreshnessArgs> for FreshnessOptions {
    fn from(args: FreshnessArgs) -> Self {
        Self { selection: args.selection.into(), output: args.output }
    }
}

#[derive(Args)]
pub(super) struct SchemaArgs {
    /// The collections: `loans.customers`, or `customers` if only one source has it; by default one line for each
    /// collection
    #[arg(value_name = "COLLECTION")]
    pub(super) collections: Vec<String>,
    /// The format: `tree`, or `json` with one object per path (one per collection without COLLECTION)
    #[arg(long, value_name = "FORM", value_enum, default_value = "tree", hide_possible_values = true)]
    pub(super) output: SchemaOutputArg,
    /// Print YAML for the sources instead, with the current type of each column, to paste into your project
    #[arg(long, conflicts_with = "output")]
    pub(super) yaml: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum SchemaOutputArg {
    Tree,
    Json,
}

#[derive(Args)]
pub(super) struct LineageArgs {
    /// `customers.city` for a column, `customers` for a summary of all columns of a model, or
    /// `loans.customers.address.city` for a field of a source
    #[arg(value_name = "MODEL[.COLUMN]|SOURCE.TABLE.FIELD")]
    pub(super) of: String,
    /// Also show fields that only decide which rows exist: those in filters, joins and groups
    #[arg(long)]
    pub(super) conditions: bool,
    /// The format: `tree` or `json`
    #[arg(long, value_name = "FORM", value_enum, default_value = "tree", hide_possible_values = true)]
    pub(super) output: SchemaOutputArg,
}

impl From<LineageArgs> for LineageOptions {
    fn from(args: LineageArgs) -> Self {
        let json = matches!(args.output, SchemaOutputArg::Json);
        Self { of: args.of, json, conditions: args.conditions }
    }
}

#[derive(Args)]
pub(super) struct ShowArgs {
    /// The model: `elt show customers` is `elt show --select customers`
    #[arg(value_name = "MODEL", conflicts_with_all = ["select", "selector", "inline"])]
    pub(super) model: Option<String>,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Show the rows of this query instead of a model; it can use ref() and source()
    #[arg(long, value_name = "SQL", conflicts_with_all = ["select", "exclude"])]
    pub(super) inline: Option<String>,
    /// The number of rows to print; 0 or -1 prints all
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true)]
    pub(super) limit: i64,
    /// The format of the rows: `table`, `json` (one object per line), or `csv` (NULL is empty, an empty text is "")
    #[arg(long, value_name = "FORM", value_enum, default_value = "table", hide_possible_values = true)]
    pub(super) output: OutputArg,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum OutputArg {
    Table,
    Json,
    Csv,
}

impl From<OutputArg> for Output {
    fn from(arg: OutputArg) -> Self {
        match arg {
            OutputArg::Table => Self::Table,
            OutputArg::Json => Self::Json,
            OutputArg::Csv => Self::Csv,
        }
    }
}

impl From<LsArgs> for LsOptions {
    fn from(args: LsArgs) -> Self {
        let is_models = !args.selection.models.is_empty();
        let mut selection: Selection = args.selection.into();
        if is_models {
            selection.kinds = vec![NodeKind::Model];
        } else if selection.kinds.is_empty() {
            selection.kinds = NodeKind::ALL.into_iter().filter(|kind| *kind != NodeKind::Analysis).collect();
        }
        Self {
            selection,
            output_keys: args.output_keys,
            output: match args.output {
                LsOutputArg::Selector => LsOutput::Selector,
                LsOutputArg::Name => LsOutput::Name,
                LsOutputArg::Path => LsOutput::Path,
                LsOutputArg::Json => LsOutput::Json,
            },
        }
    }
}

impl From<SchemaArgs> for SchemaOptions {
    fn from(args: SchemaArgs) -> Self {
        Self {
            collections: args.collections,
            output: match (args.yaml, args.output) {
                (true, _) => SchemaOutput::Yaml,
                (false, SchemaOutputArg::Tree) => SchemaOutput::Tree,
                (false, SchemaOutputArg::Json) => SchemaOutput::Json,
            },
        }
    }
}

impl From<ShowArgs> for ShowOptions {
    fn from(args: ShowArgs) -> Self {
        let selection: Selection = args.selection.into();
        Self {
            selection: match args.model {
                Some(model) => Selection { select: vec![model], ..selection },
                None => selection,
            },
            inline: args.inline,
            limit: u64::try_from(args.limit).ok().filter(|limit| *limit > 0),
            output: args.output.into(),
        }
    }
}
