//! The flags of the commands about documents and how far they are loaded: `generate`, `state`, `quarantine`.
//!
//! Definitions, and their way to `command`'s options.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::look::OutputArg;
use crate::command::{GenerateOptions, QuarantineAction, QuarantineOptions, StateAction, StateOptions};

#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("to").args(["out", "mongodb"]).required(true))]
pub(super) struct GenerateArgs {
    /// How many customers; the other collections follow (about 7.75 documents a customer)
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(super) customers: u64,
    /// The same seed makes the same data
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub(super) seed: u64,
    /// Write <collection>.bson files into this folder
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Write into this MongoDB server
    #[arg(long, value_name = "URI", requires = "database")]
    pub(super) mongodb: Option<String>,
    /// The database there
    #[arg(long, value_name = "DB")]
    pub(super) database: Option<String>,
    /// Instead of making data: apply a day's changes (inserts, updates, deletes) to this share of what is there
    #[arg(long, value_name = "RATE", value_parser = share)]
    pub(super) mutate: Option<f64>,
    /// The share of documents that get a dirty value: a number as text, an address that is a string …
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = share)]
    pub(super) dirty: f64,
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("a rate lies between 0 and 1".into()),
    }
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    pub(super) change: Option<StateSub>,
    /// Only these, such as `loans.customers`
    #[arg(value_name = "COLLECTION")]
    pub(super) collections: Vec<String>,
    /// The form of the rows: `table`, `json` (one object a line), or `csv`
    #[arg(long, value_name = "FORM", value_enum, default_value = "table", hide_possible_values = true)]
    pub(super) output: OutputArg,
}

#[derive(Subcommand)]
pub(super) enum StateSub {
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
pub(super) struct QuarantineArgs {
    /// Only of these collections, such as `loans.customers`
    #[arg(value_name = "COLLECTION")]
    pub(super) collections: Vec<String>,
    /// The bytes of the collection's document of this number, as they stood at the source
    #[arg(long, value_name = "N")]
    pub(super) show: Option<u64>,
    /// Write them to this file, instead of stdout
    #[arg(long, value_name = "FILE", requires = "show")]
    pub(super) out: Option<PathBuf>,
    /// Load the collections that have such documents again, whole; exits with 1 if some are left
    #[arg(long)]
    pub(super) retry: bool,
    /// The form of the rows: `table`, `json` (one object a line), or `csv`
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        default_value = "table",
        hide_possible_values = true,
        conflicts_with = "what"
    )]
    pub(super) output: OutputArg,
}

impl From<StateArgs> for StateOptions {
    fn from(args: StateArgs) -> Self {
        match args.change {
            None => Self { collections: args.collections, action: StateAction::List(args.output.into()) },
            Some(StateSub::Set { collections, watermark, force }) => {
                Self { collections, action: StateAction::Set { watermark, force } }
            }
            Some(StateSub::Reset { collections, all: _ }) => Self { collections, action: StateAction::Reset },
        }
    }
}

impl From<QuarantineArgs> for QuarantineOptions {
    fn from(args: QuarantineArgs) -> Self {
        let action = match args.show {
            Some(number) => QuarantineAction::Show { number, out: args.out },
            None if args.retry => QuarantineAction::Retry,
            None => QuarantineAction::List(args.output.into()),
        };
        Self { collections: args.collections, action }
    }
}

impl From<GenerateArgs> for GenerateOptions {
    fn from(args: GenerateArgs) -> Self {
        Self {
            customers: args.customers,
            seed: args.seed,
            out: args.out,
            mongodb: args
                .mongodb
                .zip(args.database)
                .map(|(uri, database)| (elt_base::secret::Secret::new(uri), database)),
            mutate: args.mutate,
            dirty: args.dirty,
        }
    }
}
