//! The options of the commands that run stages. They are parsed once and recorded in `run_results.json`, and `retry`
//! reads them back.
//!
//! One value with one list of names: dbt's names if dbt has the option. Knows neither clap nor the stages.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::run::{Previous, Scope};
use elt_model::{Gate, Indirect, NodeKind};

/// The selection; an empty `select` selects everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    pub select: Vec<String>,
    pub exclude: Vec<String>,
    /// A selector of `selectors.yml`.
    pub selector: Option<String>,
    #[serde(rename = "indirect_selection", with = "indirect")]
    pub indirect: Indirect,
    /// The kinds of nodes to keep; empty means all.
    #[serde(rename = "resource_types", with = "kinds")]
    pub kinds: Vec<NodeKind>,
    /// The folder with an earlier run's artifacts.
    pub state: Option<PathBuf>,
}

/// `--event-time-start` and `--event-time-end`, as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventTimes {
    #[serde(rename = "event_time_start")]
    pub start: Option<String>,
    #[serde(rename = "event_time_end")]
    pub end: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildOptions {
    #[serde(flatten)]
    pub selection: Selection,
    pub full_refresh: bool,
    #[serde(flatten)]
    pub event_times: EventTimes,
    pub fail_fast: bool,
    /// Not recorded, because a dry run records nothing.
    #[serde(skip)]
    pub dry_run: bool,
    /// Data tests store their failing rows.
    pub store_failures: bool,
    /// Tests run after the commit, and a failed test skips the nodes below it, as in dbt.
    pub no_gate: bool,
    /// Build only nodes whose SQL, configuration or inputs have changed.
    pub changed: bool,
    /// Compare the target with the warehouse in full, and change nothing.
    pub verify: bool,
    /// Make a target that others changed equal to the warehouse, even if the profile says otherwise.
    pub heal: bool,
    /// Take over rows of others that have keys of the models.
    pub adopt: bool,
    /// Execute the steps to the tables' contracts, even if the profile says otherwise.
    pub apply: bool,
    /// Also execute steps that lose data.
    pub allow_destructive: bool,
    /// Publish only to the exports with these names; empty means all.
    pub to: Vec<String>,
    /// The run to retry.
    #[serde(skip)]
    pub retries: Option<Previous>,
}

impl BuildOptions {
    /// The options under the names of `args` in `run_results.json`.
    pub fn recorded(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(args)) => args,
            // Paths that are not Unicode are the only values that JSON cannot contain.
            _ => Map::new(),
        }
    }

    /// Reads the options that `recorded` or dbt wrote. A missing option, or null, has its default.
    ///
    /// Errors: an option has a value of another type.
    pub fn read_back(args: &Map<String, Value>) -> serde_json::Result<Self> {
        // dbt writes "" for a text option that was not set.
        let is_given = |value: &Value| !value.is_null() && value.as_str() != Some("");
        let given = args.iter().filter(|(_, value)| is_given(value));
        serde_json::from_value(Value::Object(given.map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}

/// The parts of the work that the command with this name does; None if it runs no stages.
pub fn scope_of(name: &str, options: &BuildOptions) -> Option<Scope> {
    let nothing = Scope::default();
    let gate = if options.no_gate { Gate::Children } else { Gate::Commit };
    Some(match name {
        "extract" => Scope { name: "extract", extract: true, ..nothing },
        "run" => Scope { name: "run", models: true, ..nothing },
        "seed" => Scope { name: "seed", seeds: true, ..nothing },
        "snapshot" => Scope { name: "snapshot", snapshots: true, ..nothing },
        "test" => Scope { name: "test", tests: true, ..nothing },
        "export" => Scope { name: "export", export: true, ..nothing },
        "build" => Scope {
            name: "build",
            extract: true,
            seeds: true,
            snapshots: true,
            models: true,
            tests: true,
            export: true,
            gate,
        },
        _ => return None,
    })
}

/// The mode with this name; the default for an unknown name.
mod indirect {
    use elt_model::Indirect;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(mode: &Indirect, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(mode.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Indirect, D::Error> {
        Ok(Indirect::named(&String::deserialize(deserializer)?).unwrap_or_default())
    }
}

/// The kinds of nodes with these names. Kinds that exist only in dbt are omitted.
mod kinds {
    use elt_model::NodeKind;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(kinds: &[NodeKind], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(kinds.iter().map(|kind| kind.name()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NodeKind>, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        Ok(NodeKind::ALL.into_iter().filter(|kind| words.iter().any(|word| word == kind.name())).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_option_is_read_back() {
        let options = BuildOptions {
            selection: Selection {
                select: vec!["loan_*".into()],
                exclude: vec!["tag:slow".into()],
                selector: Some("nightly".into()),
                indirect: Indirect::Cautious,
                kinds: vec![NodeKind::Model],
                state: Some("before".into()),
            },
            event_times: EventTimes { start: Some("2024-01-01".into()), end: Some("2024-02-01".into()) },
            full_refresh: true,
            fail_fast: true,
            dry_run: false,
            store_failures: true,
            no_gate: true,
            changed: true,
            verify: true,
            heal: true,
            adopt: true,
            apply: true,
            allow_destructive: true,
            to: vec!["reporting".into()],
            retries: None,
        };
        let recorded = options.recorded();
        assert!(!recorded.values().any(|value| value == &json!(false) || value.is_null()), "{recorded:?}");
        let again = BuildOptions::read_back(&recorded).expect("options");
        assert_eq!(again.recorded(), recorded);
    }

    #[test]
    fn options_of_dbt_are_read() {
        let args = json!({"select": ["a"], "selector": "", "state": null, "resource_types": ["metric", "seed"],
            "indirect_selection": "eager", "full_refresh": false, "printer_width": 80, "which": "build"});
        let options = BuildOptions::read_back(args.as_object().expect("an object")).expect("options");
        assert_eq!(options.selection.select, ["a"]);
        assert_eq!(options.selection.selector, None);
        assert_eq!(options.selection.kinds, [NodeKind::Seed]);
        assert!(BuildOptions::read_back(json!({"select": 5}).as_object().expect("an object")).is_err());
    }
}
