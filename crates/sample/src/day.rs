//! One day's changes: the change of each document, and the new documents.
//!
//! Knows only documents. A store (`folder`, `mongodb`) passes each document twice: first to look at it, then to change
//! it. A document's change depends only on its `_id`, the seed and the day, so the order of reading does not matter.
//! Memory contains the new documents and the keys of removed ones, in proportion to the rate.

use std::collections::{BTreeMap, BTreeSet};

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};

use super::amount::{cents, decimal};
use super::chance::Chance;
use super::customer::{customer_at, date, paper, phone};
use super::data_set::{Collection, DAY, HOUR, MINUTE, Plan};
use super::dirt;
use super::loan::{self, LoanType, Moment};

/// The change of a document.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Keep,
    Update,
    Delete,
}

/// The last installment of each loan whose next installment becomes due.
struct Running {
    number: i32,
    due_date: i64,
    due: i64,
}

pub(super) struct Day {
    plan: Plan,
    /// The midnight at which the day begins, in milliseconds.
    start: i64,
    types: Vec<LoanType>,
    customers: u64,
    last_customer: u64,
    last_application: u64,
    gone_customers: BTreeSet<String>,
    gone_applications: BTreeSet<String>,
    /// Customers who apply again today.
    applying: BTreeSet<String>,
    running: BTreeMap<String, Running>,
    /// The loans that were approved today, by customer: their number, and the sum in cents.
    borrowed: BTreeMap<String, (i32, i64)>,
    inserts: BTreeMap<Collection, Vec<Document>>,
}

/// The collections that `look` receives, in this order.
pub(super) const LOOKED_AT: [Collection; 4] =
    [Collection::LoanTypes, Collection::Customers, Collection::LoanApplications, Collection::LoanRepayments];

impl Day {
    /// The day after `latest`, which is the greatest `updated_at` in milliseconds.
    pub fn after(plan: &Plan, latest: i64) -> Self {
        Self {
            plan: *plan,
            start: (latest.div_euclid(DAY) + 1) * DAY,
            types: loan::loan_types(plan.seed),
            customers: 0,
            last_customer: 0,
            last_application: 0,
            gone_customers: BTreeSet::new(),
            gone_applications: BTreeSet::new(),
            applying: BTreeSet::new(),
            running: BTreeMap::new(),
            borrowed: BTreeMap::new(),
            inserts: BTreeMap::new(),
        }
    }

    fn chance(&self, salt: &str, document: &Document) -> Chance {
        let id = document.get_object_id("_id").map_or([0; 12], |id: ObjectId| id.bytes());
        Chance::of_document(self.plan.seed, self.start, salt, &id)
    }

    /// The first reading: finds who leaves, who applies again, which loans continue, and which numbers are used.
    pub fn look(&mut self, collection: Collection, document: &Document) {
        let rate = self.plan.mutate;
        let mut chance = self.chance("look", document);
        let text = |key: &str| document.get_str(key).unwrap_or_default();
        match collection {
            Collection::LoanTypes => {
                // The ids of the existing types, for any seed.
                let key = text("loan_type_id");
                if let Ok(id) = document.get_object_id("_id") {
                    self.types.iter_mut().filter(|known| known.is(key)).for_each(|known| known.id = id);
                }
            }
            Collection::Customers => {
                let id = text("customer_id");
                self.customers += 1;
                self.last_customer = self.last_customer.max(number_of(id));
                if chance.happens(rate / 10.0) {
                    self.gone_customers.insert(id.to_owned());
                } else if chance.happens(rate / 3.0) {
                    self.applying.insert(id.to_owned());
                }
            }
            Collection::LoanApplications => {
                let id = text("application_id");
                self.last_application = self.last_application.max(number_of(id));
                if self.gone_customers.contains(text("customer_id")) {
                    self.gone_applications.insert(id.to_owned());
                } else if text("loan_status") == "Approved" && chance.happens(rate) {
                    self.running.insert(id.to_owned(), Running { number: 0, due_date: self.start, due: 0 });
                }
            }
            Collection::LoanRepayments => {
                let number = document.get_i32("installment_no").unwrap_or(0);
                if let Some(running) = self.running.get_mut(text("application_id"))
                    && number > running.number
                {
                    running.number = number;
                    running.due = document.get("amount_due").and_then(cents).unwrap_or(running.due);
                    if let Ok(due_date) = document.get_datetime("due_date") {
                        running.due_date = due_date.timestamp_millis();
                    }
                }
            }
            _ => {}
        }
    }

