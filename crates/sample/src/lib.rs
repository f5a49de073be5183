//! Generates the micro-finance documents, as `.bson` files or in a MongoDB database. Equal seeds have equal results.
//!
//! Knows only the errors and `Secret` of the rest of the tool, which reads the documents like any other source. Nothing
//! here reads a clock: time ends at `AS_OF`, and each mutation moves the data to the next day.

mod amount;
mod chance;
mod customer;
mod day;
mod dirt;
mod folder;
mod loan;
pub mod messages;
mod mongodb;

use bson::Document;

use chance::Chance;
use elt_base::error::Result;

pub use folder::to_folder;
pub use mongodb::{MongodbPlace, to_mongodb};

/// The documents to generate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The number of customers. It determines the number of applications, loans and repayments. A mutation does not use
    /// it.
    pub customers: u64,
    pub seed: u64,
    /// The share (0 to 1) of documents that one day's changes affect. Above 0, the changes are applied to the existing
    /// documents, and no new data set is generated.
    pub mutate: f64,
    /// The share (0 to 1) of documents that get one dirty value.
    pub dirty: f64,
}

impl Plan {
    fn check(&self) -> Result<()> {
        for (name, rate) in [("mutate", self.mutate), ("dirty", self.dirty)] {
            if !(0.0..=1.0).contains(&rate) {
                return Err(messages::rate_out_of_range(name));
            }
        }
        if self.customers > CUSTOMERS_MAX {
            return Err(messages::too_many_customers(CUSTOMERS_MAX));
        }
        Ok(())
    }
}

/// The most customers, because `customer_id` has eight digits.
const CUSTOMERS_MAX: u64 = 99_999_999;

/// 2025-06-30T18:00:00Z in milliseconds. No event of a new data set is later.
const AS_OF: i64 = 1_751_306_400_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The collections, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    LoanTypes,
    Customers,
    LoanApplications,
    LoanDisbursement,
    LoanRepayments,
    CustomerLoanHistory,
    LoanCollateral,
    LoanRestructuring,
}

impl Collection {
    pub const ALL: [Self; 8] = [
        Self::LoanTypes,
        Self::Customers,
        Self::LoanApplications,
        Self::LoanDisbursement,
        Self::LoanRepayments,
        Self::CustomerLoanHistory,
        Self::LoanCollateral,
        Self::LoanRestructuring,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::LoanTypes => "loan_types",
            Self::Customers => "customers",
            Self::LoanApplications => "loan_applications",
            Self::LoanDisbursement => "loan_disbursement",
            Self::LoanRepayments => "loan_repayments",
            Self::CustomerLoanHistory => "customer_loan_history",
            Self::LoanCollateral => "loan_collateral",
            Self::LoanRestructuring => "loan_restructuring",
        }
    }

    /// Whether its documents have the time of their last change.
    pub fn has_updated_at(self) -> bool {
        matches!(self, Self::Customers | Self::LoanApplications | Self::LoanRepayments)
    }
}

/// The result for one collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generated {
    pub collection: Collection,
    /// The number of its documents now.
    pub documents: u64,
    /// Their BSON, in bytes.
    pub bytes: u64,
    /// For a mutation: the numbers of documents added, changed and removed.
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

impl Generated {
    fn none(collection: Collection) -> Self {
        Self { collection, documents: 0, bytes: 0, inserted: 0, updated: 0, deleted: 0 }
    }
}

/// Receives the generated documents one by one. An error ends the generation.
type Sink<'a> = dyn FnMut(Collection, Document) -> Result<()> + 'a;

/// Generates all documents, customer by customer, so that only one customer's documents are in memory.
fn everything(plan: &Plan, sink: &mut Sink<'_>) -> Result<()> {
    let types = loan::loan_types(plan.seed);
    for loan_type in &types {
        sink(Collection::LoanTypes, loan_type.document())?;
    }
    let mut application_no = 0;
    for index in 0..plan.customers {
        let mut chance = Chance::of_customer(plan.seed, index);
        let customer = customer::customer(index + 1, &mut chance);
        let mut made = vec![(Collection::Customers, customer.document)];
        let moment = loan::Moment::Past { joined: customer.joined };
        loan::lifecycle(&customer.customer_id, &types, moment, &mut application_no, &mut chance, &mut made);
        for (collection, mut document) in made {
            dirt::soil(collection, &mut document, plan.dirty, &mut chance);
            sink(collection, document)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
