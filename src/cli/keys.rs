//! The flags of `keys`.
//!
//! Definitions of clap, and their conversion to the options of `command`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::look::OutputArg;
use crate::command::KeysOptions;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    change: Option<KeysSub>,
    /// The format of the rows: `table`, `json` (one object per line), or `csv`
    #[arg(long, value_name = "FORM", value_enum, default_value = "table", hide_possible_values = true)]
    output: OutputArg,
}

#[derive(Subcommand)]
enum KeysSub {
    /// Import existing ids into a map, before models give new ones; ids that contradict the map are refused
    Import {
        /// The map, such as `customer`
        map: String,
        /// A CSV file with a header: the columns of the natural key in the order of `elt.surrogate_key`, and the ids
        file: PathBuf,
        /// The column of the file that holds the ids
        #[arg(long, value_name = "COLUMN", default_value = "id")]
        id: String,
    },
}

impl From<KeysArgs> for KeysOptions {
    fn from(args: KeysArgs) -> Self {
        match args.change {
            None => Self::List(args.output.into()),
            Some(KeysSub::Import { map, file, id }) => Self::Import { map, file, id },
        }
    }
}
