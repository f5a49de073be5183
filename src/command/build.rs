//! `elt build`, `run`, `test`, `extract` and `export`: run the stages that the command includes.
//!
//! All commands use one order: plan, extract, check, build with tests, publish, summarise.

use crate::messages;
use crate::report::Console;
use crate::run::changed::Changed;
use crate::run::intact;
use crate::run::{
    Batches, Build, Extraction, LoadExtent, Plan, Results, RunHookStage, Scope, UnitTests, binder, create_schemas,
    impact, plan, summary,
};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Exit, Result};
use elt_base::failpoint::failpoint;
use elt_base::numbers::counted;
use elt_extract::land::Landing;
use elt_model::{
    BatchWindow, Checked, Graph, HookTime, KnownColumns, Node, NodeId, NodeKind, Origin, SelectedNodes, parse_time,
};
use elt_project::TargetPart;
use elt_warehouse::{Columns, Session, Warehouse};

use super::run_results::{args, write_artifacts};
use super::workspace::{self, Workspace};
use super::{BuildOptions, Common, publication, unit_test};

pub fn run(common: &Common, options: &BuildOptions, scope: Scope, console: &Console, cancel: &Cancel) -> Result<bool> {
    let window = window(options)?;
    let mut workspace = Workspace::open(common, console)?;
    workspace.keep_exports(&options.to)?;
    if options.store_failures {
        workspace.graph.store_failures();
    }
    let flagged = workspace.project.profiles.flag("fail_fast");
    let options = &BuildOptions { fail_fast: options.fail_fast || flagged, ..options.clone() };
    let selected = workspace.select(&options.selection, console)?;
    let kinds = &options.selection.kinds;
    // Without sources in the selection, collections are not built.
    let extract = scope.extract && (kinds.is_empty() || kinds.contains(&NodeKind::Source));
    let scope = Scope { extract, ..scope };
    // A publication alone can be counted, because its rows exist.
    let is_counted =
        scope.name == "export" && !workspace.target().exports.is_empty() && workspace.warehouse_read_only()?.is_some();
    if options.dry_run && !is_counted {
        return dry_run(&workspace, selected, scope, options, console);
    }
    required(&workspace, &selected, scope)?;
    let results = Results::default();
    let args = args(common, options, scope, workspace.target());
    if scope.tests
        && workspace.graph.run_hooks.is_empty()
        && selected.iter().all(|id| workspace.graph.node(id).kind == NodeKind::UnitTest)
    {
        return unit_test::run(&workspace, &selected, options, console, cancel, &results, &args);
    }
    let warehouse = results.stage("open", || workspace.warehouse())?;
    let session = warehouse.session()?;
    let mut plan = Plan::new(&workspace.graph, selected, scope, &session.catalog()?, workspace.target())?;
    if let Some(previous) = &options.retries {
        plan.keep_undone(&workspace.graph, previous, scope.gate);
    }
    if !plan.added.is_empty() {
        console
            .say(&format!("also building inputs that have never been built: {}", names(&workspace.graph, &plan.added)));
    }
    if !plan.waiting.is_empty() {
        console.say(&format!(
            "not running {}, because they read nodes that have never been built",
            counted(plan.waiting.len() as u64, "tests")
        ));
    }
    let previous = options.retries.as_ref().map(|previous| previous.batches.clone()).unwrap_or_default();
    let batches = Batches { window, previous };
    let command =
        StageRun { batches, workspace: &workspace, options, console, cancel, results: &results, warehouse: &warehouse };
    if options.dry_run {
        console.say(&format!("plan for target `{}`, nothing is executed:", workspace.target().name));
        return command.publish(&plan.exports, &session).map(|()| true);
    }
    let outcome = command.stages(&plan, &session);
    if outcome.is_err() {
        results.cut_short();
    }
    // Closing the database writes its log into the file.
    results.stage("close", || {
        drop(session);
        drop(warehouse);
    });
    let written = write_artifacts(&workspace, &results, &args);
    failpoint("build.end");
    if let Err(error) = outcome {
        if cancel.is_requested() {
            summary::show(console, &results, workspace.target(), false);
            return Err(elt_base::messages::interrupted());
        }
        if error.exit() == Exit::Usage {
            return Err(error);
        }
        console.error(&error);
        summary::show(console, &results, workspace.target(), false);
        return Ok(false);
    }
    cancel.check()?;
    written?;
    let ok = !results.any_failed();
    summary::show(console, &results, workspace.target(), ok);
    Ok(ok)
}

