//! Publishes relations of the warehouse: finds what changed, stages it, commits, and keeps the ledger.
//!
//! Composes `export` and `warehouse` in the order that `export` describes; knows no driver and no model.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arrow::record_batch::RecordBatch;
use parking_lot::Mutex;

use crate::messages;
use crate::report::{Activity, Console, Line, Stage, Status};
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::failpoint::failpoint;
use elt_base::numbers::counted;
use elt_base::numbers::thousands;
use elt_base::wait::Wait;
use elt_export::delta::{Delta, FoundChanges};
use elt_export::ledger::{Ledger, LedgerStore, Snapshots, StagedDelta};
use elt_export::{
    Changes, Counts, Coverage, Difference, Exporter, Opening, Publication, Published, Queries, Sink, Table,
};
use elt_project::{ExportPolicy, ExportProfile, FileFormat, OnDivergence};
use elt_warehouse::{Session, Warehouse};

use super::results::{NodeResult, Results};

/// A commit that takes longer than this, of at least so many rows, gets a line of its own.
const COMMIT_SECONDS: f64 = 0.1;
const COMMIT_ROWS: u64 = 1_000;
/// A commit that takes longer than this gets a line whatever its rows, because it waited for another session.
const COMMIT_SECONDS_FEW_ROWS: f64 = 1.0;

/// The memory that DuckDB may use per thread to compare.
const MEMORY_MB_A_THREAD: usize = 100;
/// A table of more fields, nested ones included, needs more, for each field of a row.
const WIDE_FIELDS: usize = 200;
const MEMORY_MB_A_WIDE_FIELD: usize = 1;
/// Files of at most this many rows are written in the key's order. For longer files DuckDB would spill the sort to
/// disk, and no reader needs the order.
const ROWS_ORDERED_MAX: u64 = 1_000_000;

/// A publication to make.
pub struct Publish<'a> {
    pub warehouse: &'a Warehouse,
    pub profile: &'a ExportProfile,
    /// The profile's policy, changed by flags.
    pub policy: ExportPolicy,
    pub project: &'a str,
    pub target: &'a str,
    /// Tables in foreign-key order.
    pub tables: Vec<PublishedTable>,
    /// Only compare, in full, and change nothing.
    pub verify: bool,
    /// Compare in full even if the ids match, and set the target back to the warehouse's data.
    pub heal: bool,
    /// Take over the rows of others that have keys of the models.
    pub adopt: bool,
    /// Only count the rows that a publication would change, and change nothing.
    pub preview: bool,
    /// The names of all tables that are still published, whether this time or not.
    pub stay: BTreeSet<String>,
    pub threads: usize,
    /// The profile has a `memory_limit`.
    pub has_memory_limit: bool,
    pub console: &'a Console,
    pub results: &'a Results,
    pub cancel: &'a Cancel,
}

/// A table to publish, and where its rows are.
pub struct PublishedTable {
    pub table: Table,
    /// The relation as SQL names it.
    pub relation: String,
    /// It stores its rows. (A view does not: its query runs at each read.)
    pub is_stored: bool,
    /// A fingerprint of the query and configuration that it was built with.
    pub definition: Option<String>,
}

/// The result of staging one table.
pub(super) struct Staged {
    pub(super) counts: Counts,
    pub(super) coverage: Coverage,
    pub(super) staged: bool,
    /// The relation's fingerprint, if it was computed.
    fingerprint: Option<String>,
    seconds: f64,
}

