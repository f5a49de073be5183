//! The warehouse's ledger of publications: the state that we expect the target to have, and the changes that a
//! publication is about to make.
//!
//! The order of a publication is the order of these types: `Ledger::open`, `Ledger::reconcile` with the id that the
//! target reports, `Reconciled::begin` before the exporter commits, `Pending::settle` after. Each step consumes the one
//! before. A run that is killed between two steps leaves a ledger from which the next run's `reconcile` learns what
//! happened.
//!
//! Each place that the warehouse publishes to has its own. Writes the SQL of `_elt.publication_*`; whoever implements `LedgerStore` runs it. Knows no driver and no target.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::TextRows;
use super::delta::Delta;
use super::ledger_names::LedgerNames;
use super::publication::Coverage;
use elt_base::error::Result;
use elt_base::schema::literal;

/// The places that have a ledger, and the tags of its names.
const PLACES: &str = "create table if not exists _elt.publication_places (place varchar, tag varchar)";

/// The statements that create the ledger; they do not change an existing ledger.
fn create(names: &LedgerNames) -> [String; 5] {
    let LedgerTables { state, pending, tables } = LedgerTables::of(names);
    [
        format!("create schema if not exists {}", names.snapshots()),
        format!("create table if not exists {state} (current varchar, pending varchar)"),
        format!("create table if not exists {pending} (position integer, statement varchar)"),
        format!("create table if not exists {tables} (name varchar, signature varchar)"),
        format!("alter table {tables} add column if not exists fingerprint varchar"),
    ]
}

/// The names of the tables, in SQL.
struct LedgerTables {
    state: String,
    pending: String,
    tables: String,
}

impl LedgerTables {
    fn of(names: &LedgerNames) -> Self {
        Self { state: names.state(), pending: names.pending(), tables: names.tables() }
    }
}

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
    place: String,
    names: LedgerNames,
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
    place: String,
    names: LedgerNames,
    id: String,
    current: Option<String>,
    promotions: Vec<String>,
}

impl<'a> Ledger<'a> {
    /// Creates the ledger of a place if it does not exist, and reads it. `place` identifies the place without secrets.
    pub fn open(store: &'a dyn LedgerStore, place: &str) -> Result<Self> {
        store.execute("create schema if not exists _elt")?;
        store.execute(PLACES)?;
        let places = places(store)?;
        let known = places.iter().find(|(known, _)| known == place);
        let names = match known {
            Some((_, tag)) => LedgerNames::of_tag(tag),
            None if places.is_empty() => LedgerNames::default(),
            None => LedgerNames::of_place(place),
        };
        if known.is_none() {
            let (place, tag) = (literal(place), literal(names.tag()));
            store.execute(&format!("insert into _elt.publication_places values ({place}, {tag})"))?;
        }
        Self::read(store, place, names)
    }

    fn read(store: &'a dyn LedgerStore, place: &str, names: LedgerNames) -> Result<Self> {
        create(&names).iter().try_for_each(|statement| store.execute(statement))?;
        let state = store.rows(&format!("select current, pending from {}", names.state()))?;
        let state = state.into_iter().next().unwrap_or_default();
        let at = |index: usize| state.get(index).cloned().flatten();
        Ok(Self { store, place: place.to_owned(), names, current: at(0), pending: at(1) })
    }

    /// The ledger of another place that knows `id`, if this one is new: the place is now written in another way.
    fn or_moved(self, id: &str) -> Result<Self> {
        if self.current.is_some() || self.pending.is_some() {
            return Ok(self);
        }
        let Self { store, place, .. } = &self;
        for (known, tag) in places(*store)?.into_iter().filter(|(known, _)| known != place) {
            let other = Self::read(*store, place, LedgerNames::of_tag(tag))?;
            if [&other.current, &other.pending].into_iter().flatten().any(|known| known == id) {
                let (own, known) = (literal(place), literal(&known));
                store.transact(&[
                    format!("delete from _elt.publication_places where place = {own}"),
                    format!("update _elt.publication_places set place = {own} where place = {known}"),
                ])?;
                return Ok(other);
            }
        }
        Ok(self)
    }

    /// The id of the publication that the snapshots represent; None before the first publication.
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// The tables that were published earlier and are not in `published`.
    pub fn left_behind(&self, published: &BTreeSet<String>) -> Result<Vec<String>> {
        let names = self.store.rows(&format!("select name from {} order by name", self.names.tables()))?;
        let names = names.into_iter().filter_map(|row| row.into_iter().next().flatten());
        Ok(names.filter(|name| !published.contains(name)).collect())
    }

    /// Forgets tables, with their snapshots.
    pub fn forget(&self, labels: &[String]) -> Result<()> {
        let statements: Vec<String> = labels
            .iter()
            .flat_map(|label| {
                [
                    self.names.drop_snapshot(label),
                    format!("delete from {} where name = {}", self.names.tables(), literal(label)),
                ]
            })
            .collect();
        if statements.is_empty() { Ok(()) } else { self.store.transact(&statements) }
    }

    /// Records the fingerprint of a table whose snapshot an earlier version made.
    pub fn record_fingerprint(&self, label: &str, fingerprint: &str) -> Result<()> {
        let (fingerprint, name, tables) = (literal(fingerprint), literal(label), self.names.tables());
        self.store.execute(&format!("update {tables} set fingerprint = {fingerprint} where name = {name}"))
    }

