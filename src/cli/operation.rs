//! The flags of `run-operation`.
//!
//! Definitions, and their way to `command`'s options.

use clap::Args;

use crate::command::OperationOptions;

#[derive(Args)]
pub(super) struct OperationArgs {
    /// The macro to call
    #[arg(value_name = "MACRO")]
    name: String,
    /// Its arguments by name, as a JSON or YAML object: '{days: 30}'
    #[arg(long, value_name = "OBJECT")]
    args: Option<String>,
}

impl From<OperationArgs> for OperationOptions {
    fn from(args: OperationArgs) -> Self {
        Self { name: args.name, args: args.args }
    }
}