impl Publish<'_> {
    /// Publishes, and reports each table to the console and the results. After an error the target is unchanged, unless
    /// the error says that the outcome is unknown.
    pub fn run(&self) -> Result<()> {
        let session = self.warehouse.session()?;
        let store = WarehouseLedger(&session);
        let ledger = Ledger::open(&store, &self.profile.identity())?;
        let tables: Vec<Table> = self.tables.iter().map(|published| published.table.clone()).collect();
        let mut publication = Publication::new(self.project, self.target, tables);
        let definitions = self
            .tables
            .iter()
            .filter_map(|PublishedTable { table, definition, .. }| Some((table.label.clone(), definition.clone()?)));
        publication.definitions = definitions.collect();
        let id = publication.id.clone();
        let _in_publication = tracing::debug_span!("publication", id).entered();
        // The exporter has its own session, so that no other code runs statements in its transaction.
        let own = self.warehouse.session()?;
        let interrupter = own.interrupter();
        self.cancel.on_request(move || interrupter.interrupt());
        let own = Mutex::new(own);
        let engine = |sql: &str| -> Result<_> { Ok(own.lock().rows(sql)?) };
        let opening = Opening {
            publication,
            policy: self.policy,
            cancel: self.cancel,
            say: &|text| self.console.say(text),
            engine: &engine,
        };
        let target = elt_export::target(&self.profile.place);
        let wait = Wait::new(target.place(), "opening the publication");
        let exporter = target.open(opening)?;
        drop(wait);
        if self.verify && !exporter.capabilities().can_compare {
            return Err(messages::export_cannot_verify(exporter.capabilities().called));
        }
        let reconciled = ledger.reconcile(exporter.last(), self.verify || self.heal)?;
        if reconciled.snapshots().is_diverged() {
            self.note(match exporter.last() {
                Some(_) => "the target is not in the state of our last publication; comparing in full",
                None => {
                    "the target has lost its record of publications; comparing in full. Its tables now count as \
                     tables of others, whose changes are not noticed"
                }
            });
        }
        let version = session.value("select version()")?.unwrap_or_default();
        let deltas: Vec<Delta<'_>> = self
            .tables
            .iter()
            .map(|published| {
                let shape = exporter.capabilities().shape;
                Delta::new(&published.table, &published.relation, &version, shape).with(reconciled.names())
            })
            .collect();
        let is_bounded = self.bound_memory(&session);
        let staged = self.stage_all(exporter.as_ref(), &deltas, reconciled.snapshots());
        if is_bounded {
            session.execute("reset memory_limit")?;
        }
        let staged = staged?;
        failpoint("export.staged");
        self.cancel.check()?;
        let others = exporter.others()?;
        if self.preview {
            return self.show_preview(exporter.as_ref(), &staged, &others);
        }
        self.look_for_differences(exporter.as_ref(), reconciled.snapshots())?;
        if self.verify {
            return Ok(());
        }
        let of_others = self.mind_others(&session, &deltas, &others)?;
        let (sent, kept): (Vec<_>, Vec<_>) = deltas.iter().zip(&staged).partition(|(_, staged)| staged.staged);
        // An earlier version made their snapshots.
        let unrecorded: Vec<_> = kept
            .into_iter()
            .filter(|(delta, _)| reconciled.snapshots().lacks_fingerprint(delta.label()))
            .filter_map(|(delta, staged)| Some((delta.label(), staged.fingerprint.as_deref()?)))
            .collect();
        let sent: Vec<StagedDelta<'_>> = sent
            .into_iter()
            .map(|(delta, staged)| StagedDelta {
                delta,
                coverage: staged.coverage,
                fingerprint: staged.fingerprint.clone(),
            })
            .collect();
        let pending = reconciled.begin(&id, &sent)?;
        for note in exporter.notes().into_iter().chain(of_others) {
            self.note(&note);
        }
        failpoint("export.before_commit");
        let started = Instant::now();
        let published = self.results.stage("commit", || exporter.commit())?;
        self.report_commit(&published, started.elapsed().as_secs_f64());
        published.notes.iter().for_each(|note| self.note(note));
        failpoint("export.after_commit");
        let ledger = pending.settle(published.id.is_some())?;
        for (PublishedTable { table, .. }, staged) in self.tables.iter().zip(&staged) {
            let counts = published
                .tables
                .iter()
                .find(|(label, _)| *label == table.label)
                .map_or(staged.counts, |(_, counts)| *counts);
            self.report(table, counts, staged.seconds);
        }
        for (label, fingerprint) in unrecorded {
            ledger.record_fingerprint(label, fingerprint)?;
        }
        self.forget(&ledger)
    }

    /// Prints a note, with the name of the export if it has one.
    fn note(&self, text: &str) {
        self.console.say(&format!("  note: {}", self.profile.table(text)));
    }

    /// Prevents DuckDB from filling the machine's memory with pages of relations that it only scans. Does so only if
    /// the profile sets no limit, and no view is published (its query may need more memory). True if it set a limit.
    fn bound_memory(&self, session: &Session) -> bool {
        let is_bounded = !self.has_memory_limit && self.tables.iter().all(|published| published.is_stored);
        let fields = |published: &PublishedTable| {
            let columns = &published.table.columns;
            columns.iter().map(|column| column.duckdb_type.matches(',').count() + 1).sum::<usize>()
        };
        let widest = self.tables.iter().map(fields).max().unwrap_or(0);
        let a_thread = MEMORY_MB_A_THREAD + widest.saturating_sub(WIDE_FIELDS) * MEMORY_MB_A_WIDE_FIELD;
        let megabytes = a_thread * self.threads.max(2);
        // DuckDB rejects the limit if more memory is in use and cannot be released.
        is_bounded && session.execute(&format!("set memory_limit = '{megabytes}MB'")).is_ok()
    }

    /// Reports once, for each table that is no longer published, that it stays in the target, because elt never drops a
    /// table there. Its model was removed, became ephemeral or is no longer selected.
    fn forget(&self, ledger: &Ledger<'_>) -> Result<()> {
        let left = ledger.left_behind(&self.stay)?;
        let target = elt_export::target(&self.profile.place);
        for name in &left {
            if let Some(place) = target.place_of(name) {
                self.note(&format!(
                    "{place} is no longer published and stays as it is; drop it yourself if nobody needs it"
                ));
            }
        }
        ledger.forget(&left)
    }

    /// Reports the time of the transaction that applies the staged rows, if the time is long enough for a line.
    fn report_commit(&self, published: &Published, seconds: f64) {
        let changed = |counts: &Counts| counts.inserted + counts.updated + counts.deleted;
        let rows: u64 = published.tables.iter().map(|(_, counts)| changed(counts)).sum();
        let is_long = seconds > COMMIT_SECONDS && rows >= COMMIT_ROWS || seconds > COMMIT_SECONDS_FEW_ROWS;
        if published.id.is_some() && is_long {
            self.console.line(&Line {
                stage: Stage::Export,
                name: self.profile.table("commit"),
                status: Status::Success,
                amount: None,
                seconds,
                note: String::new(),
            });
        }
    }

    /// Reports the differences if the target is not in the state of our last publication; an error if the policy does
    /// not allow healing.
    fn look_for_differences(&self, exporter: &dyn Exporter, snapshots: &Snapshots) -> Result<()> {
        let touched = exporter.touched();
        let is_suspect =
            |label: &String| self.verify || self.heal || snapshots.is_distrusted(label) || touched.contains(label);
        let labels = self.tables.iter().map(|published| published.table.label.clone());
        let suspects: Vec<String> = labels.filter(is_suspect).collect();
        if suspects.is_empty() {
            return Ok(());
        }
        if self.policy.on_divergence == OnDivergence::Fail && !exporter.capabilities().can_compare {
            return Err(messages::export_diverged(&[
                "the target is not in the state of our last publication".to_owned()
            ]));
        }
        let mut differences = exporter.differences(&suspects)?;
        if !self.verify {
            // The policy on conflicts decides about these.
            differences.iter_mut().for_each(Difference::drop_conflicts);
            differences.retain(|difference| !difference.is_zero());
        }
        let has_conflicts = differences.iter().any(|difference| difference.conflicts > 0);
        let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
        if self.verify {
            return match lines.is_empty() {
                true => {
                    self.console.say(&self.profile.table(&format!(
                        "the target has the same data as the warehouse, in {}",
                        tables(suspects.len())
                    )));
                    Ok(())
                }
                false => Err(messages::export_differs(&lines, has_conflicts)),
            };
        }
        if self.policy.on_divergence == OnDivergence::Fail && !lines.is_empty() {
            return Err(messages::export_diverged(&lines));
        }
        for line in lines {
            self.note(&format!("changed by others, and set back to the warehouse's data: {line}"));
        }
        Ok(())
    }

    /// Computes and stages every table, several at the same time. The first error ends it, except an error about values
    /// that the target cannot store.
    fn stage_all(&self, exporter: &dyn Exporter, deltas: &[Delta<'_>], snapshots: &Snapshots) -> Result<Vec<Staged>> {
        let next = AtomicUsize::new(0);
        let done: Vec<Mutex<Option<Result<Staged>>>> = deltas.iter().map(|_| Mutex::new(None)).collect();
        let parent = tracing::Span::current();
        let one_thread = || {
            let _in_parent = parent.enter();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(delta) = deltas.get(index) else { return };
                let _in_table = tracing::debug_span!("table", name = delta.label()).entered();
                let staged = self.stage(exporter, delta, &self.tables[index], snapshots);
                let staged = staged.map_err(|error| messages::export_memory(error, delta.label()));
                // Errors about values are reported for all tables at once.
                if staged.as_ref().is_err_and(|error| !error.is_of_values()) {
                    next.store(deltas.len(), Ordering::Relaxed);
                }
                *done[index].lock() = Some(staged);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads.min(deltas.len()) {
                scope.spawn(one_thread);
            }
            one_thread();
        });
        let mut all = Vec::with_capacity(deltas.len());
        let mut errors = Vec::new();
        for staged in done {
            match staged.into_inner() {
                Some(Ok(staged)) => all.push(staged),
                Some(Err(error)) => errors.push(error),
                None => {}
            }
        }
        match Error::many(errors) {
            Some(error) => Err(error),
            None => Ok(all),
        }
    }

    fn stage(
        &self,
        exporter: &dyn Exporter,
        delta: &Delta<'_>,
        published: &PublishedTable,
        snapshots: &Snapshots,
    ) -> Result<Staged> {
        let table = &published.table;
        self.cancel.check()?;
        let activity = self.console.begin(Stage::Export, &self.profile.table(&table.label), "rows", None);
        let session = self.warehouse.session()?;
        let interrupter = session.interrupter();
        self.cancel.on_request(move || interrupter.interrupt());
        let keeps_others = exporter.keeps_others(&table.label) && !table.key.is_empty();
        let wants_everything = exporter.wants_everything(&table.label) || self.adopt && keeps_others;
        let coverage = match snapshots.coverage(delta, wants_everything) {
            Coverage::Everything if keeps_others => Coverage::Own,
            coverage => coverage,
        };
        let mut fingerprint = None;
        if coverage == Coverage::Delta && published.is_stored {
            fingerprint = session.value(&delta.fingerprint())?;
            if fingerprint.is_some() && fingerprint.as_deref() == snapshots.fingerprint(&table.label) {
                let (counts, seconds) = (Counts::default(), activity.seconds());
                return Ok(Staged { counts, coverage, staged: false, fingerprint, seconds });
            }
        }
        let statements = match coverage {
            Coverage::Own => delta.compute_own(&snapshot_columns(&session, delta)?),
            _ => delta.compute(coverage),
        };
        for statement in statements {
            session.execute(&statement)?;
        }
        if coverage.is_full() {
            fingerprint = session.value(&delta.fingerprint_computed())?;
        }
        let found = FoundChanges::read(&session.rows(&delta.counts(coverage))?);
        found.check(table)?;
        let staged = delta.staged(coverage, &found.counts);
        if let Some(staged) = staged {
            let wait = Wait::new(exporter.capabilities().called, format!("staging `{}`", table.label));
            let counts = found.counts;
            let mut changes =
                WarehouseChanges { session: &session, delta, staged, counts, activity: &activity, wait: &wait };
            exporter.stage(&table.label, staged, &mut changes)?;
        }
        let (counts, staged) = (found.counts, staged.is_some());
        Ok(Staged { counts, coverage, staged, fingerprint, seconds: activity.seconds() })
    }

    fn report(&self, table: &Table, counts: Counts, seconds: f64) {
        let of = self.profile.name.as_ref().map_or_else(String::new, |name| format!("{name}."));
        let id = format!("export.{}.{of}{}", self.project, table.label);
        let name = self.profile.table(&table.label);
        let mut result = NodeResult::new(Stage::Export, id, name, Status::Success).of_export(self.profile);
        let changed = counts.inserted + counts.updated + counts.deleted;
        result.amount = Some((changed, "rows"));
        result.note = if changed == 0 {
            "unchanged".into()
        } else {
            let parts = [(counts.inserted, "inserted"), (counts.updated, "updated"), (counts.deleted, "deleted")];
            let parts: Vec<_> = parts
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{} {what}", thousands(count)))
                .collect();
            parts.join(", ")
        };
        result.seconds = seconds;
        self.console.line(&result.line());
        self.results.push(result);
    }
}

