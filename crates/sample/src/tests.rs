//! Tests of the generator: equal seeds have equal results, the ratios are as promised, and the days are consistent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bson::{Bson, Document};

use super::amount::cents;
use super::{Collection, Generated, Plan, to_folder};

const PLAN: Plan = Plan { customers: 400, seed: 7, mutate: 0.0, dirty: 0.0 };

fn make(plan: Plan, folder: &Path) -> BTreeMap<&'static str, Generated> {
    let all = to_folder(&plan, folder).expect("made");
    all.into_iter().map(|generated| (generated.collection.name(), generated)).collect()
}

fn read(folder: &Path, collection: Collection) -> Vec<Document> {
    let bytes = fs::read(folder.join(format!("{}.bson", collection.name()))).expect("there");
    let mut rest = bytes.as_slice();
    let mut documents = Vec::new();
    while !rest.is_empty() {
        documents.push(Document::from_reader(&mut rest).expect("a document"));
    }
    documents
}

fn texts(documents: &[Document], key: &str) -> BTreeSet<String> {
    documents.iter().map(|document| document.get_str(key).expect("a key").to_owned()).collect()
}

#[test]
fn gives_the_same_bytes_for_the_same_seed() {
    let (one, two, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plan = Plan { dirty: 0.1, ..PLAN };
    make(plan, one.path());
    make(plan, two.path());
    make(Plan { seed: 8, ..plan }, other.path());
    for rate in [0.0, 0.2] {
        let plan = Plan { mutate: rate, ..plan };
        if rate > 0.0 {
            make(plan, one.path());
            make(plan, two.path());
        }
        for collection in Collection::ALL {
            let bytes = |folder: &Path| fs::read(folder.join(format!("{}.bson", collection.name()))).expect("there");
            assert!(bytes(one.path()) == bytes(two.path()), "{collection:?}");
            assert!(bytes(one.path()) != bytes(other.path()), "{collection:?}");
        }
    }
    assert_eq!(fs::read_dir(one.path()).expect("there").count(), 8, "nothing temporary stays");
}

#[test]
fn keeps_the_ratios() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { customers: 3_000, ..PLAN };
    let made = make(plan, folder.path());
    let documents: u64 = made.values().map(|generated| generated.documents).sum();
    let bytes: u64 = made.values().map(|generated| generated.bytes).sum();
    let (each, size) = (documents as f64 / 3_000.0, bytes as f64 / documents as f64);
    assert!((7.5..8.0).contains(&each), "{each} documents a customer, {made:?}");
    assert!((270.0..292.0).contains(&size), "{size} bytes a document, {made:?}");
}

#[test]
fn holds_together_after_each_day() {
    let folder = tempfile::tempdir().unwrap();
    make(PLAN, folder.path());
    for _ in 0..3 {
        let made = make(Plan { mutate: 0.2, ..PLAN }, folder.path());
        for collection in [Collection::Customers, Collection::LoanApplications, Collection::LoanRepayments] {
            let generated = made[collection.name()];
            assert!(generated.inserted > 0 && generated.updated > 0 && generated.deleted > 0, "{generated:?}");
        }
        let customers = read(folder.path(), Collection::Customers);
        let known = texts(&customers, "customer_id");
        assert_eq!(known.len(), customers.len());
        let applications = read(folder.path(), Collection::LoanApplications);
        let numbers = texts(&applications, "application_id");
        assert_eq!(numbers.len(), applications.len());
        assert!(texts(&applications, "customer_id").is_subset(&known));
        let histories = read(folder.path(), Collection::CustomerLoanHistory);
        assert_eq!(texts(&histories, "customer_id").len(), histories.len());
        assert!(texts(&histories, "customer_id").is_subset(&known));
        let approved: BTreeSet<String> = applications
            .iter()
            .filter(|application| application.get_str("loan_status").is_ok_and(|status| status == "Approved"))
            .map(|application| application.get_str("application_id").expect("a key").to_owned())
            .collect();
        for collection in [Collection::LoanDisbursement, Collection::LoanCollateral, Collection::LoanRepayments] {
            assert!(texts(&read(folder.path(), collection), "application_id").is_subset(&approved), "{collection:?}");
        }
        let mut installments = BTreeSet::new();
        for repayment in read(folder.path(), Collection::LoanRepayments) {
            let amount = |key: &str| repayment.get(key).and_then(cents).expect("an amount");
            assert!(amount("amount_paid") <= amount("amount_due"));
            let key = (
                repayment.get_str("application_id").expect("a key").to_owned(),
                repayment.get_i32("installment_no").expect("a number"),
            );
            assert!(installments.insert(key));
        }
    }
}

#[test]
fn soils_about_as_many_as_asked() {
    let (clean, dirty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make(PLAN, clean.path());
    make(Plan { dirty: 0.2, ..PLAN }, dirty.path());
    let (clean, dirty) = (read(clean.path(), Collection::Customers), read(dirty.path(), Collection::Customers));
    let changed = clean.iter().zip(&dirty).filter(|(clean, dirty)| clean != dirty).count();
    assert!((50..110).contains(&changed), "{changed} of 400");
    assert!(dirty.iter().any(|customer| matches!(customer.get("address"), Some(Bson::String(_)))));
    assert!(dirty.iter().any(|customer| matches!(customer.get("phones"), Some(Bson::Document(_)))));
}

/// Writes the sample of the repository. Run it by name after the generator has changed.
#[test]
#[ignore = "writes seeds/loans"]
fn writes_the_sample() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../seeds/loans");
    make(Plan { customers: 200, seed: 1, mutate: 0.0, dirty: 0.06 }, &folder);
}
