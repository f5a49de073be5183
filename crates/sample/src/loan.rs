//! Loans: types, applications, and the documents that follow an approval, month by month.
//!
//! Knows the course of a loan, but not where its documents are stored.

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use chrono::{DateTime, Months};
use fake::faker::name::en::Name;

use super::amount::decimal;
use super::chance::Chance;
use super::customer::date;
use super::data_set::{AS_OF, Collection, DAY, HOUR, MINUTE};

/// The fields of a product that applications need.
pub(super) struct LoanType {
    pub id: ObjectId,
    loan_type_id: String,
    name: &'static str,
    amount_max: i64,
    rate: f64,
    kind: &'static str,
    terms: &'static [i32],
    active: bool,
}

/// The name, the greatest amount in shillings, the yearly rate, the kind of interest, the terms in months, and whether
/// it is still sold.
type Product = (&'static str, i64, f64, &'static str, &'static [i32], bool);

const PRODUCTS: &[Product] = &[
    ("Biashara Loan", 500_000, 0.18, "reducing", &[6, 9, 12, 18], true),
    ("Boda Boda Loan", 180_000, 0.21, "flat", &[6, 9, 12], true),
    ("Kilimo Loan", 250_000, 0.14, "reducing", &[4, 6, 9], true),
    ("School Fees Loan", 120_000, 0.15, "flat", &[3, 4, 6], true),
    ("Emergency Loan", 30_000, 0.24, "flat", &[1, 2, 3], true),
    ("Chama Group Loan", 800_000, 0.13, "reducing", &[9, 12, 18], true),
    ("Asset Finance", 1_200_000, 0.16, "reducing", &[12, 18, 24], true),
    ("Salary Advance", 60_000, 0.20, "flat", &[1, 2], true),
    ("Jenga Home Loan", 900_000, 0.145, "reducing", &[12, 24], true),
    ("Stock Loan", 300_000, 0.19, "flat", &[3, 6], true),
    ("Solar Loan", 90_000, 0.12, "flat", &[6, 9, 12], true),
    ("Mkopo Rahisi", 20_000, 0.28, "flat", &[1, 2], false),
];

/// 2022-01-03: before any application.
const TYPES_SINCE: i64 = 1_641_168_000_000;

pub(super) fn loan_types(seed: u64) -> Vec<LoanType> {
    let mut chance = Chance::of_types(seed);
    PRODUCTS
        .iter()
        .enumerate()
        .map(|(index, &(name, shillings, rate, kind, terms, active))| LoanType {
            id: chance.object_id(TYPES_SINCE + index as i64 * DAY),
            loan_type_id: format!("LT{:03}", index + 1),
            name,
            amount_max: shillings * 100,
            rate,
            kind,
            terms,
            active,
        })
        .collect()
}

impl LoanType {
    pub fn is(&self, loan_type_id: &str) -> bool {
        self.loan_type_id == loan_type_id
    }

    pub fn document(&self) -> Document {
        doc! {
            "_id": self.id,
            "loan_type_id": &self.loan_type_id,
            "name": self.name,
            "max_amount": decimal(self.amount_max),
            "interest": { "rate": self.rate, "kind": self.kind },
            "terms": self.terms.to_vec(),
            "active": self.active,
        }
    }
}

/// The days on which a customer applies.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    /// No, one or several applications between the day on which the customer joined and `AS_OF`.
    Past { joined: i64 },
    /// One application, on the day that begins at `day`. Its later course is not known yet.
    Today { day: i64 },
}