    /// Compares the ledger with `target`, the id of the last publication that the target recorded. A publication that
    /// the target has committed, and whose answer was lost, becomes the current one. `is_distrusted`: compare all
    /// tables in full, even if the ids match.
    pub fn reconcile(self, target: Option<&str>, is_distrusted: bool) -> Result<Reconciled<'a>> {
        let mut this = match target {
            Some(id) => self.or_moved(id)?,
            None => self,
        };
        let is_committed = target.is_some() && target == this.pending.as_deref() && target != this.current.as_deref();
        let is_cut_off =
            target.zip(this.pending.as_deref()).is_some_and(|(target, pending)| target == cut_off(pending));
        if let (true, Some(id)) = (is_committed, this.pending.take()) {
            let promotions = this.store.rows(&format!(
                "select statement from {} where position >= 0 order by position",
                this.names.pending()
            ))?;
            let mut statements: Vec<String> =
                promotions.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
            statements.extend(set_state(&this.names, Some(&id), None));
            this.store.transact(&statements)?;
            this.current = Some(id);
        }
        if is_cut_off {
            let claims =
                format!("select statement from {} where position < 0 order by position desc", this.names.pending());
            let claims = this.store.rows(&claims)?;
            let mut statements: Vec<String> =
                claims.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
            statements.extend(set_state(&this.names, this.current.as_deref(), None));
            this.store.transact(&statements)?;
        }
        let is_same = target == this.current.as_deref();
        let mut recorded = BTreeMap::new();
        for row in this.store.rows(&format!("select name, signature, fingerprint from {}", this.names.tables()))? {
            if let [Some(name), Some(signature), fingerprint] = row.as_slice() {
                let snapshot = RecordedSnapshot { signature: signature.clone(), fingerprint: fingerprint.clone() };
                recorded.insert(name.clone(), snapshot);
            }
        }
        let snapshots = Snapshots {
            is_current: is_same && !is_distrusted,
            // A target that nobody published to yet diverges from nothing.
            is_diverged: !is_same && (this.current.is_some() || target.is_some()),
            recorded,
        };
        Ok(Reconciled { ledger: this, snapshots })
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

    /// The names of the ledger's tables, for the deltas.
    pub fn names(&self) -> &LedgerNames {
        &self.ledger.names
    }

    /// Records that the publication `id` is about to be committed with these tables. If the target does not have the
    /// rows that the snapshots represent, no snapshot is trusted from here on. (Not earlier, so that the next run finds
    /// again a difference that must not be healed.)
    pub fn begin(self, id: &str, staged: &[StagedDelta<'_>]) -> Result<Pending<'a>> {
        let Ledger { store, place, names, mut current, .. } = self.ledger;
        let mut statements = Vec::new();
        if !self.snapshots.is_current {
            statements.push(format!(
                "update {} set signature = {}, fingerprint = null",
                names.tables(),
                literal(DISTRUSTED)
            ));
            current = None;
        }
        let promotions: Vec<String> = staged.iter().flat_map(|staged| promotion(&names, staged)).collect();
        let claims: Vec<String> = staged.iter().flat_map(|staged| staged.delta.claim(staged.coverage)).collect();
        statements.extend(set_state(&names, current.as_deref(), Some(id)));
        statements.extend(promotions.iter().enumerate().map(|(position, statement)| {
            format!("insert into {} values ({position}, {})", names.pending(), literal(statement))
        }));
        // Below zero: they run only if the publication is cut off.
        statements.extend(claims.iter().enumerate().map(|(position, statement)| {
            format!("insert into {} values (-{}, {})", names.pending(), position + 1, literal(statement))
        }));
        store.transact(&statements)?;
        Ok(Pending { store, place, names, id: id.to_owned(), current, promotions })
    }
}

impl<'a> Pending<'a> {
    /// Ends the publication. It becomes the current one if the target `has_published`; otherwise there were no changes.
    pub fn settle(self, has_published: bool) -> Result<Ledger<'a>> {
        let Self { store, place, names, id, current, promotions } = self;
        let (mut statements, current) = if has_published { (promotions, Some(id)) } else { (Vec::new(), current) };
        statements.extend(set_state(&names, current.as_deref(), None));
        store.transact(&statements)?;
        Ok(Ledger { store, place, names, current, pending: None })
    }
}

/// The statements that make a table's snapshot current after the target has received the changes.
fn promotion(names: &LedgerNames, staged: &StagedDelta<'_>) -> Vec<String> {
    let StagedDelta { delta, coverage, fingerprint } = staged;
    let name = literal(delta.label());
    let mut statements = delta.promote(*coverage);
    let tables = names.tables();
    statements.push(format!("delete from {tables} where name = {name}"));
    statements.push(format!(
        "insert into {tables} (name, signature, fingerprint) values ({name}, {}, {})",
        literal(&delta.signature()),
        fingerprint.as_deref().map_or("null".into(), literal)
    ));
    statements
}

/// The last publication of a target without transactions that was cut off: it has neither the old rows nor the new.
pub(crate) fn cut_off(id: &str) -> String {
    format!("{id}, cut off")
}

/// The places that have a ledger, with the tags of its names.
fn places(store: &dyn LedgerStore) -> Result<Vec<(String, String)>> {
    let rows = store.rows("select place, tag from _elt.publication_places order by all")?;
    let pair = |row: Vec<Option<String>>| <[Option<String>; 2]>::try_from(row).ok();
    Ok(rows.into_iter().filter_map(pair).filter_map(|[place, tag]| place.zip(tag)).collect())
}

fn set_state(names: &LedgerNames, current: Option<&str>, pending: Option<&str>) -> Vec<String> {
    let mut statements = vec![format!("delete from {}", names.pending()), format!("delete from {}", names.state())];
    if current.is_some() || pending.is_some() {
        let text = |id: Option<&str>| id.map_or("null".into(), literal);
        statements.push(format!("insert into {} values ({}, {})", names.state(), text(current), text(pending)));
    }
    statements
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
