//! The flags of the commands about documents and their loads: `generate`, `state`, `quarantine`.
//!
//! Definitions of clap, and their conversion to the options of `command`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::look::OutputArg;
use crate::command::{GenerateOptions, QuarantineAction, QuarantineOptions, StateAction, StateOptions};

#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("to").args(["out", "mongodb"]).required(true))]
pub(super) struct GenerateArgs {
    /// The number of customers; the other collections grow with it (about 7.75 documents per customer)
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(super) customers: u64,
    /// The seed of the random numbers; the same seed creates the same data
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub(super) seed: u64,
    /// Write <collection>.bson files into this folder
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Write to this MongoDB server; '${MONGODB_URI}' in single quotes keeps the password out of the list of processes
    #[arg(long, value_name = "URI", requires = "database")]
    pub(super) mongodb: Option<String>,
    /// The database on this MongoDB server
    #[arg(long, value_name = "DB")]
    pub(super) database: Option<String>,
    /// Create no data, but apply a day's changes (inserts, updates, deletes) to this share of the existing documents
    #[arg(long, value_name = "RATE", value_parser = share)]
    pub(super) mutate: Option<f64>,
    /// The share of documents with a dirty value, for example a number as text or an address that is a string
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = share)]
    pub(super) dirty: f64,
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("a rate must be between 0 and 1".into()),
    }
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    pub(super) change: Option<StateSub>,
    /// Only these collections, such as `loans.customers`
    #[arg(value_name = "COLLECTION")]
    pub(super) collections: Vec<String>,
    /// Check that the files in the landing folder have the bytes that were written; exits with 1 if one is damaged
    #[arg(long)]
    pub(super) verify: bool,
    /// The format of the rows: `table`, `json` (one object per line), or `csv`
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        default_value = "table",
        hide_possible_values = true,
        conflicts_with = "verify"
    )]
    pub(super) output: OutputArg,
}

#[derive(Subcommand)]
pub(super) enum StateSub {
    /// Start the next load of a collection at this watermark
    Set {
        /// The collection, such as `loans.customers`
        #[arg(value_name = "COLLECTION", required = true)]
        collections: Vec<String>,
        /// Extended JSON, such as '{"$date": "2024-06-01T00:00:00Z"}', or a number; any other text is read as a string
        #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
        watermark: String,
        /// Set the watermark even if the stored one has another type
        #[arg(long)]
        force: bool,
    },
    /// Remove watermarks: the next load of these collections is a full load
    #[command(group = ArgGroup::new("which").args(["collections", "all"]).required(true))]
    Reset {
        /// The collections, such as `loans.customers`
        #[arg(value_name = "COLLECTION")]
        collections: Vec<String>,
        /// All collections with a watermark
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("what").args(["show", "retry"]))]
pub(super) struct QuarantineArgs {
    /// Only the documents of these collections, such as `loans.customers`
    #[arg(value_name = "COLLECTION")]
    pub(super) collections: Vec<String>,
    /// Print the bytes of the collection's document with this number, as read from the source
    #[arg(long, value_name = "N")]
    pub(super) show: Option<u64>,
    /// Write the bytes to this file instead of stdout
    #[arg(long, value_name = "FILE", requires = "show")]
    pub(super) out: Option<PathBuf>,
    /// Load the collections with quarantined documents again, in full; exits with 1 if any document is still
    /// quarantined
    #[arg(long)]
    pub(super) retry: bool,
    /// The format of the rows: `table`, `json` (one object per line), or `csv`
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
            None if args.verify => Self { collections: args.collections, action: StateAction::Verify },
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