/// Creates the applications of one customer, and all documents that depend on them, in `made`. `application_no` is the
/// last number used. Returns the count and the sum in cents of the approved loans.
pub(super) fn lifecycle(
    customer_id: &str,
    types: &[LoanType],
    moment: Moment,
    application_no: &mut u64,
    chance: &mut Chance,
    made: &mut Vec<(Collection, Document)>,
) -> (i32, i64) {
    let applications = match moment {
        Moment::Past { .. } => chance.weighted(&[19, 49, 24, 8]),
        Moment::Today { .. } => 1,
    };
    let (mut approved, mut borrowed) = (0, 0);
    for _ in 0..applications {
        let (applied_at, end) = match moment {
            Moment::Past { joined } => (joined + chance.between(HOUR, (AS_OF - joined - HOUR).max(HOUR)), AS_OF),
            Moment::Today { day } => (day + chance.between(HOUR, 10 * HOUR), day + 23 * HOUR),
        };
        let applied_at = applied_at / MINUTE * MINUTE;
        *application_no += 1;
        let id = format!("APP{:08}", *application_no);
        if let Some(amount) = application(id, customer_id, types, applied_at, end, chance, made) {
            approved += 1;
            borrowed += amount;
        }
    }
    if matches!(moment, Moment::Past { .. }) {
        made.push((Collection::CustomerLoanHistory, history(customer_id, approved, borrowed, AS_OF, chance)));
    }
    (approved, borrowed)
}

pub(super) fn history(customer_id: &str, approved: i32, borrowed: i64, at: i64, chance: &mut Chance) -> Document {
    doc! {
        "_id": chance.object_id(at),
        "customer_id": customer_id,
        "applications": { "approved": approved },
        "total_borrowed": decimal(borrowed),
    }
}

/// Creates one application and the documents that follow. Returns the amount in cents if it was approved.
fn application(
    application_id: String,
    customer_id: &str,
    types: &[LoanType],
    applied_at: i64,
    end: i64,
    chance: &mut Chance,
    made: &mut Vec<(Collection, Document)>,
) -> Option<i64> {
    let index = chance.between(0, types.len() as i64 - 1) as usize;
    let loan_type = types.get(index)?;
    let term = chance.pick(loan_type.terms);
    // Rounded to five hundred shillings, from a tenth of the type's greatest amount.
    let amount = chance.between(loan_type.amount_max / 10, loan_type.amount_max) / 50_000 * 50_000 + 50_000;
    let amount = amount.min(loan_type.amount_max);
    let mut events = vec![doc! { "status": "Submitted", "at": date(applied_at) }];
    let decided_at = applied_at + chance.between(2 * HOUR, 6 * DAY) / MINUTE * MINUTE;
    let is_in_review = decided_at - HOUR <= end && chance.happens(0.3);
    if is_in_review {
        events.push(doc! { "status": "In Review", "at": date(decided_at - HOUR) });
    }
    let outcome = match chance.weighted(&[68, 28, 4]) {
        _ if decided_at > end => "Pending",
        0 => "Approved",
        1 => "Rejected",
        _ => "Pending",
    };
    let decision = match outcome {
        "Pending" => Bson::Null,
        _ => decision(outcome == "Approved", decided_at, chance).into(),
    };
    if outcome != "Pending" {
        events.push(doc! { "status": outcome, "at": date(decided_at) });
    }
    let paid_out_at = decided_at + chance.between(HOUR, 40 * HOUR) / MINUTE * MINUTE;
    let is_paid_out = outcome == "Approved" && paid_out_at <= end;
    if is_paid_out {
        events.push(doc! { "status": "Disbursed", "at": date(paid_out_at) });
    }
    let updated_at =
        [(is_paid_out, paid_out_at), (outcome != "Pending", decided_at), (is_in_review, decided_at - HOUR)]
            .into_iter()
            .find_map(|(happened, at)| happened.then_some(at))
            .unwrap_or(applied_at);
    let guarantors: Vec<Document> = (0..chance.weighted(&[82, 14, 3, 1])).map(|_| guarantor(chance)).collect();
    made.push((
        Collection::LoanApplications,
        doc! {
            "_id": chance.object_id(applied_at),
            "application_id": &application_id,
            "customer_id": customer_id,
            "loan_type_id": loan_type.id,
            "amount_requested": decimal(amount),
            "term_months": term,
            "interest_rate": loan_type.rate,
            "loan_status": outcome,
            "applied_at": date(applied_at),
            "decision": decision,
            "guarantors": guarantors,
            "status_history": events,
            "updated_at": date(updated_at),
        },
    ));
    if outcome != "Approved" {
        return None;
    }
    if chance.happens(0.5) {
        made.push((Collection::LoanCollateral, collateral(&application_id, amount, decided_at, chance)));
    }
    if is_paid_out {
        made.push((Collection::LoanDisbursement, disbursement(&application_id, amount, paid_out_at, chance)));
        repayments(&application_id, amount, loan_type, term, paid_out_at, end, chance, made);
    }
    Some(amount)
}

