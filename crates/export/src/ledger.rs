//! The warehouse's ledger of publications: the state that we expect the target to have, and the changes that a
//! publication is about to make.
//!
//! The order of a publication is the order of these types: `Ledger::open`, `Ledger::reconcile` with the id that the
//! target reports, `Reconciled::begin` before the exporter commits, `Pending::settle` after. Each step consumes the one
//! before. A run that is killed between two steps leaves a ledger from which the next run's `reconcile` learns what
//! happened.
//!
//! Writes the SQL of `_elt.publication_*`; whoever implements `LedgerStore` runs it. Knows no driver and no target.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::TextRows;
use super::delta::{self, Delta};
use super::publication::Coverage;
use elt_base::error::Result;
use elt_base::schema::literal;

/// The statements that create the ledger; they do not change an existing ledger.
const CREATE: [&str; 6] = [
    "create schema if not exists _elt",
    "create schema if not exists _elt_published",
    "create table if not exists _elt.publication_state (current varchar, pending varchar)",
    "create table if not exists _elt.publication_pending (position integer, statement varchar)",
    "create table if not exists _elt.publication_tables (name varchar, signature varchar)",
    "alter table _elt.publication_tables add column if not exists fingerprint varchar",
];

/// The signature of a table whose snapshot is no longer trusted, and that has not been published since.
const DISTRUSTED: &str = "diverged";

/// Runs SQL in the warehouse.
pub trait LedgerStore {
    fn execute(&self, statement: &str) -> Result<()>;

    /// All rows, as text.
    fn rows(&self, query: &str) -> Result<TextRows>;

    /// Runs all statements in one transaction, or none.
    fn transact(&self, statements: &[String]) -> Result<()>;
}

/// The ledger, while no publication is running.
pub struct Ledger<'a> {
    store: &'a dyn LedgerStore,
    /// The id of the publication that the snapshots represent.
    current: Option<String>,
    /// The id of the publication whose commit got no answer.
    pending: Option<String>,
}

/// The ledger, compared with the target.
pub struct Reconciled<'a> {
    ledger: Ledger<'a>,
    snapshots: Snapshots,
}

/// Whether the warehouse's snapshots can be used.
pub struct Snapshots {
    /// The target has the rows that the snapshots represent.
    is_current: bool,
    is_diverged: bool,
    /// By label.
    recorded: BTreeMap<String, RecordedSnapshot>,
}

/// The ledger's record of one table's snapshot.
struct RecordedSnapshot {
    signature: String,
    /// None: an earlier version recorded it.
    fingerprint: Option<String>,
}

/// A table that was staged, for `begin`.
pub struct StagedDelta<'a> {
    pub delta: &'a Delta<'a>,
    pub coverage: Coverage,
    /// The relation's.
    pub fingerprint: Option<String>,
}

/// A publication that the ledger knows of and that the target may commit. Dropped unsettled, its outcome is unknown.
pub struct Pending<'a> {
    store: &'a dyn LedgerStore,
    id: String,
    current: Option<String>,
    promotions: Vec<String>,
}

impl<'a> Ledger<'a> {
    /// Creates the ledger if it does not exist, and reads it.
    pub fn open(store: &'a dyn LedgerStore) -> Result<Self> {
        CREATE.iter().try_for_each(|statement| store.execute(statement))?;
        let state = store.rows("select current, pending from _elt.publication_state")?;
        let state = state.into_iter().next().unwrap_or_default();
        let at = |index: usize| state.get(index).cloned().flatten();
        Ok(Self { store, current: at(0), pending: at(1) })
    }

    /// The id of the publication that the snapshots represent; None before the first publication.
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// The tables that were published earlier and are not in `published`.
    pub fn left_behind(&self, published: &BTreeSet<String>) -> Result<Vec<String>> {
        let names = self.store.rows("select name from _elt.publication_tables order by name")?;
        let names = names.into_iter().filter_map(|row| row.into_iter().next().flatten());
        Ok(names.filter(|name| !published.contains(name)).collect())
    }

    /// Forgets tables, with their snapshots.
    pub fn forget(&self, labels: &[String]) -> Result<()> {
        let statements: Vec<String> = labels
            .iter()
            .flat_map(|label| {
                [
                    delta::drop_snapshot(label),
                    format!("delete from _elt.publication_tables where name = {}", literal(label)),
                ]
            })
            .collect();
        if statements.is_empty() { Ok(()) } else { self.store.transact(&statements) }
    }

    /// Records the fingerprint of a table whose snapshot an earlier version made.
    pub fn record_fingerprint(&self, label: &str, fingerprint: &str) -> Result<()> {
        let (fingerprint, name) = (literal(fingerprint), literal(label));
        self.store
            .execute(&format!("update _elt.publication_tables set fingerprint = {fingerprint} where name = {name}"))
    }