    /// Between the readings: creates the new documents.
    pub fn grow(&mut self) {
        let mut made = Vec::new();
        let new_customers = (self.customers as f64 * self.plan.mutate / 3.0).ceil() as u64;
        let moment = Moment::Today { day: self.start };
        for number in self.last_customer + 1..=self.last_customer + new_customers {
            let mut chance = Chance::of_document(self.plan.seed, self.start, "customer", &number.to_le_bytes());
            let at = self.start + chance.between(60, 600) * MINUTE;
            let customer = customer_at(number, at, at, &mut chance);
            made.push((Collection::Customers, customer.document));
            self.apply(&customer.customer_id, moment, &mut chance, &mut made);
        }
        for customer_id in std::mem::take(&mut self.applying) {
            let mut chance = Chance::of_document(self.plan.seed, self.start, "applies", customer_id.as_bytes());
            self.apply(&customer_id, moment, &mut chance, &mut made);
        }
        for (application_id, running) in std::mem::take(&mut self.running) {
            if running.number > 0 {
                let mut chance =
                    Chance::of_document(self.plan.seed, self.start, "installment", application_id.as_bytes());
                let at = self.start + chance.between(0, 23 * 60) * MINUTE;
                let due_date = loan::months_after(running.due_date, 1);
                let number = running.number + 1;
                let next = loan::next_installment(&application_id, number, due_date, running.due, at, &mut chance);
                made.push((Collection::LoanRepayments, next));
            }
        }
        for (collection, mut document) in made {
            let mut chance = self.chance("dirt", &document);
            dirt::soil(collection, &mut document, self.plan.dirty, &mut chance);
            self.inserts.entry(collection).or_default().push(document);
        }
    }

    fn apply(
        &mut self,
        customer_id: &str,
        moment: Moment,
        chance: &mut Chance,
        made: &mut Vec<(Collection, Document)>,
    ) {
        let (count, sum) = loan::lifecycle(customer_id, &self.types, moment, &mut self.last_application, chance, made);
        self.borrow(customer_id, count, sum);
    }

    fn borrow(&mut self, customer_id: &str, count: i32, sum: i64) {
        if count > 0 {
            let borrowed = self.borrowed.entry(customer_id.to_owned()).or_default();
            borrowed.0 += count;
            borrowed.1 += sum;
        }
    }

    /// The second reading, in the order of `Collection::ALL`: changes `document`, or returns that it is removed.
    pub fn change(&mut self, collection: Collection, document: &mut Document) -> Change {
        let key = if matches!(collection, Collection::Customers | Collection::CustomerLoanHistory) {
            "customer_id"
        } else {
            "application_id"
        };
        let key = document.get_str(key).unwrap_or_default().to_owned();
        if self.gone_customers.contains(&key) || self.gone_applications.contains(&key) {
            return Change::Delete;
        }
        let mut chance = self.chance("change", document);
        if collection == Collection::CustomerLoanHistory {
            return self.change_history(&key, document);
        }
        if collection == Collection::LoanRepayments && chance.happens(self.plan.mutate / 10.0) {
            return Change::Delete;
        }
        let rate = match collection {
            // There are only a dozen types, so one of them changes on every day with changes.
            Collection::LoanTypes if self.is_todays_type(document) => 1.0,
            Collection::LoanTypes => 0.0,
            _ => self.plan.mutate,
        };
        if !chance.happens(rate) {
            return Change::Keep;
        }
        let at = self.start + chance.between(8 * 60, 18 * 60) * MINUTE;
        match collection {
            Collection::Customers => change_customer(document, at, &mut chance),
            Collection::LoanApplications => self.change_application(&key, document, at, &mut chance),
            Collection::LoanRepayments => change_repayment(document, at, &mut chance),
            Collection::LoanTypes => scale(document, "max_amount", 105),
            Collection::LoanCollateral => scale(document, "value", chance.between(70, 130)),
            Collection::LoanRestructuring => {
                if let Ok(terms) = document.get_array_mut("restructure_terms") {
                    terms.push(loan::clause(&mut chance).into());
                }
            }
            Collection::LoanDisbursement => {
                if let Ok(transaction) = document.get_document_mut("transaction") {
                    transaction.insert("id", chance.hex(10));
                }
            }
            Collection::CustomerLoanHistory => {}
        }
        if collection.has_updated_at() {
            document.insert("updated_at", date(at));
        }
        Change::Update
    }

    fn is_todays_type(&self, document: &Document) -> bool {
        let count = self.types.len().max(1) as i64;
        let index = usize::try_from((self.start / DAY).rem_euclid(count)).unwrap_or(0);
        let key = document.get_str("loan_type_id").unwrap_or_default();
        self.plan.mutate > 0.0 && self.types.get(index).is_some_and(|known| known.is(key))
    }

