//! The flags of `run-operation`.
//!
//! Definitions of clap, and their conversion to the options of `command`.

use clap::Args;

use crate::command::OperationOptions;

#[derive(Args)]
pub(super) struct OperationArgs {
    /// The macro to call
    #[arg(value_name = "MACRO")]
    name: String,
    /// The arguments of the macro by name, as a JSON or YAML object: '{days: 30}'
    #[arg(long, value_name = "OBJECT")]
    args: Option<String>,
}

impl From<OperationArgs> for OperationOptions {
    fn from(args: OperationArgs) -> Self {
        Self { name: args.name, args: args.args }
    }
}