pub(super) fn decision(is_approved: bool, at: i64, chance: &mut Chance) -> Document {
    let reason = match is_approved {
        true => chance.pick(&["good history", "sufficient income", "guaranteed by the group", "secured"]),
        false => chance.pick(&["low score", "insufficient income", "papers missing", "too many open loans"]),
    };
    doc! { "by": format!("OFF{:03}", chance.between(1, 60)), "at": date(at), "reason": reason }
}

fn guarantor(chance: &mut Chance) -> Document {
    let name: String = chance.fake(Name());
    let relation = chance.pick(&["spouse", "parent", "sibling", "friend", "employer", "chama member"]);
    doc! { "name": name, "relation": relation, "income": decimal(chance.between(120, 1500) * 10_000) }
}

pub(super) fn disbursement(application_id: &str, amount: i64, at: i64, chance: &mut Chance) -> Document {
    let bank = chance.pick(&["mpesa", "mpesa", "mpesa", "Equity Bank", "KCB", "Co-operative Bank", "airtel money"]);
    doc! {
        "_id": chance.object_id(at),
        "application_id": application_id,
        "transaction": { "id": chance.hex(10), "bank": bank, "at": date(at) },
        "amount": decimal(amount),
    }
}

fn collateral(application_id: &str, amount: i64, at: i64, chance: &mut Chance) -> Document {
    let kind = chance.pick(&["title deed", "logbook", "motorcycle", "livestock", "household goods", "shop stock"]);
    let year = i32::try_from(chance.between(2005, 2025)).unwrap_or(2020);
    doc! {
        "_id": chance.object_id(at),
        "application_id": application_id,
        "kind": kind,
        "value": decimal(amount / 100 * chance.between(80, 220)),
        "details": { "registered": chance.happens(0.7), "year": year },
    }
}

/// How a borrower pays.
#[derive(Clone, Copy, PartialEq)]
enum Habit {
    InTime,
    Late,
    Stops { after: i32 },
}

#[expect(clippy::too_many_arguments, reason = "each is another fact of the loan")]
fn repayments(
    application_id: &str,
    amount: i64,
    loan_type: &LoanType,
    term: i32,
    paid_out_at: i64,
    end: i64,
    chance: &mut Chance,
    made: &mut Vec<(Collection, Document)>,
) {
    let habit = match chance.weighted(&[74, 19, 7]) {
        0 => Habit::InTime,
        1 => Habit::Late,
        _ => Habit::Stops { after: i32::try_from(chance.between(0, i64::from(term) - 1)).unwrap_or(0) },
    };
    let owed = total_owed(amount, loan_type.rate, loan_type.kind, term);
    let each = owed / i64::from(term.max(1));
    let mut last_due = paid_out_at;
    for number in 1..=term {
        let due_date = months_after(paid_out_at, number) / DAY * DAY;
        if due_date > end {
            break;
        }
        last_due = due_date;
        let due = if number == term { owed - each * i64::from(term - 1) } else { each };
        made.push((Collection::LoanRepayments, repayment(application_id, number, due_date, due, habit, end, chance)));
    }
    if habit != Habit::InTime && last_due > paid_out_at && chance.happens(0.3) {
        let at = (last_due + chance.between(DAY, 20 * DAY)).min(end) / MINUTE * MINUTE;
        made.push((Collection::LoanRestructuring, restructuring(application_id, term, loan_type.rate, at, chance)));
    }
}

