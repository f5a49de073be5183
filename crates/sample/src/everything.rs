//! A whole new data set, document by document.
//!
//! Knows the order of the documents; not where they go.

use super::chance::Chance;
use super::data_set::{Collection, Plan, Sink};
use super::{customer, dirt, loan};
use elt_base::error::Result;

/// Generates all documents, customer by customer, so that only one customer's documents are in memory.
pub fn everything(plan: &Plan, sink: &mut Sink<'_>) -> Result<()> {
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
