//! Runs the hooks of a whole run, `on-run-start` and `on-run-end`, one after the other.
//!
//! Does not know when a run starts or what its nodes are. Passes the results of the nodes to the hooks.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::messages;
use crate::report::{Console, Stage, Status};
use elt_base::cancel::Cancel;
use elt_base::error::{Exit, Result};
use elt_model::{Compiler, Hook, HookTime};
use elt_warehouse::Warehouse;

use super::host::SessionHost;
use super::results::{NodeResult, Results};

/// The inputs of running hooks.
pub struct RunHookStage<'a> {
    pub graph: &'a Compiler,
    pub warehouse: &'a Warehouse,
    pub console: &'a Console,
    pub results: &'a Results,
    pub cancel: &'a Cancel,
}

impl RunHookStage<'_> {
    /// Runs the hooks of one kind in their own session. As in dbt, each statement is committed separately, and no hook
    /// runs after a failed one. Reports every outcome to the results and the console. Returns false if a hook failed.
    pub fn run(&self, time: HookTime) -> Result<bool> {
        let hooks = self.graph.run_hooks.at(time);
        let session = self.warehouse.session()?;
        let interrupter = session.interrupter();
        self.cancel.on_request(move || interrupter.interrupt());
        let extra = match time {
            HookTime::Start => Map::new(),
            HookTime::End => self.known_at_end(),
        };
        let mut failed = false;
        for hook in hooks {
            self.cancel.check()?;
            let mut result = NodeResult::new(Stage::Hook, &hook.unique_id, &hook.name, Status::Success);
            if failed {
                result.status = Status::Skipped;
                result.message = Some(format!("{} skipped", hook.name));
                result.failures = Some(1);
                self.console.line(&result.line());
                self.results.push(result);
                continue;
            }
            let _in_hook = result.enter();
            let activity = self.console.begin(result.stage, &result.name, "", None);
            let started = Instant::now();
            let host = SessionHost::new(&session, self.console);
            let outcome = self.one(hook, &extra, &host, |sql| session.execute(sql), &mut result);
            drop(activity);
            result.seconds = started.elapsed().as_secs_f64();
            match outcome {
                Ok(()) => {
                    result.message = Some(format!("{} passed", hook.name));
                    result.failures = Some(0);
                }
                Err(error) => {
                    self.cancel.check()?;
                    failed = true;
                    result.status = Status::Error;
                    result.message.get_or_insert_with(|| error.to_string());
                    result.failures = Some(1);
                    self.console.error(&error);
                }
            }
            self.console.line(&result.line());
            self.results.push(result);
        }
        Ok(!failed)
    }

    fn one(
        &self,
        hook: &Hook,
        extra: &Map<String, Value>,
        host: &SessionHost<'_>,
        execute: impl Fn(&str) -> Result<(), elt_base::sql_error::SqlError>,
        result: &mut NodeResult,
    ) -> Result<()> {
        let compiled = self.graph.compile_hook(hook, extra.clone(), host);
        let sql = compiled.map_err(|error| error.exiting(Exit::Failed))?;
        let ran = if sql.is_empty() { Ok(()) } else { execute(&sql) };
        result.compiled = Some(sql);
        ran.map_err(|error| {
            // dbt's words, for readers of the artifact.
            result.message = Some(format!("{} failed, error:\n {} Error: {}", hook.name, error.kind, error.message));
            messages::run_hook_failed(&hook.name, &error, hook.written.place.clone())
        })
    }

    /// `results`, `schemas` and `database_schemas`, as in dbt: the results contain no hooks that passed or were
    /// skipped, and the schemas are those of the relations that were built.
    fn known_at_end(&self) -> Map<String, Value> {
        let all = self.results.all();
        let of_nodes = all.iter().filter(|result| match result.stage {
            Stage::Hook => result.status == Status::Error,
            stage => matches!(stage, Stage::Seed | Stage::Snapshot | Stage::Model | Stage::Test),
        });
        let shown: Vec<Value> = of_nodes.clone().map(|result| self.shown(result)).collect();
        let built = of_nodes.filter(|result| !result.status.is_failure() && result.status != Status::Skipped);
        let nodes = built.filter_map(|result| self.graph.by_unique_id(&result.unique_id));
        let schemas: BTreeSet<&str> =
            nodes.filter(|node| node.kind.is_referable()).map(|node| node.relation.schema.as_str()).collect();
        let pairs: Vec<Value> = schemas.iter().map(|schema| json!([self.graph.database, schema])).collect();
        let mut known = Map::new();
        known.insert("schemas".into(), json!(schemas));
        known.insert("database_schemas".into(), pairs.into());
        known.insert("results".into(), shown.into());
        known
    }

    fn shown(&self, result: &NodeResult) -> Value {
        let mut shown = result.artifact();
        if let Some(map) = shown.as_object_mut() {
            map.insert("node".into(), self.graph.shown(&result.unique_id));
        }
        shown
    }
}