/// The columns of a table's snapshot; none if it was never published.
pub(super) fn snapshot_columns(session: &Session, delta: &Delta<'_>) -> Result<Vec<String>> {
    Ok(session.rows(&delta.snapshot_columns())?.into_iter().flatten().flatten().collect())
}

fn tables(count: usize) -> String {
    counted(count as u64, "tables")
}

/// The warehouse, as the ledger asks for it.
pub struct WarehouseLedger<'a>(pub &'a Session);

impl LedgerStore for WarehouseLedger<'_> {
    fn execute(&self, statement: &str) -> Result<()> {
        Ok(self.0.execute(statement)?)
    }

    fn rows(&self, query: &str) -> Result<Vec<Vec<Option<String>>>> {
        Ok(self.0.rows(query)?)
    }

    fn transact(&self, statements: &[String]) -> Result<()> {
        let session = self.0;
        session.begin()?;
        let run = statements.iter().try_for_each(|statement| session.execute(statement));
        run.and_then(|()| session.commit()).map_err(|error| {
            session.rollback();
            error.into()
        })
    }
}

/// One table's changes, read from the warehouse as the exporter asks for them.
struct WarehouseChanges<'a> {
    session: &'a Session,
    delta: &'a Delta<'a>,
    staged: Coverage,
    counts: Counts,
    activity: &'a Activity,
    wait: &'a Wait,
}

