//! Hooks of a whole run: `on-run-start` and `on-run-end`, as written.
//!
//! Values; `compile` renders them.

use serde_json::{Map, Value, json};

use elt_project::{Profiles, RunHook};

/// When a hook of the run runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookTime {
    /// Before the nodes.
    Start,
    /// After the nodes, whether they succeeded or not.
    End,
}

impl HookTime {
    /// The key that defines it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Start => "on-run-start",
            Self::End => "on-run-end",
        }
    }

    /// The names that only hooks of this time can use. Each is empty.
    pub(crate) fn blank(self) -> Map<String, Value> {
        match self {
            Self::Start => Map::new(),
            Self::End => ["schemas", "results", "database_schemas"]
                .map(|name| (name.to_owned(), json!([])))
                .into_iter()
                .collect(),
        }
    }
}

/// A statement, or several, of `on-run-start` or `on-run-end`.
#[derive(Debug, Clone)]
pub struct Hook {
    /// `<project>.on-run-start.<number from 0>`, as in dbt's lines.
    pub name: String,
    /// `operation.<project>.<project>-on-run-start-<number>`.
    pub unique_id: String,
    pub written: RunHook,
}

impl Hook {
    pub(crate) fn described(&self) -> String {
        format!("hook `{}`", self.name)
    }
}

/// The hooks of a run, in order.
#[derive(Debug, Clone, Default)]
pub struct RunHooks {
    pub start: Vec<Hook>,
    pub end: Vec<Hook>,
    /// dbt's flag `skip_nodes_if_on_run_start_fails`. Without it, nodes are built even if a hook fails.
    pub skips_nodes: bool,
}

impl RunHooks {
    pub(crate) fn of(profiles: &Profiles) -> Self {
        let project = &profiles.name;
        let hooks = |time: HookTime, written: &[RunHook]| {
            let key = time.key();
            let numbered = written.iter().enumerate().map(|(number, written)| Hook {
                name: format!("{project}.{key}.{number}"),
                unique_id: format!("operation.{project}.{project}-{key}-{number}"),
                written: written.clone(),
            });
            numbered.collect()
        };
        Self {
            start: hooks(HookTime::Start, &profiles.on_run_start),
            end: hooks(HookTime::End, &profiles.on_run_end),
            skips_nodes: profiles.flag("skip_nodes_if_on_run_start_fails"),
        }
    }

    pub fn at(&self, time: HookTime) -> &[Hook] {
        match time {
            HookTime::Start => &self.start,
            HookTime::End => &self.end,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.start.is_empty() && self.end.is_empty()
    }
}
