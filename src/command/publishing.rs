//! Publishes the planned exports of a run, one after another: each is a publication of its own.
//!
//! Knows which results of the run spoil a publication, but not how a publication is made.

use std::time::Instant;

use crate::report::{Stage, Status};
use crate::run::{NodeResult, PlannedExport, Publish};
use elt_base::error::{Error, Result};
use elt_model::{Graph, Node, NodeId, NodeKind};
use elt_project::{ExportProfile, OnConflict};
use elt_warehouse::Session;

use super::build::StageRun;
use super::publication;

impl StageRun<'_> {
    /// Publishes each export, except those with a model that failed: otherwise readers of the target would see old and
    /// new data together. An export that fails does not stop the others; the errors of all are returned.
    pub(super) fn publish(&self, exports: &[PlannedExport], session: &Session) -> Result<()> {
        if exports.is_empty() {
            return Ok(());
        }
        let before = self.results.all();
        if let Some(hook) = before.iter().find(|result| result.stage == Stage::Hook && result.status.is_failure()) {
            // The failed hook may have been meant to change the published data.
            self.say_unpublished("nothing", &format!("`{}` failed", hook.name));
            return Ok(());
        }
        let mut errors = Vec::new();
        for export in exports {
            self.cancel.check()?;
            let profile = &self.workspace.target().exports[export.index];
            if let Some(cause) = self.spoilt(&export.models, &before) {
                let what = profile.name.as_ref().map_or("nothing".into(), |name| format!("nothing to `{name}`"));
                self.say_unpublished(&what, &cause);
                continue;
            }
            let started = Instant::now();
            if let Err(error) = self.publish_one(&export.models, profile, session) {
                self.report_failed(profile, &error, started.elapsed().as_secs_f64());
                errors.push(error);
            }
        }
        Error::many(errors).map_or(Ok(()), Err)
    }

    /// Why these models cannot be published; None if they can.
    fn spoilt(&self, models: &[NodeId], before: &[NodeResult]) -> Option<String> {
        let graph: &Graph = &self.workspace.graph;
        let is_bad = |result: &&NodeResult| result.status.is_failure() || result.status == Status::Skipped;
        let bad: Vec<&NodeResult> = before.iter().filter(is_bad).collect();
        let is_spoilt = |id: &&NodeId| {
            let node = graph.node(**id);
            bad.iter().any(|result| {
                result.unique_id == node.unique_id
                    || graph
                        .by_unique_id(&result.unique_id)
                        .is_some_and(|test| test.parents.contains(*id) && test.kind == NodeKind::Test)
            })
        };
        let id = models.iter().find(is_spoilt)?;
        // The first failure upstream, not a node that was only skipped because of it.
        let above = graph.ancestors(*id);
        let is_above = |node: &Node| node.id == *id || above.contains(&node.id);
        let is_cause = |result: &&&NodeResult| {
            result.status.is_failure()
                && match graph.by_unique_id(&result.unique_id) {
                    Some(node) if node.kind == NodeKind::Test => graph.parents(node.id).any(is_above),
                    Some(node) => is_above(node),
                    // A load has the name of its collection.
                    None => above.iter().any(|id| graph.node(*id).display_name() == result.name),
                }
        };
        Some(match bad.iter().find(is_cause) {
            Some(failed) => format!("`{}` failed", failed.name),
            None => format!("`{}` was not built and tested", graph.node(*id).name),
        })
    }

    fn publish_one(&self, models: &[NodeId], profile: &ExportProfile, session: &Session) -> Result<()> {
        let graph = &self.workspace.graph;
        let target = self.workspace.target();
        let mut tables = publication::tables(graph, models, profile, session)?;
        if self.options.adopt {
            tables.iter_mut().for_each(|published| published.table.on_conflict = OnConflict::Update);
        }
        let publish = Publish {
            warehouse: self.warehouse,
            profile,
            policy: self.options.policy(profile.policy),
            verify: self.options.verify,
            heal: self.options.heal,
            adopt: self.options.adopt,
            preview: self.options.dry_run,
            project: &self.workspace.project.profiles.name,
            target: &target.name,
            tables,
            stay: publication::labels(graph, profile)?,
            threads: target.threads,
            has_memory_limit: target.memory_limit.is_some()
                || target.settings.iter().any(|(key, _)| key == "memory_limit"),
            console: self.console,
            results: self.results,
            cancel: self.cancel,
        };
        self.results.stage("export", || publish.run())
    }

    /// Records that an export failed. The error itself is shown by the command.
    fn report_failed(&self, profile: &ExportProfile, error: &Error, seconds: f64) {
        if self.options.dry_run {
            return;
        }
        let name = profile.name.as_deref().unwrap_or("export");
        let id = format!("export.{}.{name}", self.workspace.project.profiles.name);
        let mut result = NodeResult::new(Stage::Export, id, name, Status::Error).of_export(profile);
        result.message = Some(error.message().to_owned());
        result.seconds = seconds;
        if profile.name.is_some() {
            self.console.line(&result.line());
        }
        self.results.push(result);
    }

    fn say_unpublished(&self, what: &str, cause: &str) {
        self.console.say(&format!(
            "{what} is published, because {cause}; `elt export` publishes the data that is now in the warehouse"
        ));
    }
}