/// Checks that the variables of the parts of the target are set that the plan uses, before anything is opened.
fn required(workspace: &Workspace, selected: &SelectedNodes, scope: Scope) -> Result<()> {
    let target = workspace.target();
    if target.missing.is_empty() {
        return Ok(());
    }
    if scope.extract && scope.export {
        // A build that works without a variable today may need it tomorrow, because its selection follows the graph.
        let sources = target.sources.keys().map(|name| TargetPart::Source(name));
        return target.require(&sources.chain(target.export_parts()).collect::<Vec<_>>());
    }
    let catalog = {
        let warehouse = workspace.warehouse_read_only()?;
        let session = warehouse.as_ref().map(Warehouse::session).transpose()?;
        workspace::catalog(session.as_ref())?
    };
    let graph = &workspace.graph;
    let plan = Plan::new(graph, selected.clone(), scope, &catalog, target)?;
    let sources = plan.loads.iter().filter_map(|id| graph.node(*id).source_name.as_deref()).map(TargetPart::Source);
    let exports = plan.exports.iter().map(|export| target.exports[export.index].name.as_deref());
    target.require(&sources.chain(exports.map(TargetPart::Export)).collect::<Vec<_>>())
}

/// The time range for microbatch models.
fn window(options: &BuildOptions) -> Result<BatchWindow> {
    const FLAGS: [&str; 2] = ["--event-time-start", "--event-time-end"];
    let time = |flag: &str, written: &str| parse_time(written).ok_or_else(|| messages::bad_event_time(flag, written));
    let given = match (&options.event_times.start, &options.event_times.end) {
        (None, None) => None,
        (Some(_), None) => return Err(messages::event_time_alone(FLAGS[0], FLAGS[1])),
        (None, Some(_)) => return Err(messages::event_time_alone(FLAGS[1], FLAGS[0])),
        (Some(start), Some(end)) => Some((time(FLAGS[0], start)?, time(FLAGS[1], end)?)),
    };
    if given.is_some_and(|(start, end)| start >= end) {
        return Err(messages::event_times_reversed());
    }
    // Batches that were not tried belong to the run that is retried.
    let began = options.retries.as_ref().and_then(|previous| previous.started_at);
    let window = BatchWindow::default();
    Ok(BatchWindow { given, now: began.unwrap_or(window.now) })
}

/// Prints the plan.
fn dry_run(
    workspace: &Workspace,
    selected: SelectedNodes,
    scope: Scope,
    options: &BuildOptions,
    console: &Console,
) -> Result<bool> {
    let warehouse = workspace.warehouse_read_only()?;
    let session = warehouse.as_ref().map(Warehouse::session).transpose()?;
    let catalog = workspace::catalog(session.as_ref())?;
    let plan = Plan::new(&workspace.graph, selected, scope, &catalog, workspace.target())?;
    let unchanged = match &session {
        Some(session) if options.changed && !options.full_refresh => {
            plan.unchanged(&Changed::new(&workspace.graph, session, true)?, &workspace.graph, &catalog)
        }
        _ => Default::default(),
    };
    plan.print(&workspace.graph, workspace.target(), options.full_refresh, &catalog, &unchanged, console)?;
    Ok(true)
}

/// The values that every stage needs.
pub(super) struct StageRun<'a> {
    batches: Batches,
    pub workspace: &'a Workspace,
    pub options: &'a BuildOptions,
    pub console: &'a Console,
    pub cancel: &'a Cancel,
    pub results: &'a Results,
    pub warehouse: &'a Warehouse,
}

