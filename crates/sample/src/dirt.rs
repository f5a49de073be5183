//! Dirty values: values of a wrong type that people and old programs really leave in a database.
//!
//! Knows the documents' fields. Changes one value of one document, but never `updated_at`, because loads use it.

use bson::{Bson, Document, doc};
use chrono::DateTime;

use super::amount::{cents, grouped};
use super::chance::Chance;
use super::data_set::Collection;

/// The possible errors of a document.
#[derive(Clone, Copy)]
enum Dirt {
    /// A decimal as in a form, `12,500.00`.
    AmountAsText(&'static str),
    /// A date as a text: ISO, or with the day first.
    DateAsText(&'static str),
    NumberAsText(&'static str),
    /// The address as one line.
    AddressAsText,
    /// The first phone itself in the place of the list of phones.
    OnePhone,
    Null(&'static str),
    Missing(&'static str),
}

fn kinds(collection: Collection) -> &'static [Dirt] {
    match collection {
        Collection::LoanTypes => &[],
        Collection::Customers => &[
            Dirt::AmountAsText("employment.monthly_income"),
            Dirt::AddressAsText,
            Dirt::DateAsText("dob"),
            Dirt::OnePhone,
            Dirt::NumberAsText("score"),
            Dirt::Null("phones"),
            Dirt::Missing("employment"),
            Dirt::DateAsText("created_at"),
        ],
        Collection::LoanApplications => &[Dirt::AmountAsText("amount_requested"), Dirt::DateAsText("applied_at")],
        Collection::LoanDisbursement => &[Dirt::AmountAsText("amount"), Dirt::DateAsText("transaction.at")],
        Collection::LoanRepayments => {
            &[Dirt::AmountAsText("amount_due"), Dirt::AmountAsText("amount_paid"), Dirt::DateAsText("due_date")]
        }
        Collection::CustomerLoanHistory => &[Dirt::AmountAsText("total_borrowed")],
        Collection::LoanCollateral => &[Dirt::AmountAsText("value"), Dirt::NumberAsText("details.year")],
        Collection::LoanRestructuring => &[Dirt::DateAsText("at")],
    }
}

/// With probability `rate`, makes one value of `document` dirty.
pub(super) fn soil(collection: Collection, document: &mut Document, rate: f64, chance: &mut Chance) {
    let kinds = kinds(collection);
    if rate <= 0.0 || kinds.is_empty() || !chance.happens(rate) {
        return;
    }
    match chance.pick(kinds) {
        Dirt::AmountAsText(path) => replace(document, path, |value| cents(value).map(|cents| grouped(cents).into())),
        Dirt::DateAsText(path) => {
            let is_iso = chance.happens(0.5);
            replace(document, path, |value| date_text(value, is_iso));
        }
        Dirt::NumberAsText(path) => replace(document, path, |value| match value {
            Bson::Int32(number) => Some(number.to_string().into()),
            Bson::Int64(number) => Some(number.to_string().into()),
            _ => None,
        }),
        Dirt::AddressAsText => replace(document, "address", |value| {
            let address = value.as_document()?;
            let line = format!("{}, {}", address.get_str("street").ok()?, address.get_str("city").ok()?);
            Some(line.into())
        }),
        Dirt::OnePhone => replace(document, "phones", |value| {
            let first = value.as_array()?.first().cloned();
            Some(first.unwrap_or_else(|| doc! { "type": "mobile", "number": "+254700000000" }.into()))
        }),
        Dirt::Null(path) => replace(document, path, |_| Some(Bson::Null)),
        Dirt::Missing(path) => {
            document.remove(path);
        }
    }
}

fn date_text(value: &Bson, is_iso: bool) -> Option<Bson> {
    let date = DateTime::from_timestamp_millis(value.as_datetime()?.timestamp_millis())?;
    Some(date.format(if is_iso { "%Y-%m-%dT%H:%M:%SZ" } else { "%d/%m/%Y" }).to_string().into())
}

/// Replaces the value at `path` by the result of `dirty`. Changes nothing if the result is None.
fn replace(document: &mut Document, path: &str, dirty: impl FnOnce(&Bson) -> Option<Bson>) {
    let value = match path.split_once('.') {
        Some((outer, inner)) => document.get_document_mut(outer).ok().and_then(|document| document.get_mut(inner)),
        None => document.get_mut(path),
    };
    if let Some(value) = value
        && let Some(dirty) = dirty(value)
    {
        *value = dirty;
    }
}