    fn change_history(&mut self, customer_id: &str, document: &mut Document) -> Change {
        let Some((count, sum)) = self.borrowed.remove(customer_id) else { return Change::Keep };
        if let Ok(applications) = document.get_document_mut("applications") {
            let approved = applications.get_i32("approved").unwrap_or(0);
            applications.insert("approved", approved.saturating_add(count));
        }
        if let Some(total) = document.get("total_borrowed").and_then(cents) {
            document.insert("total_borrowed", decimal(total + sum));
        }
        Change::Update
    }

    fn change_application(&mut self, id: &str, document: &mut Document, at: i64, chance: &mut Chance) {
        let mut statuses = vec!["Reviewed"];
        if document.get_str("loan_status").is_ok_and(|status| status == "Pending") {
            let is_approved = chance.happens(0.7);
            let status = if is_approved { "Approved" } else { "Rejected" };
            document.insert("loan_status", status);
            document.insert("decision", loan::decision(is_approved, at, chance));
            statuses = vec![status];
            // A loan whose amount is a text was still approved. It is paid out after someone has corrected the amount.
            if is_approved && let Some(amount) = document.get("amount_requested").and_then(cents) {
                let customer_id = document.get_str("customer_id").unwrap_or_default().to_owned();
                self.borrow(&customer_id, 1, amount);
                let paid = loan::disbursement(id, amount, at + HOUR, chance);
                self.inserts.entry(Collection::LoanDisbursement).or_default().push(paid);
                statuses.push("Disbursed");
            }
        }
        if let Ok(events) = document.get_array_mut("status_history") {
            for (index, status) in statuses.into_iter().enumerate() {
                let at = at + index as i64 * HOUR;
                events.push(doc! { "status": status, "at": date(at) }.into());
            }
        }
        if chance.happens(0.2)
            && let Ok(guarantors) = document.get_array_mut("guarantors")
        {
            guarantors.pop();
        }
    }

    /// The new documents of a collection. Called after all its documents were changed.
    pub fn inserts(&mut self, collection: Collection) -> Vec<Document> {
        let mut inserts = self.inserts.remove(&collection).unwrap_or_default();
        if collection == Collection::CustomerLoanHistory {
            for (customer_id, (count, sum)) in std::mem::take(&mut self.borrowed) {
                let mut chance = Chance::of_document(self.plan.seed, self.start, "history", customer_id.as_bytes());
                inserts.push(loan::history(&customer_id, count, sum, self.start + 20 * HOUR, &mut chance));
            }
        }
        inserts
    }
}

fn change_customer(document: &mut Document, at: i64, chance: &mut Chance) {
    match chance.weighted(&[25, 20, 20, 10, 10, 8, 7]) {
        0 => match document.get_array_mut("phones") {
            Ok(phones) => phones.push(phone(1, chance).into()),
            Err(_) => {
                document.insert("phones", vec![Bson::from(phone(0, chance))]);
            }
        },
        1 => {
            document.insert("score", chance.between(300, 850));
        }
        2 => {
            if let Ok(address) = document.get_document_mut("address") {
                address.insert("street", format!("{} Moi Avenue", chance.between(1, 240)));
            }
        }
        3 => {
            if let Ok(documents) = document.get_document_mut("kyc").and_then(|kyc| kyc.get_array_mut("documents")) {
                documents.push(paper(at, chance).into());
            }
        }
        4 => {
            if let Ok(employment) = document.get_document_mut("employment") {
                employment.insert("monthly_income", decimal(chance.between(80, 1600) * 10_000));
            }
        }
        // The whole list is removed, so that documents that depend on its elements must be removed, too.
        5 => {
            document.insert("phones", Vec::<Bson>::new());
        }
        _ => {
            document.insert("tags", Vec::<Bson>::new());
        }
    }
}

fn change_repayment(document: &mut Document, at: i64, chance: &mut Chance) {
    let due = document.get("amount_due").and_then(cents);
    let paid = document.get("amount_paid").and_then(cents);
    match (due, paid) {
        (Some(due), Some(paid)) if paid < due => {
            document.insert("amount_paid", decimal(due));
            document.insert("paid_at", date(at));
            document.insert("method", chance.pick(&["mpesa", "mpesa", "bank", "cash"]));
        }
        _ => {
            document.insert("late_fee", chance.between(1, 20) as f64 * 50.0);
        }
    }
}

fn scale(document: &mut Document, key: &str, percent: i64) {
    if let Some(amount) = document.get(key).and_then(cents) {
        document.insert(key, decimal(amount / 100 * percent));
    }
}

/// The number in `CUST00000001`.
fn number_of(id: &str) -> u64 {
    id.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0)
}
