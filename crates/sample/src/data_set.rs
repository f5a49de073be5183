//! The data set as values: what to generate, its collections, the times in it, and what was generated.
//!
//! Knows nothing of what a document holds.

use bson::Document;

use crate::messages;
use elt_base::error::Result;

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
    pub(crate) fn check(&self) -> Result<()> {
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
pub(crate) const AS_OF: i64 = 1_751_306_400_000;
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

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
    pub(crate) fn none(collection: Collection) -> Self {
        Self { collection, documents: 0, bytes: 0, inserted: 0, updated: 0, deleted: 0 }
    }
}

/// Receives the generated documents one by one. An error ends the generation.
pub(crate) type Sink<'a> = dyn FnMut(Collection, Document) -> Result<()> + 'a;
