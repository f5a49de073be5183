//! The flags that select nodes. Most commands have them.
//!
//! Definitions of clap, and their conversion to the options of `command`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::command::Selection;
use elt_model::{Indirect, NodeKind};

/// dbt's words for `--resource-type`.
const KINDS: [&str; 10] =
    ["all", "default", "analysis", "exposure", "model", "seed", "snapshot", "source", "test", "unit_test"];

#[derive(Args)]
pub(super) struct SelectionArgs {
    /// The nodes to select: names, globs ('loan_*'), +model, model+, 2+model, @model, tag:, path:, source:, state: …;
    /// several are a union, a comma is an intersection
    #[arg(long, short, num_args = 1.., value_name = "SELECTOR")]
    pub(super) select: Vec<String>,
    /// The same as `--select`; with `ls` it lists only models
    #[arg(long, short, num_args = 1.., value_name = "SELECTOR", conflicts_with = "select", hide = true)]
    pub(super) models: Vec<String>,
    /// The nodes to remove from the selection, in the same syntax
    #[arg(long, num_args = 1.., value_name = "SELECTOR")]
    pub(super) exclude: Vec<String>,
    /// A selector that selectors.yml defines
    #[arg(long, value_name = "NAME", conflicts_with_all = ["select", "models", "exclude"])]
    pub(super) selector: Option<String>,
    /// The tests to select too: those with any parent selected (`eager`), with all parents selected (`cautious`), with
    /// all parents selected or upstream of the selection (`buildable`), or none (`empty`)
    #[arg(long, value_name = "MODE", value_enum, env = "ELT_INDIRECT_SELECTION", hide_possible_values = true)]
    pub(super) indirect_selection: Option<IndirectArg>,
    #[arg(long, value_enum, env = "DBT_INDIRECT_SELECTION", hide = true)]
    pub(super) dbt_indirect_selection: Option<IndirectArg>,
    /// Only resources of these kinds: model, test, unit_test, seed, snapshot, source, exposure, analysis, default, all
    #[arg(long, value_name = "KIND", num_args = 1.., value_parser = KINDS, hide_possible_values = true)]
    pub(super) resource_type: Vec<String>,
    /// No resources of these kinds
    #[arg(long, value_name = "KIND", num_args = 1.., value_parser = KINDS, hide_possible_values = true)]
    pub(super) exclude_resource_type: Vec<String>,
    /// The folder of the manifest.json and run_results.json for the selectors `state:` and `result:`
    #[arg(long, value_name = "DIR", env = "ELT_STATE")]
    pub(super) state: Option<PathBuf>,
    #[arg(long, env = "DBT_STATE", hide = true)]
    pub(super) dbt_state: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum IndirectArg {
    Eager,
    Cautious,
    Buildable,
    Empty,
}

impl From<IndirectArg> for Indirect {
    fn from(arg: IndirectArg) -> Self {
        match arg {
            IndirectArg::Eager => Self::Eager,
            IndirectArg::Cautious => Self::Cautious,
            IndirectArg::Buildable => Self::Buildable,
            IndirectArg::Empty => Self::Empty,
        }
    }
}

impl From<SelectionArgs> for Selection {
    fn from(args: SelectionArgs) -> Self {
        let all = |words: &[String]| -> Vec<NodeKind> {
            let is_named = |kind: &NodeKind| {
                words.iter().any(|word| match word.as_str() {
                    "all" => true,
                    "default" => *kind != NodeKind::Analysis,
                    name => kind.name() == name,
                })
            };
            NodeKind::ALL.into_iter().filter(is_named).collect()
        };
        let excluded = all(&args.exclude_resource_type);
        let kinds = match (args.resource_type.is_empty(), excluded.is_empty()) {
            (true, true) => Vec::new(),
            (true, false) => NodeKind::ALL.into_iter().filter(|kind| !excluded.contains(kind)).collect(),
            (false, _) => all(&args.resource_type).into_iter().filter(|kind| !excluded.contains(kind)).collect(),
        };
        Self {
            select: if args.models.is_empty() { args.select } else { args.models },
            exclude: args.exclude,
            selector: args.selector,
            indirect: args.indirect_selection.or(args.dbt_indirect_selection).map(Into::into).unwrap_or_default(),
            kinds,
            state: args.state.or(args.dbt_state),
        }
    }
}