    /// Compares the ledger with `target`, the id of the last publication that the target recorded. A publication that
    /// the target has committed, and whose answer was lost, becomes the current one. `is_distrusted`: compare all
    /// tables in full, even if the ids match.
    pub fn reconcile(mut self, target: Option<&str>, is_distrusted: bool) -> Result<Reconciled<'a>> {
        let is_committed = target.is_some() && target == self.pending.as_deref() && target != self.current.as_deref();
        let is_cut_off =
            target.zip(self.pending.as_deref()).is_some_and(|(target, pending)| target == cut_off(pending));
        if let (true, Some(id)) = (is_committed, self.pending.take()) {
            let promotions = self
                .store
                .rows("select statement from _elt.publication_pending where position >= 0 order by position")?;
            let mut statements: Vec<String> =
                promotions.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
            statements.extend(set_state(Some(&id), None));
            self.store.transact(&statements)?;
            self.current = Some(id);
        }
        if is_cut_off {
            let claims = "select statement from _elt.publication_pending where position < 0 order by position desc";
            let claims = self.store.rows(claims)?;
            let mut statements: Vec<String> =
                claims.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
            statements.extend(set_state(self.current.as_deref(), None));
            self.store.transact(&statements)?;
        }
        let is_same = target == self.current.as_deref();
        let mut recorded = BTreeMap::new();
        for row in self.store.rows("select name, signature, fingerprint from _elt.publication_tables")? {
            if let [Some(name), Some(signature), fingerprint] = row.as_slice() {
                let snapshot = RecordedSnapshot { signature: signature.clone(), fingerprint: fingerprint.clone() };
                recorded.insert(name.clone(), snapshot);
            }
        }
        let snapshots = Snapshots {
            is_current: is_same && !is_distrusted,
            // A target that nobody published to yet diverges from nothing.
            is_diverged: !is_same && (self.current.is_some() || target.is_some()),
            recorded,
        };
        Ok(Reconciled { ledger: self, snapshots })
    }
}

impl Snapshots {
    /// The target's last publication is not ours: the target was restored, or another warehouse published to it.
    pub fn is_diverged(&self) -> bool {
        self.is_diverged
    }

    /// Whether this table's snapshot may differ from the target, because a run healed other tables but not this one.
    pub fn is_distrusted(&self, label: &str) -> bool {
        self.is_diverged || self.recorded.get(label).is_some_and(|recorded| recorded.signature == DISTRUSTED)
    }

    /// How a table is compared: with its snapshot, if that is comparable and represents the target's rows.
    pub fn coverage(&self, delta: &Delta<'_>, wants_everything: bool) -> Coverage {
        let recorded = self.recorded.get(delta.label());
        let is_comparable = recorded.is_some_and(|recorded| recorded.signature == delta.signature());
        if self.is_current && is_comparable && !wants_everything { Coverage::Delta } else { Coverage::Everything }
    }

    /// The fingerprint that the relation had when it was published.
    pub fn fingerprint(&self, label: &str) -> Option<&str> {
        self.recorded.get(label)?.fingerprint.as_deref()
    }

    /// Whether this table has a snapshot without a fingerprint.
    pub fn lacks_fingerprint(&self, label: &str) -> bool {
        self.recorded.get(label).is_some_and(|recorded| recorded.fingerprint.is_none())
    }
}

impl<'a> Reconciled<'a> {
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Records that the publication `id` is about to be committed with these tables. If the target does not have the
    /// rows that the snapshots represent, no snapshot is trusted from here on. (Not earlier, so that the next run finds
    /// again a difference that must not be healed.)
    pub fn begin(self, id: &str, staged: &[StagedDelta<'_>]) -> Result<Pending<'a>> {
        let Ledger { store, mut current, .. } = self.ledger;
        let mut statements = Vec::new();
        if !self.snapshots.is_current {
            statements.push(format!(
                "update _elt.publication_tables set signature = {}, fingerprint = null",
                literal(DISTRUSTED)
            ));
            current = None;
        }
        let promotions: Vec<String> = staged.iter().flat_map(promotion).collect();
        let claims: Vec<String> = staged.iter().flat_map(|staged| staged.delta.claim(staged.coverage)).collect();
        statements.extend(set_state(current.as_deref(), Some(id)));
        statements.extend(promotions.iter().enumerate().map(|(position, statement)| {
            format!("insert into _elt.publication_pending values ({position}, {})", literal(statement))
        }));
        // Below zero: they run only if the publication is cut off.
        statements.extend(claims.iter().enumerate().map(|(position, statement)| {
            format!("insert into _elt.publication_pending values (-{}, {})", position + 1, literal(statement))
        }));
        store.transact(&statements)?;
        Ok(Pending { store, id: id.to_owned(), current, promotions })
    }
}

impl<'a> Pending<'a> {
    /// Ends the publication. It becomes the current one if the target `has_published`; otherwise there were no changes.
    pub fn settle(self, has_published: bool) -> Result<Ledger<'a>> {
        let Self { store, id, current, promotions } = self;
        let (mut statements, current) = if has_published { (promotions, Some(id)) } else { (Vec::new(), current) };
        statements.extend(set_state(current.as_deref(), None));
        store.transact(&statements)?;
        Ok(Ledger { store, current, pending: None })
    }
}

/// The statements that make a table's snapshot current after the target has received the changes.
fn promotion(staged: &StagedDelta<'_>) -> Vec<String> {
    let StagedDelta { delta, coverage, fingerprint } = staged;
    let name = literal(delta.label());
    let mut statements = delta.promote(*coverage);
    statements.push(format!("delete from _elt.publication_tables where name = {name}"));
    statements.push(format!(
        "insert into _elt.publication_tables (name, signature, fingerprint) values ({name}, {}, {})",
        literal(&delta.signature()),
        fingerprint.as_deref().map_or("null".into(), literal)
    ));
    statements
}

/// The last publication of a target without transactions that was cut off: it has neither the old rows nor the new.
pub(crate) fn cut_off(id: &str) -> String {
    format!("{id}, cut off")
}

fn set_state(current: Option<&str>, pending: Option<&str>) -> Vec<String> {
    let mut statements =
        vec!["delete from _elt.publication_pending".to_owned(), "delete from _elt.publication_state".to_owned()];
    if current.is_some() || pending.is_some() {
        let text = |id: Option<&str>| id.map_or("null".into(), literal);
        statements.push(format!("insert into _elt.publication_state values ({}, {})", text(current), text(pending)));
    }
    statements
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