impl StageRun<'_> {
    /// Runs the stages of a plan. Errors of single nodes are in the results. The returned error belongs to no single
    /// node.
    fn stages(&self, plan: &Plan, session: &Session) -> Result<()> {
        let graph = &self.workspace.graph;
        // Errors that need no data are reported before the first read.
        let before = binder::known(graph, session)?;
        let first = self.first_loads(plan, session, &before)?;
        let mut blocked = Vec::new();
        if !first.is_empty() {
            blocked.extend(self.load(&first)?);
            if blocked.is_empty() {
                self.check(plan, session, &binder::known(graph, session)?)?;
            }
        }
        let rest: Vec<NodeId> = plan.loads.iter().copied().filter(|id| !first.contains(id)).collect();
        if !rest.is_empty() {
            blocked.extend(self.load(&rest)?);
        }
        let loose = graph.loose_tests(&plan.selection);
        if !plan.steps.is_empty() || !loose.is_empty() {
            create_schemas(graph, session, &plan.steps, &loose)?;
            let nodes = plan.steps.iter().filter(|step| step.builds).map(|step| step.node);
            publication::take_in_keys(graph, nodes, self.workspace.target(), session, self.options.full_refresh)?;
            let is_begun = self.hooks(HookTime::Start)?;
            let catalog = session.catalog()?;
            self.all_loaded(plan, &catalog)?;
            let read = plan.steps.iter().filter(|step| step.builds).map(|step| step.node);
            let landing = Landing::new(&self.workspace.target().landing);
            self.results.stage("landing", || intact::check(graph, read, &plan.loads, &catalog, session, &landing))?;
            let now = binder::known(graph, session)?;
            if now != before {
                let everything = graph.select(&[], &[])?;
                let exports = plan::exported(graph, &everything, self.workspace.target())?;
                let lines = impact::changes(graph, &everything, &before, &now, &exports)?;
                lines.iter().for_each(|line| self.console.say(line));
            }
            if blocked.is_empty() && now != before {
                // Check again, with the columns from the loads.
                self.check(plan, session, &now)?;
            }
            let unit_tests: Vec<NodeId> = plan.steps.iter().flat_map(|step| step.unit_tests.clone()).collect();
            let unit_tests = (!unit_tests.is_empty())
                .then(|| UnitTests::prepare(graph, &unit_tests, &now, &session.macros()?, self.cancel))
                .transpose()?;
            let build = Build {
                batches: self.batches.clone(),
                unit_tests,
                graph,
                warehouse: self.warehouse,
                console: self.console,
                results: self.results,
                cancel: self.cancel,
                full_refresh: self.options.full_refresh,
                fail_fast: self.options.fail_fast,
                threads: self.workspace.target().threads,
                compiled: self.workspace.compiled(),
                scratch: self.workspace.artifacts().join("run"),
                blocked,
                catalog,
                changed: Changed::new(graph, session, self.options.changed && !self.options.full_refresh)?,
            };
            if is_begun || !graph.run_hooks.skips_nodes {
                self.results.stage("models", || build.run(&plan.steps, &loose))?;
            } else {
                build.skip_all(&plan.steps, &loose, HookTime::Start.key());
            }
            self.cancel.check()?;
            self.hooks(HookTime::End)?;
        }
        self.publish(&plan.exports, session)
    }

    /// Checks all queries and the contracts of what will be published.
    fn check(&self, plan: &Plan, session: &Session, known: &KnownColumns) -> Result<()> {
        self.checked(plan, session, known)?.1.map_or(Ok(()), Err)
    }

    /// The result of checking the queries, and all errors.
    fn checked(&self, plan: &Plan, session: &Session, known: &KnownColumns) -> Result<(Checked, Option<Error>, usize)> {
        let graph = &self.workspace.graph;
        self.results.stage("check", || {
            let (checked, mut errors) =
                binder::check(graph, &plan.selection, known, Some(session), None, self.console)?;
            if !plan.exports.is_empty() {
                let stands = if self.options.full_refresh { Columns::default() } else { session.columns()? };
                let target = self.workspace.target();
                errors.extend(publication::check_all(graph, &plan.exports, target, &checked.columns, &stands));
            }
            let count = errors.len();
            Ok((checked, Error::many(errors), count))
        })
    }

    /// The first check, with the columns of earlier loads. Documents may have gained the fields that it misses. If
    /// nothing else is wrong, returns the collections of these fields, which are loaded before the next check.
    fn first_loads(&self, plan: &Plan, session: &Session, known: &KnownColumns) -> Result<Vec<NodeId>> {
        let (checked, error, count) = self.checked(plan, session, known)?;
        let Some(error) = error else { return Ok(Vec::new()) };
        let first: Vec<NodeId> = plan.loads.iter().copied().filter(|id| checked.missed.contains(id)).collect();
        if checked.mendable == count && !first.is_empty() {
            return Ok(first);
        }
        Err(error)
    }

    /// Loads collections. Returns the nodes that cannot be built because one of them could not be loaded.
    fn load(&self, loads: &[NodeId]) -> Result<Vec<(NodeId, String)>> {
        let graph = &self.workspace.graph;
        let failed = self.results.stage("extract", || self.extraction().run(loads))?;
        self.cancel.check()?;
        let mut blocked = Vec::new();
        for id in failed {
            let name = graph.node(id).display_name();
            blocked.extend(graph.descendants(id).into_iter().map(|below| (below, name.clone())));
        }
        Ok(blocked)
    }

    /// Runs the hooks of one kind. Returns false if one of them failed.
    fn hooks(&self, time: HookTime) -> Result<bool> {
        let graph = &self.workspace.graph;
        if graph.run_hooks.at(time).is_empty() {
            return Ok(true);
        }
        let Self { warehouse, console, results, cancel, .. } = *self;
        let hooks = RunHookStage { graph, warehouse, console, results, cancel };
        self.results.stage("hooks", || hooks.run(time))
    }

    fn extraction(&self) -> Extraction<'_> {
        Extraction {
            graph: &self.workspace.graph,
            target: self.workspace.target(),
            warehouse: self.warehouse,
            console: self.console,
            results: self.results,
            cancel: self.cancel,
            extent: if self.options.full_refresh { LoadExtent::Anew } else { LoadExtent::Usual },
            fail_fast: self.options.fail_fast,
            threads: self.workspace.target().threads,
        }
    }

    /// Checks that every raw table that a step reads exists.
    fn all_loaded(&self, plan: &Plan, catalog: &elt_warehouse::Catalog) -> Result<()> {
        let graph = &self.workspace.graph;
        let mut errors = Vec::new();
        let is_there = |node: &Node| {
            node.kind != NodeKind::Source
                || plan.loads.contains(&node.id)
                || node.made_by.is_some_and(|seed| plan.selection.contains(seed))
                || plan::exists(node, catalog)
        };
        for step in plan.steps.iter().filter(|step| step.builds) {
            for parent in plan::unmet(graph, step.node, &is_there) {
                let (source, reader) = (parent.display_name(), graph.node(step.node));
                errors.push(match parent.origin {
                    Origin::Loaded => messages::never_loaded(&source, &reader.name),
                    _ => {
                        let seed = parent.made_by.map(|seed| graph.node(seed).name.as_str());
                        let relation = parent.relation.to_string();
                        messages::no_such_table(&source, &relation, &reader.described(), seed).at(parent.place())
                    }
                });
            }
        }
        Error::many(errors).map_or(Ok(()), Err)
    }
}

fn names(graph: &Graph, ids: &[NodeId]) -> String {
    ids.iter().map(|id| format!("`{}`", graph.node(*id).display_name())).collect::<Vec<_>>().join(", ")
}