/// Principal and interest in cents: flat interest on the whole amount, or reducing interest on about half of it.
fn total_owed(amount: i64, rate: f64, kind: &str, term: i32) -> i64 {
    let share = if kind == "flat" { 1.0 } else { 0.54 };
    amount + (amount as f64 * rate * f64::from(term) / 12.0 * share).round() as i64
}

pub(super) fn months_after(at: i64, months: i32) -> i64 {
    DateTime::from_timestamp_millis(at)
        .and_then(|date| date.checked_add_months(Months::new(u32::try_from(months).unwrap_or(0))))
        .map_or(at + i64::from(months) * 30 * DAY, |date| date.timestamp_millis())
}

fn repayment(
    application_id: &str,
    number: i32,
    due_date: i64,
    due: i64,
    habit: Habit,
    end: i64,
    chance: &mut Chance,
) -> Document {
    let delay = match habit {
        Habit::InTime => chance.between(-6 * DAY, 2 * DAY),
        Habit::Late => chance.between(-2 * DAY, 45 * DAY),
        Habit::Stops { after } if number <= after => chance.between(-3 * DAY, 20 * DAY),
        Habit::Stops { .. } => i64::MAX / 2,
    };
    let paid_at = (due_date + delay) / MINUTE * MINUTE;
    let id = chance.object_id(due_date - 7 * DAY);
    let mut document = doc! {
        "_id": id,
        "application_id": application_id,
        "installment_no": number,
        "due_date": date(due_date),
        "amount_due": decimal(due),
    };
    if paid_at > end {
        document.extend(doc! { "amount_paid": decimal(0), "paid_at": Bson::Null, "method": Bson::Null });
        document.insert("updated_at", date(due_date - 7 * DAY));
        return document;
    }
    let is_part = habit != Habit::InTime && chance.happens(0.15);
    let paid = if is_part { due / 100 * chance.between(20, 90) } else { due };
    let method = chance.pick(&["mpesa", "mpesa", "mpesa", "mpesa", "bank", "cash"]);
    document.extend(doc! { "amount_paid": decimal(paid), "paid_at": date(paid_at), "method": method });
    if delay > 5 * DAY {
        document.insert("late_fee", (due as f64 / 100.0 * 0.02).round());
    }
    document.insert("updated_at", date(paid_at));
    document
}

/// The next installment of a running loan, not paid yet.
pub(super) fn next_installment(
    application_id: &str,
    number: i32,
    due_date: i64,
    due: i64,
    at: i64,
    chance: &mut Chance,
) -> Document {
    doc! {
        "_id": chance.object_id(at),
        "application_id": application_id,
        "installment_no": number,
        "due_date": date(due_date),
        "amount_due": decimal(due),
        "amount_paid": decimal(0),
        "paid_at": Bson::Null,
        "method": Bson::Null,
        "updated_at": date(at),
    }
}

fn restructuring(application_id: &str, term: i32, rate: f64, at: i64, chance: &mut Chance) -> Document {
    let terms: Vec<Document> = (0..=chance.weighted(&[50, 35, 15])).map(|_| clause(chance)).collect();
    doc! {
        "_id": chance.object_id(at),
        "application_id": application_id,
        "new_loan_terms": {
            "term_months": term + i32::try_from(chance.between(2, 8)).unwrap_or(2),
            "interest_rate": (rate * 0.9 * 1000.0).round() / 1000.0,
        },
        "restructure_terms": terms,
        "at": date(at),
    }
}

pub(super) fn clause(chance: &mut Chance) -> Document {
    let clause = chance.pick(&["grace period", "lower installment", "interest holiday", "fee waived", "longer term"]);
    doc! { "clause": clause, "months": i32::try_from(chance.between(1, 6)).unwrap_or(1) }
}