impl WarehouseChanges<'_> {
    /// Gives the sink what the query finds. To ask for a batch shows that the target took the one before it.
    fn stream(&self, query: &str, sink: &mut Sink<'_>) -> Result<()> {
        let mut heard = |batch: &RecordBatch| {
            self.wait.heard();
            sink(batch)
        };
        self.session.stream::<Error>(query, &mut heard).map(drop)
    }

    /// As `stream`, for rows that are written: they count as the table's progress.
    fn stream_rows(&self, query: &str, sink: &mut Sink<'_>) -> Result<()> {
        let mut counting = |batch: &RecordBatch| {
            self.activity.advance(batch.num_rows() as u64);
            sink(batch)
        };
        self.stream(query, &mut counting)
    }
}

impl Changes for WarehouseChanges<'_> {
    fn counts(&self) -> Counts {
        self.counts
    }

    fn rows(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        self.stream_rows(&self.delta.rows(self.staged), sink)
    }

    fn marked_rows(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        self.stream_rows(&self.delta.marked_rows(), sink)
    }

    fn deletes(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        self.stream(&self.delta.deletes(), sink)
    }

    fn keys(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        self.stream(&self.delta.keys(), sink)
    }

    fn queries(&self) -> Queries {
        self.delta.queries(self.staged)
    }

    fn write_file(&mut self, path: &Path, format: &FileFormat, rows: Option<&str>) -> Result<u64> {
        let is_ordered = self.session.count(&self.delta.count())? <= ROWS_ORDERED_MAX;
        let statement = self.delta.copy(path, format, rows, is_ordered);
        self.session.change(&statement).map_err(|error| messages::export_copy(self.delta.label(), path, &error))
    }
}
