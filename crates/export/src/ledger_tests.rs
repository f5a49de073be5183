//! Tests of the ledger's order, on a store that answers from a list and remembers what was run.

use std::cell::RefCell;

use super::*;
use crate::{Shape, Table};

#[derive(Default)]
struct Remembered {
    state: Vec<Option<String>>,
    tables: Vec<Vec<Option<String>>>,
    transactions: RefCell<Vec<Vec<String>>>,
}

impl Remembered {
    fn at(current: Option<&str>, pending: Option<&str>) -> Self {
        Self { state: vec![current.map(Into::into), pending.map(Into::into)], ..Self::default() }
    }

    /// The statements of the last transaction.
    fn last(&self) -> Vec<String> {
        self.transactions.borrow().last().cloned().unwrap_or_default()
    }
}

impl LedgerStore for Remembered {
    fn execute(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn rows(&self, query: &str) -> Result<Vec<Vec<Option<String>>>> {
        Ok(match query {
            query if query.contains("publication_places") => Vec::new(),
            query if query.contains("publication_state") => vec![self.state.clone()],
            query if query.contains("publication_pending") => vec![vec![Some("promote".into())]],
            _ => self.tables.clone(),
        })
    }

    fn transact(&self, statements: &[String]) -> Result<()> {
        self.transactions.borrow_mut().push(statements.to_vec());
        Ok(())
    }
}

fn table() -> Table {
    Table::plain("t", &[("a", "BIGINT")], &["a"])
}

/// Whether the snapshots are trusted, whether the target diverged, and whether a lost answer was found.
#[track_caller]
fn check(current: Option<&str>, pending: Option<&str>, target: Option<&str>, expected: (bool, bool, bool)) {
    let store = Remembered::at(current, pending);
    let reconciled = Ledger::open(&store, "here").and_then(|ledger| ledger.reconcile(target, false)).expect("a ledger");
    let is_settled = store.last().first().is_some_and(|first| first == "promote");
    assert_eq!((reconciled.snapshots.is_current, reconciled.snapshots.is_diverged, is_settled), expected);
}

#[test]
fn compares_itself_with_the_target() {
    check(None, None, None, (true, false, false));
    check(Some("a"), Some("b"), Some("a"), (true, false, false));
    check(Some("a"), Some("b"), Some("b"), (true, false, true));
    check(None, Some("b"), Some("b"), (true, false, true));
    check(Some("a"), None, None, (false, true, false));
    check(Some("a"), None, Some("c"), (false, true, false));
    check(None, None, Some("c"), (false, true, false));
    check(None, Some("b"), None, (true, false, false));
}

#[test]
fn knows_the_keys_of_a_publication_that_was_cut_off() {
    let run = |target: &str| {
        let store = Remembered::at(Some("a"), Some("b"));
        Ledger::open(&store, "here").and_then(|ledger| ledger.reconcile(Some(target), false)).expect("a ledger");
        store.last()
    };
    assert_eq!(
        run("b, cut off").last().map(String::as_str),
        Some("insert into _elt.publication_state values ('a', null)")
    );
    assert_eq!(run("c, cut off"), Vec::<String>::new());
}

#[test]
fn compares_only_what_is_comparable() {
    let table = table();
    let delta = Delta::new(&table, "t", "v1.5.6", Shape::Flat);
    let coverage = |signature: Option<String>, target: &str, is_distrusted: bool, wants_everything: bool| {
        let tables = signature.map(|signature| vec![Some("t".into()), Some(signature), None]);
        let store = Remembered { tables: tables.into_iter().collect(), ..Remembered::at(Some("a"), None) };
        let ledger = Ledger::open(&store, "here").expect("a ledger");
        let reconciled = ledger.reconcile(Some(target), is_distrusted).expect("its tables");
        reconciled.snapshots().coverage(&delta, wants_everything)
    };
    let signature = || Some(delta.signature());
    assert_eq!(coverage(signature(), "a", false, false), Coverage::Delta);
    assert_eq!(coverage(signature(), "a", false, true), Coverage::Everything);
    assert_eq!(coverage(signature(), "a", true, false), Coverage::Everything);
    assert_eq!(coverage(signature(), "b", false, false), Coverage::Everything);
    assert_eq!(coverage(Some("0; other".into()), "a", false, false), Coverage::Everything);
    assert_eq!(coverage(None, "a", false, false), Coverage::Everything);
}

#[test]
fn promotes_only_what_was_published() {
    let table = table();
    let delta = Delta::new(&table, "t", "v1.5.6", Shape::Flat);
    let begin = |store: &Remembered, target: &str, has_published: bool| {
        let staged = StagedDelta { delta: &delta, coverage: Coverage::Everything, fingerprint: None };
        let ledger = Ledger::open(store, "here").expect("a ledger");
        let pending =
            ledger.reconcile(Some(target), false).expect("its tables").begin("b", &[staged]).expect("pending");
        let begun = store.last();
        let ledger = pending.settle(has_published).expect("settled");
        (begun, ledger.current().map(str::to_owned))
    };
    let store = Remembered::at(Some("a"), None);
    let (begun, current) = begin(&store, "a", true);
    assert!(begun.contains(&"insert into _elt.publication_state values ('a', 'b')".to_owned()));
    assert_eq!(current.as_deref(), Some("b"));
    assert!(store.last().iter().any(|statement| statement.contains("rename to \"t\"")));
    let store = Remembered::at(Some("a"), None);
    let (begun, current) = begin(&store, "elsewhere", false);
    assert!(begun[0].contains("signature = 'diverged'"));
    assert!(begun.contains(&"insert into _elt.publication_state values (null, 'b')".to_owned()));
    assert_eq!(current, None);
    assert_eq!(store.last(), ["delete from _elt.publication_pending", "delete from _elt.publication_state"]);
}
